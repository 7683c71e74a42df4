"""Partial texts to the distinct texts of a scan, on disk where they do not fit in memory.

In: the partial texts of each block (`templates.group`), in reading order. Out: the texts frame (`frames.TEXTS`), one
row for each distinct (template, rule set), and the number of the text of each record. Memory never grows with the
number of records, and with that of the texts no further than `MOST_IN_MEMORY`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.frames import TEXTS
from forewarn.grouping.templates import FIRST_AND_LAST, text_key
from forewarn.runtime.chunked_frame import BATCH, BLOCK, ChunkedFrame
from forewarn.runtime.spill import SpilledFrames

MOST_IN_MEMORY = 64 << 20
"""Bytes of partial texts from which they go to disk."""


class TextTable:
    """The distinct texts seen so far; grows by `add`, read once by `texts`.

    Partial texts are merged when as many rows wait as the table has, so that the whole costs a constant number of
    group-bys for each distinct text. When they take more than `most` bytes (`MOST_IN_MEMORY`) they go to disk, sorted
    by their key: a run, as of an external merge sort (Knuth 1998, 5.4).
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = MOST_IN_MEMORY if most is None else most
        self._waiting: list[pl.DataFrame] = []
        self._waiting_rows = self._waiting_bytes = 0
        self._merged_rows = 0
        self._runs = SpilledFrames()
        self._on_disk = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._on_disk.close()

    def add(self, partial: pl.DataFrame) -> None:
        """Add the partial texts of one more block; blocks come in reading order. Raises OutputError."""
        self._waiting.append(partial)
        self._waiting_rows += partial.height
        self._waiting_bytes += int(partial.estimated_size())
        full = self._waiting_bytes > self._most
        if full or self._waiting_rows > 2 * self._merged_rows + 10_000:
            self._merge()
        if full and self._waiting_bytes > self._most // 2:
            self._spill()

    def _merge(self) -> None:
        merged = _merged(pl.concat(self._waiting))
        self._waiting = [merged]
        self._merged_rows = self._waiting_rows = merged.height
        self._waiting_bytes = int(merged.estimated_size())

    def _spill(self) -> None:
        if not self._runs.kept:
            self._on_disk.enter_context(self._runs)
        self._runs.keep(self._waiting[0].with_columns(text_key()).sort("text_key", maintain_order=True), BATCH)
        self._waiting, self._waiting_rows, self._waiting_bytes, self._merged_rows = [], 0, 0, 0

    def texts(self) -> ChunkedFrame:
        """The texts of everything added: by first occurrence, or by their key where they do not fit in memory."""
        if self._waiting:
            self._merge()
        if not self._runs.kept:
            merged = self._waiting[0].sort("first_row") if self._waiting else pl.DataFrame(schema=TEXTS)
            self._waiting = []
            return ChunkedFrame.of(_numbered(merged, 0))
        if self._waiting:
            self._spill()
        texts = ChunkedFrame(TEXTS, on_disk=True)
        for merged in self._ranges():
            for first in range(0, merged.height, BLOCK):
                texts.append(_numbered(merged[first : first + BLOCK], texts.height))
        self._on_disk.close()
        return texts

    def _ranges(self) -> Iterator[pl.DataFrame]:
        """The runs merged, one stretch of keys after another; a stretch has about the rows of one run."""
        runs = self._runs.files()
        keys = [pl.read_ipc(run, columns=["text_key"])["text_key"].to_numpy() for run in runs]
        between = keys[0][np.arange(1, len(runs)) * len(keys[0]) // len(runs)]
        places = np.array([[0, *np.searchsorted(of_run, between), len(of_run)] for of_run in keys])
        del keys
        for first, last in zip(places.T[:-1], places.T[1:], strict=True):
            slices = [pl.scan_ipc(run).slice(a, b - a) for run, a, b in zip(runs, first, last, strict=True)]
            yield _merged(pl.concat(slices).collect()).with_columns(text_key()).sort("text_key", "first_row")


def _merged(partial: pl.DataFrame) -> pl.DataFrame:
    return partial.group_by("template", "rule_set", maintain_order=True).agg(FIRST_AND_LAST)


def _numbered(texts: pl.DataFrame, first: int) -> pl.DataFrame:
    numbered = texts.with_columns(text_id=pl.int_range(first, first + pl.len(), dtype=pl.UInt32))
    return numbered.select(pl.col(name).cast(dtype) for name, dtype in TEXTS.items())


class TextNumbers:
    """Which distinct text each record is of, by its key; `texts` those of the scan."""

    def __init__(self, texts: ChunkedFrame) -> None:
        self._keys = texts.array("text_key", text_key())
        self._order: NDArray[np.int64] | None = None
        if not texts.on_disk:
            self._order = np.argsort(self._keys)
            self._keys = self._keys[self._order]

    def of(self, keys: pl.Series) -> NDArray[np.int64]:
        """The numbers of the texts of n records, int64 (n,). `keys` UInt64 (n,), each of a text that is there."""
        place = np.searchsorted(self._keys, keys.to_numpy())
        return place if self._order is None else self._order[place]
