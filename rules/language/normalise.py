"""Text as rules see it: one form for every way of writing the same letters.

In: any text. Out: the text folded: NFKC (full-width letters, ligatures), zero-width characters dropped, lower case,
Cyrillic and Greek letters that look like Latin ones folded to them, runs of blanks as one space. `folded` is columnar
and used for scanning; `fold_with_places` is exact about places in the original and used for alerts only. Both give the
same text.
"""

from __future__ import annotations

import re
import unicodedata

import polars as pl

ZERO_WIDTH = (
    "\u00ad\u034f\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e"
    "\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\ufeff"
)
"""Characters that are not seen: soft hyphen, joiners, direction marks, byte order mark."""

CONFUSABLE = dict(
    zip(
        "аеорсухіјѕԁһӏԛԝοαειυχρνκςſɑɡıøđ‘’ʼ",
        "aeopcyxijsdhlqwoaeiuxpvkσsagiød'''",
        strict=True,
    )
)
"""Signs that look like another: Cyrillic and Greek to Latin (Unicode TR 39), final sigma to sigma, apostrophes."""

_RUN = r"[ \t]{2,}|\t"
_BLANKS = re.compile(_RUN)
_FROM = [*ZERO_WIDTH, *CONFUSABLE]
_TO = [""] * len(ZERO_WIDTH) + list(CONFUSABLE.values())
_TABLE = {ord(char): None for char in ZERO_WIDTH} | {ord(char): like for char, like in CONFUSABLE.items()}


def fold(text: str) -> str:
    """The folded form of one text; the same as `folded` gives for a column."""
    return _BLANKS.sub(" ", unicodedata.normalize("NFKC", text).lower().translate(_TABLE))


def fold_with_places(text: str) -> tuple[str, list[int]]:
    """The folded text, and for each of its characters (and its end) the place in the original."""
    out: list[str] = []
    places: list[int] = []
    at, last = 0, ""
    while at < len(text):
        end = at + 1
        # A letter and what composes with it (marks, Hangul jamo) are folded as one.
        while end < len(text) and not text[end].isascii() and _joins(text[at:end], text[end]):
            end += 1
        cluster = fold(text[at:end])
        if cluster[:1] == " " == last:
            cluster = cluster[1:]
        last = cluster[-1:] or last
        out.append(cluster)
        places.extend([at] * len(cluster))
        at = end
    return "".join(out), [*places, len(text)]


def _joins(before: str, char: str) -> bool:
    normal = unicodedata.normalize
    return bool(unicodedata.combining(char)) or normal("NFKC", before + char) != normal("NFKC", before) + normal(
        "NFKC", char
    )


def one_blank(text: pl.Series) -> pl.Series:
    """A String series with each run of blanks as one: what folding does to blanks."""
    return text.str.replace_all(_RUN, " ")


def folded(text: pl.Series) -> pl.Series:
    """The folded form of a String series of length n; rows that are plain ASCII take a short way."""
    plain = one_blank(text.str.to_lowercase())
    other = (text.str.len_bytes() != text.str.len_chars()).fill_null(False)
    if not other.any():
        return plain
    drop = (
        pl.col("text").str.normalize("NFKC").str.to_lowercase().str.replace_many(_FROM, _TO).str.replace_all(_RUN, " ")
    )
    rest = pl.DataFrame({"text": text.filter(other)}).select(drop).to_series()
    return plain.scatter(other.arg_true(), rest)
