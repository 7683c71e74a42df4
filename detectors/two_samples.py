"""Do two sets of vectors come from one distribution?

In: vectors of old and of new texts. Out: how well a classifier tells them apart, and how likely that is by chance.
"""

from __future__ import annotations

import numpy as np

from forewarn.arrays import Vectors
from forewarn.detectors.classifier import class_weights
from forewarn.detectors.linear import fit_logistic

MOST = 1_000
"""Vectors of each side that are looked at."""
_FOLDS = 5
_PENALTY = (3.0, 1.0)


def two_sample_test(old: Vectors, new: Vectors, *, seed: int = 0) -> tuple[float, float]:
    """Whether two sets of vectors, float32 (n, d) and (m, d), come from one distribution.

    The AUROC of a logistic regression that tells them apart, on texts that it was not taught, and its p-value by the
    rank-sum test (classifier two-sample test: Friedman 2003; Lopez-Paz & Oquab 2017). Of more than `MOST` vectors,
    some.
    """
    from scipy.sparse import csr_array
    from scipy.stats import mannwhitneyu

    chance = np.random.default_rng(seed)
    sides = [side[np.sort(chance.permutation(len(side))[:MOST])] for side in (old, new)]
    if min(map(len, sides)) < _FOLDS:
        return 0.5, 1.0
    vectors = np.concatenate(sides)
    is_new = np.arange(len(vectors)) >= len(sides[0])
    folds = np.concatenate([chance.permutation(len(side)) % _FOLDS for side in sides])
    scores = np.empty(len(vectors))
    none = csr_array((len(vectors), 0), dtype=np.float32)
    for fold in range(_FOLDS):
        train_rows, test_rows = folds != fold, folds == fold
        weights = class_weights(is_new[train_rows])
        head = fit_logistic(
            vectors[train_rows], none[train_rows], is_new[train_rows].astype(float), weights, penalty=_PENALTY
        )
        scores[test_rows] = head.log_odds(vectors[test_rows], none[test_rows])[:, 0]
    # Ranks within a fold: each has a head of its own.
    for fold in range(_FOLDS):
        own = folds == fold
        scores[own] = scores[own].argsort().argsort() / own.sum()
    found = mannwhitneyu(scores[is_new], scores[~is_new], alternative="greater")
    return float(found.statistic / (len(sides[0]) * len(sides[1]))), float(found.pvalue)
