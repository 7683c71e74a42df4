"""What is ordinary: a saved reference that new texts are compared with, in place of one another.

In: the texts of files in which nothing is wrong (`training.baseline`). Out: a `Baseline`: their texts, a sample of
their vectors, their scores. Outlier detectors are rebuilt from it, never pickled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.arrays import Floats

if TYPE_CHECKING:
    from forewarn.detectors import Outliers


@dataclass(frozen=True)
class Baseline:
    """A reference of n distinct texts.

    `texts` a frame with `template` and `count`; `sample` int64 (m,) the rows that the detectors of meaning are fitted
    on, `vectors` float32 (m, d) theirs; `log_odds` float64 (n,) what a scan without labels said of each text, and
    `silent` bool (n,) about which of them no rule spoke.
    """

    texts: pl.DataFrame
    sample: NDArray[np.int64]
    vectors: NDArray[np.float32]
    log_odds: Floats
    silent: NDArray[np.bool_]

    @property
    def lines(self) -> int:
        """How many records it was made from."""
        return int(self.texts["count"].sum())

    def outliers(self, detectors: Sequence[str], seed: int) -> Outliers:
        """Outlier detectors fitted on it."""
        from forewarn.detectors import rebuild_outliers

        counts = self.texts["count"].to_numpy().astype(np.int64)
        return rebuild_outliers(
            self.vectors, self.sample, self.texts["template"], counts, detectors=detectors, seed=seed
        )

    def tensors(self) -> dict[str, NDArray[np.generic]]:
        """Everything but the texts, as named arrays."""
        return {"sample": self.sample, "vectors": self.vectors, "log_odds": self.log_odds, "silent": self.silent}

    @classmethod
    def from_tensors(cls, texts: pl.DataFrame, tensors: Mapping[str, NDArray[np.generic]]) -> Baseline:
        """A baseline from what `tensors` gave. Raises KeyError where an array is missing."""
        return cls(texts, tensors["sample"], tensors["vectors"], tensors["log_odds"], tensors["silent"])  # type: ignore[arg-type]
