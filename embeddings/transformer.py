"""Any sentence-transformers model as an encoder, in torch, ONNX Runtime or OpenVINO.

In: the name of a model that is on this machine, or its folder, with `onnx:` or `openvino:` before it to run it there.
Out: unit vectors. Nothing is fetched: a name not in the local cache is refused, and the error says how to fetch it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from forewarn.embeddings.devices import does_not_fit
from forewarn.errors import EncoderError
from forewarn.extras import installed, require

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_BATCH = 64
_TUNED_BUNDLED = "forewarn.embeddings.bundled_torch.BundledModule"
Backend = Literal["torch", "onnx", "openvino"]
_NEEDED: dict[Backend, tuple[str, ...]] = {
    "torch": (),
    "onnx": ("optimum.onnxruntime", "onnxruntime"),
    "openvino": ("optimum.intel", "openvino"),
}
"""What each backend of sentence-transformers imports."""


class TransformerEncoder:
    """A sentence-transformers model on a device that torch knows."""

    def __init__(self, name: str, *, device: str = "cpu") -> None:
        self.name = name
        backend, model = backend_of(name)
        missing = [module for module in _NEEDED[backend] if not installed(module)]
        if missing:
            raise EncoderError(
                f"the encoder {name!r} needs {' and '.join(missing)}, which cannot be found",
                remedy=f"pip install 'sentence-transformers[{backend}]', or leave {backend}: away.",
            )
        require("torch", "sentence_transformers")
        import torch

        try:
            folder = _folder(model)
            self._model = _opened(folder, backend, device)
        except torch.cuda.OutOfMemoryError:
            raise does_not_fit("the model") from None
        except ImportError as error:
            raise EncoderError(
                f"the encoder {name!r} cannot be opened with what is installed: {error}",
                remedy=f"Install versions that fit: pip install 'sentence-transformers[{backend}]'.",
            ) from None
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise EncoderError(
                f"the encoder {name!r} is no model on this machine: {(str(error) or repr(error)).splitlines()[0]}",
                remedy="Name a folder, or fetch the model once with `hf download NAME`, or use --encoder bundled.",
            ) from None
        self._model.eval()
        self.dimension = int(self._model.get_embedding_dimension() or 0)
        self.checksum = self._weights_checksum() if backend == "torch" else _files_checksum(folder, backend)

    def _weights_checksum(self) -> str:
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
                # The longest texts come first, so that a batch that is too large is met at the start.
                vectors = self._model.encode(
                    list(texts), batch_size=batch, normalize_embeddings=True, show_progress_bar=False
                )
                return np.asarray(vectors, dtype=np.float32).reshape(len(texts), self.dimension)
            except torch.cuda.OutOfMemoryError:
                if batch == 1:
                    raise does_not_fit() from None
            # Only now, with the error gone, does nothing hold the batch's tensors.
            batch //= 2
            torch.cuda.empty_cache()


def backend_of(name: str) -> tuple[Backend, str]:
    """`onnx:NAME` and `openvino:NAME` are the model NAME in those; any other name is one in torch."""
    if name.startswith("onnx:"):
        return "onnx", name.removeprefix("onnx:")
    if name.startswith("openvino:"):
        return "openvino", name.removeprefix("openvino:")
    return "torch", name


def _folder(model: str) -> Path:
    if Path(model).is_dir():
        return Path(model)
    require("huggingface_hub")
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(model if "/" in model else f"sentence-transformers/{model}", local_files_only=True))


def _opened(folder: Path, backend: Backend, device: str) -> SentenceTransformer:
    from sentence_transformers import SentenceTransformer

    listed = folder / "modules.json"
    if listed.is_file() and [module["type"] for module in json.loads(listed.read_text())] == [_TUNED_BUNDLED]:
        # A fine-tuned bundled encoder: the class is ours, so no code of the folder's is trusted.
        from forewarn.embeddings.bundled_torch import BundledModule

        return SentenceTransformer(modules=[BundledModule.load(str(folder))], device=device)
    return SentenceTransformer(
        str(folder), device=device, backend=backend, local_files_only=True, trust_remote_code=False
    )


def _files_checksum(folder: Path, backend: Backend) -> str:
    """Of every file that decides the vectors: those of a model in ONNX or OpenVINO are no torch parameters."""
    digest = hashlib.sha256(backend.encode())
    for file in sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".md"):
        digest.update(file.relative_to(folder).as_posix().encode())
        with file.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()
