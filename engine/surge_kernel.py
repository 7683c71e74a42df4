"""The arithmetic of `surge`, compiled: one loop over the texts of one stream, the same for one text and for a million.

In: scores, hashes and times of n texts and the state of their stream, which is changed in place. Out: the detector's
value after each text, and where a warning begins or ends. Floating-point operations happen in the order of the texts,
never in another, so that a stream cut into any pieces gives the same bits.

Each text has two scores: how alarming it is, and the same with every text of a new kind before every other. Where all
kinds are new, as in prose, the two are one; in a log the second finds the line that was never there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

WINDOW = 1_000
"""Texts of the reference."""
GAP = 60
"""The last texts, which are in no reference: an event in progress must not become its own."""
LEAST = 200
"""Texts of a reference below which a stream is too young (benchmark early_warning)."""
DISCOUNT = 0.8
"""What the bet on odds pays for each text: it forgets within about ten, and holds the promise where scores are few."""
ALARMING, NEW = range(2)
"""The scores, each with its own bets."""
BETS = ((ALARMING, 0.3), (ALARMING, 0.5), (ALARMING, 0.0), (NEW, 0.3), (NEW, 0.5))
"""Score and power; 0 is the bet on the odds."""
FIRST_NEW = 3
_LOG_BETS = (np.log(3), np.log(2))
"""Log of how many bets each score has."""
HISTORY = WINDOW + GAP
"""Texts back to which a beginning is looked for."""
LASTING = 1_000
"""Texts of one warning after which the reference learns again: the new state may have come to stay."""
KINDS, BUCKETS = 8, 512
"""A kind of text is new where it is not among about the last 4,096 kinds of its stream: 512 buckets of the last 8."""
HOURS, KEPT = 168, 512
"""Hours of a week, and texts that are kept of each."""
_HOUR = 3_600_000_000
SPREAD = _HOUR // 128
"""Microseconds between two texts that an hour of the week keeps: all of four weeks, not the last minutes of one."""
HOURLY, WEEKLY = 24 * _HOUR, HOURS * _HOUR
"""Age of a stream from which the hours of its week are kept, and from which those of the day are looked at."""
LEAP = 86_400_000_000
"""Microseconds: a time so far ahead of its source's clock is believed when the next one is no earlier."""
CLOCK, _LATE, FIRST, _LEAPT, LIVE = range(5)
"""What is kept of a source: its clock, the run of late records, its first clock, a time not believed yet, and whether
it was written while it was read."""
STEPPED = 20
"""Late records in a row after which the clock of a source is taken to have been set back."""
NOTHING, RAISED, ENDED, YOUNG, REPEATED = range(5)
"""What a text did: nothing, a warning, the end of one; or the stream is too young, or the text was said before."""

_WINDOWED, _WINDOW_AT, _WAITING, _WAITING_AT, SEEN, _SINCE, _BEGUN, STARTED, _VOICES = range(9)
COUNTERS = 9
_WIDEST = 1e6
"""Scores beyond are taken for this in the second score."""


def _compiled(function: Any) -> Any:
    """Compiled, and kept on disk where there is a place to keep it; other threads go on meanwhile."""
    try:
        return njit(cache=True, nogil=True)(function)
    except RuntimeError:
        return njit(nogil=True)(function)


@_compiled
def _uniform(key: np.uint64, position: np.uint64) -> float:
    """A number in (0, 1) that depends on the text and its place only (splitmix64)."""
    z = key ^ (position * np.uint64(0x9E3779B97F4A7C15))
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return (float(z >> np.uint64(11)) + 0.5) / 9007199254740992.0


@_compiled
def _odds(score: float) -> float:
    return np.exp(min(max(score, -8.0), 8.0))  # type: ignore[no-any-return]


@_compiled
def advance(
    scores: Any,
    keys: Any,
    kinds: Any,
    times: Any,
    texts: float,
    period: float,
    voices: bool,
    window: Any,
    ordered: Any,
    waiting: Any,
    joining: Any,
    heard: Any,
    known: Any,
    sums: Any,
    wealth: Any,
    growth: Any,
    week: Any,
    hours: Any,
    week_sums: Any,
    counters: Any,
    values: Any,
    codes: Any,
    onsets: Any,
) -> None:
    """Take in n texts of one stream.

    `scores` float64 (n,), NaN = no score; `keys`, `kinds` uint64 (n,) a hash of each text and of its template; `times`
    int64 (n,) microseconds; one false warning in `texts` texts, or, where `period` (microseconds) is not 0, in `texts`
    such periods at the rate of the stream so far; `voices` whether a text said again within HISTORY texts is one voice.
    The arrays from `window` to `counters` are the state (`surge.Stream`). `values` float64 (n,) gets the detector,
    `codes` int8 (n,) what each text did, `onsets` int64 (n, 4) at a warning how many of the stream's texts ago it
    began: most likely, earliest, latest; and the score that raised it.
    """
    p, won = np.zeros(2), np.zeros(2)
    for t in range(len(scores)):
        codes[t] = NOTHING
        values[t] = wealth.mean()
        if np.isnan(scores[t]):
            continue
        key = keys[t]
        said = False
        for i in range(len(heard)):
            said |= heard[i] == key
        heard[counters[_VOICES] % HISTORY] = key
        counters[_VOICES] += 1
        if voices and said:
            codes[t] = REPEATED
            continue
        if counters[SEEN] == 0:
            counters[STARTED] = times[t]
        counters[SEEN] += 1
        count = counters[_WINDOWED]
        score = scores[t]
        new = _is_new(known, kinds[t])
        odds = _odds(score)
        hour = (times[t] // _HOUR) % HOURS
        raised = counters[_BEGUN] > 0
        if count < LEAST:
            codes[t] = YOUNG
        else:
            place = _uniform(key, np.uint64(counters[SEEN]))
            first, step, kept = _of_hour(hours, hour, times[t] - counters[STARTED])
            if kept >= LEAST:
                count = kept
                total = _hourly(week, hours, week_sums, first, step, _packed(score, new), place, p)
            else:
                total = sums[0]
                for kind in range(2):
                    ranked = _ranked(score, new, kind)
                    above = count - _place(ordered[kind], count, ranked, True)
                    equal = count - above - _place(ordered[kind], count, ranked, False)
                    p[kind] = (above + place * (equal + 1)) / (count + 1)
            limit = texts
            if period > 0:
                elapsed = max(float(times[t] - counters[STARTED]), 1.0)
                limit = texts * period * counters[SEEN] / elapsed
            at, before = counters[_SINCE] % HISTORY, (counters[_SINCE] - 1) % HISTORY
            won[:] = 0.0
            for bet in range(len(BETS)):
                kind, power = BETS[bet]
                if power > 0.0:
                    e, paid = power * p[kind] ** (power - 1.0), 1.0
                else:
                    e, paid = (count + 1) * odds / (total + odds), DISCOUNT
                wealth[bet] = (wealth[bet] + 1.0) * paid * e
                won[kind] += e
            for kind in range(2):
                grown = growth[kind, before] if counters[_SINCE] > 0 else 0.0
                growth[kind, at] = grown + np.log(won[kind]) - _LOG_BETS[kind]
            counters[_SINCE] += 1
            value = wealth.mean()
            if value > 10.0 * limit:
                for bet in range(len(BETS)):
                    wealth[bet] *= 10.0 * limit / value
                value = 10.0 * limit
            values[t] = value
            if raised:
                counters[_BEGUN] += 1
                if value <= np.sqrt(limit):
                    codes[t] = ENDED
                    counters[_BEGUN] = 0
                    counters[_SINCE] = 0
                    wealth[:] = 0.0
                elif counters[_BEGUN] == LASTING and hours[hour, 0] >= LEAST:
                    # Another state than that of the hours of the week has come to stay.
                    hours[:] = 0
                    week_sums[:] = 0.0
            elif value > limit:
                codes[t] = RAISED
                counters[_BEGUN] = 1
                onsets[t, 3] = _loudest(wealth)
                _beginning(growth[onsets[t, 3]], counters[_SINCE], onsets[t])
        # The text that leaves the gap joins the references, unless a warning lasts. An hour of the week that has too
        # few texts yet takes it all the same: the warning may be of nothing but the hour.
        slot = counters[_WAITING_AT]
        if counters[_WAITING] == GAP:
            time, was_new = joining[slot, 0], joining[slot, 1] > 0
            quiet = counters[_BEGUN] == 0 or counters[_BEGUN] > LASTING
            if quiet:
                _learn(waiting[slot], was_new, window, ordered, sums, counters)
            if time - counters[STARTED] >= HOURLY and (quiet or hours[(time // _HOUR) % HOURS, 0] < LEAST):
                _learn_hour(waiting[slot], was_new, time, week, hours, week_sums)
        else:
            counters[_WAITING] += 1
        waiting[slot] = score
        joining[slot, 0], joining[slot, 1] = times[t], new
        counters[_WAITING_AT] = (slot + 1) % GAP


@_compiled
def _loudest(wealth: Any) -> int:
    """The score that raised a warning: newness where its best bet has won twice what the best without it has."""
    return NEW if wealth[FIRST_NEW:].max() > 2.0 * wealth[:FIRST_NEW].max() else ALARMING


@_compiled
def _is_new(known: Any, kind: np.uint64) -> bool:
    """Whether a kind is not among the last of its bucket, of which it becomes the latest."""
    kind = max(kind, np.uint64(1))
    bucket = known[kind % np.uint64(BUCKETS)]
    at = 0
    while at < KINDS - 1 and bucket[at] != kind:
        at += 1
    new = bucket[at] != kind
    while at > 0:
        bucket[at] = bucket[at - 1]
        at -= 1
    bucket[0] = kind
    return new  # type: ignore[no-any-return]


@_compiled
def _ranked(score: float, new: bool, kind: int) -> float:
    """One of a text's two scores: the second is the first, 0 up to 2 `_WIDEST` for what is known, above for the new."""
    if kind == ALARMING:
        return score
    return min(max(score, -_WIDEST), _WIDEST) + (4.0 * _WIDEST if new else 0.0)


@_compiled
def _place(ordered: Any, count: int, score: float, after: bool) -> int:
    """Where `score` stands among the first `count` of `ordered`: before its equals, or after them."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if ordered[middle] < score or (after and ordered[middle] == score):
            low = middle + 1
        else:
            high = middle
    return low


@_compiled
def _learn(score: float, new: bool, window: Any, ordered: Any, sums: Any, counters: Any) -> None:
    """Put a text into the reference; the oldest leaves a full one."""
    count, at = counters[_WINDOWED], counters[_WINDOW_AT]
    full = count == WINDOW
    if full:
        sums[0] -= _odds(window[ALARMING, at])
    else:
        counters[_WINDOWED] = count = count + 1
    for kind in range(2):
        ranked, row = _ranked(score, new, kind), ordered[kind]
        hole = _place(row, count, window[kind, at], False) if full else count - 1
        # The scores between the one that leaves and the one that comes move by one place. Their number is known before:
        # a loop that need not look at them moves four at a time.
        if hole > 0 and row[hole - 1] > ranked:
            place = _place(row, hole, ranked, True)
            moved = row[place : hole + 1]
            for i in range(len(moved) - 1, 0, -1):
                moved[i] = moved[i - 1]
        else:
            place = max(hole, _place(row, count, ranked, False) - 1)
            moved = row[hole : place + 1]
            for i in range(len(moved) - 1):
                moved[i] = moved[i + 1]
        row[place] = window[kind, at] = ranked
    sums[0] += _odds(score)
    counters[_WINDOW_AT] = (at + 1) % WINDOW
    if counters[_WINDOW_AT] == 0:
        # Added and taken away a thousand times: summed anew, so that rounding never grows.
        total = 0.0
        for i in range(count):
            total += _odds(ordered[ALARMING, i])
        sums[0] = total


@_compiled
def _packed(score: float, new: bool) -> int:
    """Score and newness in 16 bits: the score to .002, up to 32."""
    return 2 * int(np.rint(min(max(score, -32.0), 32.0) * 500.0)) + int(new)


@_compiled
def _of_hour(hours: Any, hour: int, age: int) -> tuple[int, int, int]:
    """First hour, step and number of texts of what a text is compared with.

    The hour of the week; where that has too few and the stream is a week old, the same hour of all days.
    """
    if hours[hour, 0] >= LEAST or age < WEEKLY:
        return hour, HOURS, min(hours[hour, 0], KEPT)
    kept = 0
    for other in range(hour % 24, HOURS, 24):
        kept += min(hours[other, 0], KEPT)
    return hour % 24, 24, kept


@_compiled
def _hourly(week: Any, hours: Any, week_sums: Any, first: int, step: int, packed: int, place: float, p: Any) -> float:
    """The p-values of a text by both scores among every `step`-th hour from `first`; returns the sum of their odds."""
    one, both = packed >> 1, (packed >> 1) + (packed & 1) * 65_536
    above = equal = above_both = equal_both = count = np.int64(0)
    total = 0.0
    for hour in range(first, HOURS, step):
        row, kept = week[hour], min(hours[hour, 0], KEPT)
        for i in range(kept):
            there = np.int32(row[i])
            other, other_both = there >> 1, (there >> 1) + (there & 1) * 65_536
            above += other > one
            equal += other == one
            above_both += other_both > both
            equal_both += other_both == both
        count += kept
        total += week_sums[hour]
    p[ALARMING] = (above + place * (equal + 1)) / (count + 1)
    p[NEW] = (above_both + place * (equal_both + 1)) / (count + 1)
    return total


@_compiled
def _learn_hour(score: float, new: bool, time: int, week: Any, hours: Any, week_sums: Any) -> None:
    """Put a text into its hour of the week, unless that hour has just kept one."""
    hour = (time // _HOUR) % HOURS
    kept = hours[hour, 0]
    if kept > 0 and 0 <= time - hours[hour, 1] < SPREAD:
        return
    at = kept % KEPT
    if kept >= KEPT:
        week_sums[hour] -= _odds((week[hour, at] >> 1) / 500.0)
    week[hour, at] = _packed(score, new)
    week_sums[hour] += _odds((week[hour, at] >> 1) / 500.0)
    hours[hour, 0], hours[hour, 1] = kept + 1, time
    if at == KEPT - 1:
        total = 0.0
        for i in range(KEPT):
            total += _odds((week[hour, i] >> 1) / 500.0)
        week_sums[hour] = total


@_compiled
def _beginning(growth: Any, since: int, onset: Any) -> None:
    """How many texts ago it began: most likely, and the bounds of 95 % of the weight over every s.

    The weight of s is the product, from s to now, of the mean of the bets on the score that raised the warning (that on
    the odds without its discount, which belongs to the promise).
    """
    # The sum before the first text of the history is needed too, so the history holds one text less.
    reach = min(since, HISTORY - 1)
    weights = np.zeros(reach)
    lowest, likely = np.inf, since - reach
    for i in range(reach):
        s = since - reach + i
        below = growth[(s - 1) % HISTORY] if s > 0 else 0.0
        weights[i] = -below
        if below < lowest:
            lowest, likely = below, s
    total = 0.0
    for i in range(reach):
        weights[i] = np.exp(weights[i] + lowest)
        total += weights[i]
    onset[0] = since - 1 - likely
    onset[1], onset[2] = reach - 1, 0
    mass = 0.0
    for i in range(reach):
        mass += weights[i]
        if mass <= 0.025 * total:
            onset[1] = reach - 2 - i
        if mass < 0.975 * total:
            onset[2] = reach - 2 - i
    onset[1], onset[2] = max(onset[1], onset[0]), min(max(onset[2], 0), onset[0])


@_compiled
def clocks(times: Any, late: int, state: Any, clock: Any, kept: Any) -> None:
    """The clock of one source at each of n records: the newest time so far.

    `times` int64 (n,) microseconds, -1 = none: such a record has the time of the one before, and so has one that leaps
    ahead alone. A record more than `late` behind is left out, unless STEPPED of them come in a row: then the clock was
    set back. `state` int64 (5,) what is kept of the source (-1 = none yet), changed in place; `clock` int64 (n,) and
    `kept` bool (n,) are filled.
    """
    for t in range(len(times)):
        time = times[t]
        if state[CLOCK] >= 0 and time > state[CLOCK] + LEAP and (state[_LEAPT] < 0 or time < state[_LEAPT] - late):
            state[_LEAPT] = time
        elif time >= 0:
            state[_LEAPT] = -1
            if time >= state[CLOCK] - late or state[_LATE] >= STEPPED:
                state[CLOCK] = time if state[_LATE] >= STEPPED else max(state[CLOCK], time)
                state[_LATE] = 0
            else:
                state[_LATE] += 1
        if state[FIRST] < 0:
            state[FIRST] = state[CLOCK]
        clock[t] = state[CLOCK]
        kept[t] = state[CLOCK] >= 0 and state[_LATE] == 0
