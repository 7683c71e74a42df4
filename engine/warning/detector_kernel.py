"""The arithmetic of `detector`, compiled: one loop over a stream, the same for one text and for a million.

In: scores, hashes and times of n texts and the state of their stream, which is changed in place. Out: the detector's
value after each text, and where a warning begins or ends. Floating-point operations happen in the order of the texts,
never in another, so that a stream cut into any pieces gives the same bits.

Each text has two scores: how alarming it is, and the same with every text of a new kind before every other. Where all
kinds are new, as in prose, the two are one; in a log the second finds the line that was never there. A log is a stream
most texts of which are of kinds that it had before.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from forewarn.runtime.kernels import array, kernel, part
from forewarn.warning import steady_kernel as steady
from forewarn.warning.onset_kernel import beginning
from forewarn.warning.week_kernel import (
    HOUR,
    HOURLY,
    HOURS,
    KEPT,
    LEAST,
    hour_reference,
    learn_hour,
    odds,
    packed_score,
    ranks_in_hours,
)

FLOATS, INTS, SHORTS, BYTES = (np.dtype(name) for name in ("f8", "i8", "i2", "i1"))
HASHES = np.dtype("u8")

WINDOW = 1_000
"""Texts of the reference."""
GAP = 60
"""The last texts, which are in no reference: an event in progress must not become its own."""
DISCOUNT = 0.8
"""What the bet on odds pays for each text: it forgets within about ten, and holds the promise where scores are few."""
ALARMING, NEW, STEADY = range(3)
"""What raises a warning: the scores, each with its own bets, and an alarming kind that keeps coming."""
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
NOTHING, RAISED, ENDED, YOUNG, REPEATED = range(5)
"""What a text did: nothing, a warning, the end of one; or the stream is too young, or the text was said before."""

_WINDOWED, _WINDOW_AT, _WAITING, _WAITING_AT, SEEN, _SINCE, _BEGUN, STARTED, _VOICES, _LOUD, _HELD = range(11)
COUNTERS = 11
_WIDEST = 1e6
"""Scores beyond are taken for this in the second score."""


@part
def uniform(key: np.uint64, position: np.uint64) -> float:
    """A number in (0, 1) that depends on the text and its place only (splitmix64)."""
    z = key ^ (position * np.uint64(0x9E3779B97F4A7C15))
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return (float(z >> np.uint64(11)) + 0.5) / 9007199254740992.0


STATE = np.dtype(
    [
        ("window", "f8", (2, WINDOW)),
        ("ordered", "f8", (2, WINDOW)),
        ("waiting", "f8", (GAP,)),
        ("joining", "i8", (GAP, 2)),
        ("heard", "u8", (HISTORY,)),
        ("known", "u8", (BUCKETS, KINDS)),
        ("sums", "f8", (1,)),
        ("wealth", "f8", (len(BETS),)),
        ("growth", "f8", (2, HISTORY)),
        ("hours", "i8", (HOURS, 2)),
        ("week_sums", "f8", (HOURS,)),
        ("counters", "i8", (COUNTERS,)),
        ("steady_kinds", "u8", (steady.BUCKETS, steady.WAYS)),
        ("steady_facts", "i8", (steady.BUCKETS, steady.WAYS, steady.FACTS)),
    ]
)
"""What is kept of a stream; the texts of its `week`, int16 (HOURS, KEPT), only once there are some."""


@kernel(int, FLOATS, HASHES, HASHES, INTS, float, float, float, float, bool, STATE, SHORTS, FLOATS, BYTES, INTS)
def advance(
    n: int,
    scores_at: Any,
    keys_at: Any,
    kinds_at: Any,
    times_at: Any,
    texts: float,
    period: float,
    log_period: float,
    floor: float,
    voices: bool,
    state_at: Any,
    week_at: Any,
    values_at: Any,
    codes_at: Any,
    onsets_at: Any,
) -> None:
    """Take in n texts of one stream.

    `scores` float64 (n,), NaN = no score; `keys`, `kinds` uint64 (n,) a hash of each text and of its template; `times`
    int64 (n,) microseconds; one false warning in `texts` texts, or, where `period` (microseconds) is not 0, in `texts`
    such periods at the rate of the stream so far; in a log no more than one in `log_period` either, unless it is 0.
    Texts with a score above `floor` are alarming by themselves; without one no warning is of alarming texts. `voices`
    whether a text said again within HISTORY texts is one voice, unless it is an alarming one of a log. STATE, `week`
    are the stream's (`detector.Stream`). `values` float64 (n,) gets the detector, `codes` int8 (n,) what each text did,
    `onsets` int64 (n, 5) at a warning how many of the stream's texts ago it began: most likely, earliest, latest; what
    raised it; whether in a log.
    """
    scores, keys, kinds, times = array(scores_at, n), array(keys_at, n), array(kinds_at, n), array(times_at, n)
    values, codes, onsets = array(values_at, n), array(codes_at, n), array(onsets_at, (n, 5))
    state, week = array(state_at, 1)[0], array(week_at, (HOURS, KEPT))
    counters = state.counters
    for t in range(n):
        codes[t] = NOTHING
        values[t] = _mean(state.wealth)
        if np.isnan(scores[t]):
            continue
        score, log = scores[t], _is_log(state)
        alarming = score > floor
        if _said(state, keys[t]) and voices and not (alarming and log):
            codes[t] = REPEATED
            continue
        if counters[SEEN] == 0:
            counters[STARTED] = times[t]
        counters[SEEN] += 1
        if alarming:
            counters[_LOUD] = counters[SEEN]
        new = _is_new(state.known, kinds[t])
        limit, elapsed = texts, float(times[t] - counters[STARTED])
        if period > 0:
            limit = texts * period * counters[SEEN] / max(elapsed, 1.0)
        if log and log_period > 0:
            limit = max(limit, log_period * counters[SEEN] / max(elapsed, float(HOUR)))
        begun = 0
        if alarming and log:
            begun, held = steady.keeps_coming(
                state.steady_kinds, state.steady_facts, kinds[t], new, counters[SEEN], limit / steady.PART
            )
            counters[_HELD] = max(counters[_HELD], held)
        if counters[_WINDOWED] < LEAST:
            codes[t] = YOUNG
        else:
            _bet(state, week, score, new, keys[t], times[t])
            values[t], codes[t] = _judge(
                state, times[t], limit / (1.0 - steady.PART) if log else limit, begun, onsets[t]
            )
            onsets[t, 4] = log
        _wait(state, week, score, new, times[t])


@part
def _is_log(state: Any) -> bool:
    """Whether most texts of the reference were of kinds that the stream had before."""
    count = state.counters[_WINDOWED]
    known = _place(state.ordered[NEW], count, 2.0 * _WIDEST, True)
    return count >= LEAST and 2 * known > count  # type: ignore[no-any-return]


@part
def _said(state: Any, key: np.uint64) -> bool:
    """Whether a text was among the last HISTORY ones, of which it becomes the latest."""
    heard, said = state.heard, False
    for i in range(HISTORY):
        said |= heard[i] == key
    heard[state.counters[_VOICES] % HISTORY] = key
    state.counters[_VOICES] += 1
    return said


@part
def _bet(state: Any, week: Any, score: float, new: bool, key: np.uint64, time: int) -> None:
    """Bet against a text being as all before: what each bet has won, and how each score's have grown."""
    counters, wealth, growth = state.counters, state.wealth, state.growth
    own_odds, count = odds(score), counters[_WINDOWED]
    place = uniform(key, np.uint64(counters[SEEN]))
    hour = (time // HOUR) % HOURS
    first, step, kept = hour_reference(state.hours, hour, time - counters[STARTED])
    if kept >= LEAST:
        count = kept
        total, alarming, newness = ranks_in_hours(state, week, first, step, packed_score(score, new), place)
    else:
        total, alarming, newness = _recent(state, score, new, place)
    p = (alarming, newness)
    at, before = counters[_SINCE] % HISTORY, (counters[_SINCE] - 1) % HISTORY
    for kind in range(2):
        won = 0.0
        for bet in range(len(BETS)):
            whose, power = BETS[bet]
            if whose != kind:
                continue
            if power > 0.0:
                e, paid = power * p[kind] ** (power - 1.0), 1.0
            else:
                e, paid = (count + 1) * own_odds / (total + own_odds), DISCOUNT
            wealth[bet] = (wealth[bet] + 1.0) * paid * e
            won += e
        grown = growth[kind, before] if counters[_SINCE] > 0 else 0.0
        growth[kind, at] = grown + np.log(won) - _LOG_BETS[kind]
    counters[_SINCE] += 1


@part
def _judge(state: Any, time: int, limit: float, begun: int, onset: Any) -> tuple[float, int]:
    """The detector, and whether a warning begins or ends; `begun` texts ago a kind did that keeps coming, 0 = none."""
    counters, wealth, hours = state.counters, state.wealth, state.hours
    value = _mean(wealth)
    if value > 10.0 * limit:
        for bet in range(len(BETS)):
            wealth[bet] *= 10.0 * limit / value
        value = 10.0 * limit
    if counters[_BEGUN] > 0:
        counters[_BEGUN] += 1
        if value <= np.sqrt(limit) and counters[SEEN] >= counters[_HELD]:
            counters[_BEGUN] = counters[_SINCE] = 0
            fill(wealth, 0.0)
            return value, ENDED
        if counters[_BEGUN] == LASTING and hours[(time // HOUR) % HOURS, 0] >= LEAST:
            # Another state than that of the hours of the week has come to stay.
            for hour in range(HOURS):
                hours[hour, 0] = hours[hour, 1] = 0
            fill(state.week_sums, 0.0)
    elif value > limit:
        onset[3] = _loudest(wealth)
        beginning(state.growth[onset[3]], counters[_SINCE], onset)
        if onset[3] == NEW or counters[SEEN] - counters[_LOUD] <= onset[0]:
            counters[_BEGUN] = 1
            return value, RAISED
    if begun > 0 and counters[_BEGUN] == 0:
        counters[_BEGUN] = 1
        onset[0] = onset[1] = onset[2] = min(begun, HISTORY) - 1
        onset[3] = STEADY
        return value, RAISED
    return value, NOTHING


@part
def _wait(state: Any, week: Any, score: float, new: bool, time: int) -> None:
    """A text enters the gap. The one that leaves it joins the references, unless a warning lasts.

    An hour of the week that has too few texts yet takes it all the same: the warning may be of nothing but the hour.
    """
    counters, waiting, joining = state.counters, state.waiting, state.joining
    slot = counters[_WAITING_AT]
    if counters[_WAITING] == GAP:
        then, was_new = joining[slot, 0], joining[slot, 1] > 0
        quiet = counters[_BEGUN] == 0 or counters[_BEGUN] > LASTING
        if quiet:
            _learn(state, waiting[slot], was_new)
        if then - counters[STARTED] >= HOURLY and (quiet or state.hours[(then // HOUR) % HOURS, 0] < LEAST):
            learn_hour(state, week, waiting[slot], was_new, then)
    else:
        counters[_WAITING] += 1
    waiting[slot] = score
    joining[slot, 0], joining[slot, 1] = time, new
    counters[_WAITING_AT] = (slot + 1) % GAP


@part
def _mean(values: Any) -> float:
    total = 0.0
    for i in range(len(values)):
        total += values[i]
    return total / len(values)


@part
def fill(values: Any, value: float) -> None:
    """Set every value."""
    for i in range(len(values)):
        values[i] = value


@part
def _loudest(wealth: Any) -> int:
    """The score that raised a warning: newness where its best bet has won twice what the best without it has."""
    best, best_new = 0.0, 0.0
    for bet in range(FIRST_NEW):
        best = max(best, wealth[bet])
    for bet in range(FIRST_NEW, len(BETS)):
        best_new = max(best_new, wealth[bet])
    return NEW if best_new > 2.0 * best else ALARMING


@part
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


@part
def _ranked(score: float, new: bool, kind: int) -> float:
    """One of a text's two scores: the second is the first, 0 up to 2 `_WIDEST` for what is known, above for the new."""
    if kind == ALARMING:
        return score
    return min(max(score, -_WIDEST), _WIDEST) + (4.0 * _WIDEST if new else 0.0)


@part
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


@part
def _recent(state: Any, score: float, new: bool, place: float) -> tuple[float, float, float]:
    """The sum of the odds of the last texts, and the p-values of a text by both scores among them."""
    count = state.counters[_WINDOWED]
    return (
        state.sums[0],
        _ranked_among(state.ordered[ALARMING], count, _ranked(score, new, ALARMING), place),
        _ranked_among(state.ordered[NEW], count, _ranked(score, new, NEW), place),
    )


@part
def _ranked_among(ordered: Any, count: int, score: float, place: float) -> float:
    above = count - _place(ordered, count, score, True)
    equal = count - above - _place(ordered, count, score, False)
    return (above + place * (equal + 1)) / (count + 1)


@part
def _learn(state: Any, score: float, new: bool) -> None:
    """Put a text into the reference; the oldest leaves a full one."""
    window, ordered, sums, counters = state.window, state.ordered, state.sums, state.counters
    count, at = counters[_WINDOWED], counters[_WINDOW_AT]
    full = count == WINDOW
    if full:
        sums[0] -= odds(window[ALARMING, at])
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
    sums[0] += odds(score)
    counters[_WINDOW_AT] = (at + 1) % WINDOW
    if counters[_WINDOW_AT] == 0:
        # Added and taken away a thousand times: summed anew, so that rounding never grows.
        total = 0.0
        for i in range(count):
            total += odds(ordered[ALARMING, i])
        sums[0] = total
