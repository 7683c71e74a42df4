"""What `|similar` asks: texts and examples to cosines, by an encoder that is opened when the first rule asks.

In: the encoder's name. Out: the function that the matcher is handed, so that rules need no import of embeddings.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from forewarn.embeddings import Encoder
    from forewarn.rules.rule_set import Similarity


def similarity(encoder: str = "bundled", device: str | None = None) -> Similarity:
    """Cosines of n texts to m examples: float64 (n, m). Raises EncoderError where there is no such encoder."""

    @cache
    def opened() -> Encoder:
        from forewarn.embeddings import load_encoder

        return load_encoder(encoder, device=device)

    @cache
    def examples(texts: tuple[str, ...]) -> NDArray[np.float32]:
        return opened().encode(list(texts))

    def cosines(texts: list[str], to: list[str]) -> NDArray[np.float64]:
        return (opened().encode(texts) @ examples(tuple(to)).T).astype(np.float64)

    return cosines
