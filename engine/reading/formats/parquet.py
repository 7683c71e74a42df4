"""Parquet → one record a row: what it says, when, and the whole row as JSON.

In: a Parquet file and the columns that the user named, if any. Out: frames `line` (the row's number), `time`, `text`,
`raw`, `level`, `status`, a batch of rows at a time. Columns of bytes are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

import polars as pl

from forewarn.field_names import BODY, TIME, TITLE
from forewarn.reading import columns as fields
from forewarn.reading import levels
from forewarn.reading.timestamps import SAMPLE, UTC_TIME, from_number, parse, recognise


def columns_of(source: str | IO[bytes]) -> dict[str, pl.DataType]:
    """The columns of a Parquet file that can be read as text, and their types."""
    schema = pl.scan_parquet(source).collect_schema()
    return {name: dtype for name, dtype in schema.items() if dtype not in (pl.Binary, pl.Object)}


def rows(
    source: str | IO[bytes],
    columns: dict[str, pl.DataType],
    given_text: str | None,
    given_time: str | None,
    latest: pl.Series,
    block_bytes: int,
) -> Iterator[pl.DataFrame]:
    """The records of a Parquet file: frames `line` (the row's number) UInt64, `time`, `text`, `raw`, `level`, `status`.

    `columns` as of `columns_of`, `latest` as of `timestamps.parse`. Raises polars' errors where the file is damaged.
    """
    scan = pl.scan_parquet(source).select([fields.column(name) for name in columns])
    words = [
        name for name in columns if columns[name] == pl.String or isinstance(columns[name], pl.Categorical | pl.Enum)
    ]
    times = [given_time] if given_time in columns else fields.known(columns, TIME)
    head = scan.head(SAMPLE).collect()
    bodies = [given_text] if given_text else fields.known(words, BODY)
    titles = [] if given_text else fields.known(words, TITLE)
    if not bodies and not titles:
        sample = head.select([fields.column(name).cast(pl.String).fill_null("") for name in words])
        bodies = fields.wordiest(words, sample.rows())
    graves, statuses = fields.known(columns, levels.LEVEL), fields.known(columns, levels.STATUS)
    written = [name for name in times if columns[name] == pl.String]
    stamps = head.select(stamp=fields.stamp_of(written))["stamp"].drop_nulls()
    formats = recognise(stamps, cells=True)[0] if len(stamps) else ()
    size = max(head.estimated_size() / max(head.height, 1), 1)
    line = 1
    for batch in scan.collect_batches(chunk_size=max(int(block_bytes / size), 100)):
        cells = batch.with_columns(
            [fields.column(name).cast(pl.String) for name in dict.fromkeys([*words, *bodies, *graves, *statuses])]
        ).select(
            raw=batch.select(pl.struct(pl.all()).struct.json_encode()).to_series(),
            text=pl.coalesce(fields.text_of(bodies, titles), fields.described(words, times)),
            stamp=fields.stamp_of(written),
            level=levels.first_of(graves),
            status=levels.status_of(statuses),
            typed=pl.coalesce([_typed(name, columns[name]) for name in times if name not in written] or [_NEVER]),
        )
        yield pl.DataFrame(
            {
                "line": pl.int_range(line, line + batch.height, dtype=pl.UInt64, eager=True),
                "time": pl.select(pl.coalesce(cells["typed"], parse(cells["stamp"], formats, latest))).to_series(),
                "text": levels.with_marks(
                    cells.select(pl.coalesce("text", "raw")).to_series(), cells["level"], cells["status"]
                ),
                "raw": cells["raw"],
                "level": cells["level"],
                "status": cells["status"],
            }
        )
        line += batch.height


_NEVER = pl.lit(None, UTC_TIME)


def _typed(name: str, dtype: pl.DataType) -> pl.Expr:
    """A column that is a time or a number already, as Datetime("us", "UTC")."""
    if isinstance(dtype, pl.Datetime):
        zoned = fields.column(name).cast(pl.Datetime("us", dtype.time_zone))
        return zoned.dt.convert_time_zone("UTC") if dtype.time_zone else zoned.dt.replace_time_zone("UTC")
    if dtype == pl.Date:
        return fields.column(name).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return from_number(fields.column(name)) if dtype.is_numeric() else _NEVER
