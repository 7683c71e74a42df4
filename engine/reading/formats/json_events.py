"""JSON lines → one row an event: what it says, when, how grave, and the whole event.

In: lines of text of which most are JSON objects. Out: for each event what `line_reader.SAID` names. A line that is
not whole JSON is kept as plain text and marked, so that nothing is lost. Whole blocks are parsed at once; only around
a line that cannot be parsed are lines looked at one by one. What a message holds that is JSON or logfmt itself is
opened.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace

import polars as pl

from forewarn.field_names import BODY, REASON, TIME, TITLE
from forewarn.reading import columns as fields
from forewarn.reading import levels
from forewarn.reading.decoding import MAX_LINE
from forewarn.reading.event_text import event_texts
from forewarn.reading.formats.line_reader import LineReader
from forewarn.reading.time_columns import by_content

_ONE_BY_ONE = 256
"""Runs of lines that cannot be parsed are halved down to this many, which are then parsed one by one."""
_SAMPLE = 20
_STRING = r'"(?:[^"\\]|\\.)*"(?:\s*:)?'
_NESTED_TIME = (
    r'"(?:@?SystemTime|UtcTime|@?timestamp|TimeCreated|\$date|time|created_at)"\s*:\s*"?([^",{}\[\]\s][^",}]*)'
)
# A message and a level one object further in: GCP, ECS, OTLP, and what collectors wrap.
_WITHIN = r'"(?:jsonPayload|json_payload|body|fields|payload|log|event|data|record|message)"\s*:\s*\{[^{}]{0,4000}?'
_NESTED_BODY = _WITHIN + r'"(?:message|msg|stringValue|text)"\s*:\s*("(?:[^"\\]|\\.)*")'
_NESTED_LEVEL = _WITHIN + r'"(?:level|severity)"\s*:\s*"([A-Za-z]+)"'
_BYTES = r"^\[\s*[0-9]{1,3}(?:\s*,\s*[0-9]{1,3})*\s*\]$"
"""A message as journald writes it where it is no UTF-8 or holds control characters: a list of bytes."""

_STATE = (
    r'"((?i:[a-z_.-]*(?:state|code|errno|errors?|fail(?:ed|ures?)?|healthy|ready|success|ok|up|down|online|degraded|'
    r'(?:un)?available|restarts|exit)))"\s*:\s*(-?[0-9]{1,18}(?:\.[0-9]{1,9})?|true|false)\b'
)
"""Fields whose numbers and truths say how things are."""
_VALUE = r'"([^"\\]{1,40})"\s*:\s*(?:"([^"\\]{6,64})"|([0-9]{9,19}(?:\.[0-9]+)?))'
_NOT_JSON = object()


@dataclass(frozen=True)
class Keys:
    """The keys of a file's events that carry their text, time, level, status and reason, the preferred ones first.

    `given` by the user; `wrapped` the key whose value is a message in a layout of its own, and `inner` reads that.
    """

    bodies: tuple[str, ...]
    titles: tuple[str, ...]
    times: tuple[str, ...]
    given_text: str | None = None
    given_time: str | None = None
    levels: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    nested_level: bool = False
    wrapped: str | None = None
    inner: LineReader | None = None

    @property
    def all(self) -> list[str]:
        """Every key once."""
        given = [key for key in (self.given_text, self.given_time, self.wrapped) if key]
        named = (*self.bodies, *self.titles, *self.times, *self.levels, *self.statuses, *self.reasons)
        return list(dict.fromkeys([*named, *given]))


@dataclass(frozen=True)
class JsonLines(LineReader):
    """One event a line."""

    keys: Keys
    what = "whole JSON"

    def said(self, lines: pl.Series) -> pl.DataFrame:
        """What n lines say."""
        return events(lines, self.keys)


def keys_in(head: str, given_text: str | None = None, given_time: str | None = None) -> Keys:
    """The keys that the start of a file shows."""
    names = dict.fromkeys(re.findall(r'"([^"\\]{1,40})"\s*:', head))
    times = fields.known(names, TIME)
    if not times:
        values: dict[str, list[str]] = {}
        for name, quoted, number in re.findall(_VALUE, head):
            values.setdefault(name, []).append(quoted or number)
        times = by_content(values)
    # A Windows event counts its levels in its own way, and the rules for such events know it.
    windows = "EventID" in names and "Channel" in names
    return Keys(
        tuple(fields.known(names, BODY)),
        tuple(fields.known(names, TITLE)),
        tuple(times),
        given_text,
        given_time,
        () if windows else tuple(fields.known(names, levels.LEVEL)),
        tuple(fields.known(names, levels.STATUS)),
        tuple(fields.known(names, REASON)),
        re.search(_NESTED_LEVEL, head) is not None,
    )


def with_inner(keys: Keys, head: str, inner_of: fields.InnerOf) -> Keys:
    """The same keys, with the layout of what their messages hold: `inner_of` says it of a sample of messages."""
    found = [event for line in head.split("\n")[:_SAMPLE] if isinstance(event := _loaded(line), dict)]
    for key in keys.bodies:
        values = [value.strip() for event in found if isinstance(value := event.get(key), str) and value.strip()]
        if len(values) * 2 >= len(found) and (inner := inner_of(values)):
            return replace(keys, wrapped=key, inner=inner)
    return keys


def is_lines(head: str, whole: bool) -> bool:
    """Whether a file that starts like this holds one JSON object a line, on most of its lines."""
    lines = head.split("\n", 2 * _SAMPLE)
    if not whole or len(lines) > 2 * _SAMPLE:
        lines.pop()
    return are_objects([line for line in lines if line.strip()][:_SAMPLE])


def are_objects(lines: list[str]) -> bool:
    """Whether most of some lines are JSON objects."""
    objects = sum(line.lstrip().startswith("{") and isinstance(_loaded(line), dict) for line in lines)
    return objects > 0 and 2 * objects >= len(lines)


def _loaded(line: str) -> object:
    try:
        return json.loads(line, strict=False)
    except (ValueError, RecursionError):
        return _NOT_JSON


def events(lines: pl.Series, keys: Keys) -> pl.DataFrame:
    """What the events on n lines (String, none blank) say: n rows of `line_reader.SAID`.

    `text` is the event's text fields, or, where it has none, its telling values as "key: value; …", with its level and
    status where they are those of trouble. A broken line is its own text and has no `raw`.
    """
    parsed = _parsed(lines, keys.all)
    raw = parsed.select(raw=pl.when(~pl.col("broken")).then(lines)).to_series()
    bodies, titles, times = list(keys.bodies), list(keys.titles), list(keys.times)
    text, stamp = fields.text_of(bodies, titles), fields.stamp_of(times)
    if keys.reasons and bodies:
        text = fields.with_reasons(text, [name for name in keys.reasons if name not in bodies])
    if keys.given_text:
        text = pl.coalesce(_named(keys.given_text), text)
    if keys.given_time:
        stamp = pl.coalesce(_named(keys.given_time), stamp)
    frame = parsed.with_columns(raw).select(
        "raw",
        "broken",
        text=text,
        stamp=stamp,
        level=levels.first_of(list(keys.levels)),
        status=levels.status_of(list(keys.statuses)),
        wrapped=fields.column(keys.wrapped) if keys.wrapped else pl.lit(None, pl.String),
    )
    timeless = frame["stamp"].is_null() & frame["raw"].is_not_null()
    if timeless.any():
        nested = [pl.col("raw").str.extract(_NESTED_TIME)]
        if times:
            named = "|".join(map(re.escape, times))
            nested.append(pl.col("raw").str.extract(rf'"(?:{named})"\s*:\s*"?([^",{{}}\[\]\s][^",}}]*)'))
        frame = frame.with_columns(stamp=pl.coalesce("stamp", *nested))
    if keys.nested_level:
        nested_level = levels.number(pl.col("raw").str.extract(_NESTED_LEVEL))
        frame = frame.with_columns(level=pl.coalesce("level", nested_level))
    frame = _with_messages(frame, keys)
    if keys.inner:
        frame = _opened(frame, keys.inner)
    text_ = frame.select(pl.coalesce("text", lines)).to_series()
    marked = levels.with_marks(text_, frame["level"], frame["status"])
    return frame.select("stamp", "raw", "level", "status", "broken").insert_column(0, marked.alias("text"))


def _with_messages(frame: pl.DataFrame, keys: Keys) -> pl.DataFrame:
    """The same with texts where no field of the event itself is one."""
    if keys.bodies:
        in_bytes = (frame["text"].str.starts_with("[") & frame["text"].str.contains(_BYTES)).fill_null(False).arg_true()
        if len(in_bytes):
            written = [_of_bytes(text) for text in frame["text"].gather(in_bytes)]
            frame = frame.with_columns(frame["text"].scatter(in_bytes, pl.Series(written, dtype=pl.String)))
    silent = (frame["text"].is_null() & ~frame["broken"]).arg_true()
    if not len(silent):
        return frame
    raw = frame["raw"].gather(silent)
    within = raw.to_frame("raw").select(pl.col("raw").str.extract(_NESTED_BODY)).to_series()
    text = pl.select(pl.coalesce(event_texts(raw), _unquoted(within), _told(raw, keys.times))).to_series()
    return frame.with_columns(frame["text"].scatter(silent, text))


def _of_bytes(listed: str) -> str:
    numbers = [int(number) for number in listed[1:-1].split(",")]
    return bytes(number & 0xFF for number in numbers).decode("utf-8", "replace")


def _opened(frame: pl.DataFrame, inner: LineReader) -> pl.DataFrame:
    """The same with what the messages say that are in a layout of their own; what the event itself says goes before."""
    filled = frame["wrapped"].str.strip_chars().fill_null("")
    rows = (filled != "").arg_true()
    if not len(rows):
        return frame
    own = inner.said(filled.gather(rows))
    whole = (~own["broken"]).arg_true()
    rows, own = rows.gather(whole), own[whole]
    columns = {"text": own["text"]}
    for name in ("level", "status", "stamp"):
        columns[name] = pl.select(pl.coalesce(frame[name].gather(rows), own[name])).to_series()
    columns["level"] = pl.select(pl.coalesce(own["level"], columns["level"])).to_series()
    return frame.with_columns(frame[name].scatter(rows, values) for name, values in columns.items())


def _named(key: str) -> pl.Expr:
    """The value of a key that the user named; a name with dots is also tried as a path."""
    value = fields.column(key)
    if re.fullmatch(r"\w+(\.\w+)+", key):
        value = pl.coalesce(value, pl.col("raw").str.json_path_match("$." + key))
    return pl.when(value != "").then(value)


def _parsed(lines: pl.Series, keys: list[str]) -> pl.DataFrame:
    """One String column a key and `broken`, for n lines; a number or a nested value is its JSON text."""
    schema = dict.fromkeys(keys or ["message"], pl.String)
    if not (lines.str.len_bytes() > MAX_LINE).any():
        try:
            written = lines.str.join("\n").item().encode()
            frame = pl.read_ndjson(written, schema=schema)
        except pl.exceptions.PolarsError:
            pass
        else:
            if frame.height == len(lines):
                return _last_of_twice(frame.with_columns(broken=pl.lit(False)), lines, list(schema), written)
    if len(lines) <= _ONE_BY_ONE:
        return _parsed_one_by_one(lines, list(schema))
    middle = len(lines) // 2
    return pl.concat([_parsed(lines[:middle], keys), _parsed(lines[middle:], keys)])


def _last_of_twice(parsed: pl.DataFrame, lines: pl.Series, keys: list[str], written: bytes) -> pl.DataFrame:
    """The same with the last value of a key that is given twice, as event rules have it; polars takes the first.

    `written` are the lines together.
    """
    # A key that stands in the block no more often than it has values is given once in each event.
    suspects = [key for key in keys if written.count(f'"{key}"'.encode()) > parsed[key].count()]
    if not suspects:
        return parsed
    twice = pl.any_horizontal(pl.col("line").str.count_matches(f'"{key}"', literal=True) > 1 for key in suspects)
    rows = lines.to_frame("line").select(twice).to_series().arg_true()
    if not len(rows):
        return parsed
    own = _parsed_one_by_one(lines.gather(rows), keys)
    return parsed.with_columns(parsed[key].scatter(rows, own[key]) for key in keys)


def _parsed_one_by_one(lines: pl.Series, keys: list[str]) -> pl.DataFrame:
    """What `_parsed` says, plainly: each line by itself, with the standard library."""
    columns: dict[str, list[str | None]] = {key: [] for key in keys}
    broken = []
    for line in lines:
        event = _loaded(line) if len(line.encode()) <= MAX_LINE else _NOT_JSON
        broken.append(event is _NOT_JSON)
        for key, column in columns.items():
            value = event.get(key) if isinstance(event, dict) else None
            column.append(value if isinstance(value, str | None) else json.dumps(value, ensure_ascii=False))
    clean = {
        key: [value and value.encode("utf-8", "replace").decode() for value in column]
        for key, column in columns.items()
    }
    frame = pl.DataFrame(clean, schema=dict.fromkeys(keys, pl.String))
    return frame.with_columns(broken=pl.Series(broken, dtype=pl.Boolean))


def _told(raw: pl.Series, times: tuple[str, ...]) -> pl.Series:
    """What events without a message say: their words, then numbers and truths that tell how things are."""
    states = raw.to_frame("raw").select(
        pl.col("raw")
        .str.extract_all(_STATE)
        .list.eval(pl.element().str.replace(_STATE, "${1}: ${2}"))
        .list.join("; ")
        .replace("", None)
    )
    both = pl.concat_list(_rendered(raw, times).alias("words"), states.to_series().alias("states"))
    return pl.select(both.list.drop_nulls().list.join("; ").replace("", None)).to_series()


def _rendered(raw: pl.Series, times: tuple[str, ...] = ()) -> pl.Series:
    """The string values of each event as "key: value; key: value", in order; times and empty values are left out."""
    tokens = raw.to_frame("raw").with_row_index("row").select("row", token=pl.col("raw").str.extract_all(_STRING))
    tokens = tokens.explode("token").drop_nulls().with_columns(is_key=pl.col("token").str.ends_with(":"))
    tokens = tokens.with_columns(pl.col("token").str.strip_suffix(":").str.strip_chars_end())
    tokens = tokens.with_columns(_unquoted(tokens["token"]))
    starts = pl.col("row") != pl.col("row").shift(1, fill_value=0xFFFF_FFFF)
    tokens = tokens.with_columns(
        key=pl.when("is_key").then("token").when(starts).then(pl.lit("")).forward_fill(),
    ).filter(~pl.col("is_key") & ~pl.col("token").is_in(["", "-"]))
    named = pl.col("key").str.to_lowercase().str.replace_all(r"[^\p{L}\p{N}]", "")
    values = tokens.filter(~named.is_in(list(TIME)) & ~pl.col("key").is_in(list(times))).with_columns(
        entry=pl.when(pl.col("key") == "").then("token").otherwise(pl.concat_str("key", "token", separator=": "))
    )
    texts = values.group_by("row", maintain_order=True).agg(pl.col("entry").str.join("; "))
    rows = pl.DataFrame({"row": pl.int_range(len(raw), dtype=pl.UInt32, eager=True)})
    return rows.join(texts, on="row", how="left", maintain_order="left")["entry"]


def _unquoted(tokens: pl.Series) -> pl.Series:
    """JSON strings without quotes and escapes."""
    plain = tokens.str.slice(1).str.strip_suffix('"')
    escaped = tokens.str.contains("\\", literal=True).arg_true()
    if not len(escaped):
        return plain
    quoted = tokens.gather(escaped)
    try:
        return plain.scatter(escaped, quoted.str.json_decode(pl.String))
    except pl.exceptions.PolarsError:
        loose = [_loaded(token) for token in quoted]
        texts = [text.encode("utf-8", "replace").decode() if isinstance(text, str) else "" for text in loose]
        return plain.scatter(escaped, pl.Series(texts, dtype=pl.String))
