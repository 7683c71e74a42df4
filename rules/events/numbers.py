"""Numbers for sequences: the first sequence is 0, the next new one 1, and one met before has the number it had.

In: items in one array, and where each sequence begins and ends. Out: a number for each. Sequences are compared whole,
so that two different ones never share a number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from forewarn.rules.events import number_kernel as kernel

Numbers = NDArray[np.int32]


class Numbered:
    """Sequences of items of one dtype, each under a `lead`, and their numbers; `count` are known."""

    def __init__(self, dtype: Any) -> None:
        self._dtype = np.dtype(dtype)
        self.count = 0
        self._table = np.full(1 << 12, -1, np.int32)
        self._hashes = np.empty(1 << 11, np.uint64)
        self._kept = np.empty(1 << 16, self._dtype)
        self._bounds = np.empty((1 << 11, 2), np.int64)
        self._leads = np.empty(1 << 11, np.int32)

    @property
    def leads(self) -> Numbers:
        """The lead of each known sequence: int32 (count,)."""
        return self._leads[: self.count]

    @property
    def nbytes(self) -> int:
        """Bytes that the known sequences take."""
        return self._kept.nbytes + len(self._leads) * 36

    def of(self, items: NDArray[Any], starts: Any, ends: Any, leads: Any) -> Numbers:
        """The numbers of k sequences `items[starts[i]:ends[i]]` under `leads[i]`, int32 (k,)."""
        out = np.empty(len(starts), np.int32)
        done = 0
        while True:
            more, self.count = kernel.number(
                items,
                starts[done:],
                ends[done:],
                leads[done:],
                self._table,
                self._hashes,
                self._kept,
                self._bounds,
                self._leads,
                self.count,
                out[done:],
            )
            done += more
            if done == len(out):
                return out
            self._grow(int(ends[done] - starts[done]))

    def _grow(self, size: int) -> None:
        filled = int(self._bounds[self.count - 1, 1]) if self.count else 0
        if filled + size > len(self._kept):
            self._kept = np.concatenate([self._kept[:filled], np.empty(filled + size, self._dtype)])
        if self.count == len(self._hashes) or 2 * self.count > len(self._table):
            more = len(self._hashes)
            self._hashes = np.concatenate([self._hashes, np.empty(more, np.uint64)])
            self._bounds = np.concatenate([self._bounds, np.empty((more, 2), np.int64)])
            self._leads = np.concatenate([self._leads, np.empty(more, np.int32)])
            self._table = np.full(2 * len(self._table), -1, np.int32)
            kernel.refill(self._table, self._hashes, self.count)

    def lines(self, chosen: NDArray[Any]) -> bytes:
        """Of sequences of bytes, the chosen ones, each with a line feed behind it."""
        size = int((self._bounds[chosen, 1] - self._bounds[chosen, 0]).sum()) + len(chosen)
        out = np.empty(size, np.uint8)
        kernel.gathered(self._kept, self._bounds, chosen, out)
        return out.tobytes()
