"""The arithmetic of `volume`, compiled: records of one stream are counted per span of time, and each span is judged.

In: clocks of n records and the state of their stream, which is changed in place. Out: the first record at which a
warning began or ended; called again, it goes on there. The same for one record and for a million.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from forewarn.runtime.kernels import array, kernel, part
from forewarn.warning.detector_kernel import ENDED, HISTORY, INTS, NOTHING, RAISED, fill, uniform
from forewarn.warning.onset_kernel import beginning

MINUTE = 60_000_000
WIDTHS = (MINUTE, 5 * MINUTE, 15 * MINUTE, 60 * MINUTE, 360 * MINUTE, 1440 * MINUTE)
"""Spans that are counted, microseconds."""
MEAN = 5.0
"""Records that a span holds on average, or a wider one is taken."""
WINDOW = 200
"""Spans of the reference."""
GAP = 8
"""The last spans, which are in no reference."""
LEAST = 50
"""Spans of a reference below which a stream is too young."""
POWERS = (0.1, 0.3)
BETS = len(POWERS)
FACTOR = 4.0
"""A count from a quarter of the usual to four times as much says nothing: streams wander (docs/decisions.md)."""
LASTING = 100
"""Spans of one warning after which the reference learns again; and empty spans in a row that are judged."""
HOURS = 168
DELAY = 22
"""Hours after which one is known to the same hours of later days: those of a day before are, those of this one not."""
MORE, FEWER = range(2)
HOUR, DAY, YEAR = 60 * MINUTE, 1440 * MINUTE, 365 * 1440 * MINUTE

(
    WIDTH,
    START,
    COUNT,
    RECORDS,
    SPANS,
    LINE,
    SOURCE,
    BEGUN,
    DIRECTION,
    WINDOWED,
    _WINDOW_AT,
    _WAITING,
    _WAITING_AT,
    _SINCE,
    _EMPTY,
    _PARTIAL,
    _HOUR,
) = range(17)
COUNTERS = 17


STATE = np.dtype(
    [
        ("window", "f8", (WINDOW,)),
        ("waiting", "f8", (GAP,)),
        ("wealth", "f8", (2, BETS)),
        ("growth", "f8", (2, HISTORY)),
        ("starts", "i8", (HISTORY,)),
        ("counted", "i8", (HISTORY,)),
        ("values", "f8", (HISTORY,)),
        ("last", "i8", (2, HISTORY)),
        ("season", "f8", (HOURS,)),
        ("weeks", "i8", (HOURS,)),
        ("delayed", "f8", (DELAY,)),
        ("hour", "f8", (2,)),
        ("onset", "i8", (3,)),
        ("counters", "i8", (COUNTERS,)),
    ]
)
"""What is kept of the counts of a stream; `onset` says at a warning how many spans ago it began: most likely,
earliest, latest."""


@kernel(int, INTS, INTS, INTS, int, float, float, STATE, INTS)
def advance(
    n: int,
    clocks_at: Any,
    lines_at: Any,
    sources_at: Any,
    until: int,
    texts: float,
    period: float,
    state_at: Any,
    place_at: Any,
) -> None:
    """Count n records from number `place[0]` on, then let time go on to `until` (microseconds; 0 = not beyond them).

    `clocks`, `lines`, `sources` int64 (n,); one false warning in `texts` texts or, where `period` (microseconds) is not
    0, in `texts` such periods; STATE is the stream's (`volume.Counts`). `place` int64 (2,) gets the number of the
    record before which a warning began or ended (n: none) and what happened.
    """
    clocks, lines, sources = array(clocks_at, n), array(lines_at, n), array(sources_at, n)
    state, place = array(state_at, 1)[0], array(place_at, 2)
    counters = state.counters
    for record in range(place[0], n + 1):
        # After the last record time goes on without one.
        given = record < n
        clock = clocks[record] if given else until
        if given and counters[WIDTH] == 0:
            counters[WIDTH] = WIDTHS[0]
            counters[START] = clock // WIDTHS[0] * WIDTHS[0]
            counters[_PARTIAL] = 1
        elif given and (clock < counters[START] - DAY or clock > counters[START] + YEAR):
            # A clock that was set, no silence.
            counters[START] = clock // counters[WIDTH] * counters[WIDTH]
            counters[COUNT], counters[_PARTIAL] = 0, 1
        while counters[WIDTH] > 0 and clock >= counters[START] + counters[WIDTH]:
            code = _close(state, clock, texts, period)
            if code != NOTHING:
                place[0], place[1] = record, code
                return
        if given:
            counters[COUNT] += 1
            counters[RECORDS] += 1
            counters[LINE], counters[SOURCE] = lines[record], sources[record]
    place[0], place[1] = n, NOTHING


@part
def _close(state: Any, clock: int, texts: float, period: float) -> int:
    """The span is over: judge it, learn it, and begin the next."""
    counters, window, waiting, last = state.counters, state.window, state.waiting, state.last
    count, start, width = counters[COUNT], counters[START], counters[WIDTH]
    counters[COUNT] = 0
    counters[START] = start + width
    if counters[_PARTIAL] == 1:
        counters[_PARTIAL] = 0
        return NOTHING
    counters[_EMPTY] = 0 if count > 0 else counters[_EMPTY] + 1
    if counters[_EMPTY] > LASTING:
        counters[START] = clock // width * width
        return NOTHING
    at = counters[SPANS] % HISTORY
    counters[SPANS] += 1
    state.starts[at], state.counted[at] = start, count
    last[0, at], last[1, at] = counters[LINE], counters[SOURCE]
    code = NOTHING
    if counters[WINDOWED] >= LEAST:
        low, high = _usual(state, start // HOUR)
        code = _judge(state, count, start, low, high, texts, period)
    state.values[at] = _total(state.wealth) / (2 * BETS)
    _remember(state, count, start, width)
    slot = counters[_WAITING_AT]
    if counters[_WAITING] < GAP:
        counters[_WAITING] += 1
    elif counters[BEGUN] == 0 or counters[BEGUN] > LASTING:
        window[counters[_WINDOW_AT]] = waiting[slot]
        counters[_WINDOW_AT] = (counters[_WINDOW_AT] + 1) % WINDOW
        if counters[WINDOWED] < WINDOW:
            counters[WINDOWED] += 1
            if counters[WINDOWED] == LEAST:
                _widen(state)
    waiting[slot] = count
    counters[_WAITING_AT] = (slot + 1) % GAP
    return code


@part
def _total(values: Any) -> float:
    """The sum of a table, row by row."""
    total = 0.0
    for row in range(len(values)):
        for i in range(len(values[row])):
            total += values[row, i]
    return total


@part
def _widen(state: Any) -> None:
    """Take a wider span where this one holds too few records, and begin anew. One burst does not hide that."""
    counters = state.counters
    total, most = 0.0, 0.0
    for i in range(LEAST):
        total += state.window[i]
        most = max(most, state.window[i])
    mean = (total - most) / (LEAST - 1)
    width = counters[WIDTH]
    if mean >= MEAN or width == WIDTHS[-1]:
        return
    for wider in WIDTHS:
        counters[WIDTH] = wider
        if wider > width and mean * wider / width >= MEAN:
            break
    # What was seen of the wider span is part of one.
    counters[START] = counters[START] // counters[WIDTH] * counters[WIDTH]
    counters[_PARTIAL] = 1
    counters[WINDOWED] = counters[_WINDOW_AT] = counters[_WAITING] = counters[_WAITING_AT] = 0
    counters[SPANS] = counters[RECORDS] = counters[_EMPTY] = 0
    fill(state.weeks, 0)
    fill(state.delayed, -1.0)
    fill(state.hour, 0.0)


@part
def _usual(state: Any, hour: int) -> tuple[float, float]:
    """The least and the most that was usual at this hour, the one before and the one after: of past weeks or, where
    there are none yet, of past days."""
    season, weeks = state.season, state.weeks
    low, high = np.inf, -np.inf
    for near in range(-1, 2):
        slot = (hour + near) % HOURS
        for day in range(7):
            there = (slot - 24 * day) % HOURS
            if weeks[there] > 0:
                low, high = min(low, season[there]), max(high, season[there])
            if day == 0 and weeks[there] > 0:
                break
    return low, high


@part
def _judge(state: Any, count: int, start: int, low: float, high: float, texts: float, period: float) -> int:
    """Bet against the count being one of those of the reference, upwards and downwards.

    Counts within FACTOR of what is usual are equal: the p-values are valid where the reference and the count are
    exchangeable, for the usual is that of all of them together and of times before them.
    """
    counters, window, wealth, growth = state.counters, state.window, state.wealth, state.growth
    known, level = counters[WINDOWED], 0.0
    for i in range(known):
        level += window[i]
    level = (level + count) / (known + 1)
    most, least = FACTOR * max(level, high), min(level, low) / FACTOR
    at, since = counters[_SINCE] % HISTORY, counters[_SINCE]
    for direction in range(2):
        said = max(float(count), most) if direction == MORE else -min(float(count), least)
        beyond, equal = 0, 0
        for i in range(known):
            other = max(window[i], most) if direction == MORE else -min(window[i], least)
            beyond += other > said
            equal += other == said
        # What is within the usual bets nothing on chance: no warning may come of ties alone.
        usual = said == most if direction == MORE else said == -least
        chance = 1.0 if usual else uniform(np.uint64(start), np.uint64(direction + 1))
        p = (beyond + chance * (equal + 1)) / (known + 1)
        for bet in range(BETS):
            e = POWERS[bet] * p ** (POWERS[bet] - 1.0)
            wealth[direction, bet] = (wealth[direction, bet] + 1.0) * e
            if bet == BETS - 1:
                growth[direction, at] = (growth[direction, (since - 1) % HISTORY] if since > 0 else 0.0) + np.log(e)
    counters[_SINCE] += 1
    limit = texts * counters[SPANS] / max(counters[RECORDS], 1) if period == 0 else texts * period / counters[WIDTH]
    limit = max(limit, 100.0)
    value = _total(wealth) / (2 * BETS)
    if value > 10.0 * limit:
        for direction in range(2):
            for bet in range(BETS):
                wealth[direction, bet] *= 10.0 * limit / value
        value = 10.0 * limit
    if counters[BEGUN] > 0:
        counters[BEGUN] += 1
        if value <= np.sqrt(limit):
            counters[BEGUN] = counters[_SINCE] = 0
            for direction in range(2):
                fill(wealth[direction], 0.0)
            return ENDED
    elif value > limit:
        counters[BEGUN] = 1
        counters[DIRECTION] = MORE if _sum(wealth[MORE]) > _sum(wealth[FEWER]) else FEWER
        beginning(growth[counters[DIRECTION]], counters[_SINCE], state.onset)
        return RAISED
    return NOTHING


@part
def _sum(values: Any) -> float:
    total = 0.0
    for i in range(len(values)):
        total += values[i]
    return total


@part
def _remember(state: Any, count: int, start: int, width: int) -> None:
    """The mean of each hour is known to the same hour of later days and weeks, four weeks back."""
    season, weeks, delayed, hour, counters = state.season, state.weeks, state.delayed, state.hour, state.counters
    now = start // HOUR
    if now != counters[_HOUR]:
        mean = hour[0] / hour[1] if hour[1] * width * 2 >= HOUR else -1.0
        while counters[_HOUR] < now:
            known = delayed[counters[_HOUR] % DELAY]
            slot = (counters[_HOUR] - DELAY) % HOURS
            if known >= 0:
                season[slot] = (season[slot] * weeks[slot] + known) / (weeks[slot] + 1)
                weeks[slot] = min(weeks[slot] + 1, 3)
            delayed[counters[_HOUR] % DELAY] = mean
            mean = -1.0
            counters[_HOUR] = max(counters[_HOUR] + 1, now - 2 * DELAY)
        counters[_HOUR] = now
        fill(hour, 0.0)
    hour[0] += count
    hour[1] += 1
