"""Records with times, in the order in which they came to be known.

In: blocks of keyed records (`templates.Keying`) while they are read. Out: a timeline frame (`detector.TIMELINE`). Each
source has a clock, the newest time that it has shown; records are in the order of their clocks, those of one source in
their own. A record too far behind its clock is left out and counted. The records of a scan wait on disk, not in memory.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.arrays import Floats
from forewarn.errors import ForewarnError
from forewarn.grouping.text_table import TextNumbers
from forewarn.runtime.chunked_frame import ChunkedFrame
from forewarn.runtime.spill import SpilledFrames
from forewarn.warning.detector import TIMELINE

_TOGETHER = 1 << 19
"""Records of several sources that are put in order at once, some 40 MiB."""
_EVERY = 1 << 9
"""One in so many records tells where to cut."""
_SHOWN = 2_000
"""Characters of a record that a warning can show: every stream remembers its last thousand records."""


NO_FEW_LINES = 20
"""Lines after which a file without a known time is named."""
TIMELESS = "no time is known on its lines: no early warning from it"
GIVE_TIMES = (
    "Name the column or key of the time with --time-column, or follow it with `forewarn watch --arrival-times`; "
    "the alerts of `forewarn scan` need no times."
)


class Clocks:
    """The clock of every source; `late` how far behind it a record may be. `left_out` records were further."""

    def __init__(self, late: timedelta = timedelta(minutes=5)) -> None:
        self.late = late // timedelta(microseconds=1)
        self.state: dict[str, NDArray[np.int64]] = {}
        self.left_out = 0

    def has_shown(self, source: str) -> bool:
        """Whether a record of the source has had a time."""
        from forewarn.warning.clock_kernel import CLOCK

        return source in self.state and int(self.state[source][CLOCK]) >= 0

    def timed(self, records: pl.DataFrame, by: str | None = None, now: int = 0) -> pl.DataFrame:
        """Keyed records with their `clock`, `key`, `text_key` and `by`; those without a clock or too late left out.

        `now` microseconds since 1970 where the records are read as they are written, else 0.
        """
        from forewarn.warning.clock_kernel import CLOCK, LIVE, clocks

        rows = records.select(
            "source",
            "line",
            "time",
            "text_key",
            pl.col("text").hash(seed=0).alias("key"),
            pl.col("kind_key").alias("kind"),
            _by(by, records).cast(pl.String).alias("by"),
            _shown(pl.col("text")).alias("record_text"),
        )
        if records["time"].null_count() == records.height and not self.state:
            return rows.head(0).with_columns(clock=pl.lit(0, pl.Int64))
        times = rows["time"].to_physical().fill_null(-1).to_numpy()
        source = rows["source"].rle_id().to_numpy()
        clock, kept = np.empty(len(times), dtype=np.int64), np.empty(len(times), dtype=np.bool_)
        edges = [*np.flatnonzero(np.diff(source, prepend=-1)).tolist(), len(times)]
        for first, last in itertools.pairwise(edges):
            state = self.state.setdefault(rows["source"][first], np.array([-1, 0, -1, -1, 0], dtype=np.int64))
            clocks(last - first, times[first:last], self.late, state, clock[first:last], kept[first:last])
            state[LIVE] = abs(now - int(state[CLOCK])) <= self.late
        self.left_out += int((~kept & (clock >= 0)).sum())
        return rows.with_columns(clock=pl.Series(clock)).filter(pl.Series(kept))

    def passed(self, now: int = 0) -> Callable[[str | None], int]:
        """Until when all is known that a source (None: any source) had to say, microseconds; 0 = it is not known.

        That a source says no more is seen by the clocks of others that were there before and, where it was written
        while it was read, by `now` (the time of day; 0 = nobody waits). What is up to `late` old may still come. A
        source that ends as another begins is not silent: it was gone on with.
        """
        from forewarn.warning.clock_kernel import CLOCK, FIRST, LEAP, LIVE

        states = np.array(list(self.state.values()), dtype=np.int64).reshape(-1, 5)
        clocks, firsts, live = states[:, CLOCK], states[:, FIRST], states[:, LIVE]
        # A clock of tomorrow is a wrong one.
        trusted = (clocks >= 0) & (clocks <= time.time_ns() // 1_000 + LEAP)
        number = {name: at for at, name in enumerate(self.state)}

        def until(source: str | None) -> int:
            if source is None:
                newest, awaited = clocks[trusted].max(initial=0), live[trusted].any()
            else:
                own, others = number[source], trusted.copy()
                others[own] = False
                if not trusted[own] or (np.abs(firsts[others] - clocks[own]) <= self.late).any():
                    return 0
                newest, awaited = clocks[others & (firsts <= clocks[own])].max(initial=0), live[own]
            return max(0, int(max(newest, now if awaited else 0)) - self.late)

        return until


def _shown(text: pl.Expr) -> pl.Expr:
    long = text.str.len_bytes() > _SHOWN
    return pl.when(long & (text.str.len_chars() > _SHOWN)).then(text.str.head(_SHOWN - 1) + "…").otherwise(text)


def _by(by: str | None, records: pl.DataFrame) -> pl.Expr:
    if by is None:
        return pl.lit(None, pl.String)
    if "'" in by or "\\" in by:
        raise ForewarnError(f"--stream-by {by!r} is no name of a field", remedy="Write a column's or key's name.")
    return pl.col("raw").str.json_path_match(f"$['{by}']")


def scored(timed: pl.DataFrame, texts: pl.DataFrame, *, merge: bool) -> pl.DataFrame:
    """Timed records as a timeline; `texts` has `text_key`, `text`, `score` and `category` of each distinct text.

    `merge` puts those of several sources in the order of their clocks; else they stay as they came.
    """
    joined = timed.join(texts, on="text_key", how="left", maintain_order="left")
    if merge:
        joined = joined.sort(_newest(), maintain_order=True)
    return joined.select(pl.col(name).cast(dtype) for name, dtype in TIMELINE.items())


def _newest() -> pl.Expr:
    # Not the clock itself: one that was set back must not turn its source's records round.
    return pl.col("clock").cum_max().over("source")


class Timeline(SpilledFrames):
    """Collects the records of a scan that have times, in `folder` or a temporary one."""

    def __init__(self, clocks: Clocks, by: str | None = None, folder: Path | None = None) -> None:
        super().__init__(folder)
        self.clocks, self._by = clocks, by
        self.fieldless = by is not None

    def add(self, records: pl.DataFrame) -> None:
        """Keep what is needed of one block of keyed records."""
        timed = self.clocks.timed(records, self._by)
        self.fieldless &= timed["by"].null_count() == timed.height
        if timed.height:
            self.keep(timed)

    def frames(
        self, texts: TextNumbers, scores: Floats, rule_sets: NDArray[np.uint32], categories: pl.Series, *, merge: bool
    ) -> Iterator[pl.DataFrame]:
        """The timelines of everything added, a block at a time; `merge` as `scored`.

        `texts` which text a record is of, `scores` float64 (n,) and `rule_sets` uint32 (n,) those of the texts,
        `categories` String those of the rule sets.
        """
        for timed in self._merged() if merge and self.kept else map(pl.read_ipc, self.files()):
            text = texts.of(timed["text_key"])
            records = timed.with_columns(
                pl.Series("text", text),
                pl.Series("score", scores[text]),
                categories.gather(rule_sets[text]).alias("category"),
            )
            yield records.select(pl.col(name).cast(dtype) for name, dtype in TIMELINE.items())

    def _merged(self) -> Iterator[pl.DataFrame]:
        """The records of all sources in the order of their clocks, about `_TOGETHER` at a time."""
        newest, starts = self._newest_clocks()
        files, ends = self.files(), [*starts[1:], len(newest)]
        spans = [(newest[first:last].min(), newest[first:last].max()) for first, last in zip(starts, ends, strict=True)]
        each = _TOGETHER // _EVERY
        between = np.unique(np.sort(newest[::_EVERY])[each::each])
        between = between[between > newest.min()]
        edges = [np.iinfo(np.int64).min, *between, np.iinfo(np.int64).max]
        for low, high in itertools.pairwise(edges):
            found = [
                pl.read_ipc(file)
                .with_columns(newest=newest[first:last])
                .filter(pl.col("newest").is_between(low, high, closed="left"))
                for file, first, last, (earliest, latest) in zip(files, starts, ends, spans, strict=True)
                if latest >= low and earliest < high
            ]
            yield pl.concat(found).sort("newest", maintain_order=True)

    def _newest_clocks(self) -> tuple[NDArray[np.int64], list[int]]:
        """The newest clock that the source of each record had shown, and the first record of each file."""
        newest, starts = ChunkedFrame({"newest": pl.Int64()}, on_disk=True), []
        before = pl.DataFrame(schema={"source": pl.String, "before": pl.Int64})
        for file in self.files():
            block = pl.read_ipc(file).select("source", newest=_newest())
            block = block.join(before, on="source", how="left", maintain_order="left")
            block = block.select("source", newest=pl.max_horizontal("newest", "before"))
            starts.append(newest.height)
            newest.append(block)
            seen = block.group_by("source").agg(before=pl.col("newest").max())
            before = pl.concat([before, seen]).group_by("source").agg(pl.col("before").max())
        return newest.array("newest"), starts
