"""Signals of labelled texts to the numbers of the additive scorer.

In: out-of-fold signals of labelled texts. Out: a `Fusion` with learned weights and a calibration. No weight is
negative, so that a louder signal never lowers the score.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.arrays import Floats
from forewarn.scoring.calibration import fit_calibration
from forewarn.scoring.fusion import Fusion, Slope
from forewarn.scoring.signals import scaled

LEARNT = ("classifier", "outliers", "cases")
_RIDGE = 1e-3


def stack(frame: pl.DataFrame, crisis: NDArray[np.bool_], shipped: Fusion, seed: int) -> tuple[Fusion, Floats]:
    """Learn the weights and the calibration from n texts; also gives their calibrated log-odds, float64 (n,).

    `frame` is a signals frame whose classifier has not seen the text, `rules` at their shipped weight.
    """
    weighed = _weigh(frame, crisis, shipped, f"{len(crisis)} labelled texts")
    plain = weighed.fuse(scaled(frame, weighed))["log_odds"].to_numpy()
    calibration = fit_calibration(plain, crisis, seed=seed)
    return replace(weighed, calibration=calibration), calibration(plain)


def _weigh(frame: pl.DataFrame, crisis: NDArray[np.bool_], shipped: Fusion, fitted_on: str) -> Fusion:
    """Logistic regression with weights that are not negative; a term for a missing signal."""
    from scipy.optimize import minimize

    columns: dict[str, Floats] = {"rules": frame["rules"].fill_null(0.0).to_numpy()}
    for name in LEARNT:
        missing = frame[name].is_null()
        columns[name] = frame[name].fill_null(0.0).to_numpy()
        if missing.any() and not missing.all():
            columns[f"no {name}"] = missing.to_numpy().astype(np.float64)
    names = list(columns)
    scale = {name: float(values.std()) or 1.0 for name, values in columns.items()}
    seen = np.stack([columns[name] / scale[name] for name in names], axis=1)

    def loss(weights: Floats) -> tuple[float, Floats]:
        odds = seen @ weights[:-1] + weights[-1]
        error = (1 / (1 + np.exp(-np.clip(odds, -40, 40))) - crisis) / len(crisis)
        value = log_loss(odds, crisis) + 0.5 * _RIDGE * float(weights[:-1] @ weights[:-1])
        return value, np.append(seen.T @ error + _RIDGE * weights[:-1], error.sum())

    bounds = [(None, None) if name.startswith("no ") else (0.0, None) for name in names]
    start = np.append(np.full(len(names), 0.3), 0.0)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[*bounds, (None, None)]).x
    weight = {name: float(value) / scale[name] for name, value in zip(names, found, strict=False)}
    slopes = {}
    for name in LEARNT:
        ends = weight[name] * np.array([columns[name].min(), columns[name].max()])
        slopes[name] = Slope(weight[name], 0.0, float(ends[0]), float(ends[1]), weight.get(f"no {name}", 0.0))
    return replace(
        shipped, fitted_on=fitted_on, base=float(found[-1]), slopes=slopes, rule_scale=weight["rules"], held=None
    )


def log_loss(log_odds: Floats, crisis: NDArray[np.bool_]) -> float:
    """The mean of `-log p` of what is true."""
    return float(np.mean(np.logaddexp(0.0, np.where(crisis, -log_odds, log_odds))))
