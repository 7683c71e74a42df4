"""The distance to the nearest neighbours, as an outlier detector.

In: vectors. Out: for each, its distance to the fifth nearest of a sample (Ramaswamy, Rastogi & Shim 2000). These are
the scores of PyOD's KNN at its defaults, without the second and a half that importing PyOD takes: a small scan is done
by then.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_BLOCK = 1024


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
        self.decision_scores_ = self._distances(self._sample, itself=True)
        return self

    def decision_function(self, vectors: Floats) -> Floats:
        """The Euclidean distance of n vectors (n, d) to their `n_neighbors`-th neighbour of the sample: (n,)."""
        return self._distances(np.asarray(vectors, dtype=np.float64), itself=False)

    def _distances(self, vectors: Floats, *, itself: bool) -> Floats:
        lengths = np.einsum("ij,ij->i", self._sample, self._sample)
        found = np.empty(len(vectors))
        for first in range(0, len(vectors), _BLOCK):
            block = vectors[first : first + _BLOCK]
            squared = lengths - 2.0 * (block @ self._sample.T)
            if itself:
                rows = np.arange(len(block))
                squared[rows, first + rows] = np.inf
            nearest = np.partition(squared, self.n_neighbors - 1, axis=1)[:, self.n_neighbors - 1]
            found[first : first + _BLOCK] = nearest + np.einsum("ij,ij->i", block, block)
        distances: Floats = np.sqrt(np.maximum(found, 0.0))
        return distances
