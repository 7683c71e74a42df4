"""logfmt → one row a line: what it says, when, how grave, and its pairs as JSON.

In: lines of `key=value` and `key="two words"`, as Go programs, Heroku and many firewalls write them. Out: what
`line_reader.SAID` names. A line without a message key is its own text.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

import polars as pl

from forewarn.field_names import BODY, REASON, TIME
from forewarn.reading import columns as fields
from forewarn.reading import levels
from forewarn.reading.formats.line_reader import LineReader, are_mostly, to_said

_KEY = r"[A-Za-z_@][A-Za-z0-9_.@/-]{0,60}"
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_PAIR = rf'(?:^|[\s,;])({_KEY})=({_QUOTED}|[^\s",;]*)'
_IN_PYTHON = re.compile(_PAIR, re.ASCII)
_NO_JSON_ESCAPE = r'\\[^"\\/bfnrtu]|[\x00-\x1f]'
_AUDIT = re.compile(r"(?:node=\S+ )?type=[A-Z_]+ msg=audit\(")
_TWO_PAIRS = rf"(?:^|[\s,;]){_KEY}=.*[\s,;]{_KEY}="
_SAMPLE = 20
_SHORT_TIMES = ("t", "ts", "time")


@dataclass(frozen=True)
class Logfmt(LineReader):
    """Lines of pairs; the keys that carry their text, time, level, status and reason, the preferred ones first."""

    bodies: tuple[str, ...]
    times: tuple[str, ...]
    levels: tuple[str, ...]
    statuses: tuple[str, ...]
    reasons: tuple[str, ...]
    what = "logfmt"

    def said(self, lines: pl.Series) -> pl.DataFrame:
        """What n lines say."""
        keys = list(dict.fromkeys((*self.bodies, *self.times, *self.levels, *self.statuses, *self.reasons)))
        line = lines.alias("line").to_frame()
        parsed = line.select(_value(key).alias(key) for key in keys) if keys else line
        frame = parsed.select(
            text=fields.with_reasons(fields.text_of(list(self.bodies), []), list(self.reasons)),
            stamp=fields.stamp_of(list(self.times)),
            level=levels.first_of(list(self.levels)),
            status=levels.status_of(list(self.statuses)),
        )
        silent = frame["text"].is_null()
        text = pl.select(pl.coalesce(frame["text"], lines)).to_series()
        marked = levels.with_marks(text, frame["level"], frame["status"]) if self.bodies else text
        text = pl.select(pl.when(silent).then(lines).otherwise(marked)).to_series()
        return to_said({**frame.to_dict(), "text": text, "raw": pairs_as_json(lines)}, len(lines))


def logfmt_in(lines: list[str]) -> Logfmt | None:
    """The reader of a file with such lines, or None where they are no logfmt."""
    lines = lines[:_SAMPLE]
    if not are_mostly(_TWO_PAIRS, lines, 0.5):
        return None
    found = [dict(_IN_PYTHON.findall(line)) for line in lines]
    good = sum(_is_logfmt(line, pairs) for line, pairs in zip(lines, found, strict=True))
    if not lines or 2 * good < len(lines):
        return None
    names = list(dict.fromkeys(name for pairs in found for name in pairs))
    times = fields.known(names, TIME) or [name for name in _SHORT_TIMES if name in names]
    return Logfmt(
        tuple(fields.known(names, BODY)),
        tuple(times),
        tuple(fields.known(names, levels.LEVEL)),
        tuple(fields.known(names, levels.STATUS)),
        tuple(name for name in fields.known(names, REASON)),
    )


def _is_logfmt(line: str, pairs: dict[str, str]) -> bool:
    """Three pairs that are most of the line, one of them a message, a level or a time."""
    if len(pairs) < 2:
        return False
    telling = any(fields.known(pairs, kind) for kind in (BODY, TIME, levels.LEVEL))
    size = sum(len(name) + len(value) + 2 for name, value in pairs.items())
    return telling and size >= 0.8 * len(line) and not _AUDIT.match(line)


def _value(key: str) -> pl.Expr:
    """The value of a key in `line`, without quotes and escapes; null where it is not there."""
    written = pl.col("line").str.extract(rf'(?:^|[\s,;]){re.escape(key)}=({_QUOTED}|[^\s",;]*)')
    inner = written.str.strip_prefix('"').str.strip_suffix('"')
    return (
        pl.when(inner.str.contains("\\", literal=True))
        .then(inner.str.replace_many(["\\\\", '\\"', "\\n", "\\t", "\\r"], ["\\", '"', "\n", "\t", "\r"]))
        .otherwise(inner)
    )


def pairs_as_json(lines: pl.Series) -> pl.Series:
    """The pairs of each of n lines as a JSON object: String (n,)."""
    pairs = lines.alias("line").to_frame().select(pl.col("line").str.extract_all(_PAIR))
    made = pairs.select(
        pl.col("line")
        .list.eval(
            pl.element()
            .str.strip_chars_start(" \t,;")
            .str.replace(rf"^({_KEY})=({_QUOTED})$", '"${1}":${2}')
            .str.replace(rf'^({_KEY})=([^"]*)$', '"${1}":"${2}"')
        )
        .list.join(",")
    ).to_series()
    odd = lines.str.contains(_NO_JSON_ESCAPE).arg_true()
    made = made.to_frame("pairs").select(pl.concat_str(pl.lit("{"), "pairs", pl.lit("}"))).to_series()
    if len(odd):
        made = made.scatter(odd, pl.Series([_one_as_json(line) for line in lines.gather(odd)], dtype=pl.String))
    return made


def _one_as_json(line: str) -> str:
    """What `pairs_as_json` says, plainly, of one line, whatever it escapes."""
    pairs = {}
    for name, value in _IN_PYTHON.findall(line):
        inner = value[1:-1] if value.startswith('"') else value
        pairs[name] = re.sub(r"\\(.)", lambda found: {"n": "\n", "t": "\t", "r": "\r"}.get(found[1], found[1]), inner)
    return json.dumps(pairs, ensure_ascii=False)
