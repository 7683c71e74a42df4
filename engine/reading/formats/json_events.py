"""JSON → one row an event: what it says, when, and the whole event.

In: lines of text of which most are JSON objects, or a JSON document (an array, or objects spread over lines). Out: for
each event its text, its written time and its raw JSON on one line. A line that is not whole JSON is kept as plain text
and marked, so that nothing is lost. Whole blocks are parsed at once; only around a line that cannot be parsed are
lines looked at one by one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import polars as pl

from forewarn.reading import columns as fields
from forewarn.reading import levels
from forewarn.reading.decoding import MAX_LINE, TextBlock
from forewarn.reading.event_text import event_texts
from forewarn.reading.time_columns import by_content

_ONE_BY_ONE = 256
"""Runs of lines that cannot be parsed are halved down to this many, which are then parsed one by one."""
_LONGEST_EVENT = 1 << 24
"""Characters of one event of a document; a longer one is read as lines of text."""
_SAMPLE = 20

# Documents that wrap their events: {"Records": [{…
_WRAPPER = re.compile(
    r'\s*\{\s*"(?:records|events|logs|entries|items|data|results|hits|value|documents)"\s*:\s*(?=\[\s*\{)', re.I
)
_DOCUMENT = re.compile(r'\s*(?:\{\s*(?:"|\})|\[\s*(?:[{"]|\]))')
_BETWEEN = re.compile(r"[\s,\[\]\x1e]*")
_STRING = r'"(?:[^"\\]|\\.)*"(?:\s*:)?'
_NESTED_TIME = (
    r'"(?:@?SystemTime|UtcTime|@?timestamp|TimeCreated|\$date|time|created_at)"\s*:\s*"?([^",{}\[\]\s][^",}]*)'
)


_VALUE = r'"([^"\\]{1,40})"\s*:\s*(?:"([^"\\]{6,64})"|([0-9]{9,19}(?:\.[0-9]+)?))'
_NOT_JSON = object()


@dataclass(frozen=True)
class Keys:
    """The keys of a file's events that carry their text and time, the preferred ones first; `given` by the user."""

    bodies: tuple[str, ...]
    titles: tuple[str, ...]
    times: tuple[str, ...]
    given_text: str | None = None
    given_time: str | None = None
    levels: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()

    @property
    def all(self) -> list[str]:
        """Every key once."""
        given = [key for key in (self.given_text, self.given_time) if key]
        return list(dict.fromkeys([*self.bodies, *self.titles, *self.times, *self.levels, *self.statuses, *given]))


def keys_in(head: str, given_text: str | None, given_time: str | None) -> Keys:
    """The keys that the start of a file shows."""
    names = dict.fromkeys(re.findall(r'"([^"\\]{1,40})"\s*:', head))
    times = fields.known(names, fields.TIME)
    if not times:
        values: dict[str, list[str]] = {}
        for name, quoted, number in re.findall(_VALUE, head):
            values.setdefault(name, []).append(quoted or number)
        times = by_content(values)
    return Keys(
        tuple(fields.known(names, fields.BODY)),
        tuple(fields.known(names, fields.TITLE)),
        tuple(times),
        given_text,
        given_time,
        tuple(fields.known(names, levels.LEVEL)),
        tuple(fields.known(names, levels.STATUS)),
    )


def is_lines(head: str, whole: bool) -> bool:
    """Whether a file that starts like this holds one JSON object a line, on most of its lines."""
    lines = head.split("\n", 2 * _SAMPLE)
    if not whole or len(lines) > 2 * _SAMPLE:
        lines.pop()
    lines = [line for line in lines if line.strip()][:_SAMPLE]
    objects = sum(line.lstrip().startswith("{") and isinstance(_loaded(line), dict) for line in lines)
    if len(lines) == 1 and whole and _WRAPPER.match(head):
        return False
    return objects > 0 and 2 * objects >= len(lines)


def is_document(head: str) -> bool:
    """Whether a file that starts like this is a JSON document: an array, or objects of more than one line."""
    if not _DOCUMENT.match(head):
        return False
    values = _Values(head)
    values.feed(head)
    found = len(list(values.taken(final=False))) > 0
    return values.ends_inside_a_value or (found and values.is_empty)


def _loaded(line: str) -> object:
    try:
        return json.loads(line, strict=False)
    except (ValueError, RecursionError):
        return _NOT_JSON


def events(lines: pl.Series, keys: Keys) -> pl.DataFrame:
    """The events on `lines` (String, n non-blank lines): n rows `text`, `stamp`, `raw` (all String), `broken` Boolean.

    `text` is the event's text fields, or, where it has none, its string values as "key: value; …". A broken line is its
    own text and has no `raw`.
    """
    parsed = _parsed(lines, keys.all)
    raw = parsed.select(raw=pl.when(~pl.col("broken")).then(lines)).to_series()
    bodies, titles, times = list(keys.bodies), list(keys.titles), list(keys.times)
    text, stamp = fields.text_of(bodies, titles), fields.stamp_of(times)
    if keys.given_text:
        text = pl.coalesce(_named(keys.given_text), text)
    if keys.given_time:
        stamp = pl.coalesce(_named(keys.given_time), stamp)
    marks = list(dict.fromkeys([*keys.levels, *keys.statuses]))
    frame = parsed.with_columns(raw).select("raw", "broken", *marks, text=text, stamp=stamp)
    timeless = frame["stamp"].is_null() & frame["raw"].is_not_null()
    if timeless.any():
        nested = [pl.col("raw").str.extract(_NESTED_TIME)]
        if times:
            named = "|".join(map(re.escape, times))
            nested.append(pl.col("raw").str.extract(rf'"(?:{named})"\s*:\s*"?([^",{{}}\[\]\s][^",}}]*)'))
        frame = frame.with_columns(stamp=pl.coalesce("stamp", *nested))
    silent = (frame["text"].is_null() & ~frame["broken"]).arg_true()
    if len(silent):
        frame = frame.with_columns(frame["text"].scatter(silent, _without_message(raw.gather(silent), keys.times)))
    frame = frame.with_columns(pl.coalesce("text", lines))
    if marks:
        told = levels.with_level_and_status(pl.col("text"), list(keys.levels), list(keys.statuses))
        frame = frame.with_columns(text=pl.when("broken").then("text").otherwise(told))
    return frame.select("raw", "broken", "text", "stamp")


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
            frame = pl.read_ndjson(lines.str.join("\n").item().encode(), schema=schema)
        except pl.exceptions.PolarsError:
            pass
        else:
            if frame.height == len(lines):
                return _last_of_twice(frame.with_columns(broken=pl.lit(False)), lines, list(schema))
    if len(lines) <= _ONE_BY_ONE:
        return _parsed_one_by_one(lines, list(schema))
    middle = len(lines) // 2
    return pl.concat([_parsed(lines[:middle], keys), _parsed(lines[middle:], keys)])


def _last_of_twice(parsed: pl.DataFrame, lines: pl.Series, keys: list[str]) -> pl.DataFrame:
    """The same with the last value of a key that is given twice, as event rules have it; polars takes the first."""
    twice = pl.any_horizontal(pl.col("line").str.count_matches(f'"{key}"', literal=True) > 1 for key in keys)
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


def _without_message(raw: pl.Series, times: tuple[str, ...]) -> pl.Series:
    """What events without a text of their own say: as far as their shape is known the telling fields, else all."""
    texts = event_texts(raw)
    unknown = texts.is_null().arg_true()
    return texts.scatter(unknown, _rendered(raw.gather(unknown), times)) if len(unknown) else texts


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
    values = tokens.filter(~named.is_in(list(fields.TIME)) & ~pl.col("key").is_in(list(times))).with_columns(
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


def document(blocks: Iterator[TextBlock], head: str) -> Iterator[tuple[list[int], bytes]]:
    """The values of a JSON document, a block's worth at a time: their line numbers, and one value a line, compact.

    Values are the elements of an array (or of the array that an object wraps), or objects one after another. What is
    no whole value comes as it stands, line by line. `head` is how the document starts.
    """
    values = _Values(head)
    for block in chain(blocks, [None]):
        if block:
            values.feed(block.data.decode())
        found = list(values.taken(final=block is None))
        if found:
            yield [line for line, _ in found], ("\n".join(text for _, text in found) + "\n").encode("utf-8", "replace")


class _Values:
    """The JSON values in text that comes piece by piece; holds no more than the value that has not ended."""

    def __init__(self, head: str) -> None:
        wrapper = _WRAPPER.match(head)
        self._wrapped = wrapper is not None
        self._skip = wrapper.end() if wrapper else 0
        self._text = ""
        self._line = 1
        self._lost = False
        self._decoder = json.JSONDecoder(strict=False)
        self.ends_inside_a_value = False
        """Whether the text so far is JSON that goes on."""

    @property
    def is_empty(self) -> bool:
        """Whether all of the text so far has been taken."""
        return not self._text.strip()

    def feed(self, text: str) -> None:
        self._text += text

    def taken(self, final: bool) -> Iterator[tuple[int, str]]:
        """Take the values that are whole, each with the line on which it starts; `final` = no more text will come."""
        text, at, counted = self._text, 0, 0
        self.ends_inside_a_value = False
        if self._skip and (len(text) > self._skip or final):
            at, self._skip = self._skip, 0
        while not self._skip:
            between = _BETWEEN.match(text, at)
            begin = between.end() if between else at
            if self._wrapped and "]" in text[at:begin]:
                # What follows the array in the object around it is about the document, no event.
                begin = len(text)
            if begin == len(text):
                at = begin
                break
            found = self._value(text, begin)
            if found is None:
                if not final and not self._lost and len(text) - begin < _LONGEST_EVENT:
                    at = begin
                    break
                # A line of its own, and so are those after it, up to one that starts an object.
                begin = max(text.rfind("\n", 0, begin) + 1, at)
                end = text.find("\n", begin) + 1 or len(text)
                found = text[begin:end].rstrip("\r\n"), end
                self._lost = True
            self._line += text.count("\n", counted, begin)
            yield self._line, found[0]
            self._line += text.count("\n", begin, found[1])
            counted = at = found[1]
        self._line += text.count("\n", counted, at)
        self._text = text[at:]

    def _value(self, text: str, begin: int) -> tuple[str, int] | None:
        """The value that starts at `begin`, on one line, and where it ends; None where it is not (yet) whole."""
        if self._lost and text[begin] != "{":
            return None
        try:
            value, end = self._decoder.raw_decode(text, begin)
        except (ValueError, RecursionError) as error:
            self.ends_inside_a_value = _is_at_end(error, text)
            return None
        self._lost = False
        raw = text[begin:end]
        if "\n" in raw or "\r" in raw:
            raw = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return raw, end


def _is_at_end(error: Exception, text: str) -> bool:
    """Whether JSON could not be read because it goes on after `text`, and not for what `text` holds."""
    if not isinstance(error, json.JSONDecodeError):
        return False
    return error.msg.startswith("Unterminated string") or error.pos >= len(text.rstrip()) - 8
