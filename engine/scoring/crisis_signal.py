"""The classifier's signal before the user has taught one: the shipped classifier, of texts that people wrote.

In: vectors of texts, the encoder that made them, which of the texts people wrote. Out: log-odds of a crisis, none for a
machine's text or where the vectors are another encoder's. The classifier learnt how people tell of crises; of log lines
it would learn the names and numbers that stand in them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forewarn.arrays import Floats, Vectors
from forewarn.detectors.crisis_classifier import CrisisClassifier, shipped


def crisis_classifier(encoder_checksum: str) -> CrisisClassifier | None:
    """The shipped classifier, if it was fitted on vectors of that encoder."""
    known = shipped()
    return known if known.about.encoder_checksum == encoder_checksum else None


def crisis_signal(encoder_checksum: str, vectors: Vectors, people: NDArray[np.bool_]) -> Floats:
    """The classifier's log-odds of n texts, float64 (n,), NaN = no opinion.

    `vectors` float32 (n, d), `people` bool (n,): `machine_texts.by_people`.
    """
    said = np.full(len(people), np.nan)
    known = crisis_classifier(encoder_checksum)
    if known is not None:
        said[people] = known.log_odds(vectors[people])
    return said
