"""The signal of past cases, of texts that people wrote.

In: a case base, texts, their vectors. Out: a vote for each, none for a machine's text. Past crises, first signs and
ordinary texts are told by people: a log line is far from all of them, and which is least far follows from its numbers
and names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from forewarn.arrays import Floats, Vectors
from forewarn.grouping.machine_texts import machine_written

if TYPE_CHECKING:
    from forewarn.embeddings import CaseBase


def case_votes(cases: CaseBase, vectors: Vectors, texts: pl.Series) -> Floats:
    """What past cases say of n texts, float64 (n,), as `CaseBase.vote`; NaN where a machine wrote the text.

    `vectors` float32 (n, d), `texts` String (n,).
    """
    said = ~machine_written(texts).to_numpy()
    votes = np.full(len(texts), np.nan)
    votes[said] = cases.vote(vectors[said])
    return votes
