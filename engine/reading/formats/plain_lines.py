"""Lines of text as they stand → what they say.

In: lines of any log or prose. Out: each line as its own text, a stack trace as one with the line before it; where lines
begin with a syslog priority or a klog letter, that is read as their level.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from forewarn.reading import levels
from forewarn.reading.formats import stack_traces
from forewarn.reading.formats.line_reader import LineReader, are_mostly, to_said

_PRIORITY = r"^<([0-9]{1,3})>(?:1 )?"
_KLOG = r"^([IWEF])[01][0-9][0-3][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]+ "
_STATUS = r'" ([1-5][0-9]{2}) (?:[0-9]+|-)(?: |$)'
"""The status in a line of the common log format of web servers."""
_SAMPLE = 40


@dataclass(frozen=True)
class PlainLines(LineReader):
    """Lines that are their own text. `mark` is the pattern at the start of lines that holds their level, if one does;
    `web` whether they are those of a web server, with a status."""

    mark: str = ""
    web: bool = False
    cells = False
    joins = True
    odd = stack_traces.ODD

    def said(self, lines: pl.Series) -> pl.DataFrame:
        """What n lines say."""
        if not self.mark and not self.web:
            return to_said({"text": lines, "stamp": lines}, len(lines))
        line = lines.alias("line").to_frame()
        status = pl.col("line").str.extract(_STATUS).cast(pl.UInt16) if self.web else pl.lit(None, pl.UInt16)
        level, text = pl.lit(None, pl.UInt8), pl.col("line")
        if self.mark:
            found = pl.col("line").str.extract(self.mark)
            level = levels.of_priority(found) if self.mark == _PRIORITY else levels.number(found)
            text = pl.col("line").str.replace(_PRIORITY, "") if self.mark == _PRIORITY else text
        frame = line.select(text=text, level=level, status=status)
        marked = levels.with_marks(
            frame["text"], frame["level"], pl.repeat(None, len(lines), dtype=pl.UInt16, eager=True)
        )
        return to_said({**frame.to_dict(), "text": marked, "stamp": lines}, len(lines))

    def belongs(self, lines: pl.Series) -> pl.Series:
        """Which of n lines are of a stack trace that began before them."""
        if not stack_traces.may_go_on(lines):
            return pl.repeat(False, len(lines), eager=True)
        return stack_traces.belongs(lines)

    def together(self, lines: pl.Series) -> str:
        """The text of a stack trace."""
        return stack_traces.together(lines.to_list())


MARKS = {"syslog_priority": _PRIORITY, "klog": _KLOG, "access_log": _STATUS, "plain_lines": ""}
"""The kinds of plain lines, and what most lines of each hold."""


def plain_in(lines: list[str], kind: str) -> PlainLines | None:
    """The reader of lines of that kind, or None where most of a file's lines are not of it."""
    pattern = MARKS[kind]
    lines = lines[:_SAMPLE]
    if pattern and not are_mostly(pattern, lines, 0.5):
        return None
    return PlainLines("" if kind == "access_log" else pattern, kind == "access_log")
