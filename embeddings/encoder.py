"""What an encoder is, and how one is found by name.

In: a name or folder. Out: an `Encoder`: texts in, unit vectors out. Fetches nothing from a network.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Encoder(Protocol):
    """Texts to vectors.

    `name` as the user wrote it; `dimension` d of the vectors; `checksum` SHA-256 of what decides the vectors, so that
    two encoders of one checksum give the same vectors.
    """

    name: str
    dimension: int
    checksum: str

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The vectors of n texts: float32, shape (n, d), each of unit length (an empty text too)."""
        ...


def load_encoder(name: str = "bundled", *, device: str | None = None) -> Encoder:
    """The encoder of that name: `bundled`, or the name or folder of a sentence-transformers model.

    `device` is `cpu` or `cuda` (None = cuda where there is one; the bundled encoder runs on the CPU). Raises
    EncoderError where the weights are missing.
    """
    if name == "bundled":
        from forewarn.embeddings.bundled import BundledEncoder

        return BundledEncoder()
    from forewarn.embeddings.transformer import TransformerEncoder

    return TransformerEncoder(name, device=device)
