"""What changes a case base: build, add, remove, merge; and what joins texts that are one.

In: a folder, cases, an encoder. Out: the folder's next generation and a `Change` that says what came of it. Texts are
encoded before the folder is locked. A case is joined to an earlier one, and counted there, where both have the same
label, their texts are the same or nearly so, and their times are at most a month apart: the same words a year later
are another event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.embeddings import case_store, nearest
from forewarn.embeddings.case_store import CASES, Stored
from forewarn.embeddings.cases import check_encoder, embedded_texts
from forewarn.embeddings.encoder import Encoder
from forewarn.errors import CaseBaseError

JOINED = 0.92
"""Cosine of two texts from which on they are one."""
NONE = 2.0
"""A cosine that no two texts have: each stays a case of its own."""
_MONTH = 31
_TWINS = 8
"""Earlier texts that a text is compared with, the nearest ones."""
_INDEXED = 50_000
"""Texts from which on each one's nearest are found through an index: comparing each with each takes a minute."""
_RETRAIN = 4
"""An index is trained anew when it holds this many times what it was trained for."""


@dataclass(frozen=True)
class Change:
    """What came of a change: cases `added`, `joined` to others, `known` before, `removed`; the `total` now."""

    added: int = 0
    joined: int = 0
    known: int = 0
    removed: int = 0
    total: int = 0


@dataclass(frozen=True)
class _Base:
    """Cases, how many vectors each has, those vectors in blocks, their encoder's name and checksum, their index."""

    cases: pl.DataFrame
    parts: NDArray[np.uint8]
    vectors: list[NDArray[np.int8]]
    encoder: tuple[str, str]
    index: Any = None


def build(
    folder: str | Path, cases: pl.DataFrame, encoder: Encoder, *, join: float = JOINED, anew: bool = False
) -> Change:
    """Write a new base of n cases (`CASES`). Raises CaseBaseError where the folder holds something already."""
    folder = Path(folder)
    cases = _checked(cases)
    new = _encoded(cases, encoder)
    with case_store.writing(folder):
        if case_store.is_base(folder) and not anew:
            raise CaseBaseError(
                "is a case base already", path=folder, remedy="Add to it with `forewarn cases add`, or say --replace."
            )
        others = case_store.strangers(folder)
        if others and not case_store.is_base(folder):
            raise CaseBaseError(
                f"holds other files ({', '.join(others[:3])})", path=folder, remedy="Name a folder of its own."
            )
        return _write(folder, None, new, join, known=0)


def add(folder: str | Path, cases: pl.DataFrame, encoder: Encoder, *, join: float = JOINED) -> Change:
    """Add n cases (`CASES`) to a base. Those that are there by id and text are left out.

    Raises CaseBaseError where an id is there with another text, or the base is of another encoder.
    """
    cases = _checked(cases)
    folder = Path(folder)
    check_encoder(case_store.read(folder), folder, encoder)
    new = _encoded(cases, encoder)
    with case_store.writing(folder):
        stored = case_store.read(folder, thorough=True)
        check_encoder(stored, folder, encoder)
        old = stored.all_rows()
        fresh = _fresh(old, cases, folder)
        if not fresh.any():
            return Change(known=cases.height, total=old.height)
        known = cases.height - int(fresh.sum())
        return _write(folder, _base(stored, old), _chosen(new, fresh), join, known=known)


def remove(folder: str | Path, ids: Sequence[str]) -> Change:
    """Take cases out of a base by id. Raises CaseBaseError, and changes nothing, where one is not there."""
    folder = Path(folder)
    with case_store.writing(folder):
        stored = case_store.read(folder, thorough=True)
        unknown = sorted(set(ids) - set(stored.light["id"]))
        if unknown:
            raise CaseBaseError(
                f"has no case {', '.join(unknown[:5])}",
                path=folder,
                remedy=f"`forewarn cases list --cases {folder}` names all.",
            )
        kept = ~stored.light["id"].is_in(list(set(ids))).to_numpy()
        if not kept.any():
            raise CaseBaseError("would be empty", path=folder, remedy="Delete the folder instead.")
        left = _chosen(_base(stored, stored.all_rows()), kept)
        _save(folder, left)
        return Change(removed=int((~kept).sum()), total=left.cases.height)


def merge(folder: str | Path, others: Sequence[str | Path], *, join: float = JOINED) -> Change:
    """Write a new base of what several hold; the vectors are taken over, nothing is encoded again.

    Raises CaseBaseError where one is of another encoder, the folder is a base already, or one id has two texts.
    """
    folder, bases = Path(folder), [Path(other) for other in others]
    read = [case_store.read(base, thorough=True) for base in bases]
    for stored, other in zip(read, bases, strict=True):
        if stored.manifest.encoder_checksum != read[0].manifest.encoder_checksum:
            raise CaseBaseError(
                f"was built with the encoder {stored.manifest.encoder}, {others[0]} with {read[0].manifest.encoder}",
                path=other,
                remedy="Build one of them anew with the other's encoder.",
            )
    with case_store.writing(folder):
        if case_store.is_base(folder):
            raise CaseBaseError("is a case base already", path=folder, remedy="Name a new folder with -o.")
        first, *rest = (_base(stored, stored.all_rows()) for stored in read)
        together, known = first, 0
        for base, other in zip(rest, bases[1:], strict=True):
            fresh = _fresh(together.cases, base.cases, other)
            known += int((~fresh).sum())
            together = _appended(together, _chosen(base, fresh))
        return _write(folder, None, together, join, known=known)


def _checked(cases: pl.DataFrame) -> pl.DataFrame:
    """The cases, each id once: a second row of the same content is counted, one of other content is an error."""
    if cases.is_empty():
        raise CaseBaseError("there are no cases", remedy="Name files with a column of texts.")
    content = [name for name in CASES if name not in ("count", "joined")]
    grouped = cases.group_by(content, maintain_order=True).agg(
        pl.col("count").sum(), pl.col("joined").explode(empty_as_null=False)
    )
    twice = grouped.filter(pl.col("id").is_duplicated())
    if twice.height:
        raise CaseBaseError(
            f"the id {twice['id'][0]!r} stands for different cases",
            remedy="Give each case an id of its own, or leave the column out.",
        )
    return grouped.select(*CASES)


def _encoded(cases: pl.DataFrame, encoder: Encoder) -> _Base:
    texts, parts = embedded_texts(cases)
    blocks = [
        nearest.compressed(encoder.encode(texts[start : start + 65_536])) for start in range(0, len(texts), 65_536)
    ]
    return _Base(cases, parts, blocks, (encoder.name, encoder.checksum))


def _base(stored: Stored, cases: pl.DataFrame) -> _Base:
    made_by = (stored.manifest.encoder, stored.manifest.encoder_checksum)
    return _Base(cases, stored.parts, [stored.vectors], made_by, stored.index)


def _fresh(old: pl.DataFrame, new: pl.DataFrame, folder: Path) -> NDArray[np.bool_]:
    """Which of the new cases are not in the old ones, by id, or joined to one of them."""
    there = dict(zip(old["id"], old["text"], strict=True))
    joined = set(old["joined"].explode(empty_as_null=False))
    for name, text in zip(new["id"], new["text"], strict=True):
        if there.get(name, text) != text:
            raise CaseBaseError(
                f"has another case with the id {name!r}",
                path=folder,
                remedy=f"Give the new one another id, or take the old one out: `forewarn cases remove {name}`.",
            )
    return np.array([name not in there and name not in joined for name in new["id"]], dtype=bool)


def _appended(first: _Base, second: _Base) -> _Base:
    return _Base(
        pl.concat([first.cases, second.cases]),
        np.concatenate([first.parts, second.parts]),
        [*first.vectors, *second.vectors],
        first.encoder,
        first.index,
    )


def _chosen(base: _Base, kept: NDArray[np.bool_]) -> _Base:
    """The base with only these of its cases; an index loses the vectors of the others."""
    if kept.all():
        return base
    rows = np.repeat(kept, base.parts)
    vectors, start = [], 0
    for block in base.vectors:
        vectors.append(block[rows[start : start + len(block)]])
        start += len(block)
    index = base.index
    if index is not None:
        nearest.shrink(index, rows)
    return replace(base, cases=base.cases.filter(pl.Series(kept)), parts=base.parts[kept], vectors=vectors, index=index)


def _write(folder: Path, old: _Base | None, new: _Base, join: float, *, known: int) -> Change:
    """Append `new` to `old`, join what is one, and write it."""
    together = _appended(old, new) if old else new
    held = old.cases.height if old else 0
    together = _indexed(together, held)
    root = _roots(together, held, join)
    kept = root == np.arange(len(root))
    cases = together.cases.with_columns(pl.Series("root", root)).with_row_index("row")
    counted = (
        cases.with_columns(
            own=pl.when(pl.col("row") == pl.col("root"))
            .then(pl.col("joined"))
            .otherwise(pl.concat_list(pl.concat_list("id"), "joined"))
        )
        .group_by("root", maintain_order=True)
        .agg(pl.col("count").sum(), joined=pl.col("own").explode(empty_as_null=False))
        .sort("root")
    )
    result = _chosen(together, kept)
    _save(folder, replace(result, cases=result.cases.with_columns(count=counted["count"], joined=counted["joined"])))
    joined = int((~kept).sum())
    return Change(new.cases.height - joined, joined, known, 0, result.cases.height)


def _save(folder: Path, base: _Base) -> None:
    index = base.index if sum(map(len, base.vectors)) >= nearest.LARGE else None
    case_store.write(folder, base.cases, base.parts, base.vectors, index, encoder=base.encoder)


def _indexed(base: _Base, held: int) -> _Base:
    """The base with an index that holds all its vectors, where they are many or many are new."""
    count = sum(map(len, base.vectors))
    if count < nearest.LARGE and count * int(base.parts[held:].sum()) < _INDEXED**2:
        return base
    vectors = base.vectors[0] if len(base.vectors) == 1 else np.concatenate(base.vectors)
    index = base.index
    if index is None or count > _RETRAIN * nearest.trained_for(index):
        index = nearest.train(vectors)
    else:
        nearest.extend(index, vectors)
    return replace(base, vectors=[vectors], index=index)


def _roots(base: _Base, held: int, join: float) -> NDArray[np.int64]:
    """The case that each of n cases is joined to, int64 (n,): itself, or an earlier one. The first `held` stay."""
    count = base.cases.height
    root = np.arange(count)
    if join > 1 or count == held:
        return root
    last = np.cumsum(base.parts, dtype=np.int64) - 1
    vectors = np.concatenate(base.vectors) if len(base.vectors) > 1 else base.vectors[0]
    # The text is the last vector of its case.
    case_of = np.full(len(vectors), -1)
    case_of[last] = np.arange(count)
    whole: nearest.Nearest = (
        nearest.Indexed(vectors, base.index) if base.index is not None else nearest.Flat(nearest.unpacked(vectors))
    )
    near, place = whole.only(last).search(whole.vectors(last[held:]), _TWINS)
    newer = np.arange(held, count)
    row, column = np.nonzero((near >= join) & (place >= 0))
    pairs = pl.DataFrame({"new": newer[row], "old": case_of[place[row, column]]}).filter(pl.col("old") < pl.col("new"))
    pairs = pl.concat([pairs, _same_text(base.cases, held)]).unique().sort("new", "old")
    for new, old in (
        pairs.filter(_one_event(base.cases, pairs)).group_by("new", maintain_order=True).first().iter_rows()
    ):
        root[new] = root[old]
    return root


def _same_text(cases: pl.DataFrame, held: int) -> pl.DataFrame:
    """The first earlier case of the same words, whatever their case, width and spacing."""
    words = pl.col("text").str.normalize("NFKC").str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars()
    rows = cases.select(words.alias("words")).with_row_index("new").with_columns(pl.col("new").cast(pl.Int64))
    old = pl.col("new").min().over("words").alias("old")
    return rows.select("new", old).filter((pl.col("old") < pl.col("new")) & (pl.col("new") >= held))


def _one_event(cases: pl.DataFrame, pairs: pl.DataFrame) -> pl.Series:
    """Whether each pair of cases has one label and kind, and times that may be the same."""
    day = pl.col("time").str.slice(0, 10)
    facts = cases.select("label", "sign", "time", day=(day + pl.lit("-01-01").str.slice(day.str.len_chars() - 4)))
    facts = facts.with_columns(pl.col("day").str.to_date("%Y-%m-%d", strict=False))
    new, old = facts[pairs["new"]], facts[pairs["old"]].select(pl.all().name.suffix("_old"))
    apart = (pl.col("day") - pl.col("day_old")).dt.total_days().abs()
    # "2008" may be any day of that year.
    vague = pl.col("time").str.starts_with(pl.col("time_old")) | pl.col("time_old").str.starts_with(pl.col("time"))
    alike = (pl.col("label") == pl.col("label_old")) & (pl.col("sign") == pl.col("sign_old"))
    return (
        pl.concat([new, old], how="horizontal")
        .select(alike & (apart.is_null() | (apart <= _MONTH) | vague).fill_null(True))
        .to_series()
    )
