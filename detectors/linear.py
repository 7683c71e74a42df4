"""Logistic regression on a dense and a sparse block of features.

In: a dense matrix (embeddings), a sparse one (n-grams), targets between 0 and 1, weights. Out: coefficients. The two
blocks are never stacked: L-BFGS only needs the products with each. One thread, so that the coefficients have the same
bits however many there are.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from forewarn.arrays import Floats

if TYPE_CHECKING:
    from scipy.sparse import csr_array

MOST_TEXTS = 10_000
"""Texts that one fold of a cross-fitting learns from."""
_STEPS = 100
_TOLERANCE = 1e-7
_ROUGH = 1e-5
"""Relative fall of the loss at which a search ends: of a model that is kept, and of one that labels the next round."""


@dataclass(frozen=True)
class Linear:
    """A linear model of k outputs: `dense` float32 (d, k), `sparse` float32 (m, k), `bias` float64 (k,)."""

    dense: NDArray[np.float32]
    sparse: NDArray[np.float32]
    bias: Floats

    def log_odds(self, vectors: NDArray[np.float32], features: csr_array) -> Floats:
        """The outputs of n texts: float64 (n, k). `vectors` is (n, d), `features` sparse (n, m)."""
        summed: Floats = (vectors @ self.dense).astype(np.float64) + features @ self.sparse + self.bias
        return summed


def fit_logistic(
    vectors: NDArray[np.float32],
    features: csr_array,
    targets: Floats,
    weights: Floats,
    *,
    penalty: tuple[float, float] = (1.0, 1.0),
) -> Linear:
    """Weighted logistic regression with soft targets.

    `vectors` float32 (n, d), `features` sparse (n, m), `targets` float64 (n,) or (n, k), each between 0 and 1 (for k
    columns each its own binary problem), `weights` float64 (n,) or (n, k). Minimises the weighted cross-entropy plus
    half of `penalty` (dense, sparse) times the squared coefficients.
    """
    targets = targets.reshape(len(targets), -1)
    weights = np.broadcast_to(weights.reshape(len(weights), -1), targets.shape)
    folded = _Folded(features)
    with _one_thread():
        found = [_minimum(vectors, folded.features, t, w, penalty) for t, w in zip(targets.T, weights.T, strict=True)]
    return _model(found, vectors.shape[1], folded)


def _model(found: Sequence[Floats], width: int, folded: _Folded) -> Linear:
    """The model of k outputs whose coefficients `_minimum` found, float64 (d + fewer + 1,) each."""
    narrow = [one.astype(np.float32) for one in found]
    dense, sparse = (one[:width] for one in narrow), (folded.unfolded(one[width:-1]) for one in narrow)
    return Linear(np.stack(list(dense), axis=1), np.stack(list(sparse), axis=1), np.array([one[-1] for one in found]))


class CrossFitting:
    """Models of one fold each, none of them taught by the texts that it judges, fitted again as targets change.

    `vectors` float32 (n, d), `features` sparse (n, m), `folds` int64 (n,), `penalty` as in `fit_logistic`. One fold
    learns from `MOST_TEXTS` at most; of more, from evenly spread ones.
    """

    def __init__(
        self,
        vectors: NDArray[np.float32],
        features: csr_array,
        folds: NDArray[np.int64],
        *,
        penalty: tuple[float, float],
    ) -> None:
        self._vectors, self._features, self._folds, self._penalty = vectors, features, folds, penalty
        self._train_rows: list[tuple[NDArray[np.int64], _Folded]] = []
        for fold in range(int(folds.max()) + 1):
            train_rows = np.flatnonzero(folds != fold)
            if len(train_rows) > MOST_TEXTS:
                train_rows = train_rows[np.linspace(0, len(train_rows) - 1, MOST_TEXTS).astype(np.int64)]
            self._train_rows.append((train_rows, _Folded(features[train_rows])))
        self._found: list[Floats | None] = [None] * len(self._train_rows)

    def fit(self, positive: Floats, negative: Floats) -> tuple[Floats, list[Linear]]:
        """Log-odds of n texts by the models that were not taught by them, float64 (n,), and the model of each fold.

        `positive` and `negative` float64 (n,) are how much each text counts as one and as the other. The search begins
        at what was found the last time.
        """
        learnt = np.zeros(len(self._folds))

        def fitted(fold: int) -> Linear:
            train_rows, folded = self._train_rows[fold]
            total = positive[train_rows] + negative[train_rows]
            vectors, target, before = self._vectors[train_rows], positive[train_rows] / total, self._found[fold]
            found = _minimum(vectors, folded.features, target, total, self._penalty, before, _ROUGH)
            self._found[fold] = found
            model = _model([found], self._vectors.shape[1], folded)
            held = np.flatnonzero(self._folds == fold)
            learnt[held] = model.log_odds(self._vectors[held], self._features[held])[:, 0]
            return model

        # Each fold is one thread's: the coefficients have the same bits however many there are.
        with _one_thread(), ThreadPoolExecutor(os.cpu_count()) as pool:
            models = list(pool.map(fitted, range(len(self._train_rows))))
        return learnt, models


def _one_thread() -> AbstractContextManager[None]:
    """One thread for every BLAS; SciPy's own is loaded first, for a limit holds for those that are there."""
    import scipy.optimize  # noqa: F401
    from threadpoolctl import threadpool_limits

    limited: AbstractContextManager[None] = threadpool_limits(1)
    return limited


class _Folded:
    """Features in fewer columns, of which a linear model with a penalty on squares learns just the same.

    Columns of one text alone can do nothing but move that text: they are turned into one, of their length. Columns of
    no text keep a coefficient of zero, and are left out. `features` sparse (n, fewer).
    """

    def __init__(self, features: csr_array) -> None:
        from scipy.sparse import csr_array

        rows, self._width = features.shape
        texts = np.bincount(features.indices, minlength=self._width)
        self._shared = np.flatnonzero(texts > 1)
        alone = texts[features.indices] == 1
        self._alone, self._row = features.indices[alone], np.repeat(np.arange(rows), np.diff(features.indptr))[alone]
        length = np.sqrt(np.bincount(self._row, weights=features.data[alone].astype(np.float64) ** 2, minlength=rows))
        self._part = features.data[alone] / length[self._row]
        # A text's own column takes the place of the first of those that it stands for.
        first = np.flatnonzero(np.diff(self._row, prepend=-1))
        number = np.zeros(self._width, dtype=np.int32)
        number[self._shared] = np.arange(len(self._shared))
        own = np.flatnonzero(alone)[first]
        column, value, kept = number[features.indices], features.data.copy(), ~alone
        column[own] = len(self._shared) + np.arange(len(own))
        value[own] = length[self._row[first]]
        kept[own] = True
        starts = np.concatenate([[0], np.cumsum(kept)])[features.indptr].astype(np.int32)
        self.features = csr_array((value[kept], column[kept], starts), shape=(rows, len(self._shared) + len(own)))
        self._own = np.cumsum(np.diff(self._row, prepend=-1) > 0) - 1

    def unfolded(self, coefficients: NDArray[np.float32]) -> NDArray[np.float32]:
        """The coefficients of all columns, float32 (m,), from those of `features`."""
        whole = np.zeros(self._width, dtype=np.float32)
        whole[self._shared] = coefficients[: len(self._shared)]
        whole[self._alone] = coefficients[len(self._shared) :][self._own] * self._part
        return whole


def _minimum(
    vectors: NDArray[np.float32],
    features: csr_array,
    target: Floats,
    weight: Floats,
    penalty: tuple[float, float],
    start: Floats | None = None,
    tolerance: float = _TOLERANCE,
) -> Floats:
    """The coefficients of one output, float64 (d + m + 1,): dense, sparse, bias; searched for from `start` on."""
    from scipy.optimize import minimize

    width, total = vectors.shape[1], max(float(weight.sum()), 1e-12)
    transposed = features.T.tocsr()
    shrink = np.concatenate([np.full(width, penalty[0]), np.full(features.shape[1], penalty[1]), [0.0]]) / total
    share = weight / total

    def loss(coefficients: Floats) -> tuple[float, Floats]:
        narrow = coefficients.astype(np.float32)
        odds = (vectors @ narrow[:width] + features @ narrow[width:-1]).astype(np.float64) + coefficients[-1]
        error = share * (1.0 / (1.0 + np.exp(-odds)) - target)
        small = error.astype(np.float32)
        slope = np.concatenate([small @ vectors, transposed @ small, [error.sum()]]) + shrink * coefficients
        value = float(share @ (np.logaddexp(0.0, odds) - target * odds)) + 0.5 * float(shrink @ coefficients**2)
        return value, slope

    if start is None:
        mean = np.clip(float(share @ target), 1e-6, 1 - 1e-6)
        start = np.zeros(len(shrink))
        start[-1] = np.log(mean / (1 - mean))
    found: Floats = minimize(
        loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS, "gtol": 1e-6, "ftol": tolerance}
    ).x
    return found
