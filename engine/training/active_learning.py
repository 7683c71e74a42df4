"""Which texts are most worth a label.

In: a scan. Out: the texts that a person should look at next, and a file to fill in. A text is worth the more, the less
sure the score is, the less it resembles those chosen before it, and the more records it stands for.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from forewarn.errors import OutputError
from forewarn.grouping.templates import mask_of
from forewarn.reading.labelled import in_cells
from forewarn.runtime.atomic import atomic_write
from forewarn.scan_result import Scan

_LOOKED_AT = 5_000
"""Texts that are compared with one another; of more, the most worth by themselves."""


def most_useful(found: Scan, number: int, labelled: pl.Series | None = None) -> pl.DataFrame:
    """The most useful texts of a scan, at most `number`, the most useful first; `labelled` texts are left out.

    The result has `label` (empty), `text`, `count`, `probability`, `source`, `line`. The worth of a text is
    `p (1 - p) sqrt(count) (1 - nearest cosine to those chosen before)`: uncertainty x count x diversity. BGL, the alert
    lines among the best 200 with 20 labels: 138 so, 133 with the count itself, 128 without it (docs/decisions.md).
    """
    p, counts = found.scores.array("probability"), found.texts.array("count").astype(np.float64)
    worth = p * (1 - p) * np.sqrt(counts)
    if labelled is not None:
        known = mask_of(labelled)
        worth[found.texts.array("known", pl.col("template").is_in(known.implode()))] = 0.0
    rows = np.sort(np.argsort(-worth, kind="stable")[: max(_LOOKED_AT, number)])
    rows = rows[worth[rows] > 0]
    vectors, worth = found.vectors(rows), worth[rows]
    chosen: list[int] = []
    nearest = np.zeros(len(rows))
    for _ in range(min(number, len(rows))):
        best = int(np.argmax(np.where(np.isin(np.arange(len(rows)), chosen), -1.0, worth * (1 - nearest))))
        chosen.append(best)
        nearest = np.maximum(nearest, np.clip(vectors @ vectors[best], 0.0, 1.0))
    return found.texts.rows(rows[chosen]).select(
        label=pl.lit("", pl.String),
        text="example",
        count="count",
        probability=pl.Series(p[rows[chosen]]).round(4).clip(1e-4, 1 - 1e-4),
        source="first_source",
        line="first_line",
    )


def write_sheet(texts: pl.DataFrame, path: str | Path) -> None:
    """Write the texts as CSV with an empty column `label`. Raises OutputError where the file is there already."""
    path = Path(path)
    if path.exists():
        raise OutputError(
            "is there already, perhaps with labels in it", path=path, remedy="Name another file with -o, or remove it."
        )
    with atomic_write(path, private=True) as part:
        in_cells(texts).write_csv(part)
