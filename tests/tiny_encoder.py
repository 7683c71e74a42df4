"""A small encoder for tests: words hashed into 64 dimensions, so that texts that share words are near."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


class TinyEncoder:
    """The mean of a fixed random vector for each word, unit length."""

    dimension = 64

    def __init__(self, name: str = "tiny") -> None:
        self.name = name
        self.checksum = f"checksum of {name}"

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in text.casefold().split() or [""]:
                seed = zlib.crc32(f"{self.name} {word}".encode())
                vectors[row] += np.random.default_rng(seed).normal(size=self.dimension).astype(np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
