"""An encoder is found by its name.

In: a name or folder. Out: an `Encoder`. Fetches nothing from a network.
"""

from __future__ import annotations

from pathlib import Path

from forewarn.embeddings.devices import chosen_device
from forewarn.embeddings.encoder import Encoder
from forewarn.errors import EncoderError, ForewarnError
from forewarn.extras import require


def load_encoder(
    name: str = "bundled",
    *,
    device: str | None = None,
    cache: bool = False,
    problems: list[ForewarnError] | None = None,
) -> Encoder:
    """The encoder of that name, on `cpu`, `cuda` or `cuda:N` (None = `cuda` where there is one).

    * `bundled`: the multilingual encoder that comes with the package; in numpy on the CPU, in torch on a GPU.
    * `bundled-bf16`: the same in torch and bfloat16.
    * a model folder that `forewarn fit --base` wrote: the encoder that was fine-tuned there.
    * the name or folder of a sentence-transformers model; `onnx:` or `openvino:` before it runs it there.

    `cache` keeps the vectors in the user's cache; a damaged cache is made anew, with a note in `problems`. Raises
    EncoderError where the weights, the library or the device are missing.
    """
    device = chosen_device(device)
    encoder = _opened(name, device)
    if not cache:
        return encoder
    from forewarn.embeddings.vector_cache import CachedEncoder

    return CachedEncoder(encoder, kind=device.partition(":")[0], problems=problems)


def _opened(name: str, device: str) -> Encoder:
    if name == "bundled" and device == "cpu":
        from forewarn.embeddings.bundled import BundledEncoder

        return BundledEncoder()
    if name in ("bundled", "bundled-bf16"):
        require("torch", "sentence_transformers")
        from forewarn.embeddings.bundled_torch import TorchBundledEncoder

        return TorchBundledEncoder(device, bfloat16=name == "bundled-bf16")
    from forewarn.embeddings.transformer import TransformerEncoder

    if (Path(name) / "model.json").is_file():
        fitted = Path(name) / "network" / "encoder"
        if not fitted.is_dir():
            raise EncoderError(
                f"the model {name!r} has no encoder of its own",
                remedy="Name one that `forewarn fit --base` wrote; `forewarn scan --model` takes any.",
            )
        return TransformerEncoder(str(fitted), device=device)
    return TransformerEncoder(name, device=device)
