"""One row of scores for each input line.

In: blocks of records while they are read, the scores of the distinct texts at the end. Out: a Parquet file with the
columns `source, line, text_id`, one for each signal, `log_odds`, `probability`. The lines wait on disk, not in memory.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from forewarn.blocks import WaitingBlocks
from forewarn.files import whole_file
from forewarn.frames import SIGNALS
from forewarn.texts import text_key


class LineScores(WaitingBlocks):
    """Collects the lines of a scan, in `folder` or a temporary one, and writes their scores to `path`."""

    def __init__(self, path: Path, folder: Path | None = None) -> None:
        super().__init__(folder)
        self._path = path

    def add(self, records: pl.DataFrame) -> None:
        """Keep the lines of one block of keyed records (`texts.Keying`)."""
        self.keep(records.select("source", "line", "text_key"))

    def finish(self, texts: pl.DataFrame, scores: pl.DataFrame, signals: pl.DataFrame) -> None:
        """Join every line to its text's scores and write the file. Raises OutputError."""
        by_text = texts.select("text_id", text_key()).with_columns(
            *(signals[name] for name in SIGNALS), scores["log_odds"], scores["probability"]
        )
        lines = pl.scan_ipc(self.files())
        joined = lines.join(by_text.lazy(), on="text_key", how="left", maintain_order="left").drop("text_key")
        with whole_file(self._path) as part:
            joined.select("source", "line", "text_id", *SIGNALS, "log_odds", "probability").sink_parquet(part)
