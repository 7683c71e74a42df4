"""A frame that may be larger than memory: what a scan knows of its distinct texts.

In: blocks of rows, one after another. Out: the same rows again, a block at a time or by their numbers, or a column of
numbers as one array. Either all is in memory, or blocks and arrays are files of a temporary folder, which goes with the
last that uses it.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.runtime.atomic import not_written
from forewarn.runtime.spill import SpilledFrames

BLOCK = 1 << 16
"""Rows of a block at most: some 20 MiB of texts, 128 MiB of their vectors."""
BATCH = 1 << 12
"""Rows of a block on disk that are read together."""
_FEW = 16
"""Rows of a block on disk that are read one by one; of more, the block is read."""


class ChunkedFrame:
    """Rows of one schema, known by their number, 0 to `height` − 1.

    `schema` of the columns that are kept; `on_disk` whether blocks wait there.
    """

    def __init__(self, schema: Mapping[str, pl.DataType], *, on_disk: bool) -> None:
        self._schema = dict(schema)
        self._starts = [0]
        self._memory: list[pl.DataFrame] = []
        self._disk: SpilledFrames | None = None
        if on_disk:
            self._folder = Path(tempfile.mkdtemp(prefix="forewarn-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
            self._disk = SpilledFrames(self._folder / "blocks").__enter__()

    @classmethod
    def of(cls, frame: pl.DataFrame) -> ChunkedFrame:
        """A frame that is in memory."""
        made = cls(frame.schema, on_disk=False)
        for first in range(0, frame.height, BLOCK):
            made.append(frame[first : first + BLOCK])
        return made

    @property
    def on_disk(self) -> bool:
        """Whether the rows are files, not memory."""
        return self._disk is not None

    @property
    def height(self) -> int:
        """The number of rows."""
        return self._starts[-1]

    def append(self, block: pl.DataFrame) -> None:
        """Add rows after the others. Raises OutputError where they cannot be written."""
        kept = block.select(pl.col(name).cast(dtype) for name, dtype in self._schema.items())
        if self._disk:
            self._disk.keep(kept, BATCH)
        else:
            self._memory.append(kept)
        self._starts.append(self.height + block.height)

    def blocks(self) -> Iterator[pl.DataFrame]:
        """All rows, in the blocks in which they were added."""
        if not self._disk:
            yield from self._memory
            return
        for file in self._disk.files():
            yield pl.read_ipc(file)

    def whole(self) -> pl.DataFrame:
        """All rows in one frame in memory."""
        return pl.concat([pl.DataFrame(schema=self._schema), *self.blocks()], rechunk=True)

    def rows(self, numbers: NDArray[Any]) -> pl.DataFrame:
        """The rows of k numbers, in the order given; one may be given more than once."""
        numbers = np.asarray(numbers, dtype=np.int64)
        distinct, place = np.unique(numbers, return_inverse=True)
        edges = np.searchsorted(distinct, self._starts)
        parts = [
            self._within(block, distinct[first:last] - self._starts[block])
            for block, (first, last) in enumerate(itertools.pairwise(edges))
            if first < last
        ]
        return pl.concat([pl.DataFrame(schema=self._schema), *parts], rechunk=True)[place]

    def _within(self, block: int, rows: NDArray[np.int64]) -> pl.DataFrame:
        if not self._disk:
            return self._memory[block][rows]
        file = self._disk.files()[block]
        if len(rows) > _FEW:
            return pl.read_ipc(file)[rows]
        return pl.concat([pl.scan_ipc(file).slice(int(row), 1).collect() for row in rows])

    def array(self, name: str, column: pl.Expr | None = None) -> NDArray[Any]:
        """A column of numbers, or what an expression makes of each row, as one array of shape (n,).

        It is memory-mapped where the rows are on disk. Raises OutputError where that cannot be written.
        """
        asked = (pl.col(name) if column is None else column).alias(name)
        parts = (block.select(asked)[name].to_numpy() for block in self.blocks())
        if not self._disk:
            return np.concatenate([pl.DataFrame(schema=self._schema).select(asked)[name].to_numpy(), *parts])
        file = self._folder / f"{name}.{len(list(self._folder.iterdir()))}.numbers"
        try:
            with file.open("wb") as content:
                for part in parts:
                    content.write(np.ascontiguousarray(part).data)
        except OSError as error:
            raise not_written(file, error) from None
        return np.memmap(file, dtype=part.dtype, mode="r")
