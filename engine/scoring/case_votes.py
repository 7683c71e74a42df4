"""The signal of past cases, of texts that people wrote and of machines' texts that are like a user's own cases.

In: a case base, texts, their vectors. Out: a vote for each; for a machine's text none but where a base of the user's
own, which may hold such lines, has a crisis like it. Past crises, first signs and
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
    """What past cases say of n texts, float64 (n,), as `CaseBase.vote`; NaN = none.

    `vectors` float32 (n, d), `texts` String (n,), as they were read: without its head a log line is like any other.
    """
    people = ~machine_written(texts).to_numpy()
    said = np.full(len(texts), True) if cases.is_own else people
    votes = np.full(len(texts), np.nan)
    votes[said] = cases.vote(vectors[said])
    return np.where(people | (votes > 0), votes, np.nan)
