"""Which fields of a structured record are its text and its time.

In: the names of a record's fields (JSON keys, columns). Out: the names that carry text, titles and times, in the order
of preference, and the expressions that make one text and one time of them. Where no name is known: the column that
reads like sentences, or all words together. It reads no file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING

import polars as pl
from polars import selectors

from forewarn.field_names import plain

if TYPE_CHECKING:
    from forewarn.reading.formats.line_reader import LineReader

    InnerOf = Callable[[list[str]], LineReader | None]


@cache
def _ranks(kind: tuple[str, ...]) -> dict[str, int]:
    return {word: rank for rank, word in enumerate(kind)}


def known(names: Iterable[str], kind: tuple[str, ...]) -> list[str]:
    """Those of `names` that are of a kind (`BODY`, `TITLE`, `TIME`), the preferred ones first."""
    ranks = _ranks(kind)
    found = [
        (ranks[spelled], position, name) for position, name in enumerate(names) if (spelled := plain(name)) in ranks
    ]
    return [name for _, _, name in sorted(found)]


def column(name: str) -> pl.Expr:
    """The column of exactly that name: to polars `*` and `^…$` are patterns of names, to a user they are names."""
    pattern = name == "*" or (name.startswith("^") and name.endswith("$"))
    return selectors.by_name(name).as_expr() if pattern else pl.col(name)


def _first_filled(names: list[str]) -> pl.Expr:
    # A value that starts with a brace is a nested record, not a sentence.
    blank = r"^\s*(?:\{|$)"
    return pl.coalesce(
        [pl.when(~column(name).str.contains(blank)).then(column(name).str.strip_chars_end("\r\n")) for name in names]
    )


def text_of(bodies: list[str], titles: list[str]) -> pl.Expr:
    """The text of each record: its body, after its title on a line of its own where the body does not begin with it.

    `bodies`, `titles` name String columns, the preferred ones first. Null where all of them are blank.
    """
    if not bodies or not titles:
        return _first_filled(bodies or titles) if bodies or titles else pl.lit(None, pl.String)
    body, title = _first_filled(bodies), _first_filled(titles)
    both = pl.when(body.str.starts_with(title)).then(body).otherwise(pl.concat_str(title, body, separator="\n"))
    return pl.coalesce(both, body, title)


def with_reasons(text: pl.Expr, names: list[str]) -> pl.Expr:
    """The texts with the first line of the first filled of these columns after them, unless they hold it."""
    if not names:
        return text
    first = [column(name).str.extract(r"^\s*([^\n{\[\s][^\n]{0,500})") for name in names]
    said = pl.coalesce([pl.when(~value.is_in(["null", "true", "false", "-", "0"])).then(value) for value in first])
    more = said.is_not_null() & ~text.str.contains(said, literal=True)
    return pl.when(more.fill_null(False)).then(pl.concat_str(text, said, separator=": ")).otherwise(text)


def stamp_of(names: list[str]) -> pl.Expr:
    """The written time of each record, from String columns, the preferred ones first; a day and a clock are joined."""
    if not names:
        return pl.lit(None, pl.String)
    filled = [pl.when(column(name) != "").then(column(name)) for name in names]
    by_plain = {plain(name): column(name) for name in names}
    if "date" in by_plain and "time" in by_plain:
        clock = by_plain["time"].str.contains(r"^\s*[0-9]{1,2}:[0-9]{2}")
        filled.insert(0, pl.when(clock).then(by_plain["date"] + " " + by_plain["time"]))
    return pl.coalesce(filled)


def wordiest(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The column that reads like sentences, if there is one: 40 characters a row, three words in half of the rows."""
    best: list[str] = []
    longest = 40.0
    for number, name in enumerate(columns):
        cells = [row[number] for row in rows if len(row) == len(columns) and row[number].strip()]
        if not cells:
            continue
        worded = sum(bool(re.search(r"\w\s+\S*\w\s+\S|[\u3040-\u9fff]{4}", cell)) for cell in cells)
        length = sum(map(len, cells)) / len(cells)
        if worded * 2 >= len(cells) and length >= longest:
            best, longest = [name], length
    return best


def described(columns: Sequence[str], times: Sequence[str]) -> pl.Expr:
    """The words of a row as "column: value; …", without times and numbers; null where it holds none."""
    entries = []
    for name in columns:
        if name not in times:
            wordless = column(name).str.contains(r"^[\s\d.,:+%-]*$")
            entries.append(pl.when(~wordless).then(pl.concat_str(pl.lit(name + ": "), column(name))))
    if not entries:
        return pl.lit(None, pl.String)
    text = pl.concat_str(entries, separator="; ", ignore_nulls=True)
    return pl.when(text != "").then(text)
