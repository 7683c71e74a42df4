"""Vectors to classes: multinomial logistic regression on a radial kernel, by landmarks.

In: unit vectors, for each text the classes that it may be of. Out: log-probabilities of the classes. A text is compared
with some hundred landmarks, texts of the training (Nyström's method, Williams & Seeger 2001): a linear model of the
comparisons bends where one of the vectors cannot. numpy applies it; fitting needs scipy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forewarn.arrays import Floats

_LEAST = 1e-6
"""Share of the largest eigenvalue of the landmarks' kernel below which a direction is noise."""
_STEPS = 300
_BLOCK = 4_096


@dataclass(frozen=True)
class KernelMachine:
    """A fitted machine of k classes: `landmarks` float32 (m, d), unit length, `weights` float32 (m, k), `bias` (k,).

    The kernel of two vectors is `exp(-gamma * squared distance)`.
    """

    landmarks: NDArray[np.float32]
    weights: NDArray[np.float32]
    bias: Floats
    gamma: float

    def log_probabilities(self, vectors: NDArray[np.float32]) -> Floats:
        """The log-probabilities of the classes of n vectors, float32 (n, d): float64 (n, k)."""
        return log_softmax(self.decisions(vectors))

    def decisions(self, vectors: NDArray[np.float32]) -> Floats:
        """What the softmax is taken of: float64 (n, k)."""
        made = np.empty((len(vectors), len(self.bias)))
        for first in range(0, len(vectors), _BLOCK):
            near = kernel(vectors[first : first + _BLOCK], self.landmarks, self.gamma)
            made[first : first + _BLOCK] = near @ self.weights + self.bias
        return made


def kernel(vectors: NDArray[np.float32], landmarks: NDArray[np.float32], gamma: float) -> NDArray[np.float32]:
    """`exp(-gamma * |x - z|²)` of n and m unit vectors: float32 (n, m)."""
    near = vectors @ landmarks.T
    near -= np.float32(1.0)
    near *= np.float32(2.0 * gamma)
    np.exp(near, out=near)
    return near


def log_softmax(decisions: Floats) -> Floats:
    """Logarithms of the softmax of each row, (n, k)."""
    moved = decisions - decisions.max(axis=1, keepdims=True)
    logs: Floats = moved - np.log(np.exp(moved).sum(axis=1, keepdims=True))
    return logs


def fit_kernel_machine(
    vectors: NDArray[np.float32],
    allowed: Sequence[NDArray[np.bool_]],
    weights: Sequence[Floats],
    *,
    landmarks: int,
    gamma: float,
    penalty: float,
    seed: int = 0,
) -> list[KernelMachine]:
    """Machines of n texts that share their landmarks, one for each question.

    `vectors` float32 (n, d); of each question `allowed` bool (n, k), the classes that a text may be of (one, where it
    is known; several, where only that is known), and `weights` float64 (n,), 0 where a text says nothing of it.
    Minimises the weighted mean of `-log P(allowed)` plus half of `penalty` times the squared norm in the kernel's
    space. Landmarks are drawn by weight in the first question. Raises ValueError where there are fewer texts than
    landmarks.
    """
    if len(vectors) < landmarks:
        raise ValueError(f"{landmarks} landmarks need as many texts, and there are {len(vectors)}")
    draw = np.random.default_rng(seed)
    share = weights[0] / weights[0].sum()
    chosen = np.sort(draw.choice(len(vectors), landmarks, replace=False, p=share))
    # Kept as half-precision numbers, and fitted as what is kept.
    marks = vectors[chosen].astype(np.float16).astype(np.float32)
    values, turned = np.linalg.eigh(kernel(marks, marks, gamma).astype(np.float64))
    kept = values > _LEAST * values[-1]
    whitened = (turned[:, kept] / np.sqrt(values[kept])).astype(np.float32)
    features = kernel(vectors, marks, gamma) @ whitened
    machines = []
    for question, weight in zip(allowed, weights, strict=True):
        coefficients, bias = _minimum(features, question, weight / weight.sum(), penalty)
        machines.append(KernelMachine(marks, (whitened @ coefficients).astype(np.float32), bias, gamma))
    return machines


def _minimum(
    features: NDArray[np.float32], allowed: NDArray[np.bool_], weights: Floats, penalty: float
) -> tuple[NDArray[np.float32], Floats]:
    from scipy.optimize import minimize

    rows = weights > 0
    features, allowed, weights = features[rows], allowed[rows], weights[rows]
    width, classes = features.shape[1], allowed.shape[1]

    def loss(flat: Floats) -> tuple[float, Floats]:
        coefficients = flat[: width * classes].reshape(width, classes)
        decided = (features @ coefficients.astype(np.float32)).astype(np.float64) + flat[width * classes :]
        logs = log_softmax(decided)
        among = np.where(allowed, logs, -np.inf)
        top = among.max(axis=1, keepdims=True)
        right = top + np.log(np.exp(among - top).sum(axis=1, keepdims=True))
        error = (np.exp(logs) - np.exp(among - right)) * weights[:, None]
        slope = (features.T @ error.astype(np.float32)).astype(np.float64) + penalty * coefficients
        value = -float(weights @ right[:, 0]) + 0.5 * penalty * float((coefficients**2).sum())
        return value, np.concatenate([slope.ravel(), error.sum(axis=0)])

    start = np.zeros(width * classes + classes)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS, "maxfun": 2 * _STEPS}).x
    return found[: width * classes].reshape(width, classes).astype(np.float32), found[width * classes :]
