"""A baseline from files in which nothing is wrong.

In: paths. Out: a `scoring.baseline.Baseline`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from forewarn.detectors import sample_of
from forewarn.options import Options
from forewarn.pipeline import scan
from forewarn.scoring.baseline import Baseline

MOST_TEXTS = 200_000
"""Distinct texts that are kept; of more, the most frequent."""


def fit_baseline(
    paths: str | Path | Sequence[str | Path],
    *,
    text_column: str | None = None,
    encoder: str = "bundled",
    device: str | None = None,
    seed: int = 0,
    cache: bool = True,
) -> Baseline:
    """Read files in which nothing is wrong. Raises InputError where nothing could be read."""
    found = scan(
        paths, Options(text_column=text_column, encoder=encoder, device=device, adapt=False, seed=seed, cache=cache)
    )
    counts, rows = found.texts.array("count"), np.arange(found.texts.height)
    if len(rows) > MOST_TEXTS:
        rows = np.sort(np.argsort(-counts.astype(np.int64), kind="stable")[:MOST_TEXTS])
    sample = sample_of(counts[rows], seed)
    scores = found.scores.rows(rows)
    return Baseline(
        found.texts.rows(rows).select("template", "count"),
        sample,
        found.vectors(rows[sample]),
        scores["log_odds"].to_numpy().copy(),
        (scores["rules_log_odds"] <= 0).to_numpy().copy(),
    )
