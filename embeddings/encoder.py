"""What an encoder is.

In: texts. Out: unit vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Encoder(Protocol):
    """Texts to vectors.

    `name` as the user wrote it; `dimension` d of the vectors; `checksum` of what decides the vectors, so that two
    encoders of one checksum give the same vectors (to 1e-4, where they run on different devices).
    """

    name: str
    dimension: int
    checksum: str

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The vectors of n texts: float32, shape (n, d), each of unit length (an empty text too)."""
        ...
