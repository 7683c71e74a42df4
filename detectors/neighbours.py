"""The distance to the nearest neighbours, as an outlier detector.

In: vectors. Out: for each, its distance to the fifth nearest of a sample (Ramaswamy, Rastogi & Shim 2000). These are
the scores of PyOD's KNN at its defaults, without the second and a half that importing PyOD takes: a small scan is done
by then.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from forewarn.arrays import Floats

_BLOCK = 1024
_NEAR = 0.01
"""Share of a vector's squared length below which a squared distance is taken again in float64: the difference of
nearly equal numbers has few digits left."""


class KNN:
    """Brute-force nearest neighbours, with PyOD's names.

    `decision_scores_` float64 (m,), the sample's own scores, each record without itself.
    """

    def __init__(self, n_neighbors: int = 5) -> None:
        self.n_neighbors = n_neighbors
        self.decision_scores_: Floats = np.empty(0)
        self._sample: Floats = np.empty((0, 0))

    def fit(self, sample: Floats) -> KNN:
        """Keep m vectors, (m, d), m more than `n_neighbors`."""
        if len(sample) <= self.n_neighbors:
            raise ValueError(f"{self.n_neighbors} neighbours need more than {len(sample)} records")
        self._sample = np.ascontiguousarray(sample, dtype=np.float64)
        self.decision_scores_ = np.sqrt(self._squared(self._sample, self._sample, itself=True))
        return self

    def decision_function(self, vectors: NDArray[np.floating]) -> Floats:
        """The Euclidean distance of n vectors (n, d) to their `n_neighbors`-th neighbour of the sample: float64 (n,).

        Of float32 vectors, distances have six digits.
        """
        sample = self._sample.astype(vectors.dtype)
        squared = self._squared(vectors, sample, itself=False)
        if vectors.dtype != np.float64:
            near = np.flatnonzero(squared <= _NEAR * np.einsum("ij,ij->i", vectors, vectors))
            squared[near] = self._squared(vectors[near].astype(np.float64), self._sample, itself=False)
        return np.sqrt(squared)

    def _squared(self, vectors: NDArray[np.floating], sample: NDArray[np.floating], *, itself: bool) -> Floats:
        lengths = np.einsum("ij,ij->i", sample, sample)

        def nearest(first: int) -> Floats:
            block = vectors[first : first + _BLOCK]
            squared = block @ sample.T
            squared *= -2.0
            squared += lengths
            if itself:
                rows = np.arange(len(block))
                squared[rows, first + rows] = np.inf
            squared.partition(self.n_neighbors - 1, axis=1)
            found: Floats = squared[:, self.n_neighbors - 1] + np.einsum("ij,ij->i", block, block)
            return np.maximum(found, 0.0)

        # Each block is one thread's: a distance has the same bits however many there are.
        with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as pool:
            return np.concatenate([np.empty(0), *pool.map(nearest, range(0, len(vectors), _BLOCK))])
