"""The signal of past cases, of texts that people wrote and of machines' texts that are like a user's own cases.

In: a case base, vectors of texts, which of them people wrote. Out: a vote for each; for a machine's text none but where
a base of the user's own, which may hold such lines, has a crisis like it. Past crises, first signs and ordinary texts
are told by people: a log line is far from all of them, and which is least far follows from its numbers and names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from forewarn.arrays import Floats, Vectors

if TYPE_CHECKING:
    from forewarn.embeddings import CaseBase


def case_votes(cases: CaseBase, vectors: Vectors, people: NDArray[np.bool_]) -> Floats:
    """What past cases say of n texts, float64 (n,), as `CaseBase.vote`; NaN = none.

    `vectors` float32 (n, d), `people` bool (n,): `machine_texts.by_people`.
    """
    said = np.full(len(people), True) if cases.is_own else people
    votes = np.full(len(people), np.nan)
    votes[said] = cases.vote(vectors[said])
    return np.where(people | (votes > 0), votes, np.nan)
