"""The hours of a week as references: what a text is compared with where its stream is old enough, compiled.

In: scores of texts, each an hour of the week. Out: p-values of a text among those of its hour, and the sum of their
odds. Scores are kept to .002, in 16 bits with their newness.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from forewarn.runtime.kernels import part

LEAST = 200
"""Texts of a reference below which a stream is too young (benchmark early_warning)."""
HOURS, KEPT = 168, 512
"""Hours of a week, and texts that are kept of each."""
HOUR = 3_600_000_000
SPREAD = HOUR // 128
"""Microseconds between two texts that an hour of the week keeps: all of four weeks, not the last minutes of one."""
HOURLY, WEEKLY = 24 * HOUR, HOURS * HOUR
"""Age of a stream from which the hours of its week are kept, and from which those of the day are looked at."""


@part
def odds(score: float) -> float:
    """The odds of log-odds, within e^-8 and e^8."""
    return np.exp(min(max(score, -8.0), 8.0))  # type: ignore[no-any-return]


@part
def packed_score(score: float, new: bool) -> int:
    """Score and newness in 16 bits: the score to .002, up to 32."""
    return 2 * int(np.rint(min(max(score, -32.0), 32.0) * 500.0)) + int(new)


@part
def hour_reference(hours: Any, hour: int, age: int) -> tuple[int, int, int]:
    """First hour, step and number of texts of what a text is compared with.

    The hour of the week; where that has too few and the stream is a week old, the same hour of all days.
    """
    if hours[hour, 0] >= LEAST or age < WEEKLY:
        return hour, HOURS, min(hours[hour, 0], KEPT)
    kept = 0
    for other in range(hour % 24, HOURS, 24):
        kept += min(hours[other, 0], KEPT)
    return hour % 24, 24, kept


@part
def ranks_in_hours(
    state: Any, week: Any, first: int, step: int, packed: int, place: float
) -> tuple[float, float, float]:
    """The sum of the odds of every `step`-th hour from `first`, and the p-values of a text by both scores in them."""
    one, both = packed >> 1, (packed >> 1) + (packed & 1) * 65_536
    above = equal = above_both = equal_both = count = np.int64(0)
    total = 0.0
    for hour in range(first, HOURS, step):
        row, kept = week[hour], min(state.hours[hour, 0], KEPT)
        for i in range(kept):
            there = np.int32(row[i])
            other, other_both = there >> 1, (there >> 1) + (there & 1) * 65_536
            above += other > one
            equal += other == one
            above_both += other_both > both
            equal_both += other_both == both
        count += kept
        total += state.week_sums[hour]
    return (
        total,
        (above + place * (equal + 1)) / (count + 1),
        (above_both + place * (equal_both + 1)) / (count + 1),
    )


@part
def learn_hour(state: Any, week: Any, score: float, new: bool, time: int) -> None:
    """Put a text into its hour of the week, unless that hour has just kept one."""
    hours, week_sums = state.hours, state.week_sums
    hour = (time // HOUR) % HOURS
    kept = hours[hour, 0]
    if kept > 0 and 0 <= time - hours[hour, 1] < SPREAD:
        return
    at = kept % KEPT
    if kept >= KEPT:
        week_sums[hour] -= odds((week[hour, at] >> 1) / 500.0)
    week[hour, at] = packed_score(score, new)
    week_sums[hour] += odds((week[hour, at] >> 1) / 500.0)
    hours[hour, 0], hours[hour, 1] = kept + 1, time
    if at == KEPT - 1:
        total = 0.0
        for i in range(KEPT):
            total += odds((week[hour, i] >> 1) / 500.0)
        week_sums[hour] = total
