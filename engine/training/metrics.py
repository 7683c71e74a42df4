"""What scores of labelled texts are worth.

In: log-odds and truth. Out: the figures of a report: ranking, calibration, precision and recall of each class.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forewarn.arrays import Floats, Truth
from forewarn.extras import require
from forewarn.training.stacking import log_loss

_BINS = 15


def figures(log_odds: Floats, crisis: Truth) -> dict[str, float]:
    """AUROC, average precision, recall at 1 % false positives, log loss of n texts. Both classes must be there."""
    require("sklearn")
    from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

    false, true, _ = roc_curve(crisis, log_odds, drop_intermediate=False)
    return {
        "auroc": float(roc_auc_score(crisis, log_odds)),
        "ap": float(average_precision_score(crisis, log_odds)),
        "recall_at_1_fpr": float(true[false <= 0.01].max()),
        "log_loss": log_loss(log_odds, crisis),
    }


def calibration_error(log_odds: Floats, crisis: Truth) -> float:
    """Expected calibration error in 15 bins of equal width (Guo et al. 2017)."""
    probability = 1 / (1 + np.exp(-np.clip(log_odds, -40, 40)))
    bins = np.minimum((probability * _BINS).astype(int), _BINS - 1)
    off = np.bincount(bins, weights=probability - crisis, minlength=_BINS)
    return float(np.abs(off).sum() / len(crisis))


def reliability(log_odds: Floats, crisis: Truth) -> list[dict[str, float]]:
    """For each tenth of the probabilities: what was said, what is, how many texts."""
    probability = 1 / (1 + np.exp(-np.clip(log_odds, -40, 40)))
    bins = np.minimum((probability * 10).astype(int), 9)
    return [
        {"said": float(probability[bins == at].mean()), "is": float(crisis[bins == at].mean()), "texts": int(n)}
        for at in range(10)
        if (n := (bins == at).sum())
    ]


def decided(log_odds: Floats, crisis: Truth) -> dict[str, Any]:
    """The confusion matrix at a probability of one half, and precision, recall, F1 and support of each class."""
    raised = log_odds >= 0
    confusion = {
        "crisis raised": int((raised & crisis).sum()),
        "crisis missed": int((~raised & crisis).sum()),
        "ordinary raised": int((raised & ~crisis).sum()),
        "ordinary left": int((~raised & ~crisis).sum()),
    }
    return {"confusion": confusion, "classes": classes(crisis, raised, ("ordinary", "crisis"))}


def classes(truth: NDArray[Any], predicted: NDArray[Any], names: tuple[str, ...]) -> dict[str, Mapping[str, float]]:
    """Precision, recall, F1 and support of each of k classes, numbered from 0 in `truth` and `said`, (n,) each."""
    require("sklearn")
    from sklearn.metrics import precision_recall_fscore_support

    found = precision_recall_fscore_support(truth, predicted, labels=range(len(names)), zero_division=0.0)
    return {
        name: {
            measure: float(values[at])
            for measure, values in zip(("precision", "recall", "f1", "support"), found, strict=True)
        }
        for at, name in enumerate(names)
    }
