"""The loops of `numbers`, compiled: sequences to numbers, by a hash table with open addressing.

In: items, and where each sequence begins and ends. Out: numbers. What is known lies in arrays that the caller makes
larger.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

_FNV, _PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_BLANK = 32


def compiled(function: Any) -> Any:
    """Compiled, and kept on disk where there is a place to keep it."""
    try:
        return njit(cache=True, nogil=True)(function)
    except RuntimeError:
        return njit(nogil=True)(function)


@compiled
def hashed(items: Any, start: int, end: int, lead: int) -> np.uint64:
    """FNV-1a over items, each taken as a whole, and mixed at the end."""
    value = _FNV ^ np.uint64(lead)
    for at in range(start, end):
        value = (value ^ np.uint64(items[at])) * _PRIME
    value = (value ^ (value >> np.uint64(32))) * np.uint64(0x9E3779B97F4A7C15)
    return value ^ (value >> np.uint64(29))


@compiled
def number(
    items: Any,
    starts: Any,
    ends: Any,
    leads: Any,
    table: Any,
    hashes: Any,
    kept: Any,
    bounds: Any,
    known: Any,
    count: int,
    out: Any,
) -> tuple[int, int]:
    """Numbers for the sequences `items[starts[i]:ends[i]]` under `leads[i]`, into `out` int32 (n,).

    `table` int32, a power of two, `hashes` uint64 (c,), `kept` items, `bounds` int64 (c, 2), `known` int32 (c,) leads
    hold the `count` sequences known before. Returns how many sequences are done, and how many are known then: fewer are
    done where `c`, `table` or `kept` is too small.
    """
    filled = bounds[count - 1, 1] if count else 0
    mask = np.uint64(len(table) - 1)
    for row in range(len(starts)):
        start, size = starts[row], ends[row] - starts[row]
        value = hashed(items, start, ends[row], leads[row])
        place = value & mask
        while True:
            known_as = table[place]
            if known_as < 0:
                if count == len(hashes) or filled + size > len(kept) or 2 * count > len(table):
                    return row, count
                table[place] = count
                hashes[count], known[count] = value, leads[row]
                bounds[count, 0], bounds[count, 1] = filled, filled + size
                for offset in range(size):
                    kept[filled + offset] = items[start + offset]
                filled += size
                out[row] = count
                count += 1
                break
            if (
                hashes[known_as] == value
                and known[known_as] == leads[row]
                and bounds[known_as, 1] - bounds[known_as, 0] == size
            ):
                same = True
                first = bounds[known_as, 0]
                for offset in range(size):
                    if kept[first + offset] != items[start + offset]:
                        same = False
                        break
                if same:
                    out[row] = known_as
                    break
            place = (place + np.uint64(1)) & mask
    return len(starts), count


@compiled
def refill(table: Any, hashes: Any, count: int) -> None:
    """Put `count` known sequences into an empty table."""
    mask = np.uint64(len(table) - 1)
    for known_as in range(count):
        place = hashes[known_as] & mask
        while table[place] >= 0:
            place = (place + np.uint64(1)) & mask
        table[place] = known_as


@compiled
def gathered(kept: Any, bounds: Any, chosen: Any, out: Any) -> int:
    """The chosen sequences of bytes one after another, each with a line feed, into `out`; returns how many bytes."""
    at = 0
    for which in chosen:
        for place in range(bounds[which, 0], bounds[which, 1]):
            # A line feed is a blank between JSON's tokens: inside a string it is written as an escape.
            out[at] = _BLANK if kept[place] == 10 else kept[place]
            at += 1
        out[at] = 10
        at += 1
    return at
