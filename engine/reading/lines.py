"""Lines, events and rows of files → records.

In: what `records` cut out of files: lines of text or JSON, cells of delimited files, with where they come from. Out:
the records frame (`frames.RECORDS`) of those that wait together, with their times. It opens no file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.reading import timestamps
from forewarn.reading.formats import delimited as tables
from forewarn.reading.formats.line_reader import LineReader
from forewarn.reading.problems import Problems
from forewarn.reading.time_forms import TimeFormat

MAX_TEXT = 1 << 16
"""Characters of a text that are kept; a longer one is cut and its line noted."""
_VOTERS = 100
"""How many lines of each of several small files vote on its time format."""


@dataclass(frozen=True)
class Origin:
    """Where rows come from: the file, the latest time they can have, their time formats (None: the rows shall vote).

    A line that is numbered `apart` begins a record, whatever stands before it.
    """

    source: str
    latest: datetime
    formats: tuple[TimeFormat, ...] | None
    apart: int = 1


@dataclass(frozen=True)
class Lines:
    """Lines of one file that wait to become records: `data`, one line for each of `numbers` (UInt64, shape (n,))."""

    origin: Origin
    numbers: NDArray[np.uint64]
    data: bytes
    reader: LineReader

    @property
    def kind(self) -> object:
        """Lines of one kind can be made into records together."""
        return self.reader

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.data)


@dataclass(frozen=True)
class Cells:
    """Rows of one delimited file that wait to become records."""

    origin: Origin
    rows: tables.TableRows
    table: tables.Table

    @property
    def kind(self) -> object:
        """Rows of one layout can be made into records together."""
        return self.table

    @property
    def size(self) -> int:
        """Bytes, about."""
        return int(self.rows.cells.estimated_size())


def records_of(waiting: Sequence[Lines | Cells], problems: Problems) -> pl.DataFrame:
    """The records of lines or rows of one kind, of one or more files."""
    lines = [item for item in waiting if isinstance(item, Lines)]
    said = (
        _lines_said(lines, problems) if lines else _cells_said([i for i in waiting if isinstance(i, Cells)], problems)
    )
    origins = [item.origin for item in waiting]
    run = said["run"].to_numpy()
    cells = not lines or lines[0].reader.cells
    return said.select(
        pl.Series([origin.source for origin in origins]).gather(run).alias("source"),
        "line",
        _times(origins, run, said["stamp"], problems, cells=cells).alias("time"),
        "text",
        "raw",
        "level",
        "status",
    )


def _lines_said(lines: Sequence[Lines], problems: Problems) -> pl.DataFrame:
    """`run` (which of `lines`), `line`, and what the reader gives (`line_reader.SAID`); blank lines are left out."""
    data = lines[0].data if len(lines) == 1 else b"".join(item.data for item in lines)
    text = pl.read_lines(data).to_series()
    line = np.concatenate([item.numbers for item in lines])
    run = np.repeat(np.arange(len(lines)), [len(item.numbers) for item in lines])
    reader = lines[0].reader
    # One look finds out that no line is blank and none goes on with the one before, as in most blocks.
    odd = not reader.odd or text.str.contains(reader.odd).any()
    filled = is_filled(text) if odd else None
    if filled is not None and not filled.all():
        text, line, run = text.filter(filled), line[filled.to_numpy()], run[filled.to_numpy()]
    if reader.joins and odd:
        apart = np.array([item.origin.apart for item in lines], np.uint64)
        text, line, run = _joined(reader, text, line, run, apart)
    said = reader.said(text)
    frame = pl.DataFrame({"run": run, "line": line}).hstack(said)
    if said["broken"].any():
        for (number,), broken in frame.filter("broken").group_by("run", maintain_order=True):
            problems.note(
                lines[int(str(number))].origin.source,
                f"is not {reader.what}; read as plain text",
                line=broken["line"][0],
                times=broken.height,
                remedy="Write one JSON object a line.",
            )
    return frame


def stamps_in(head: str, reader: LineReader) -> pl.Series:
    """The written times of the first records of a file that starts with `head`: String (n,), null where none is."""
    lines = pl.Series(head.split("\n")[: timestamps.SAMPLE], dtype=pl.String)
    lines = lines.filter(is_filled(lines))
    if reader.joins:
        nothing = np.zeros(len(lines), np.int64)
        lines, _, _ = _joined(reader, lines, nothing.astype(np.uint64), nothing, np.ones(1, np.uint64))
    return reader.said(lines)["stamp"]


def _joined(
    reader: LineReader, text: pl.Series, line: NDArray[np.uint64], run: NDArray[np.int64], apart: NDArray[np.uint64]
) -> tuple[pl.Series, NDArray[np.uint64], NDArray[np.int64]]:
    """The same lines, those that belong together as one, which has the number of the first."""
    belongs = reader.belongs(text).to_numpy()
    if not belongs.any():
        return text, line, run
    begins = ~belongs
    begins[:1] = True
    begins[1:] |= run[1:] != run[:-1]
    # The first line at or after the edge, for the one at it may be blank.
    at_edge = line >= apart[run]
    begins[1:] |= at_edge[1:] & ~at_edge[:-1]
    first = np.flatnonzero(begins)
    ends = np.append(first[1:], len(begins))
    several = np.flatnonzero(ends - first > 1)
    whole = [reader.together(text[int(first[at]) : int(ends[at])]) for at in several]
    joined = text.gather(first)
    if len(several):
        joined = joined.scatter(several, pl.Series(whole, dtype=pl.String))
    return joined, line[first], run[first]


def _cells_said(cells: Sequence[Cells], problems: Problems) -> pl.DataFrame:
    """`run` (which of `cells`), `line`, `text`, `raw`, `stamp`; rows without a word or number are left out."""
    rows = cells[0].rows
    if len(cells) > 1:
        rows = tables.TableRows(
            pl.concat([item.rows.cells for item in cells]),
            pl.concat([item.rows.line for item in cells]),
            pl.concat([item.rows.whole for item in cells]),
        )
    run = np.repeat(np.arange(len(cells)), [len(item.rows.line) for item in cells])
    table = cells[0].table
    frame = tables.to_columns(rows, table).with_columns(run=run, line=rows.line, whole=rows.whole)
    for (number,), unfit in frame.drop_nulls("whole").group_by("run", maintain_order=True):
        problems.note(
            cells[int(str(number))].origin.source,
            f"a row that has not the {len(table.columns)} cells of the header; its whole line is read as text",
            line=unfit["line"][0],
            times=unfit.height,
            remedy=f"Put cells that hold {table.delimiter!r} or a line end into double quotes.",
        )
    return frame.drop_nulls("text")


def is_filled(text: pl.Series) -> pl.Series:
    """Which lines (String, n) hold more than blanks: Boolean (n,)."""
    return text.str.contains(r"\S")


def _times(
    origins: Sequence[Origin], run: NDArray[np.int64], stamp: pl.Series, problems: Problems, *, cells: bool
) -> pl.Series:
    """The time of each line or stamp, by the formats of the file it is from (`run`, shape (n,), ascending)."""
    formats = [origin.formats for origin in origins]
    undecided = [number for number, form in enumerate(formats) if form is None]
    if undecided:
        begins, ends = np.searchsorted(run, undecided), np.searchsorted(run, undecided, side="right")
        voters = [np.arange(begin, min(end, begin + _VOTERS)) for begin, end in zip(begins, ends, strict=True)]
        group = np.repeat(np.arange(len(undecided)), [len(rows) for rows in voters])
        sample = stamp.gather(np.concatenate(voters))
        found = timestamps.recognise(sample, group, len(undecided), cells=cells)
        for number, form in zip(undecided, found, strict=True):
            formats[number] = form
    for number, known in enumerate(formats):
        if known and timestamps.has_zone_names(known):
            begin, end = np.searchsorted(run, number), np.searchsorted(run, number, side="right")
            for zone in timestamps.unsure_zones(stamp[int(begin) : int(end)], known):
                problems.note(
                    origins[number].source,
                    f"the time zone {zone} is several; its times are read as UTC",
                    remedy="Have times written with an offset (+08:00).",
                )
    latest = pl.Series([origin.latest for origin in origins], dtype=timestamps.UTC_TIME)
    kinds = list(dict.fromkeys(formats))
    if len(kinds) == 1:
        parsed = timestamps.parse_runs if cells else timestamps.parse
        return parsed(stamp, kinds[0] or (), latest if len(origins) == 1 else latest.gather(run))
    time = pl.repeat(None, len(stamp), dtype=timestamps.UTC_TIME, eager=True)
    kind = np.array([kinds.index(form) for form in formats])[run]
    for number, chosen in enumerate(kinds):
        if chosen:
            rows = np.flatnonzero(kind == number)
            time = time.scatter(rows, timestamps.parse(stamp.gather(rows), chosen, latest.gather(run[rows])))
    return time


def cut(records: pl.DataFrame, problems: Problems) -> pl.DataFrame:
    """Cut texts that are longer than `MAX_TEXT`, and note where."""
    if not (records["text"].str.len_bytes() > MAX_TEXT).any():
        return records
    long = records["text"].str.len_chars() > MAX_TEXT
    for source, lines in records.filter(long).group_by("source", maintain_order=True):
        problems.note(
            str(source[0]),
            f"is longer than {MAX_TEXT:,} characters; the rest of the text is left out",
            line=lines["line"][0],
            times=lines.height,
            remedy="Check that the file has line ends.",
        )
    return records.with_columns(pl.when(long).then(pl.col("text").str.head(MAX_TEXT)).otherwise("text").alias("text"))
