"""The arithmetic of `surge`, compiled: one loop over the texts of one stream, the same for one text and for a million.

In: scores, hashes and times of n texts and the state of their stream, which is changed in place. Out: the detector's
value after each text, and where a warning begins or ends. Floating-point operations happen in the order of the texts,
never in another, so that a stream cut into any pieces gives the same bits.
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
POWERS = (0.3, 0.5)
DISCOUNT = 0.8
"""What the bet on odds pays for each text: it forgets within about ten, and holds the promise where scores are few."""
BETS = len(POWERS) + 1
HISTORY = WINDOW + GAP
"""Texts back to which a beginning is looked for."""
LASTING = 1_000
"""Texts of one warning after which the reference learns again: the new state may have come to stay."""
LEAP = 86_400_000_000
"""Microseconds: a time so far ahead of its source's clock is believed when the next one is no earlier."""
CLOCK, _LATE, FIRST, _LEAPT, LIVE = range(5)
"""What is kept of a source: its clock, the run of late records, its first clock, a time not believed yet, and whether
it was written while it was read."""
STEPPED = 20
"""Late records in a row after which the clock of a source is taken to have been set back."""
NOTHING, RAISED, ENDED, YOUNG, REPEATED = range(5)
"""What a text did: nothing, a warning, the end of one; or the stream is too young, or the text was said before."""

_WINDOWED, _WINDOW_AT, _WAITING, _WAITING_AT, _SEEN, _SINCE, _BEGUN, _STARTED, _VOICES = range(9)
COUNTERS = 9


def _compiled(function: Any) -> Any:
    """Compiled, and kept on disk where there is a place to keep it."""
    try:
        return njit(cache=True)(function)
    except RuntimeError:
        return njit(function)


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
    times: Any,
    texts: float,
    period: float,
    voices: bool,
    window: Any,
    ordered: Any,
    waiting: Any,
    heard: Any,
    sums: Any,
    wealth: Any,
    growth: Any,
    counters: Any,
    values: Any,
    codes: Any,
    onsets: Any,
) -> None:
    """Take in n texts of one stream.

    `scores` float64 (n,), NaN = no score; `keys` uint64 (n,) a hash of each text; `times` int64 (n,) microseconds; one
    false warning in `texts` texts, or, where `period` (microseconds) is not 0, in `texts` such periods at the rate of
    the stream so far; `voices` whether a text said again within HISTORY texts is one voice. The arrays from `window` to
    `counters` are the state (`surge.Stream`). `values` float64 (n,) gets the detector, `codes` int8 (n,) what each text
    did, `onsets` int64 (n, 3) at a warning how many of the stream's texts ago it began: most likely, earliest, latest.
    """
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
        if counters[_SEEN] == 0:
            counters[_STARTED] = times[t]
        counters[_SEEN] += 1
        count = counters[_WINDOWED]
        score = scores[t]
        odds = _odds(score)
        raised = counters[_BEGUN] > 0
        if count < LEAST:
            codes[t] = YOUNG
        else:
            above = count - _place(ordered, count, score, True)
            equal = count - above - _place(ordered, count, score, False)
            place = _uniform(key, np.uint64(counters[_SEEN]))
            p = (above + place * (equal + 1)) / (count + 1)
            limit = texts
            if period > 0:
                elapsed = max(float(times[t] - counters[_STARTED]), 1.0)
                limit = texts * period * counters[_SEEN] / elapsed
            at = counters[_SINCE] % HISTORY
            grown = growth[(counters[_SINCE] - 1) % HISTORY] if counters[_SINCE] > 0 else 0.0
            for bet in range(BETS):
                if bet < len(POWERS):
                    e = POWERS[bet] * p ** (POWERS[bet] - 1.0)
                else:
                    e = DISCOUNT * (count + 1) * odds / (sums[0] + odds)
                wealth[bet] = (wealth[bet] + 1.0) * e
                if bet == 0:
                    growth[at] = grown + np.log(e)
            counters[_SINCE] += 1
            value = wealth.mean()
            if value > 10.0 * limit:
                for bet in range(BETS):
                    wealth[bet] *= 10.0 * limit / value
                value = 10.0 * limit
            values[t] = value
            if raised:
                counters[_BEGUN] += 1
                if value <= np.sqrt(limit):
                    codes[t] = ENDED
                    counters[_BEGUN] = 0
                    counters[_SINCE] = 0
                    for bet in range(BETS):
                        wealth[bet] = 0.0
            elif value > limit:
                codes[t] = RAISED
                counters[_BEGUN] = 1
                _beginning(growth, counters[_SINCE], onsets[t])
        # The text that leaves the gap joins the reference, unless a warning lasts.
        slot = counters[_WAITING_AT]
        if counters[_WAITING] == GAP:
            if counters[_BEGUN] == 0 or counters[_BEGUN] > LASTING:
                _learn(waiting[slot], window, ordered, sums, counters)
        else:
            counters[_WAITING] += 1
        waiting[slot] = score
        counters[_WAITING_AT] = (slot + 1) % GAP


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
def _learn(score: float, window: Any, ordered: Any, sums: Any, counters: Any) -> None:
    """Put a score into the reference; the oldest leaves a full one."""
    count, at = counters[_WINDOWED], counters[_WINDOW_AT]
    if count == WINDOW:
        hole = _place(ordered, count, window[at], False)
        sums[0] -= _odds(window[at])
    else:
        hole = count
        counters[_WINDOWED] = count = count + 1
    # The scores between the one that leaves and the one that comes move by one place.
    while hole > 0 and ordered[hole - 1] > score:
        ordered[hole] = ordered[hole - 1]
        hole -= 1
    while hole < count - 1 and ordered[hole + 1] < score:
        ordered[hole] = ordered[hole + 1]
        hole += 1
    ordered[hole] = score
    sums[0] += _odds(score)
    window[at] = score
    counters[_WINDOW_AT] = (at + 1) % WINDOW
    if counters[_WINDOW_AT] == 0:
        # Added and taken away a thousand times: summed anew, so that rounding never grows.
        total = 0.0
        for i in range(count):
            total += _odds(ordered[i])
        sums[0] = total


@_compiled
def _beginning(growth: Any, since: int, onset: Any) -> None:
    """How many texts ago it began: most likely, and the bounds of 95 % of the weight over every s.

    The weight of s is the product of the first bet from s to now (their sum over s is that bet's detector). That bet is
    the least patient: an alarming text long before, with ordinary ones after it, is no beginning.
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
