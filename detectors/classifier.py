"""Texts to log-odds of crisis: a logistic head on a frozen encoder's vectors and on n-grams.

In: vectors, texts, labels. Out: for each text the log-odds of crisis and, where several kinds of crisis were taught, of
each kind. Vectors know what words mean, n-grams which words they are: on texts of crises that were never taught the two
in one model do better than either (docs/decisions.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.arrays import Floats
from forewarn.detectors.features import Features, fit_features, views_of, words_of
from forewarn.detectors.linear import Linear, fit_logistic
from forewarn.detectors.ngrams import WORDS

RUNS = (1, 2, 3, 4, 5)
"""Lengths of the runs of characters. HTTP parameters, AUROC of the head: .99998, without one and two .99983."""
PENALTIES = ((3.0, 1.0), (1.0, 0.1))
"""Penalties (vectors, n-grams) worth trying: for few or foreign labels, and for many of the same kind."""


@dataclass(frozen=True)
class Classifier:
    """A fitted head: the first output of `linear` is crisis, each further one a category of `categories`."""

    features: Features
    linear: Linear
    categories: tuple[str, ...] = ()

    def log_odds(self, vectors: NDArray[np.float32], texts: pl.Series) -> Floats:
        """Log-odds of n texts: float64 (n, 1 + number of categories). `vectors` is float32 (n, d)."""
        return self.linear.log_odds(vectors, self.features.matrix(texts))

    def words(self, text: str) -> list[tuple[str, float]]:
        """The words of a text that the head knows and what each weighs, the heaviest first."""
        return word_weights(self.features, self.linear, text)

    def tensors(self) -> dict[str, NDArray[np.generic]]:
        """Everything that was fitted, as named arrays."""
        return {
            **{f"keys.{view}": keys for view, keys in self.features.keys.items()},
            **{f"weights.{view}": weights for view, weights in self.features.weights.items()},
            "dense": self.linear.dense,
            "sparse": self.linear.sparse,
            "bias": self.linear.bias,
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[np.generic]], categories: Sequence[str]) -> Classifier:
        """A head from what `tensors` gave. Raises KeyError where an array is missing."""
        parts = {
            kind: {name.partition(".")[2]: array for name, array in tensors.items() if name.startswith(f"{kind}.")}
            for kind in ("keys", "weights")
        }
        # The columns of a view begin where those of the views before it end: files do not keep an order.
        keys, weights = ({view: parts[kind][view] for view in views_of(RUNS)} for kind in ("keys", "weights"))
        features = Features(keys, weights)  # type: ignore[arg-type]
        linear = Linear(tensors["dense"], tensors["sparse"], tensors["bias"])  # type: ignore[arg-type]
        return cls(features, linear, tuple(categories))


def fit_classifier(
    vectors: NDArray[np.float32],
    texts: pl.Series,
    crisis: NDArray[np.bool_],
    *,
    categories: Mapping[str, NDArray[np.bool_]] | None = None,
    penalty: tuple[float, float] = PENALTIES[0],
) -> Classifier:
    """Fit a head on n labelled texts.

    `vectors` is float32 (n, d), `crisis` bool (n,); `categories` says for each kind of crisis which texts are of it.
    The rarer class weighs more, at most ten times, so that the log-odds are those of a balanced world.
    """
    features, matrix = fit_features(texts, RUNS)
    columns = [crisis, *(categories or {}).values()]
    targets = np.stack(columns, axis=1).astype(np.float64)
    weights = np.stack([class_weights(column) for column in columns], axis=1)
    linear = fit_logistic(vectors, matrix, targets, weights, penalty=penalty)
    return Classifier(features, linear, tuple(categories or ()))


def class_weights(crisis: NDArray[np.bool_]) -> Floats:
    """A weight for each of n labels so that both classes weigh the same (no text more than ten of the others): (n,)."""
    share = np.clip(crisis.mean(), 1 / 11, 10 / 11) if len(crisis) else 0.5
    return np.where(crisis, 0.5 / share, 0.5 / (1 - share))


def word_weights(features: Features, linear: Linear, text: str) -> list[tuple[str, float]]:
    """The words of a text and what each adds to the first output of a linear model, the heaviest first."""
    words = words_of(text)
    if not words:
        return []
    columns = features.columns(WORDS, features.word_keys(words))
    known = [(word, int(column)) for word, column in zip(words, columns, strict=True) if column >= 0]
    every_weight = np.concatenate(list(features.weights.values()))
    weighed = [(word, float(linear.sparse[column, 0] * every_weight[column])) for word, column in known]
    return sorted(weighed, key=lambda pair: -pair[1])
