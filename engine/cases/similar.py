"""What past crises are like a text, and what in it says so.

In: a text, in any language of the encoder, and what to leave out. Out: the nearest cases of a base, most similar first,
each with the words of the text that speak most for it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.errors import CaseBaseError, InputError
from forewarn.findings import SCHEMA_VERSION, now
from forewarn.grouping.function_words import is_function_word
from forewarn.runtime.forked import check_not_forked

if TYPE_CHECKING:
    from forewarn.embeddings import CaseBase, Encoder

READ = 10_000
"""Characters of a text that are compared; what follows them is left out."""
_TITLE = 200
"""A first line of at most this many characters is a title, and counts by itself."""
_WEIGHED, _CHARACTERS = 64, 2_000
"""How many words, and of how many characters, are tried for what they add to a similarity."""
_SHOWN = 4
_WORD = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\u3040-\u30ff]+|[^\W\d_][\w'’-]+")
_IDEOGRAPHS = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\u3040-\u30ff]")
_DATE = re.compile(r"[12][0-9]{3}(-[01][0-9](-[0-3][0-9].*)?)?")


class SimilarCase(msgspec.Struct, frozen=True, tag_field="kind", tag="similar"):
    """A past crisis like the text: `rank` from 1, `similarity` a cosine, `words` of the text that speak most for it,
    `count` of texts joined in the case; `example` it was written as one and never happened; `time` the case's, not the
    text's; `detected_at` when it was looked up, UTC; the rest as in the base.
    """

    rank: int
    similarity: float
    id: str
    time: str | None
    title: str
    title_zh: str | None
    category: str | None
    outcome: str | None
    source: str | None
    count: int
    words: list[str]
    text: str
    example: bool = False
    schema_version: int = SCHEMA_VERSION
    detected_at: datetime | None = None


def similar(
    text: str,
    *,
    k: int = 5,
    cases: str | Path | CaseBase | None = None,
    category: str | None = None,
    before: str | None = None,
    after: str | None = None,
    source: str | None = None,
    mmr: float | None = None,
    encoder: str | Encoder | None = None,
    device: str | None = None,
) -> list[SimilarCase]:
    """The k past crises most similar to a text, fewer where there are fewer.

    `cases` a folder or an open base (None = the shipped one); `encoder` a name or an open one (None = what the base was
    built with); `category` a category; `before`, `after` ISO dates, as precise as wanted: cases before the first and
    from the second on (one without a time is then left out); `source` words that a case's source contains; `mmr` 0 to
    1 spreads the results out (see `CaseBase.look_up`). Raises InputError where the text is empty or an option makes no
    sense, CaseBaseError and EncoderError.
    """
    from forewarn.embeddings import CaseBase

    check_not_forked()
    if not text.strip():
        raise InputError("the text is empty", remedy="Say in a sentence or more what happened.")
    if k < 1:
        raise InputError(f"-k {k} is not a number of cases", remedy="Ask for 1 or more.")
    if mmr is not None and not 0 <= mmr <= 1:
        raise InputError(f"--mmr {mmr} is not between 0 and 1", remedy="0 is similarity alone, 0.3 spreads a little.")
    if encoder is None or isinstance(encoder, str):
        encoder = open_encoder(None if isinstance(cases, CaseBase) else cases, encoder, device)
    base = cases if isinstance(cases, CaseBase) else CaseBase.open(cases, encoder=encoder)
    keep = _kept(base, category, before, after, source)
    similarity, numbers = base.look_up(encoder.encode(_parts(text)), min(k, len(base)), keep=keep, mmr=mmr)
    rows = base.rows([int(number) for number in numbers])
    words = _words(text, numbers, base, encoder)
    moment = now()
    return [
        _case(rank, float(near), row, said, moment)
        for rank, (near, row, said) in enumerate(zip(similarity, rows.iter_rows(named=True), words, strict=True), 1)
    ]


def read_text(file: Path | IO[bytes]) -> str:
    """The text of a file, or of standard input: UTF-8, or what it declares itself to be. Raises InputError."""
    try:
        content = file.read_bytes() if isinstance(file, Path) else file.read()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", path=str(file), remedy="Name a file of text.") from None
    for encoding in ("utf-8-sig", "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode("utf-8", errors="replace")


def open_encoder(cases: str | Path | None, encoder: str | None, device: str | None = None) -> Encoder:
    """The named encoder, or the one that a base was built with. Raises CaseBaseError, EncoderError."""
    from forewarn.embeddings import case_store, load_encoder

    if encoder is None:
        encoder = "bundled" if cases is None else case_store.made_with(Path(cases))
    return load_encoder(encoder, device=device)


def title_of(case: dict[str, Any]) -> str:
    """A case's title, or the start of its text."""
    title = case["title"] or case["title_zh"]
    if title:
        return str(title)
    text = " ".join(case["text"].split())
    return text if len(text) <= 80 else f"{text[:79]}…"


def _case(rank: int, similarity: float, row: dict[str, Any], words: list[str], moment: datetime) -> SimilarCase:
    return SimilarCase(
        rank,
        round(similarity, 4),
        row["id"],
        row["time"],
        title_of(row),
        row["title_zh"],
        row["category"],
        row["outcome"],
        row["source"],
        row["count"],
        words,
        row["text"],
        row["example"],
        detected_at=moment,
    )


def _kept(
    base: CaseBase, category: str | None, before: str | None, after: str | None, source: str | None
) -> NDArray[np.bool_] | None:
    """Which cases may be found; None = all."""
    conditions: list[pl.Expr] = []
    if category is not None:
        known = sorted(set(base.cases.filter(pl.col("label") == 1)["category"].drop_nulls()))
        if category not in known:
            raise CaseBaseError(f"no case is of the category {category!r}", remedy=f"There are {', '.join(known)}.")
        conditions.append(pl.col("category") == category)
    for name, date in (("--before", before), ("--after", after)):
        if date is not None and not _DATE.fullmatch(date):
            raise InputError(f"{name} {date!r} is no date", remedy="Write 2008, 2008-05 or 2008-05-12.")
    # ISO 8601 sorts as text; "2008" stands before every day of 2008.
    if before is not None:
        conditions.append(pl.col("time") < before)
    if after is not None:
        conditions.append(pl.col("time") >= after)
    if source is not None:
        conditions.append(pl.col("source").str.to_lowercase().str.contains(source.lower(), literal=True))
    if not conditions:
        return None
    return base.cases.select(pl.all_horizontal(conditions).fill_null(False)).to_series().to_numpy()


def _parts(text: str) -> list[str]:
    """What a text is compared by: its title and the rest, or the whole."""
    text = text.strip()[:READ]
    first, _, rest = text.partition("\n")
    return [first.strip(), rest.strip()] if rest.strip() and 0 < len(first.strip()) <= _TITLE else [text]


def _words(text: str, numbers: NDArray[np.int64], base: CaseBase, encoder: Encoder) -> list[list[str]]:
    """For each case, the words without which the text would be less similar to it, the weightiest first."""
    text = text.strip()[:_CHARACTERS]
    found = [match[0] for match in _WORD.finditer(text) if not is_function_word(match[0])]
    # A word of letters is left out whole, of a run of ideographs one after the other.
    units = list(dict.fromkeys(unit for word in found for unit in (word if _IDEOGRAPHS.match(word) else [word])))
    units = units[:_WEIGHED]
    if not units or not len(numbers):
        return [[] for _ in numbers]
    vectors = encoder.encode([text, *(text.replace(unit, " ") for unit in units)])
    near = base.similarities(vectors, numbers)
    return [_weightiest(found, dict(zip(units, lost, strict=True))) for lost in (near[0] - near[1:]).T]


def _weightiest(words: Sequence[str], lost: dict[str, float]) -> list[str]:
    """The words whose loss is a quarter of the greatest or more; of ideographs, pairs that do not overlap."""
    worth: dict[str, float] = {}
    for word in words:
        pairs = [word[at : at + 2] for at in range(max(len(word) - 1, 1))] if _IDEOGRAPHS.match(word) else []
        for pair in pairs:
            worth[pair] = sum(max(lost.get(letter, 0.0), 0.0) for letter in pair)
        if not pairs:
            worth[word] = lost.get(word, 0.0)
    chosen: list[str] = []
    for word in sorted(worth, key=lambda word: -worth[word]):
        if worth[word] <= max(worth.values()) / 4 or worth[word] <= 0 or len(chosen) == _SHOWN:
            break
        if not (_IDEOGRAPHS.match(word) and set(word) & set("".join(chosen))):
            chosen.append(word)
    return chosen
