"""What every layout of lines can do: say which lines belong together, and what each of them says.

In: lines of one file, or of several that are laid out alike. Out: `said`, the columns that a record is made of. The
layouts are in the modules beside this one, and `registry` chooses among them.
"""

from __future__ import annotations

import re

import polars as pl

SAID: dict[str, pl.DataType] = {
    "text": pl.String(),
    "stamp": pl.String(),
    "raw": pl.String(),
    "level": pl.UInt8(),
    "status": pl.UInt16(),
    "broken": pl.Boolean(),
}
"""What a reader gives for each line: its `text`, its written time (`stamp`), the whole event as JSON (`raw`), `level`
and `status` (`reading.levels`), and whether the line is not what it should be (`broken`). Null where there is none."""


_FEW = 8


class LineReader:
    """How lines of one layout become records. Two readers that are equal read alike, and their lines go together."""

    cells = True
    """Whether stamps are whole fields; if not, times are looked for in running text."""
    joins = False
    """Whether a line may belong to the one before it."""
    odd = r"^(?:\s|$)"
    """A quick look: the pattern of lines that may be blank or belong to the one before; "" where that is any."""
    what = "line"
    """What a line should be, where it is broken."""

    def said(self, lines: pl.Series) -> pl.DataFrame:
        """What n lines (String, none of them blank) say: n rows of `SAID`."""
        raise NotImplementedError

    def belongs(self, lines: pl.Series) -> pl.Series:
        """Which of n lines belong to the one before: Boolean (n,)."""
        return pl.repeat(False, len(lines), eager=True)

    def together(self, lines: pl.Series) -> str:
        """The one line that several make: a String series, the first of which begins it."""
        return "\n".join(lines)


def are_mostly(pattern: str, lines: list[str], share: float) -> bool:
    """Whether a pattern is found in at least that share of some lines; where in none of a few, it is not looked for."""
    search = re.compile(pattern).search
    few = lines[:: max(len(lines) // _FEW, 1)]
    if not lines or not any(map(search, few)):
        return False
    return sum(search(line) is not None for line in lines) >= share * len(lines)


def to_said(columns: dict[str, pl.Series], height: int) -> pl.DataFrame:
    """A frame of `SAID` of what is given, the rest null; `broken` false."""
    nothing = {name: pl.repeat(None, height, dtype=dtype, eager=True) for name, dtype in SAID.items()}
    nothing["broken"] = pl.repeat(False, height, eager=True)
    return pl.DataFrame({name: columns.get(name, nothing[name]) for name in SAID})
