"""CSV and TSV → one record a row: what it says, when, and the whole row as JSON.

In: blocks of UTF-8 lines, and the columns that the user named, if any. Out: rows of cells, and what they say as frames
`text`, `stamp` (the written time), `raw`. Rows that do not fit the header are kept as they stand and marked. Text in
good form is parsed in whole blocks; a block that holds anything odd goes through Python's own csv module, which is slow
and right.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from forewarn.field_names import BODY, TIME, TITLE
from forewarn.reading import columns as fields
from forewarn.reading import levels
from forewarn.reading.decoding import MAX_LINE, TextBlock
from forewarn.reading.time_columns import by_content

DELIMITERS = (",", "\t", ";", "|")
_SUFFIXES = {".csv": DELIMITERS, ".tsv": ("\t",), ".tab": ("\t",), ".psv": ("|",)}
_PACKINGS = (".gz", ".bz2", ".xz", ".zst", ".zstd")
_SAMPLE = 300
_TIMED_ROWS = 60
"""Rows by which the column of the time is found where none has a known name."""
_LONGEST_NAME = 64
_WORTH_A_FRAME = 1 << 14
"""Bytes of a block from which on parsing it whole costs less than row by row."""
_NUMBER_OR_TIME = re.compile(r"\s*[+-]?[\d.,:/ -]*\d[\d.,:/ -]*([TZ%].*)?\s*")
"""What a column's name never looks like."""


_POSTGRES = (
    *("log_time", "user_name", "database_name", "process_id", "connection_from", "session_id", "session_line_num"),
    *("command_tag", "session_start_time", "virtual_transaction_id", "transaction_id", "error_severity"),
    *("sql_state_code", "message", "detail", "hint", "internal_query", "internal_query_pos", "context", "query"),
    *("query_pos", "location", "application_name", "backend_type", "leader_pid", "query_id"),
)
_STARTS_POSTGRES = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [A-Z+-]")


@dataclass(frozen=True)
class Table:
    """How a delimited file is laid out, and which of its columns matter.

    `bodies` and `titles` both empty: the text is put together from all columns that hold words.
    """

    delimiter: str
    columns: tuple[str, ...]
    has_header: bool
    bodies: tuple[str, ...]
    titles: tuple[str, ...]
    times: tuple[str, ...]
    levels: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    day: str = ""
    """The day of times that have none."""


@dataclass(frozen=True)
class TableRows:
    """Rows of a delimited file: `cells` one String column a column; `line` UInt64, where each row starts.

    `whole` (String) is the row as it stands where it does not fit the columns, else null.
    """

    cells: pl.DataFrame
    line: pl.Series
    whole: pl.Series


def suffix_of(path: str) -> str:
    """The file name's ending in lower case, less a compression's."""
    name = path.lower()
    for packing in _PACKINGS:
        name = name.removesuffix(packing)
    return next((suffix for suffix in _SUFFIXES if name.endswith(suffix)), "")


def table_in(head: str, whole: bool, path: str, given_text: str | None, given_time: str | None) -> Table | None:
    """The layout of a file that starts like this, or None where it is no table.

    A file that is named so (.csv, .tsv) is believed when its lines have one delimiter in common. Any other is a table
    only if its header names a column for text or time that is known or given, and its rows fit the header.
    """
    named = suffix_of(path)
    if not named and not _header_may_matter(head, given_text):
        return None
    sample = _sample(head, whole)
    best: tuple[float, str, list[list[str]]] | None = None
    for delimiter in _SUFFIXES.get(named, DELIMITERS):
        rows = _sample_rows(sample, delimiter)
        if rows and len(rows[0]) > 1:
            fit = sum(len(row) == len(rows[0]) for row in rows) / len(rows)
            if best is None or fit > best[0]:
                best = fit, delimiter, rows
    if best is None:
        return _single_column(sample, named, given_text)
    fit, delimiter, rows = best
    header = [name.strip().lstrip("\ufeff") for name in rows[0]]
    if _is_postgres(rows, delimiter):
        names = (*_POSTGRES, *(f"column_{number}" for number in range(len(_POSTGRES) + 1, len(header) + 1)))
        names = names[: len(header)]
        reasons = ("message",)
        return Table(",", names, False, reasons, (), ("log_time",), ("error_severity",))
    has_header = (_is_header(header) and len(rows) > 1) or given_text in header
    if named and fit < 0.5:
        return None
    if not has_header:
        if not named:
            return None
        header = [f"column_{number}" for number in range(1, len(header) + 1)]
    known = [*fields.known(header, (*BODY, *TITLE)), *fields.known(header, TIME)]
    if not named and not (given_text in header or (known and fit >= 0.9)):
        return None
    return _table(delimiter, header, has_header, rows[1:] if has_header else rows, given_text, given_time)


def _is_postgres(rows: list[list[str]], delimiter: str) -> bool:
    """Whether rows are those of PostgreSQL's csvlog, which has no header (its manual, 19.8.4)."""
    fit = [row for row in rows if len(row) in (23, 24, 26) and _STARTS_POSTGRES.match(row[0])]
    return delimiter == "," and 2 * len(fit) > len(rows) and all(row[11].isupper() for row in fit)


def _header_may_matter(head: str, given_text: str | None) -> bool:
    """A quick look that spares most plain text the csv module: are there known names in the first line?"""
    first = head.split("\n", 1)[0]
    if _STARTS_POSTGRES.match(first) and first.count(",") >= 20:
        return True
    if len(first) > 4096:
        return False
    names = [name.strip(" \t\r\"'") for name in re.split(r"[,\t;|]", first)]
    return len(names) > 1 and (given_text in names or any(fields.known(names, kind) for kind in (BODY, TITLE, TIME)))


def whole_lines(head: str, whole: bool) -> bytes:
    """The lines at the start of a file that are whole; the last one of a whole file may lack its end."""
    head += "\n" if whole and not head.endswith("\n") else ""
    return head[: head.rfind("\n") + 1].encode("utf-8", "replace")


def _sample(head: str, whole: bool) -> list[str]:
    lines = [line + "\n" for line in head.replace("\0", "").split("\n")]
    return lines if whole or len(lines) < 2 else lines[:-1]


def _sample_rows(sample: list[str], delimiter: str) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        for row in csv.reader(sample, delimiter=delimiter):
            rows += [row] if row else []
            if len(rows) == _SAMPLE:
                break
    except csv.Error:
        pass  # what could be read before is enough to go by
    return rows


def _single_column(sample: list[str], named: str, given_text: str | None) -> Table | None:
    name = sample[0].strip().strip('"') if sample else ""
    if not named or not (name == given_text or fields.known([name], (*BODY, *TITLE))):
        return None
    return Table(",", (name,), True, (name,), (), ())


def _is_header(names: list[str]) -> bool:
    # One name may be empty: the unnamed index that pandas writes.
    return (
        len(set(names)) == len(names)
        and any(names)
        and not any(len(name) > _LONGEST_NAME or _NUMBER_OR_TIME.fullmatch(name) for name in names)
    )


def _table(
    delimiter: str,
    header: list[str],
    has_header: bool,
    rows: list[list[str]],
    given_text: str | None,
    given_time: str | None,
) -> Table:
    columns = _unlike(header)
    bodies = [given_text] if given_text else fields.known(columns, BODY)
    titles = [] if given_text else fields.known(columns, TITLE)
    times = [given_time] if given_time else fields.known(columns, TIME)
    if not times:
        sample = [row for row in rows[:_TIMED_ROWS] if len(row) == len(columns)]
        times = by_content({name: [row[i] for row in sample] for i, name in enumerate(columns)})
    if not bodies and not titles:
        bodies = fields.wordiest(columns, rows)
    return Table(
        delimiter,
        tuple(columns),
        has_header,
        tuple(bodies),
        tuple(titles),
        tuple(times),
        tuple(fields.known(columns, levels.LEVEL)),
        tuple(fields.known(columns, levels.STATUS)),
    )


def _unlike(names: list[str]) -> list[str]:
    """The names, an empty one and the second of two equal ones with its place; what is made up is no other's name."""
    found: list[str] = []
    for number, name in enumerate(names, 1):
        own = name
        if not name or name in found:
            own = f"{name or 'column'}_{number}"
            while own in names or own in found:
                own += "_"
        found.append(own)
    return found


def rows_in(blocks: Iterator[TextBlock], table: Table) -> Iterator[TableRows]:
    """The rows of a delimited file, a block's worth at a time; the header is none of them."""
    rest, rest_line = b"", 1
    skip = int(table.has_header)
    pending = next(blocks, None)
    while pending is not None:
        block, pending = pending, next(blocks, None)
        first_line = rest_line if rest else block.first_line
        rows, rest = rows_of(rest + block.data, first_line, table, final=pending is None)
        rest_line = block.first_line + block.data.count(b"\n") - rest.count(b"\n")
        if len(rows.line) > skip:
            yield TableRows(rows.cells[skip:], rows.line[skip:], rows.whole[skip:])
        skip = 0 if len(rows.line) else skip


def rows_of(data: bytes, first_line: int, table: Table, final: bool) -> tuple[TableRows, bytes]:
    """The rows of a run of whole lines, and what is left over because a quoted cell goes on after it.

    `final`: nothing comes after it.
    """
    found = _well_formed(data, table) if len(data) > _WORTH_A_FRAME else None
    if found is None:
        return rows_one_by_one(data, first_line, table, final)
    starts, end = found
    if end < len(data) and (final or len(data) - end > MAX_LINE):
        return rows_one_by_one(data, first_line, table, final)
    schema = dict.fromkeys(table.columns, pl.String)
    if not end:
        nothing = pl.Series(dtype=pl.String)
        return TableRows(pl.DataFrame(schema=schema), nothing.cast(pl.UInt64), nothing), data
    try:
        cells = pl.read_csv(
            data[:end], has_header=False, schema=schema, separator=table.delimiter, empty_string_is_null=False
        )
    except pl.exceptions.PolarsError:
        return rows_one_by_one(data, first_line, table, final)
    if cells.height != len(starts):
        return rows_one_by_one(data, first_line, table, final)
    line_ends = np.flatnonzero(np.frombuffer(data, np.uint8, end) == 0x0A)
    lines = np.searchsorted(line_ends, starts) + first_line
    whole = pl.repeat(None, len(starts), dtype=pl.String, eager=True)
    return TableRows(cells, pl.Series(lines, dtype=pl.UInt64), whole), data[end:]


def _well_formed(data: bytes, table: Table) -> tuple[npt.NDArray[np.int64], int] | None:
    """Where each row starts and where the last whole row ends, if all rows have the right cells and quotes."""
    if data.count(b"\r") != data.count(b"\r\n"):
        return None
    bytes_ = np.frombuffer(data, np.uint8)
    line_ends = np.flatnonzero(bytes_ == 0x0A)
    delimiters = np.flatnonzero(bytes_ == ord(table.delimiter))
    quotes = np.flatnonzero(bytes_ == 0x22)
    if len(quotes):
        edge = np.zeros(256, np.bool_)
        edge[[0x0A, 0x0D, 0x22, ord(table.delimiter)]] = True
        opening, closing = quotes[::2], quotes[1::2]
        before, after = bytes_[opening[opening > 0] - 1], bytes_[closing[closing < len(data) - 1] + 1]
        if not (edge[before].all() and edge[after].all()):
            return None
        line_ends = line_ends[np.searchsorted(quotes, line_ends) % 2 == 0]
        delimiters = delimiters[np.searchsorted(quotes, delimiters) % 2 == 0]
    if not len(line_ends):
        return np.zeros(0, np.int64), 0
    end = int(line_ends[-1]) + 1
    starts = np.concatenate([[0], line_ends[:-1] + 1]).astype(np.int64)
    cells = np.diff(np.searchsorted(delimiters, np.concatenate([starts, [end]]))) + 1
    blank = len(table.columns) == 1 and (line_ends - starts <= 1).any()
    return None if blank or (cells != len(table.columns)).any() else (starts, end)


def rows_one_by_one(data: bytes, first_line: int, table: Table, final: bool) -> tuple[TableRows, bytes]:
    """What `rows_of` says, plainly: row by row, with the standard library.

    A quoted cell may go on over lines only if the row then fits; else its first line stands for itself.
    """
    lines = data.decode().split("\n")[:-1]
    width = len(table.columns)
    cells: list[Sequence[str | None]] = []
    numbers: list[int] = []
    whole: list[str | None] = []
    at = 0
    while at < len(lines):
        row, used, starved = _one_row(lines, at, table.delimiter)
        if starved and not final:
            break
        fits = row is not None and len(row) == width
        used = used if fits else 1
        text = lines[at].removesuffix("\r")
        if fits or text.strip():
            cells.append(row if row is not None and fits else [None] * width)
            whole.append(None if fits else text)
            numbers.append(first_line + at)
        at += used
    frame = pl.DataFrame(cells, schema=dict.fromkeys(table.columns, pl.String), orient="row")
    rest = "".join(line + "\n" for line in lines[at:]).encode()
    return TableRows(frame, pl.Series(numbers, dtype=pl.UInt64), pl.Series(whole, dtype=pl.String)), rest


def _one_row(lines: list[str], at: int, delimiter: str) -> tuple[list[str] | None, int, bool]:
    """The cells of the row that starts at a line, how many lines it takes, and whether it wants more than there are.

    None for cells where a quote is not closed within `MAX_LINE` characters.
    """
    used = size = 0
    closed = True

    def following() -> Iterator[str]:
        nonlocal used, size, closed
        while at + used < len(lines) and size <= MAX_LINE:
            line = lines[at + used]
            used, size = used + 1, size + len(line) + 1
            yield line + "\n"
        closed = False

    try:
        row: list[str] | None = next(csv.reader(following(), delimiter=delimiter), [])
    except csv.Error:
        row = None
    return (row if closed else None), max(used, 1), not closed and at + used == len(lines)


def to_columns(rows: TableRows, table: Table) -> pl.DataFrame:
    """What n rows say: n rows `text` (null where there is nothing), `stamp` (the written time), `raw`, all String.

    With them come `level` UInt8 and `status` UInt16 (`reading.levels`).
    """
    stamp = fields.stamp_of(list(table.times))
    frame = rows.cells.select(
        raw=pl.struct(pl.all()).struct.json_encode(),
        text=pl.coalesce(
            fields.text_of(list(table.bodies), list(table.titles)), fields.described(table.columns, table.times)
        ),
        stamp=pl.lit(table.day + " ") + stamp if table.day else stamp,
        level=levels.first_of(list(table.levels)),
        status=levels.status_of(list(table.statuses)),
    )
    frame = frame.with_columns(text=levels.with_marks(frame["text"], frame["level"], frame["status"]))
    unfit = rows.whole.is_not_null()
    return frame.with_columns(pl.coalesce(rows.whole, "text").alias("text"), raw=pl.when(~unfit).then("raw"))
