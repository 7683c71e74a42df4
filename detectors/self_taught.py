"""Outliers that teach: what the most unusual texts of a sample have in common, and the others have not.

In: how unusual each of n texts is, their vectors and wording. Out: the same score, sharpened. The upper tail becomes
soft labels, a linear model learns them from other texts of the sample (cross-fitting: no text is among those that its
own score was learnt from), and the sum is the next round's score. What is unusual by chance teaches nothing that holds
for other texts; what many unusual texts share, such as the manner of spam, is found in the others too. Few texts teach
little: the weight grows with the number of texts in the tail.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.detectors.features import fit_features
from forewarn.detectors.linear import cross_fitted

Floats = NDArray[np.float64]
TAIL = 0.05
"""The share of texts that count as unusual: half-way between what PyOD takes (.1) and none."""
ROUNDS = 3
"""TAD-Bench, mean AUROC: .761 before, .790 after three; one round .781, two .787."""
RARER = (10.0, 150.0)
"""Texts in the tail at which what they teach begins to count, and counts in full, as in adaptation."""
_FOLDS = 5
_PENALTY = (3.0, 1.0)


def self_taught(
    unusual: Floats, vectors: NDArray[np.float32], texts: pl.Series, *, seed: int = 0, rounds: int = ROUNDS
) -> Floats:
    """The sharpened unusualness of n texts, float64 (n,): `-log10` of the share of texts that are as unusual.

    `unusual` float64 (n,), more = more unusual, as `Outliers.score` gives it; `vectors` float32 (n, d). Where there are
    too few texts to learn from, `unusual` as it is.
    """
    count = len(unusual)
    weight = float(np.clip((TAIL * count - RARER[0]) / (RARER[1] - RARER[0]), 0.0, 1.0))
    spread = float(unusual.std()) if count else 0.0
    if weight == 0.0 or spread <= 1e-9:
        return unusual
    _, matrix = fit_features(texts)
    folds = np.random.default_rng(seed).permutation(count) % _FOLDS
    first = _log_odds(unusual)
    current = first
    for _ in range(rounds):
        # From 0 at the edge of twice the tail to 1 at the top, squared: doubtful texts teach neither side.
        ranks = _ranks(current) / count
        odd = np.clip((ranks - (1.0 - 2.0 * TAIL)) / (2.0 * TAIL), 0.0, 1.0)
        positive, negative = odd**2, (1.0 - odd**2) ** 2
        learnt, _ = cross_fitted(vectors, matrix, positive, negative, folds, penalty=_PENALTY)
        current = first + weight * learnt * float(first.std()) / max(float(learnt.std()), 1e-9)
    return _tail(current)


def _ranks(scores: Floats) -> Floats:
    """Ranks from 1, the mean rank where scores are the same."""
    from scipy.stats import rankdata

    ranks: Floats = rankdata(scores)
    return ranks


def _log_odds(scores: Floats) -> Floats:
    """Log-odds of the share of texts below each: a scale that does not depend on how the scores are spread."""
    share = (_ranks(scores) - 0.5) / len(scores)
    odds: Floats = np.log(share / (1.0 - share))
    return odds


def _tail(scores: Floats) -> Floats:
    """`-log10` of the share of texts that score at least as high."""
    from scipy.stats import rankdata

    at_least = len(scores) + 1.0 - rankdata(scores, method="min")
    unusual: Floats = -np.log10(at_least / len(scores))
    return np.maximum(unusual, 0.0)
