"""One row of scores for each input line.

In: blocks of records while they are read, the scores of the distinct texts at the end. Out: a Parquet file with the
columns `source, line, text_id`, one for each signal, `log_odds`, `probability`. The lines wait on disk, not in memory.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from forewarn.frames import SIGNALS
from forewarn.grouping.text_table import TextNumbers
from forewarn.runtime.atomic import atomic_write
from forewarn.runtime.chunked_frame import ChunkedFrame
from forewarn.runtime.spill import SpilledFrames


class LineScores(SpilledFrames):
    """Collects the lines of a scan, in `folder` or a temporary one, and writes their scores to `path`."""

    def __init__(self, path: Path, folder: Path | None = None) -> None:
        super().__init__(folder)
        self._path = path

    def add(self, records: pl.DataFrame) -> None:
        """Keep the lines of one block of keyed records (`templates.Keying`)."""
        self.keep(records.select("source", "line", "text_key"))

    def finish(self, texts: TextNumbers, scored: ChunkedFrame) -> None:
        """Give every line its text's scores and write the file; `scored` those of `texts`. Raises OutputError."""
        columns = {name: scored.array(name) for name in (*SIGNALS, "log_odds", "probability")}
        with SpilledFrames() as lines:
            for file in self.files():
                block = pl.read_ipc(file)
                text = texts.of(block["text_key"])
                of_text = [pl.Series(name, column[text], nan_to_null=True) for name, column in columns.items()]
                lines.keep(block.select("source", "line", pl.Series("text_id", text, pl.UInt32), *of_text))
            with atomic_write(self._path, private=True) as part:
                pl.scan_ipc(lines.files()).sink_parquet(part)
