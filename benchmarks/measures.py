"""The measures of the protocols: AUROC, AP, recall at a false-positive rate, ECE, Brier.

In: labels and scores of shape (n,). Out: one float each. Nothing else.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve


def auroc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve."""
    return float(roc_auc_score(labels, scores))


def average_precision(labels: ArrayLike, scores: ArrayLike) -> float:
    """Average precision (step-wise area under the precision-recall curve)."""
    return float(average_precision_score(labels, scores))


def recall_at(labels: ArrayLike, scores: ArrayLike, false_positive_rate: float) -> float:
    """The best recall at a false-positive rate of at most `false_positive_rate`."""
    false_positives, true_positives, _ = roc_curve(labels, scores, drop_intermediate=False)
    return float(true_positives[false_positives <= false_positive_rate].max())


def expected_calibration_error(labels: ArrayLike, probabilities: ArrayLike, bins: int = 15) -> float:
    """ECE with equal-width bins (Naeini et al. 2015)."""
    truth, predicted = np.asarray(labels, dtype=np.float64), np.asarray(probabilities, dtype=np.float64)
    bin_of = np.minimum((predicted * bins).astype(int), bins - 1)
    gaps = [
        abs(truth[bin_of == at].mean() - predicted[bin_of == at].mean()) * (bin_of == at).mean()
        for at in np.unique(bin_of)
    ]
    return float(sum(gaps))


def brier(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean squared difference of probability and label (Brier 1950)."""
    return float(np.mean((np.asarray(labels, dtype=np.float64) - np.asarray(probabilities, dtype=np.float64)) ** 2))
