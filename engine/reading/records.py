"""Files → records: whatever text a user has, one row a line, row or event.

In: paths of files and folders, or `-` for standard input: plain text, syslog, JSON lines, a JSON document, CSV, TSV or
Parquet, compressed or not, in UTF-8, UTF-16 or GB18030. Out: blocks of the records frame (`frames.RECORDS`) of bounded
size, in a fixed order. Content decides on the format, never the name alone. What cannot be read is noted with its
place and the rest goes on. There is no Python loop over lines of well-formed input, and no file is ever held whole.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import IO, BinaryIO

import msgspec
import numpy as np
import polars as pl

from forewarn.errors import ForewarnError
from forewarn.frames import RECORDS
from forewarn.names import shown
from forewarn.reading import timestamps
from forewarn.reading.archives import ARCHIVES, members
from forewarn.reading.compression import BrokenStream
from forewarn.reading.decoding import BINARY, EVTX, PARQUET, TextStream
from forewarn.reading.formats import declared_fields, evtx_log, json_documents, parquet, xml_events
from forewarn.reading.formats import delimited as tables
from forewarn.reading.formats.json_events import JsonLines, Keys
from forewarn.reading.formats.registry import Declared, Document, Events, layout_of, start_of
from forewarn.reading.line_blocks import with_their_rest
from forewarn.reading.lines import Cells, Lines, Origin, cut, records_of, stamps_in
from forewarn.reading.paths import files_in, reason
from forewarn.reading.problems import Problems
from forewarn.reading.time_forms import TimeFormat
from forewarn.reading.time_option import form_of

EVTX_READER = JsonLines(Keys((), (), ()))
"""Records of EVTX are events that say their time in `System`, and their text by their fields."""
BLOCK_BYTES = 8 << 20
"""Bytes of input that are read together: more are matched quicker, fewer need less memory (docs/decisions.md)."""


def read(
    paths: str | Path | Iterable[str | Path],
    *,
    text_column: str | None = None,
    time_column: str | None = None,
    time_format: str | None = None,
    block_bytes: int = BLOCK_BYTES,
    problems: list[ForewarnError] | Problems | None = None,
    reached: Reached | None = None,
) -> Iterator[pl.DataFrame]:
    """Read files, folders (all files below, sorted; hidden ones skipped) and `-` (standard input), in that order.

    Yields records frames (`frames.RECORDS`) of about `block_bytes` bytes of input each; memory
    stays at a small multiple of that. A file that is reached twice is read once.

    * `line` is the physical line in the decoded text (of a CSV row or a JSON event: where it starts; in Parquet: the
      row). Blank lines are counted, not kept.
    * `time` is UTC; a written time without an offset is taken as UTC, one without a year (syslog) gets the newest year
      that is not later than a day after the file was changed. The forms of time are those that the first 64 KiB of a
      file show, or `time_format` (`time_option.form_of`). Null where there is none.
    * `text` is the line as it stands, or what it says inside its envelope (`formats.registry`); the lines of a stack
      trace are one with the line before them. Of a JSON event it is its message, of a row its text column
      (`text_column`, else a known name such as message or 正文, after the title if there is one, else the column that
      reads like sentences), else "name: value; …". It is cut at 65,536 characters.
    * `raw` is null for plain text, else the whole event or row as JSON.

    What cannot be read is appended to `problems` as `InputError` (path, line, remedy), one a file and kind, while the
    rest goes on. Without a list the first is raised.

    `reached` moves along and says, whenever a block has come, what of the input is in the blocks so far; one that an
    earlier call left gives the blocks after those, if the input and the arguments are the same.
    """
    noted = problems if isinstance(problems, Problems) else Problems(problems)
    form = form_of(time_format) if time_format else None
    wanted = Wanted(text_column, time_column, max(block_bytes, 1), noted, form)
    names = [paths] if isinstance(paths, str | Path) else paths
    yield from _blocks(_items_after(reached or Reached(), names, wanted), wanted)


class Reached(msgspec.Struct):
    """How far an input has been read: the first `items` items (`Lines`, `Cells`, Parquet rows) of `file`."""

    file: str = ""
    items: int = 0


def read_piece(
    name: str,
    head: bytes,
    piece: bytes,
    lines_before: int,
    changed: datetime,
    wanted: Wanted,
) -> pl.DataFrame:
    """The records of a piece of a growing file, as `read` gives them for the whole file.

    `head` are whole lines from the file's beginning, by which its format is known (empty where `piece` begins the
    file); `piece` whole lines; `lines_before` the lines of the file before the piece; `changed` when the file was.
    """
    skipped = head.count(b"\n")
    blocks = list(_blocks(_opened(name, io.BytesIO(head + piece), changed, wanted, skipped + 1), wanted))
    if not blocks:
        return pl.DataFrame(schema=RECORDS)
    records = pl.concat(blocks).filter(pl.col("line") > skipped)
    return records.with_columns((pl.col("line").cast(pl.Int64) + (lines_before - skipped)).cast(pl.UInt64))


def read_opened(name: str, file: BinaryIO, changed: datetime, wanted: Wanted) -> Iterator[pl.DataFrame]:
    """The records of one file that is open, as `read` gives them."""
    yield from _blocks(_opened(name, file, changed, wanted), wanted)


@dataclass(frozen=True)
class Wanted:
    """What the caller of `read` asked for, and where problems go."""

    text_column: str | None
    time_column: str | None
    block_bytes: int
    problems: Problems
    time_form: TimeFormat | None = None
    """The form in which times are written, where the user has said it."""


def _items_after(
    reached: Reached, paths: Iterable[str | Path], wanted: Wanted
) -> Iterator[Lines | Cells | pl.DataFrame]:
    """The items of all files after those that were reached, which moves along. What is passed over was noted before."""
    start, skipped = reached.file, reached.items
    problems = wanted.problems
    problems.muted = skipped > 0
    for name in files_in(paths, problems):
        if problems.muted and shown(name) != start:
            continue
        reached.file, reached.items = shown(name), 0
        for item in _items(name, wanted):
            size = item.height if isinstance(item, pl.DataFrame) else 1
            reached.items += size
            if not problems.muted:
                yield item
                continue
            problems.muted = reached.items < skipped
            # Batches of Parquet need not be the same twice, its rows are.
            if isinstance(item, pl.DataFrame) and reached.items > skipped:
                yield item[skipped - reached.items :]


def _items(name: str, wanted: Wanted) -> Iterator[Lines | Cells | pl.DataFrame]:
    """What one file holds: lines to be made into records together with others', or finished records."""
    with ExitStack() as stack:
        try:
            if name == "-":
                file: BinaryIO = sys.stdin.buffer
                changed = datetime.now(UTC)
            else:
                file = stack.enter_context(Path(name).open("rb"))
                changed = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
        except OSError as error:
            wanted.problems.note(name, reason(error), unread=True)
            return
        yield from _opened(shown(name), file, changed, wanted)


def _opened(
    name: str, file: BinaryIO, changed: datetime, wanted: Wanted, apart: int = 1
) -> Iterator[Lines | Cells | pl.DataFrame]:
    """The items of an open file; the line numbered `apart` begins a record, whatever stands before it."""
    latest = changed + timedelta(days=1)
    try:
        stream = TextStream(name, file, wanted.block_bytes, wanted.problems)
    except BrokenStream as error:
        wanted.problems.note(name, str(error), unread=True)
        return
    if stream.look.binary == PARQUET:
        yield from _parquet_records(stream, latest, wanted)
    elif stream.look.binary in ARCHIVES and "!/" not in name:
        yield from _members(stream, file, changed, wanted)
    elif stream.look.binary == EVTX:
        yield from _evtx_events(stream, latest, wanted)
    elif stream.look.binary == BINARY and name.lower().endswith(".evtx"):
        why = "is no Windows event log, though it is called so: it is encrypted or damaged; skipped"
        wanted.problems.note(name, why, remedy="Decrypt it, or copy the log again (wevtutil epl).", unread=True)
    elif stream.look.binary:
        wanted.problems.note(name, f"{stream.look.binary}; skipped", remedy=stream.look.remedy, unread=True)
    else:
        yield from _text_items(stream, latest, wanted, apart)


def _members(
    stream: TextStream, file: BinaryIO, changed: datetime, wanted: Wanted
) -> Iterator[Lines | Cells | pl.DataFrame]:
    """The items of the members of an archive that are text."""
    for name, member, when in members(stream, file, changed, wanted.problems):
        yield from _opened(name, member, when, wanted)


def _text_items(stream: TextStream, latest: datetime, wanted: Wanted, apart: int) -> Iterator[Lines | Cells]:
    if xml_events.declares_entities(stream.head):
        why = "is XML that declares a document type; refused, since its entities could expand without end"
        wanted.problems.note(stream.path, why, remedy="Export the events again (wevtutil qe /f:xml).", unread=True)
        return
    start = start_of(stream.head, stream.whole, stream.path, wanted.text_column, wanted.time_column)
    _, layout = layout_of(start)
    if isinstance(layout, Events):
        origin = Origin(stream.path, latest, None)
        for numbers, data in xml_events.events(stream.blocks(wanted.block_bytes), stream.path, wanted.problems):
            yield Lines(origin, np.array(numbers, np.uint64), data, layout.reader)
        return
    if isinstance(layout, Declared | tables.Table):
        yield from _table_items(stream, layout, latest, wanted)
        return
    if isinstance(layout, Document | JsonLines):
        for kind, key in (("text", wanted.text_column), ("time", wanted.time_column)):
            if key and key.rpartition(".")[2] not in stream.head:
                wanted.problems.note(
                    stream.path, f"no event at its start has the key {key!r} for the {kind}; the usual ones are read"
                )
    reader = layout.reader if isinstance(layout, Document) else layout
    formats: tuple[TimeFormat, ...] | None = (wanted.time_form,) if wanted.time_form else None
    if formats is None and _votes_alone(stream, wanted):
        formats = timestamps.recognise(stamps_in(stream.head, reader), cells=reader.cells)[0]
    origin = Origin(stream.path, latest, formats, apart)
    blank = True
    blocks = stream.blocks(wanted.block_bytes)
    if isinstance(layout, Document):
        for numbers, data in json_documents.document(blocks, stream.head):
            blank = False
            yield Lines(origin, np.array(numbers, np.uint64), data, reader)
    else:
        for block in with_their_rest(blocks, reader) if reader.joins else blocks:
            blank = blank and block.data.isspace()
            numbers_ = np.arange(block.first_line, block.first_line + block.height, dtype=np.uint64)
            yield Lines(origin, numbers_, block.data, reader)
    if blank and not stream.broken:
        wanted.problems.note(stream.path, "the file is empty")


def _votes_alone(stream: TextStream, wanted: Wanted) -> bool:
    """A file of one block votes on its time format with its neighbours; a longer one by its head, at any block size."""
    return not stream.whole or 4 * len(stream.head) > wanted.block_bytes


def _table_items(
    stream: TextStream, layout: tables.Table | Declared, latest: datetime, wanted: Wanted
) -> Iterator[Cells]:
    declared = isinstance(layout, Declared)
    table = layout.table if isinstance(layout, Declared) else layout
    for kind, column in (("text", wanted.text_column), ("time", wanted.time_column)):
        if column and column not in table.columns:
            why = _no_such_column(kind, column, table.columns)
            wanted.problems.note(stream.path, why, line=1, unread=kind == "text")
            if kind == "text":
                return
            table = replace(table, times=())
    formats: tuple[TimeFormat, ...] | None = (wanted.time_form,) if wanted.time_form else None
    if formats is None and _votes_alone(stream, wanted):
        data = tables.whole_lines(stream.head, stream.whole)
        data = declared_fields.uncommented(data) if declared else data
        sample, _ = tables.rows_one_by_one(data, 1, table, final=False)
        skip = int(table.has_header)
        formats = timestamps.recognise(
            tables.to_columns(sample, table)["stamp"][skip : skip + timestamps.SAMPLE], cells=True
        )[0]
    origin = Origin(stream.path, latest, formats)
    empty = True
    blocks = stream.blocks(wanted.block_bytes)
    for rows in tables.rows_in(declared_fields.without_comments(blocks) if declared else blocks, table):
        empty = False
        yield Cells(origin, rows, table)
    if empty:
        wanted.problems.note(stream.path, "the file has a header and no rows")


def _laid_down(stream: TextStream, copy: IO[bytes]) -> bool:
    """Lay down in `copy` what comes compressed or from standard input, for formats that are not read in one go.

    A name that is no UTF-8 is escaped here: nothing is found under it.
    """
    if stream.path != "-" and not stream.compressed and os.path.isfile(stream.path):
        return False
    for piece in stream.content():
        copy.write(piece)
    copy.seek(0)
    return True


def _evtx_events(stream: TextStream, latest: datetime, wanted: Wanted) -> Iterator[Lines]:
    with tempfile.NamedTemporaryFile(prefix="forewarn-", suffix=".evtx") as copy, ExitStack() as stack:
        file: IO[bytes] = copy.file
        if not _laid_down(stream, file):
            file = stack.enter_context(Path(stream.path).open("rb"))
        if not stream.starts_with(evtx_log.MAGIC):
            patched = stack.enter_context(tempfile.NamedTemporaryFile(prefix="forewarn-", suffix=".evtx"))
            evtx_log.with_header(file, patched.file)
            file = patched.file
            wanted.problems.note(stream.path, "its header is damaged; its chunks are read")
        file.flush()
        origin = Origin(stream.path, latest, None)
        found = False
        try:
            for numbers, data in evtx_log.events(file, wanted.block_bytes, stream.path, wanted.problems):
                found = True
                yield Lines(origin, np.arange(numbers.start, numbers.stop, dtype=np.uint64), data, EVTX_READER)
        except ValueError as error:
            wanted.problems.note(stream.path, f"cannot be read as EVTX: {error}", remedy="Copy it again.", unread=True)
        else:
            if not found:
                wanted.problems.note(stream.path, "the event log holds no event")
        if stream.broken:
            wanted.problems.note(stream.path, f"{stream.broken}; the events up to here were read")


def _parquet_records(stream: TextStream, latest: datetime, wanted: Wanted) -> Iterator[pl.DataFrame]:
    with tempfile.TemporaryFile() as copy:
        # Parquet is read from its end.
        source = copy if _laid_down(stream, copy) else stream.path
        try:
            columns = parquet.columns_of(source)
            for kind, column in (("text", wanted.text_column), ("time", wanted.time_column)):
                if column and column not in columns:
                    why = _no_such_column(kind, column, columns)
                    wanted.problems.note(stream.path, why, unread=kind == "text")
                    if kind == "text":
                        return
            for rows in parquet.rows(
                source, columns, wanted.text_column, wanted.time_column, _series(latest), wanted.block_bytes
            ):
                yield _finished(rows, stream.path)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            said = str(error).split("\n", 1)[0]
            why = f"cannot be read as Parquet: {said}"
            wanted.problems.note(stream.path, why, remedy="Fetch the file again.", unread=True)


def _no_such_column(kind: str, column: str, columns: Iterable[str]) -> str:
    return f"has no column {column!r} for the {kind}; there are {', '.join(columns)}"


def _series(latest: datetime) -> pl.Series:
    return pl.Series([latest], dtype=timestamps.UTC_TIME)


def _finished(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    return rows.select(pl.lit(name).alias("source"), *[name for name in RECORDS if name != "source"])


def _blocks(items: Iterable[Lines | Cells | pl.DataFrame], wanted: Wanted) -> Iterator[pl.DataFrame]:
    """Put small items together and make records of lines, in order, a frame for each block of input."""
    waiting: list[Lines | Cells] = []
    frames: list[pl.DataFrame] = []
    filled = 0
    for item in chain(items, [None]):
        alone = item is None or isinstance(item, pl.DataFrame)
        if waiting and (alone or type(item) is not type(waiting[0]) or item.kind != waiting[0].kind):
            frames.append(records_of(waiting, wanted.problems))
            waiting = []
        if isinstance(item, pl.DataFrame):
            frames.append(item)
            filled += int(item.estimated_size())
        elif item is not None:
            waiting.append(item)
            filled += item.size
        if filled >= wanted.block_bytes or item is None:
            if waiting:
                frames.append(records_of(waiting, wanted.problems))
            records = pl.concat(frames, rechunk=len(frames) > 1) if frames else pl.DataFrame(schema=RECORDS)
            waiting, frames, filled = [], [], 0
            if records.height:
                yield cut(records, wanted.problems)
