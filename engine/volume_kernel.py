"""The arithmetic of `volume`, compiled: records of one stream are counted per span of time, and each span is judged.

In: clocks of n records and the state of their stream, which is changed in place. Out: the first record at which a
warning began or ended; called again, it goes on there. The same for one record and for a million.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from forewarn.surge_kernel import ENDED, HISTORY, NOTHING, RAISED, _beginning, _compiled, _uniform

MINUTE = 60_000_000
WIDTHS = np.array([1, 5, 15, 60, 360, 1440], dtype=np.int64) * MINUTE
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


@_compiled
def advance(
    clocks: Any,
    lines: Any,
    sources: Any,
    at: int,
    until: int,
    texts: float,
    period: float,
    window: Any,
    waiting: Any,
    wealth: Any,
    growth: Any,
    starts: Any,
    counted: Any,
    values: Any,
    last: Any,
    season: Any,
    weeks: Any,
    delayed: Any,
    hour: Any,
    onset: Any,
    counters: Any,
) -> tuple[int, int]:
    """Count records from number `at` on, then let time go on to `until` (microseconds; 0 = not beyond them).

    `clocks`, `lines`, `sources` int64 (n,); one false warning in `texts` texts or, where `period` (microseconds) is not
    0, in `texts` such periods; the arrays from `window` on are the state (`volume.Counts`). Returns the number of the
    record before which a warning began or ended (n: none) and what happened. `onset` int64 (3,) then holds how many
    spans ago it began: most likely, earliest, latest.
    """
    for record in range(at, len(clocks) + 1):
        # After the last record time goes on without one.
        given = record < len(clocks)
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
            code = _close(
                clock,
                texts,
                period,
                window,
                waiting,
                wealth,
                growth,
                starts,
                counted,
                values,
                last,
                season,
                weeks,
                delayed,
                hour,
                onset,
                counters,
            )
            if code != NOTHING:
                return record, code
        if given:
            counters[COUNT] += 1
            counters[RECORDS] += 1
            counters[LINE], counters[SOURCE] = lines[record], sources[record]
    return len(clocks), NOTHING


@_compiled
def _close(
    clock: int,
    texts: float,
    period: float,
    window: Any,
    waiting: Any,
    wealth: Any,
    growth: Any,
    starts: Any,
    counted: Any,
    values: Any,
    last: Any,
    season: Any,
    weeks: Any,
    delayed: Any,
    hour: Any,
    onset: Any,
    counters: Any,
) -> int:
    """The span is over: judge it, learn it, and begin the next."""
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
    starts[at], counted[at] = start, count
    last[0, at], last[1, at] = counters[LINE], counters[SOURCE]
    code = NOTHING
    if counters[WINDOWED] >= LEAST:
        low, high = _usual(start // HOUR, season, weeks)
        code = _judge(count, start, low, high, texts, period, window, wealth, growth, onset, counters)
    values[at] = wealth.mean()
    _remember(count, start, width, season, weeks, delayed, hour, counters)
    slot = counters[_WAITING_AT]
    if counters[_WAITING] < GAP:
        counters[_WAITING] += 1
    elif counters[BEGUN] == 0 or counters[BEGUN] > LASTING:
        window[counters[_WINDOW_AT]] = waiting[slot]
        counters[_WINDOW_AT] = (counters[_WINDOW_AT] + 1) % WINDOW
        if counters[WINDOWED] < WINDOW:
            counters[WINDOWED] += 1
            if counters[WINDOWED] == LEAST:
                _widen(window, weeks, delayed, hour, counters)
    waiting[slot] = count
    counters[_WAITING_AT] = (slot + 1) % GAP
    return code


@_compiled
def _widen(window: Any, weeks: Any, delayed: Any, hour: Any, counters: Any) -> None:
    """Take a wider span where this one holds too few records, and begin anew. One burst does not hide that."""
    known = window[:LEAST]
    mean = (known.sum() - known.max()) / (LEAST - 1)
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
    weeks[:] = 0
    delayed[:] = -1.0
    hour[:] = 0.0


@_compiled
def _usual(hour: int, season: Any, weeks: Any) -> tuple[float, float]:
    """The least and the most that was usual at this hour, the one before and the one after: of past weeks or, where
    there are none yet, of past days."""
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


@_compiled
def _judge(
    count: int,
    start: int,
    low: float,
    high: float,
    texts: float,
    period: float,
    window: Any,
    wealth: Any,
    growth: Any,
    onset: Any,
    counters: Any,
) -> int:
    """Bet against the count being one of those of the reference, upwards and downwards.

    Counts within FACTOR of what is usual are equal: the p-values are valid where the reference and the count are
    exchangeable, for the usual is that of all of them together and of times before them.
    """
    known = counters[WINDOWED]
    level = (window[:known].sum() + count) / (known + 1)
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
        chance = 1.0 if usual else _uniform(np.uint64(start), np.uint64(direction + 1))
        p = (beyond + chance * (equal + 1)) / (known + 1)
        for bet in range(BETS):
            e = POWERS[bet] * p ** (POWERS[bet] - 1.0)
            wealth[direction, bet] = (wealth[direction, bet] + 1.0) * e
            if bet == BETS - 1:
                growth[direction, at] = (growth[direction, (since - 1) % HISTORY] if since > 0 else 0.0) + np.log(e)
    counters[_SINCE] += 1
    limit = texts * counters[SPANS] / max(counters[RECORDS], 1) if period == 0 else texts * period / counters[WIDTH]
    limit = max(limit, 100.0)
    value = wealth.mean()
    if value > 10.0 * limit:
        wealth *= 10.0 * limit / value
        value = 10.0 * limit
    if counters[BEGUN] > 0:
        counters[BEGUN] += 1
        if value <= np.sqrt(limit):
            counters[BEGUN] = counters[_SINCE] = 0
            wealth[:] = 0.0
            return ENDED
    elif value > limit:
        counters[BEGUN] = 1
        counters[DIRECTION] = MORE if wealth[MORE].sum() > wealth[FEWER].sum() else FEWER
        _beginning(growth[counters[DIRECTION]], counters[_SINCE], onset)
        return RAISED
    return NOTHING


@_compiled
def _remember(
    count: int, start: int, width: int, season: Any, weeks: Any, delayed: Any, hour: Any, counters: Any
) -> None:
    """The mean of each hour is known to the same hour of later days and weeks, four weeks back."""
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
        hour[:] = 0.0
    hour[0] += count
    hour[1] += 1
