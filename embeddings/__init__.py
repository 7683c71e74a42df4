"""Text to vector, vector to the nearest past cases.

In: texts. Out: unit vectors, and the cases that are nearest to them. Usable alone; knows nothing of the engine.
"""

from __future__ import annotations

from forewarn.embeddings.cases import CaseBase
from forewarn.embeddings.encoder import Encoder
from forewarn.embeddings.loading import load_encoder

__all__ = ["CaseBase", "Encoder", "load_encoder"]
