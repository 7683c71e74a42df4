"""Texts to the sparse features of a linear model: weighted word and character n-grams.

In: texts. Out: a sparse matrix, one row a text. Words and word pairs make one half of a row, runs of characters the
other; each half has unit length (tf-idf with sublinear counts, Salton & Buckley 1988). What n-grams
there are and how much each weighs is learnt from the texts of `fit_features` alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.detectors.ngrams import PAIRS, WORDS, KeyTable, Made, NgramBlock, over_blocks, words_of

__all__ = ["Features", "fit_features", "words_of"]

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from forewarn.detectors.linear import Linear

RUNS = (3, 4, 5)
_CHARACTERS = "characters-"
_IDEOGRAPH_RUNS = (2, 3)
_LEAST_TEXTS = 2
_MOST_FEATURES = 1 << 20
"""The commonest n-grams that are kept in each view."""


@dataclass(frozen=True)
class Features:
    """The n-grams of a set of texts: `keys` uint64, sorted, and `weights` float32 for each view, in order of the
    views."""

    keys: dict[str, NDArray[np.uint64]]
    weights: dict[str, NDArray[np.float32]]

    @property
    def runs(self) -> tuple[int, ...]:
        """How long the runs of characters are."""
        return tuple(int(view.removeprefix(_CHARACTERS)) for view in self.keys if view.startswith(_CHARACTERS))

    @property
    def width(self) -> int:
        """The number of columns."""
        return sum(len(keys) for keys in self.keys.values())

    def matrix(self, texts: pl.Series) -> csr_array:
        """The features of n texts: float32 (n, width), sparse."""
        return self._stacked(_of_blocks(self._block, texts, self.runs))

    def log_odds(self, linear: Linear, vectors: NDArray[np.float32], texts: pl.Series) -> NDArray[np.float64]:
        """What a linear model of k outputs says of n texts, float64 (n, k), without their features all at once.

        `vectors` is float32 (n, d).
        """

        def of_block(block: NgramBlock) -> NDArray[np.float64]:
            return linear.log_odds(vectors[block.first : block.first + block.size], self._block(block))

        return np.concatenate([np.empty((0, linear.dense.shape[1])), *_of_blocks(of_block, texts, self.runs)])

    def columns(self, view: str, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The column of each of m n-grams of a view; -1 where it has none. Shape (m,)."""
        table, offset = self._tables[view]
        place = table.places(keys)
        return np.where(place >= 0, place + offset, -1)

    @cached_property
    def _tables(self) -> dict[str, tuple[KeyTable, int]]:
        """For each view, where its n-grams stand, and its first column."""
        firsts = np.cumsum([0, *map(len, self.keys.values())]).tolist()
        return {view: (KeyTable(keys), first) for (view, keys), first in zip(self.keys.items(), firsts, strict=False)}

    @staticmethod
    def word_keys(words: list[str]) -> NDArray[np.uint64]:
        """The key of each of m words, as `words_of` gives them: uint64 (m,)."""
        found = _of_blocks(lambda block: block.views[WORDS].key, pl.Series(words, dtype=pl.String), RUNS)
        return np.concatenate([np.empty(0, dtype=np.uint64), *found])

    def _stacked(self, parts: Iterable[csr_array]) -> csr_array:
        from scipy.sparse import csr_array, vstack

        empty = csr_array((0, self.width), dtype=np.float32)
        return vstack([empty, *parts], format="csr")  # type: ignore[no-any-return]

    def _block(self, block: NgramBlock) -> csr_array:
        from scipy.sparse import csr_array

        columns, values, rows = [], [], []
        every_weight = np.concatenate(list(self.weights.values()))
        for half in _halves(self.runs):
            column = np.concatenate([self.columns(view, block.views[view].key) for view in half])
            row = np.concatenate([block.views[view].text for view in half])
            own = np.concatenate([block.views[view].own for view in half])
            there = column >= 0
            column, row = column[there], row[there]
            value = (1.0 + np.log(own[there].astype(np.float64))) * every_weight[column]
            length = np.sqrt(np.bincount(row, weights=value**2, minlength=block.size))
            rows.append(row)
            columns.append(column.astype(np.int32))
            values.append((value / length[row]).astype(np.float32))
        place = np.concatenate(rows), np.concatenate(columns)
        return csr_array((np.concatenate(values), place), shape=(block.size, self.width)).tocsr()


def fit_features(texts: pl.Series, runs: Sequence[int] = RUNS) -> tuple[Features, csr_array]:
    """The n-grams that two or more of n texts hold, and the features of those texts, float32 (n, width).

    `runs` are the lengths of the runs of characters.
    """
    tokenised: list[Any] = list(_of_blocks(lambda block: block, texts, runs))
    keys, weights = {}, {}
    for half in _halves(runs):
        for view in half:
            found = [block.views[view].key for block in tokenised] or [np.empty(0, dtype=np.uint64)]
            distinct, in_texts = np.unique(np.concatenate(found), return_counts=True)
            kept = in_texts >= _LEAST_TEXTS
            if kept.sum() > _MOST_FEATURES:
                kept &= in_texts >= np.partition(in_texts, -_MOST_FEATURES)[-_MOST_FEATURES]
            keys[view] = distinct[kept]
            # Smoothed as scikit-learn's: log((1 + n) / (1 + texts with it)) + 1.
            weights[view] = (np.log((1.0 + len(texts)) / (1.0 + in_texts[kept])) + 1.0).astype(np.float32)
    features = Features(keys, weights)

    def features_of(number: int) -> csr_array:
        # A block's tokens are let go once they are features.
        block, tokenised[number] = tokenised[number], None
        return features._block(block)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return features, features._stacked(pool.map(features_of, range(len(tokenised))))


def views_of(runs: Sequence[int]) -> list[str]:
    """The names of the views, in the order of their columns."""
    return [view for half in _halves(runs) for view in half]


def _halves(runs: Sequence[int]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return (WORDS, PAIRS), tuple(f"{_CHARACTERS}{size}" for size in runs)


def _of_blocks(function: Callable[[NgramBlock], Made], texts: pl.Series, runs: Sequence[int]) -> Iterator[Made]:
    return over_blocks(function, texts, runs=runs, ideograph_runs=_IDEOGRAPH_RUNS)
