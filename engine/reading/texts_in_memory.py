"""Texts and frames that a script hands over → records, as if they had been read from a file.

In: a list or series of texts, or a frame. Out: blocks of the records frame (`frames.RECORDS`). Of a frame the columns
of the text and the time are found as in a Parquet file; of texts, which are whole whatever line ends they hold, the
times as in lines. `source` is `texts` or `frame`, `line` the number from 1.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from forewarn.errors import InputError
from forewarn.frames import RECORDS
from forewarn.reading import timestamps
from forewarn.reading.dataframes import frame_of, is_frame, texts_of
from forewarn.reading.formats import parquet
from forewarn.reading.lines import cut, is_filled
from forewarn.reading.problems import Problems
from forewarn.reading.time_forms import TimeFormat
from forewarn.reading.time_option import form_of


class TextsInMemory:
    """What `given` holds, a frame or texts (`dataframes`). Raises InputError where it is neither."""

    def __init__(self, given: Any) -> None:
        self._frame = frame_of(given) if is_frame(given) else None
        self._texts = None if self._frame is not None else texts_of(given)
        self.source = "texts" if self._frame is None else "frame"

    def __str__(self) -> str:
        return self.source

    def blocks(
        self,
        text_column: str | None,
        time_column: str | None,
        block_bytes: int,
        problems: Problems,
        time_format: str | None = None,
    ) -> Iterator[pl.DataFrame]:
        """The records, in blocks of about `block_bytes`. Raises InputError where a named column is missing."""
        # A day of grace, as for a file that was changed now: clocks and zones differ.
        latest = pl.Series([datetime.now(UTC) + timedelta(days=1)], dtype=timestamps.UTC_TIME)
        if self._frame is None:
            blocks = _of_texts(self._texts, latest, block_bytes, form_of(time_format) if time_format else None)
        else:
            blocks = _of_frame(self._frame, text_column, time_column, latest, block_bytes)
        for block in blocks:
            records = block.with_columns(source=pl.lit(self.source)).select(
                pl.col(name).cast(dtype) for name, dtype in RECORDS.items()
            )
            yield cut(records, problems)


def _of_texts(
    texts: pl.Series | None, latest: pl.Series, block_bytes: int, form: TimeFormat | None
) -> Iterator[pl.DataFrame]:
    if texts is None or not len(texts):
        return
    formats = (form,) if form else timestamps.recognise(texts.head(timestamps.SAMPLE))[0]
    rows = max(int(block_bytes / max(texts.estimated_size() / len(texts), 1)), 100)
    for first in range(0, len(texts), rows):
        part = texts[first : first + rows]
        block = pl.DataFrame(
            {
                "line": pl.int_range(first + 1, first + 1 + len(part), dtype=pl.UInt64, eager=True),
                "time": timestamps.parse(part, formats, latest),
                "text": part,
            }
        ).with_columns(raw=pl.lit(None, pl.String), level=pl.lit(None, pl.UInt8), status=pl.lit(None, pl.UInt16))
        yield block.filter(is_filled(part))


def _of_frame(
    frame: pl.DataFrame, text_column: str | None, time_column: str | None, latest: pl.Series, block_bytes: int
) -> Iterator[pl.DataFrame]:
    for use, column in (("text", text_column), ("time", time_column)):
        if column is not None and column not in frame.columns:
            raise InputError(
                f"the frame has no column {column!r} for the {use}",
                remedy=f"The columns are {', '.join(frame.columns) or 'none'}.",
            )
    readable = frame.select(name for name, dtype in frame.schema.items() if dtype not in (pl.Binary, pl.Object))
    if not readable.height or not readable.width:
        return
    content = io.BytesIO()
    readable.write_parquet(content)
    content.seek(0)
    columns = parquet.columns_of(content)
    yield from parquet.rows(content, columns, text_column, time_column, latest, block_bytes)
