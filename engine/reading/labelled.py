"""Labelled texts: CSV, JSON lines or Parquet to one frame.

In: files with a column of texts and one of labels. Out: a frame with `text`, `label` and `source` (the file), all
String, and `group` and `time` where their columns are named. A row without a text or a label is an error that names it.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from forewarn.errors import InputError
from forewarn.names import shown
from forewarn.reading.dataframes import FrameLike, frame_of, text_column_of

_FORMULA = r"('*[=+\-@\t\r])"
"""How a cell begins that a spreadsheet takes for a formula, or that was kept from being one."""
_TEXT_NAMES = ("text", "message", "tweet", "content", "body", "payload", "正文", "内容", "title", "标题")


def read_labelled(
    paths: str | Path | Sequence[str | Path],
    *,
    text_column: str | None = None,
    label_column: str = "label",
    group_column: str | None = None,
    time_column: str | None = None,
) -> pl.DataFrame:
    """Read labelled texts.

    `text_column` None takes the first known name there is. The result has `text`, `label`, `source`, and `group`,
    `time` (String) where named. Raises InputError naming the file, the columns there are, or the first row without text
    or label.
    """
    named = [paths] if isinstance(paths, str | Path) else paths
    frames = [_read(Path(path), text_column, label_column, group_column, time_column) for path in named]
    if not frames:
        raise InputError("no labelled file is named", remedy="Name a CSV, JSON-lines or Parquet file.")
    return pl.concat(frames)


def labelled_frame(
    frame: FrameLike,
    *,
    text_column: str | None = None,
    label_column: str = "label",
    group_column: str | None = None,
    time_column: str | None = None,
) -> pl.DataFrame:
    """The labelled texts of a frame of polars or pandas, as `read_labelled` gives those of files.

    Columns named `source`, `group`, `time` and `part` go with them where they are there. Labels become strings: `1` and
    `0` for truth values, whole numbers without a point. Raises InputError naming the columns there are, or the row.
    """
    rows = frame_of(frame)
    text = text_column_of(rows, text_column)
    wanted = {"label": label_column, "group": group_column, "time": time_column}
    for use, column in wanted.items():
        if column is not None and column not in rows.columns:
            there = ", ".join(rows.columns)
            near = difflib.get_close_matches(column, rows.columns, 1)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            raise InputError(
                f"the frame has no column {column!r}", remedy=f"{hint}Name it with {use}_column=; there are {there}."
            )
    found: dict[str, str] = {name: name for name in ("source", "group", "time", "part") if name in rows.columns}
    found |= {use: column for use, column in wanted.items() if column is not None}
    chosen = rows.select(
        pl.col(text).cast(pl.String).alias("text"),
        labels_of(rows[found.pop("label")]).alias("label"),
        *(pl.col(column).cast(pl.String).alias(use) for use, column in found.items()),
    )
    for use in ("text", "label"):
        empty = chosen.with_row_index().filter(pl.col(use).is_null() | (pl.col(use).str.strip_chars() == ""))
        if empty.height:
            raise InputError(
                f"{empty.height} row{'s have' if empty.height > 1 else ' has'} no {use}, the first at "
                f"{int(empty['index'][0])}",
                remedy="Fill them in or leave the rows out.",
            )
    return chosen


def labels_of(values: pl.Series) -> pl.Series:
    """Labels as strings: truth values `1` and `0`, whole numbers without a point; null where there is none."""
    if values.dtype == pl.Boolean:
        return values.cast(pl.Int8).cast(pl.String)
    if values.dtype.is_float() and values.drop_nans().drop_nulls().round().eq(values.drop_nans().drop_nulls()).all():
        return values.fill_nan(None).cast(pl.Int64).cast(pl.String)
    return values.cast(pl.String)


def _read(
    path: Path, text_column: str | None, label_column: str, group_column: str | None, time_column: str | None
) -> pl.DataFrame:
    rows = read_rows(path)
    stripped = {column: column.strip() for column in rows.columns}
    rows = rows.rename(stripped)
    text = text_column or next((name for name in _TEXT_NAMES if name in rows.columns), None)
    if text is None:
        raise _no_column("a column of texts", rows, path, "--text-column")
    wanted = {"text": text, "label": label_column, "group": group_column, "time": time_column}
    for use, column in wanted.items():
        if column is not None and column not in rows.columns:
            raise _no_column(repr(column), rows, path, f"--{use}-column")
    chosen = rows.select(
        *(pl.col(column).cast(pl.String).alias(use) for use, column in wanted.items() if column is not None),
        source=pl.lit(shown(str(path))),
    ).with_columns(pl.col("text").str.replace(f"^'{_FORMULA}", "$1"))
    for use, nothing in (("text", [""]), ("label", ["", "nan", "null", "none"])):
        written = pl.col(use).str.strip_chars()
        empty = chosen.with_row_index().filter(written.is_null() | written.str.to_lowercase().is_in(nothing))
        if empty.height:
            raise InputError(
                f"{empty.height} row{'s have' if empty.height > 1 else ' has'} no {use}",
                path=path,
                line=int(empty["index"][0]) + 2,
                remedy="Fill them in or leave the rows out.",
            )
    return chosen


def in_cells(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows in which no spreadsheet finds a formula: an apostrophe stands before it, which `read_labelled` drops again.

    See OWASP, "CSV Injection": a cell that begins with =, +, -, @, tab or return.
    """
    return rows.with_columns(pl.col(pl.String).str.replace(f"^{_FORMULA}", "'$1"))


def read_rows(path: Path) -> pl.DataFrame:
    """The rows of a CSV, JSON-lines or Parquet file as they are. Raises InputError."""
    if not path.is_file():
        raise InputError("is no file", path=path, remedy="Name a CSV, JSON-lines or Parquet file with labels.")
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(path)
        if path.suffix in (".jsonl", ".ndjson", ".json"):
            return pl.read_ndjson(path, infer_schema_length=None)
        separator = "\t" if path.suffix == ".tsv" else ","
        return pl.read_csv(path, infer_schema=False, separator=separator, quote_char='"')
    except (pl.exceptions.PolarsError, OSError) as error:
        message = str(error).splitlines()[0]
        raise InputError(
            f"cannot be read: {message}", path=path, remedy="Write CSV, JSON lines or Parquet, UTF-8."
        ) from None


def _no_column(what: str, rows: pl.DataFrame, path: Path, option: str) -> InputError:
    there = ", ".join(rows.columns)
    near = difflib.get_close_matches(what.strip("'"), rows.columns, 1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    return InputError(f"has no {what}", path=path, remedy=f"{hint}Name it with {option}; the columns are {there}.")
