"""The formats that are read, in the order in which they are tried, and what each is known by.

In: how a file starts. Out: its `Format` and its layout: a reader of lines, of a JSON document or of a table. What
becomes of each format is said here, once: the reader, `--explain-reading` and the page about formats go by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from forewarn.reading.formats import (
    blocks_of_lines,
    declared_fields,
    delimited,
    envelopes,
    json_documents,
    json_events,
    logfmt,
    plain_lines,
    xml_events,
)
from forewarn.reading.formats.examples import EXAMPLES, Example
from forewarn.reading.formats.line_reader import LineReader


@dataclass(frozen=True)
class Start:
    """How a file starts: its first characters, whether they are all there is, its name, and what the user asked for."""

    head: str
    whole: bool
    path: str
    text_column: str | None = None
    time_column: str | None = None
    lines: list[str] = field(default_factory=list)
    """The whole lines of the start that are not blank, a few hundred."""


@dataclass(frozen=True)
class Document:
    """A JSON document, whose events `reader` reads."""

    reader: json_events.JsonLines


@dataclass(frozen=True)
class Events:
    """Windows events as XML, which `reader` reads as JSON."""

    reader: json_events.JsonLines


@dataclass(frozen=True)
class Declared:
    """A table whose fields a comment names."""

    table: delimited.Table


Layout = LineReader | Document | Events | Declared | delimited.Table
_MOST_LINES = 300


@dataclass(frozen=True)
class Format:
    """A format: its `name`, an `example` with what becomes of it, `layout_of`, which knows a file by its start."""

    name: str
    layout_of: Callable[[Start], Layout | None]

    @property
    def example(self) -> Example:
        """A few lines of it, and what becomes text, time, level and fields."""
        return EXAMPLES[self.name]


def start_of(
    head: str, whole: bool, path: str, text_column: str | None = None, time_column: str | None = None
) -> Start:
    """The start of a file, its lines cut."""
    lines = head.split("\n", _MOST_LINES + 1)
    if not whole or len(lines) > _MOST_LINES + 1:
        lines = lines[:-1] or lines
    return Start(head, whole, path, text_column, time_column, [line for line in lines if line.strip()])


def layout_of(start: Start) -> tuple[Format, Layout]:
    """The first format that a file's start is of, and its layout; plain lines are what everything else is."""
    for format_ in FORMATS:
        if (layout := format_.layout_of(start)) is not None:
            return format_, layout
    raise AssertionError("plain lines are any lines")


def _xml_events(start: Start) -> Layout | None:
    return Events(json_events.JsonLines(json_events.Keys((), (), ()))) if xml_events.is_events(start.head) else None


def _json_lines(start: Start) -> Layout | None:
    if not json_events.is_lines(start.head, start.whole):
        return None
    if json_documents.is_batches(start.head) or json_documents.is_one_line(start.head, start.whole):
        return None
    keys = json_events.keys_in(start.head, start.text_column, start.time_column)
    return json_events.JsonLines(json_events.with_inner(keys, start.head, envelopes.inner_of))


def _json_document(start: Start) -> Layout | None:
    is_one = json_documents.is_batches(start.head) or json_documents.is_one_line(start.head, start.whole)
    if not is_one and not json_documents.is_document(start.head):
        return None
    return Document(json_events.JsonLines(json_events.keys_in(start.head, start.text_column, start.time_column)))


def _declared(start: Start) -> Layout | None:
    table = declared_fields.table_in(start.head)
    return table and Declared(table)


def _table(start: Start) -> Layout | None:
    return delimited.table_in(start.head, start.whole, start.path, start.text_column, start.time_column)


def _envelope(name: str) -> Callable[[Start], Layout | None]:
    return lambda start: envelopes.envelope_in(start.lines, name)


def _blocks(name: str) -> Callable[[Start], Layout | None]:
    return lambda start: blocks_of_lines.blocks_in(start.lines, name)


def _plain(mark: str) -> Callable[[Start], Layout | None]:
    return lambda start: plain_lines.plain_in(start.lines, mark)


def _formats() -> Iterator[Format]:
    yield Format("xml_events", _xml_events)
    yield Format("json_lines", _json_lines)
    yield Format("json_document", _json_document)
    yield Format("declared_fields", _declared)
    yield Format("delimited", _table)
    for name in blocks_of_lines.BLOCKS:
        yield Format(name, _blocks(name))
    for envelope in envelopes.ENVELOPES:
        yield Format(envelope.name, _envelope(envelope.name))
    yield Format("logfmt", lambda start: logfmt.logfmt_in(start.lines))
    for name in plain_lines.MARKS:
        yield Format(name, _plain(name))


FORMATS = tuple(_formats())
