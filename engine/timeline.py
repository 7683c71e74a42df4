"""Records with times, in the order in which they came to be known.

In: blocks of keyed records (`texts.keyed`) while they are read. Out: a timeline frame (`surge.TIMELINE`). Each source
has a clock, the newest time that it has shown; records are in the order of their clocks, those of one source in their
own. A record too far behind its clock is left out and counted. The records of a scan wait on disk, not in memory.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.blocks import WaitingBlocks
from forewarn.errors import ForewarnError
from forewarn.surge import TIMELINE
from forewarn.texts import text_key


class Clocks:
    """The clock of every source; `late` how far behind it a record may be. `left_out` records were further."""

    def __init__(self, late: timedelta = timedelta(minutes=5)) -> None:
        self.late = late // timedelta(microseconds=1)
        self.state: dict[str, NDArray[np.int64]] = {}
        self.left_out = 0

    def timed(self, records: pl.DataFrame, by: str | None = None) -> pl.DataFrame:
        """Keyed records with their `clock`, `key`, `text_key` and `by`; those without a clock or too late left out."""
        from forewarn.surge_kernel import clocks

        rows = records.select(
            "source",
            "line",
            "time",
            text_key(),
            pl.col("text").hash(seed=0).alias("key"),
            _by(by, records).cast(pl.String).alias("by"),
        )
        if records["time"].null_count() == records.height and not self.state:
            return rows.head(0).with_columns(clock=pl.lit(0, pl.Int64))
        times = rows["time"].to_physical().fill_null(-1).to_numpy()
        source = rows["source"].rle_id().to_numpy()
        clock, kept = np.empty(len(times), dtype=np.int64), np.empty(len(times), dtype=np.bool_)
        edges = [*np.flatnonzero(np.diff(source, prepend=-1)).tolist(), len(times)]
        for first, last in itertools.pairwise(edges):
            state = self.state.setdefault(rows["source"][first], np.array([-1, 0], dtype=np.int64))
            clocks(times[first:last], self.late, state, clock[first:last], kept[first:last])
        self.left_out += int((~kept & (clock >= 0)).sum())
        return rows.with_columns(clock=pl.Series(clock)).filter(pl.Series(kept))


def _by(by: str | None, records: pl.DataFrame) -> pl.Expr:
    if by is None:
        return pl.lit(None, pl.String)
    if "'" in by or "\\" in by:
        raise ForewarnError(f"--stream-by {by!r} is no name of a field", remedy="Write a column's or key's name.")
    return pl.col("raw").str.json_path_match(f"$['{by}']")


def scored(timed: pl.DataFrame, texts: pl.DataFrame, *, merge: bool) -> pl.DataFrame:
    """Timed records as a timeline; `texts` has `text_key`, `text` and the `score` of each distinct text.

    `merge` puts the records of several sources in the order of their clocks; else they stay as they came.
    """
    joined = timed.join(texts, on="text_key", how="left", maintain_order="left")
    if merge:
        # The newest clock so far, not the clock: one that was set back must not turn its source's records round.
        joined = joined.sort(pl.col("clock").cum_max().over("source"), maintain_order=True)
    return joined.select(pl.col(name).cast(dtype) for name, dtype in TIMELINE.items())


class Timeline(WaitingBlocks):
    """Collects the records of a scan that have times, in `folder` or a temporary one."""

    def __init__(self, clocks: Clocks, by: str | None = None, folder: Path | None = None) -> None:
        super().__init__(folder)
        self.clocks, self._by = clocks, by

    def add(self, records: pl.DataFrame) -> None:
        """Keep what is needed of one block of keyed records."""
        timed = self.clocks.timed(records, self._by)
        if timed.height:
            self.keep(timed)

    def frames(self, texts: pl.DataFrame, scores: NDArray[np.float64], *, merge: bool) -> Iterator[pl.DataFrame]:
        """The timelines of everything added, a block at a time, or all in one where sources have to be merged.

        `texts` is the texts frame, `scores` float64 (n,) those of its texts.
        """
        known = texts.select(text_key(), pl.col("text_id").alias("text"), pl.Series("score", scores))
        files = self.files()
        if merge and files:
            yield scored(pl.scan_ipc(files).collect(), known, merge=True)
        else:
            for file in files:
                yield scored(pl.read_ipc(file), known, merge=False)
