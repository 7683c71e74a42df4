"""Log-odds to calibrated log-odds, and an interval for each probability.

In: log-odds of labelled texts that nothing was fitted on, and their labels. Out: a monotone map, chosen among three on
held-out folds; for a new score the two probabilities between which Venn and Abers place it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forewarn.arrays import Floats
from forewarn.extras import require

_KNOTS = 65
_FOLDS = 5
_CERTAIN = 1e-4
_MOST = 4_000
"""Calibration texts that the intervals are made from; of more, evenly spread ones."""


@dataclass(frozen=True)
class Calibration:
    """A non-decreasing map of log-odds: straight lines between knots `x` and `y`, float64 (k,); slope 1 outside."""

    kind: str
    x: Floats
    y: Floats

    def __call__(self, log_odds: Floats) -> Floats:
        """The calibrated log-odds of n log-odds, float64 (n,)."""
        inside = np.interp(log_odds, self.x, self.y)
        moved: Floats = inside + np.minimum(log_odds - self.x[0], 0.0) + np.maximum(log_odds - self.x[-1], 0.0)
        return moved

    def shifted(self, log_odds: float) -> Calibration:
        """The same map for another base rate: every result moved by `log_odds` (Elkan 2001)."""
        return Calibration(self.kind, self.x, self.y + log_odds)


def fit_calibration(log_odds: Floats, crisis: NDArray[np.bool_], *, seed: int = 0) -> Calibration:
    """The map of n labelled texts: none, beta (Kull et al. 2017) or isotonic, by log loss on five held-out folds."""
    folds = np.random.default_rng(seed).permutation(len(crisis)) % _FOLDS
    losses = {}
    for kind in _KINDS:
        held = np.empty(len(crisis))
        for fold in range(_FOLDS):
            train_rows, test_rows = folds != fold, folds == fold
            held[test_rows] = _fitted(kind, log_odds[train_rows], crisis[train_rows])(log_odds[test_rows])
        losses[kind] = float(np.mean(np.logaddexp(0.0, np.where(crisis, -held, held))))
    return _fitted(min(losses, key=lambda kind: losses[kind]), log_odds, crisis)


def _fitted(kind: str, log_odds: Floats, crisis: NDArray[np.bool_]) -> Calibration:
    knots = np.unique(np.quantile(log_odds, np.linspace(0, 1, _KNOTS)))
    if len(knots) < 2 or crisis.all() or not crisis.any():
        knots = np.array([knots[0], knots[0] + 1.0])
        return Calibration("none", knots, knots)
    return Calibration(kind, knots, _KINDS[kind](log_odds, crisis, knots))


def _unchanged(_log_odds: Floats, _crisis: NDArray[np.bool_], knots: Floats) -> Floats:
    return knots


def _beta(log_odds: Floats, crisis: NDArray[np.bool_], knots: Floats) -> Floats:
    from scipy.optimize import minimize

    def parts(x: Floats) -> Floats:
        return np.stack([-np.logaddexp(0.0, -x), np.logaddexp(0.0, x)], axis=1)

    seen = parts(log_odds)

    def loss(weights: Floats) -> float:
        odds = seen @ weights[:2] + weights[2]
        return float(np.mean(np.logaddexp(0.0, np.where(crisis, -odds, odds))))

    found = minimize(loss, np.array([1.0, 1.0, 0.0]), method="L-BFGS-B", bounds=[(0, 20), (0, 20), (None, None)]).x
    moved: Floats = parts(knots) @ found[:2] + found[2]
    return moved


def _isotonic(log_odds: Floats, crisis: NDArray[np.bool_], knots: Floats) -> Floats:
    require("sklearn")
    from sklearn.isotonic import IsotonicRegression

    least = 1.0 / (len(crisis) + 2)
    probability = IsotonicRegression(y_min=least, y_max=1 - least, out_of_bounds="clip").fit(log_odds, crisis)
    share = probability.predict(knots)
    # A trace of the slope is kept, so that a louder text stays louder.
    moved: Floats = np.log(share / (1 - share)) + _CERTAIN * (knots - knots[0])
    return moved


_KINDS = {"none": _unchanged, "beta": _beta, "isotonic": _isotonic}


def venn_abers(reference: Floats, crisis: NDArray[np.bool_], log_odds: Floats) -> tuple[Floats, Floats]:
    """Two probabilities for each of n log-odds, the lower and the higher, float64 (n,) each.

    `reference` float64 (m,) and `crisis` bool (m,) are texts that nothing was fitted on: what isotonic regression says
    of a text if it were ordinary, and if it were a crisis (Vovk & Petej 2014). One of the two is calibrated.
    """
    require("venn_abers")
    from venn_abers import VennAbers

    order = np.argsort(reference, kind="stable")
    chosen = order[np.linspace(0, len(order) - 1, min(len(order), _MOST)).astype(np.int64)]
    intervals = VennAbers()
    intervals.fit(_two(reference[chosen]), crisis[chosen].astype(np.int64))
    distinct, places = np.unique(log_odds, return_inverse=True)
    _, pairs = intervals.predict_proba(_two(distinct))
    return pairs[places, 0], pairs[places, 1]


def _two(log_odds: Floats) -> Floats:
    probability = 1.0 / (1.0 + np.exp(-np.clip(log_odds, -40, 40)))
    return np.stack([1.0 - probability, probability], axis=1)
