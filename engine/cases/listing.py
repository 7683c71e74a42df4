"""What is in a case base: rows for people and scripts.

In: a folder, or None for the shipped base. Out: whole cases as dictionaries.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from forewarn.cases.similar import title_of
from forewarn.embeddings.cases import whole
from forewarn.errors import CaseBaseError


def listed(
    cases: str | Path | None = None, category: str | None = None, *, everything: bool = False
) -> list[dict[str, Any]]:
    """The past crises of a base by time, those without a time last; `everything`: signs and ordinary texts too.

    A case without a title gets the start of its text. Raises CaseBaseError.
    """
    rows = whole(Path(cases) if cases else None).sort("time", nulls_last=True, maintain_order=True)
    if not everything:
        rows = rows.filter((pl.col("label") == 1) & ~pl.col("sign"))
    if category is not None:
        rows = rows.filter(pl.col("category") == category)
    return [row | {"title": row["title"] if everything else title_of(row)} for row in rows.iter_rows(named=True)]


def counted(cases: pl.DataFrame) -> str:
    """How many cases of each kind there are, in words: `323 past crises, 40 written examples, …`."""
    crisis, sign, example = pl.col("label") == 1, pl.col("sign"), pl.col("example")
    kinds = {
        ("past crisis", "past crises"): crisis & ~sign & ~example,
        ("written example", "written examples"): crisis & ~sign & example,
        ("first sign", "first signs"): crisis & sign,
        ("ordinary text", "ordinary texts"): ~crisis,
    }
    numbers = [(names, cases.filter(chosen).height) for names, chosen in kinds.items()]
    return ", ".join(f"{number:,} {one if number == 1 else many}" for (one, many), number in numbers if number)


def shown(cases: str | Path | None, ids: Sequence[str]) -> list[dict[str, Any]]:
    """The cases of these ids, in the order given. Raises CaseBaseError naming those that are not there."""
    rows = {
        row["id"]: row
        for row in whole(Path(cases) if cases else None).filter(pl.col("id").is_in(list(ids))).iter_rows(named=True)
    }
    unknown = [name for name in ids if name not in rows]
    if unknown:
        raise CaseBaseError(
            f"there is no case {', '.join(unknown[:5])}", path=cases, remedy="`forewarn cases list --all` names all."
        )
    return [rows[name] for name in ids]
