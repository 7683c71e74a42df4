"""Records of several lines that begin with a line of their own kind → one line each.

In: lines of systemd's export format, of log4j's XML or of MySQL's log of slow queries. Out: what `line_reader.SAID`
names, a record for all the lines up to the next beginning.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import polars as pl

from forewarn.reading import levels
from forewarn.reading.formats.line_reader import LineReader, to_said

_SAMPLE = 60
_FIRST = 10
"""Lines of which one must be of the layout: a heading may stand before."""
_XML_TIME = r'(?:timestamp|timeMillis)="([0-9]{12,13})"'
_XML_SECONDS = r'<(?:log4j:)?Instant epochSecond="([0-9]+)"'
_XML_MESSAGE = r"(?s)<(?:log4j:)?[mM]essage>(?:<!\[CDATA\[)?(.*?)(?:\]\]>)?</(?:log4j:)?[mM]essage>"
_XML_THROWN = r"(?s)<(?:log4j:)?throwable>(?:<!\[CDATA\[)?\s*([^\n\]<]{1,500})"


@dataclass(frozen=True)
class BlocksOfLines(LineReader):
    """Records that begin with a line of the pattern `begins`; `name` says which of `BLOCKS`."""

    name: str
    begins: str
    joins = True
    odd = ""

    def said(self, lines: pl.Series) -> pl.DataFrame:
        """What n records say."""
        return _SAID[self.name](lines)

    def belongs(self, lines: pl.Series) -> pl.Series:
        """Which of n lines do not begin a record."""
        return ~lines.str.contains(self.begins)


def _extract(lines: pl.Series, *patterns: str) -> pl.Series:
    line = lines.alias("line").to_frame()
    return line.select(pl.coalesce([pl.col("line").str.extract(pattern) for pattern in patterns])).to_series()


def _marked(text: pl.Series, level: pl.Series) -> pl.Series:
    return levels.with_marks(text, level, pl.repeat(None, len(text), dtype=pl.UInt16, eager=True))


def _journal(lines: pl.Series) -> pl.DataFrame:
    level = levels_of(_extract(lines, r"(?m)^PRIORITY=([0-7])$"))
    text = _extract(lines, r"(?m)^MESSAGE=(.*)$").fill_null("")
    pairs = lines.str.extract_all(r"(?m)^[A-Z_][A-Z0-9_]*=.*$").to_list()
    events = [dict(pair.split("=", 1) for pair in found) for found in pairs]
    raw = pl.Series([msgspec.json.encode(event).decode() for event in events], dtype=pl.String)
    stamp = _extract(lines, r"(?m)^_SOURCE_REALTIME_TIMESTAMP=([0-9]+)$", r"(?m)^__REALTIME_TIMESTAMP=([0-9]+)$")
    silent = text == ""
    text = pl.select(pl.when(silent).then(lines).otherwise(text)).to_series()
    return to_said({"text": _marked(text, level), "stamp": stamp, "raw": raw, "level": level}, len(lines))


def levels_of(said: pl.Series) -> pl.Series:
    """The levels that a series of fields says: UInt8 (n,)."""
    return said.alias("said").to_frame().select(levels.number(pl.col("said"))).to_series()


def _log4j(lines: pl.Series) -> pl.DataFrame:
    level = levels_of(_extract(lines, r'\blevel="([A-Za-z]+)"'))
    message, thrown = _extract(lines, _XML_MESSAGE), _extract(lines, _XML_THROWN)
    written = message.str.contains("&", literal=True).fill_null(False).arg_true()
    if len(written):
        message = message.scatter(written, pl.Series([html.unescape(one) for one in message.gather(written)]))
    frame = pl.DataFrame({"message": message, "thrown": thrown, "line": lines})
    frame = frame.with_columns(logger=_extract(lines, r'\b(?:logger|loggerName)="([^"]*)"'), level=level)
    both = (
        pl.when(pl.col("thrown").is_null())
        .then("message")
        .otherwise(pl.concat_str("message", "thrown", separator=": "))
    )
    text = frame.select(pl.coalesce(both, "line")).to_series()
    raw = frame.select(
        pl.struct(
            "logger",
            "message",
            "thrown",
            level=pl.col("level").replace_strict(dict(enumerate(levels.LEVELS)), default=None),
        ).struct.json_encode()
    ).to_series()
    stamp = _extract(lines, _XML_TIME, _XML_SECONDS)
    raw = raw.set(message.is_null(), None)
    return to_said({"text": _marked(text, level), "stamp": stamp, "raw": raw, "level": level}, len(lines))


def _slow_queries(lines: pl.Series) -> pl.DataFrame:
    stamp = _extract(lines, r"(?m)^# Time: (.*)$", r"(?m)^SET timestamp=([0-9]{10})")
    text = lines.str.replace_all(r"(?m)^(?:# Time: .*|SET timestamp=[0-9]+;|use \S+;)\n?", "").str.strip_chars()
    text = pl.select(pl.when(text == "").then(lines).otherwise(text)).to_series()
    return to_said({"text": text, "stamp": stamp}, len(lines))


_SAID: dict[str, Callable[[pl.Series], pl.DataFrame]] = {
    "journald_export": _journal,
    "log4j_xml": _log4j,
    "mysql_slow": _slow_queries,
}
_KNOWN_BY = {
    "journald_export": (r"^__CURSOR=", r"^__CURSOR="),
    "log4j_xml": (r"^\s*<(?:log4j:event\s|Event\s[^>]*(?:loggerName|timeMillis)=)",) * 2,
    "mysql_slow": (r"^# (?:Time: |User@Host: )", r"^# Time: "),
}
"""For each layout, a pattern of which a file must have a line, and the one that begins a record."""


BLOCKS = tuple(_KNOWN_BY)
"""The names of the layouts."""


def blocks_in(lines: list[str], name: str) -> BlocksOfLines | None:
    """The layout of that name, or None where a file with such lines is not in it."""
    known_by, begins = _KNOWN_BY[name]
    lines = lines[:_SAMPLE]
    if not any(re.search(known_by, line) for line in lines[:_FIRST]):
        return None
    if name == "mysql_slow" and not any(line.startswith("# Query_time:") for line in lines):
        return None
    timed = any(re.search(begins, line) for line in lines)
    return BlocksOfLines(name, begins if timed else known_by)
