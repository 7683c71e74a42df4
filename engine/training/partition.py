"""Labels that can teach, and which texts are kept apart.

In: a frame of labelled texts. Out: which are crises, what speaks against the labels, the rows to learn from and those
of the test part, and folds. Texts of one group, and texts that are the same but for numbers, are never on both sides.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from forewarn.arrays import Rows, Truth
from forewarn.errors import ForewarnError

FOLDS = 5
LEAST = 3
"""Texts of each class without which nothing can be learnt."""
FEW = 20
"""Texts of the rarer class below which a model keeps the shipped weights and is not tested on texts kept apart."""
_TELLTALE = 0.99
_WORDS = 20


def crises(labels: pl.Series, positive: Sequence[str]) -> Truth:
    """Which of n texts are crises, bool (n,). Raises ForewarnError where the labels cannot teach."""
    known = labels.unique().sort().to_list()
    for name in positive:
        if name not in known:
            raise ForewarnError(
                f"no text has the label {name!r}",
                remedy=f"Name the labels of a crisis with --positive; there are {', '.join(known[:10])}.",
            )
    crisis: Truth = labels.is_in(list(positive)).to_numpy()
    fewer = min(int(crisis.sum()), int((~crisis).sum()))
    if fewer == 0:
        raise ForewarnError(
            "the labels are all of one class", remedy="Add ordinary texts and crises; name the latter with --positive."
        )
    if fewer < LEAST:
        raise ForewarnError(
            f"the rarer class has {fewer} text{'s' if fewer > 1 else ''}, a fit needs {LEAST}",
            remedy="Label more of it (`forewarn label` says which); `forewarn scan` without --model needs none.",
        )
    return crisis


def check_sources(texts: pl.DataFrame, crisis: Truth) -> None:
    """Raises ForewarnError where every file, or every group, holds one class: its style would tell the label."""
    for column, what in (("source", "file"), ("group", "group")):
        if column not in texts.columns or texts[column].n_unique() < 2:
            continue
        pure = texts.select(column, crisis=pl.Series(crisis)).group_by(column).agg(pl.col("crisis").n_unique() == 1)
        if pure["crisis"].all():
            raise ForewarnError(
                f"every {what} holds texts of one class only: what tells the {what}s apart would pass for a crisis",
                remedy=f"Take both classes from the same {what}s, or say --accept-sources if they are alike otherwise.",
            )


def telltales(texts: pl.Series, crisis: Truth) -> list[str]:
    """Words that stand in nearly all texts of one class and in nearly none of the other: often a trace of labelling."""
    if min(crisis.sum(), (~crisis).sum()) < _WORDS:
        return []
    words = (
        pl.DataFrame({"text": texts, "crisis": crisis})
        .with_columns(word=pl.col("text").str.to_lowercase().str.extract_all(r"\w+").list.unique())
        .explode("word")
        .drop_nulls("word")
    )
    share = words.group_by("word").agg(
        pl.col("crisis").sum() / crisis.sum(), ordinary=(~pl.col("crisis")).sum() / (~crisis).sum()
    )
    telltale = share.filter((pl.col("crisis") - pl.col("ordinary")).abs() >= _TELLTALE)
    return telltale["word"].sort().to_list()


def groups_of(texts: pl.DataFrame, templates: pl.Series) -> Rows:
    """A number for each of n texts, int64 (n,): its group, or what it is but for numbers."""
    keys = texts["group"] if "group" in texts.columns else templates
    codes: Rows = keys.fill_null("").rank("dense").to_numpy().astype(np.int64)
    return codes


def split(texts: pl.DataFrame, templates: pl.Series, how: str, share: float, seed: int) -> tuple[Rows, Rows, int]:
    """The rows to learn from, those of the test part, and how many texts had a copy on the other side.

    `how` is `random`, `group` or `time`, `share` that of the test part; a column `part` (`train`, `test`) prevails. A
    text of the test part of which the other part has a copy goes there. Raises ForewarnError where a column is missing.
    """
    if "part" in texts.columns:
        test = (texts["part"] == "test").to_numpy()
        return _parted(test, templates)
    if not 0 <= share < 1:
        raise ForewarnError(f"--test {share} is no share", remedy="Write a number from 0 to below 1.")
    for name in ("group", "time"):
        if how == name and name not in texts.columns:
            raise ForewarnError(f"a split by {name} needs its column", remedy=f"Name it with --{name}-column.")
    if how == "time":
        order = texts["time"].arg_sort().to_numpy()
        test = np.zeros(len(order), dtype=bool)
        test[order[round(len(order) * (1 - share)) :]] = True
    else:
        codes = groups_of(texts, templates)
        distinct = np.unique(codes)
        drawn = np.random.default_rng(seed).permutation(distinct)[: round(len(distinct) * share)]
        test = np.isin(codes, drawn)
    return _parted(test, templates)


def _parted(test: Truth, templates: pl.Series) -> tuple[Rows, Rows, int]:
    copied = test & templates.is_in(templates.filter(pl.Series(~test)).implode()).to_numpy()
    test &= ~copied
    train_rows, test_rows = np.flatnonzero(~test), np.flatnonzero(test)
    return train_rows, test_rows, int(copied.sum())


def folds_of(groups: Rows, seed: int) -> Rows:
    """The fold of each of n texts, 0 to 4, int64 (n,); a group is in one fold."""
    distinct, place = np.unique(groups, return_inverse=True)
    folds: Rows = (np.random.default_rng(seed).permutation(len(distinct)) % FOLDS)[place]
    return folds
