"""How a file is read, for people who wonder.

In: the path of a file, and what the user asked for. Out: a `Reading`: its format, what becomes text, time, level and
fields, the form of its times, how many of its first records have one, and three of them. It reads only the beginning.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import polars as pl

from forewarn.errors import ForewarnError
from forewarn.names import shown
from forewarn.reading import timestamps
from forewarn.reading.archives import ARCHIVES
from forewarn.reading.compression import BrokenStream
from forewarn.reading.decoding import PARQUET, TextStream
from forewarn.reading.formats import declared_fields, delimited
from forewarn.reading.formats.json_events import JsonLines, Keys
from forewarn.reading.formats.line_reader import LineReader
from forewarn.reading.formats.registry import Declared, Document, Events, Layout, layout_of, start_of
from forewarn.reading.levels import LEVELS, of_words
from forewarn.reading.lines import stamps_in
from forewarn.reading.problems import Problems
from forewarn.reading.records import read
from forewarn.reading.time_forms import TimeFormat
from forewarn.reading.time_option import form_of

_BLOCK = 1 << 16
_SHOWN = 3
GIVE_TIME = (
    "Name the field of the time with --time-column, or its form with --time-format '%d.%m.%Y %H:%M:%S'; "
    "`forewarn watch --arrival-times` needs none."
)
_ZONED = r"\(\?P<(?:z|w|zn|east)>"


@dataclass(frozen=True)
class Reading:
    """How a file is read.

    `format` its name in `formats.registry`, `title` what that is; `stored` encoding and compression; `text`,
    `level`, `fields` where they come from; `time` the forms of its times, `zone` how they are placed; `timed` of
    the `looked_at` first records have a time; `records` the first of them; `remedy` what to do where no time is
    known; `problems` what was met on the way.
    """

    path: str
    format: str = ""
    title: str = ""
    stored: str = ""
    text: str = ""
    time: str = ""
    zone: str = ""
    level: str = ""
    fields: str = ""
    timed: int = 0
    looked_at: int = 0
    remedy: str = ""
    records: list[dict[str, object]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def explain_reading(
    path: str | Path,
    *,
    text_column: str | None = None,
    time_column: str | None = None,
    time_format: str | None = None,
) -> Reading:
    """How the file is read. Raises ForewarnError where `time_format` is none."""
    given = form_of(time_format) if time_format else None
    noted: list[ForewarnError] = []
    name, problems = shown(str(path)), Problems(noted)
    records = _first(path, text_column, time_column, time_format, problems)
    unread = Reading(name, problems=[str(problem) for problem in noted])
    try:
        with Path(path).open("rb") as file:
            stream = TextStream(name, file, _BLOCK, problems)
    except (OSError, BrokenStream):
        return unread
    timed = records.height - records["time"].null_count()
    begun = Reading(
        name,
        stored=f"{stream.look.encoding}{f', {stream.compressed}' if stream.compressed else ''}",
        timed=timed,
        looked_at=records.height,
        records=_shown(records),
        problems=[str(problem) for problem in noted],
        remedy="" if timed or not records.height else GIVE_TIME,
    )
    kind = stream.look.binary
    if kind == PARQUET or (kind in ARCHIVES and records.height):
        format_, title = ("parquet", "Parquet") if kind == PARQUET else ("archive", f"{kind}: members are sources")
        return replace(begun, stored="binary", format=format_, title=title, fields="the row" if kind == PARQUET else "")
    if kind:
        return unread
    found, layout = layout_of(start_of(stream.head, stream.whole, stream.path, text_column, time_column))
    stamps, recognised = _stamps(layout, stream)
    forms = (given,) if given else recognised
    example = found.example
    return replace(
        begun,
        format=found.name,
        title=example.title,
        text=_with_names(example.text, _names(layout, "text")),
        time=_with_names(", then ".join(form.name for form in forms) or "none that is known", _names(layout, "time")),
        zone=_zone(stamps, forms),
        level=_with_names(example.grave, _names(layout, "level")),
        fields=example.fields,
    )


def _first(
    path: str | Path, text_column: str | None, time_column: str | None, time_format: str | None, problems: Problems
) -> pl.DataFrame:
    blocks = read(
        [path],
        text_column=text_column,
        time_column=time_column,
        time_format=time_format,
        block_bytes=_BLOCK,
        problems=problems,
    )
    return next(blocks, pl.DataFrame(schema={"time": timestamps.UTC_TIME}))


def _shown(records: pl.DataFrame) -> list[dict[str, object]]:
    """The first records, as they are read."""
    if not records.height:
        return []
    rows = records.head(_SHOWN).with_columns(level=pl.coalesce("level", of_words(pl.col("text"))))
    said = pl.col("level").replace_strict(dict(enumerate(LEVELS)), default=None, return_dtype=pl.String)
    return rows.select("line", "time", "text", said, "status").to_dicts()


_EVENT_TIME = r"SystemTime=['\"]([^'\"]{1,40})"


def _reader(layout: Layout) -> LineReader | None:
    if isinstance(layout, Document | Events):
        return layout.reader
    return layout if isinstance(layout, LineReader) else None


def _stamps(layout: Layout, stream: TextStream) -> tuple[pl.Series, tuple[TimeFormat, ...]]:
    """The written times of a file's first lines, and their forms."""
    if isinstance(layout, Events):
        stamps, cells = pl.Series(re.findall(_EVENT_TIME, stream.head), dtype=pl.String), True
    elif reader := _reader(layout):
        stamps, cells = stamps_in(stream.head, reader), reader.cells
    else:
        table = cast("delimited.Table", layout.table if isinstance(layout, Declared) else layout)
        data = delimited.whole_lines(stream.head, stream.whole)
        data = declared_fields.uncommented(data) if isinstance(layout, Declared) else data
        rows, _ = delimited.rows_one_by_one(data, 1, table, final=False)
        stamps, cells = delimited.to_columns(rows, table)["stamp"][int(table.has_header) :], True
    return stamps, timestamps.recognise(stamps, cells=cells)[0]


def _zone(stamps: pl.Series, forms: tuple[TimeFormat, ...]) -> str:
    """How the times of a file are placed on the globe."""
    zoned = [form for form in forms if re.search(_ZONED, form.pattern)]
    for form in zoned:
        found = stamps.drop_nulls().str.head(timestamps.WITHIN).str.extract_groups(form.pattern).struct.unnest()
        for name in ("z", "w", "zn", "east"):
            if name in found.columns and found[name].count():
                return f"written with each time ({found[name].drop_nulls()[0]})"
    if not forms or any("(?P<n>" in form.pattern or "(?P<e>" in form.pattern for form in forms):
        return "seconds since 1970: UTC" if forms else ""
    return "none written: taken as UTC"


def _names(layout: Layout, kind: str) -> list[str]:
    """The fields of this very file that hold its text, time or level."""
    if isinstance(layout, Declared | delimited.Table):
        table = layout.table if isinstance(layout, Declared) else layout
        return list({"text": (*table.titles, *table.bodies), "time": table.times, "level": table.levels}[kind])
    reader = _reader(layout)
    inner = getattr(reader, "inner", None)
    reader = inner or reader
    keys = reader.keys if isinstance(reader, JsonLines) else reader
    found: list[str] = []
    for name in {"text": ("titles", "bodies"), "time": ("times",), "level": ("levels",)}[kind]:
        found += getattr(keys, name, ())
    if isinstance(keys, Keys) and kind == "time" and keys.given_time:
        return [keys.given_time]
    return found


def _with_names(what: str, names: list[str]) -> str:
    return f"{what} (here: {', '.join(names)})" if names else what
