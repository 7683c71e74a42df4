"""Any sentence-transformers model as an encoder.

In: the name of a model that is on this machine, or its folder. Out: unit vectors. Nothing is fetched: a name not
in the local cache is refused, and the error says how to fetch it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from forewarn.errors import EncoderError

_BATCH = 64


class TransformerEncoder:
    """A sentence-transformers model; `device` is `cpu` or `cuda` (None = cuda where there is one)."""

    def __init__(self, name: str, *, device: str | None = None) -> None:
        from sentence_transformers import SentenceTransformer

        try:
            self._model = SentenceTransformer(name, device=device, local_files_only=True, trust_remote_code=False)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise EncoderError(
                f"the encoder {name!r} is no model on this machine: {str(error).splitlines()[0]}",
                remedy="Name a folder, or fetch the model once with `hf download NAME`, or use --encoder bundled.",
            ) from None
        self.name = name
        self._model.eval()
        self.dimension = int(self._model.get_embedding_dimension() or 0)
        self.checksum = self._checksum()

    def _checksum(self) -> str:
        digest = hashlib.sha256(str(self._model.max_seq_length).encode())
        for key, weight in sorted(self._model.state_dict().items()):
            digest.update(key.encode())
            digest.update(np.ascontiguousarray(weight.detach().float().cpu().numpy()).tobytes())
        return digest.hexdigest()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The vectors of n texts: float32, shape (n, d), unit length. Out of memory on a GPU halves the batch."""
        import torch

        batch = _BATCH
        while True:
            try:
                vectors = self._model.encode(
                    list(texts), batch_size=batch, normalize_embeddings=True, show_progress_bar=False
                )
                break
            except torch.cuda.OutOfMemoryError:
                if batch == 1:
                    raise EncoderError(
                        "one text does not fit in the GPU's memory", remedy="Use --device cpu."
                    ) from None
                batch //= 2
                torch.cuda.empty_cache()
        return np.asarray(vectors, dtype=np.float32).reshape(len(texts), self.dimension)
