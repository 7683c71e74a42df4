"""Alarming kinds of text that a stream never had and that keep coming, compiled.

In: the kinds of a stream's alarming texts, each with its place. Out: whether a new one keeps coming. The bets on ranks
forget within some ten texts, so that a new error that is one line in sixty is missed; its occurrences, all of them in
the last part of the stream, are not by chance.

Where texts are exchangeable, m places of a kind among n are any m of them. Given the last of them, all others are among
the last s with a chance of at most (s / n)^(m − 1). A kind is looked at when it is said for the m-th time, hence
m(m + 1) times its chance stays below the limit in the sum over all m.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from forewarn.runtime.kernels import part
from forewarn.warning.week_kernel import LEAST as YOUNG

BUCKETS, WAYS = 64, 4
"""A kind is remembered where it is among the last 4 of its bucket of 64."""
FIRST, COUNT, STAND = range(3)
"""What is known of a kind: place of its first text, number of its texts, and how it stands."""
FACTS = 3
_WATCHED, _WARNED, _OLD = range(3)
"""A kind is new and looked at; has been warned of; or was there before it came into the table."""
PART = 0.1
"""Part of a log's promise that is for kinds that keep coming."""
_LEAST = 3
"""Texts of a kind before which it does not keep coming."""
_LASTS = 10
"""A warning lasts for so many times the mean distance between two texts of its kind, and for `_BRIEFLY` texts."""
_BRIEFLY = 60


@part
def keeps_coming(kinds: Any, facts: Any, kind: np.uint64, new: bool, place: int, limit: float) -> tuple[int, int]:
    """Take in the alarming text at `place` (from 1) of its stream, of a kind that the stream never had if it is `new`.

    `kinds` uint64 (BUCKETS, WAYS), `facts` int64 (BUCKETS, WAYS, FACTS) are changed in place; one false warning in
    `limit` alarming kinds. The first number is how many texts ago the kind began, where it is to be warned of now, else
    0; the second until which place a warning of it lasts, 0 where it was not warned of.
    """
    kind = max(kind, np.uint64(1))
    bucket = kind % np.uint64(BUCKETS)
    names, known = kinds[bucket], facts[bucket]
    at = 0
    while at < WAYS - 1 and names[at] != kind:
        at += 1
    first, count, stand = known[at, FIRST], known[at, COUNT], known[at, STAND]
    if names[at] != kind:
        first, count, stand = np.int64(place), np.int64(0), np.int64(_WATCHED if new else _OLD)
    while at > 0:
        names[at] = names[at - 1]
        for fact in range(FACTS):
            known[at, fact] = known[at - 1, fact]
        at -= 1
    count += 1
    span = place - first + 1
    begun = 0
    if stand == _WATCHED and count >= _LEAST and first > YOUNG:
        chance = (count - 1) * np.log(span / place) + np.log(float(count * (count + 1)))
        if chance < -np.log(limit):
            stand, begun = np.int64(_WARNED), span
    names[0] = kind
    known[0, FIRST], known[0, COUNT], known[0, STAND] = first, count, stand
    return begun, place + max(_LASTS * span // count, _BRIEFLY) if stand == _WARNED else 0
