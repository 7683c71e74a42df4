"""The bundled encoder in torch: the same weights, any device, float32 or bfloat16, fine-tunable.

In: texts, or token numbers. Out: unit vectors, equal to the numpy form's to 1e-4 in float32. `BundledModule` is a
sentence-transformers module (`SentenceTransformer(modules=[BundledModule()])` encodes, trains, saves and loads);
`TorchBundledEncoder` is an `Encoder` over it. No padding goes through the layers: the tokens of all texts of a batch
stand one after the other, and a window that reaches out of its text sees zeros.
"""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers.base.modules import InputModule
from torch import Tensor, nn
from torch.nn import functional

from forewarn.embeddings.devices import does_not_fit
from forewarn.embeddings.weights import (
    BLOCKS,
    BRANCH,
    WIDTH,
    WINDOWS,
    load_tokenizer,
    load_weights,
    rounds,
    tokens_of,
    weights_checksum,
    weights_folder,
)

_BATCH_TOKENS = {"cpu": 2048, "cuda": 131_072}
"""Tokens of one forward: on the CPU so few that they stay in its cache."""
_EPSILON = 1e-12
_RUN = 64
_WHERE = ("token", "cache_folder", "revision", "local_files_only")
"""How sentence-transformers says where a model's files are."""
_POOLED = WIDTH + len(WINDOWS) * BRANCH


class BundledModule(InputModule):  # type: ignore[misc]
    """The multilingual Universal Sentence Encoder v3 as a differentiable module of 69 million parameters.

    `folder` is one that `save` wrote (None = the weights of the package). The parameters may be moved to any device
    and cast to bfloat16; the sum over the tokens and all that comes after it are taken in float32.
    """

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__()
        self.pieces = load_tokenizer(folder)
        self._pieces_file = (folder or weights_folder()) / "sp.model"
        rows = self.pieces.get_piece_size()
        self.embedding = nn.Embedding(rows - rows % -BLOCKS, WIDTH)
        self.project = nn.Linear(WIDTH, len(WINDOWS) * BRANCH)
        self.project_norm = nn.LayerNorm(len(WINDOWS) * BRANCH, eps=_EPSILON)
        self.first = nn.ModuleList(nn.Linear(size * BRANCH, BRANCH) for size, _ in WINDOWS)
        self.second = nn.ModuleList(nn.Linear(size * BRANCH, BRANCH) for size, _ in WINDOWS)
        self.norm = nn.LayerNorm(_POOLED, eps=_EPSILON)
        self.pool = nn.Linear(_POOLED, WIDTH)
        shapes = {"d0": (512, 320), "d1": (320, 320), "d2": (320, 512), "d3": (512, 512), "p1": (512, 320)}
        shapes["p3"] = (320, 512)
        self.dense = nn.ModuleDict({name: nn.Linear(*shape, bias=False) for name, shape in shapes.items()})
        if folder is None:
            self.load_state_dict(_state(load_weights()))
        self.eval()

    def vectors(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """The unit vectors, float32 (n, 512), of n texts.

        `tokens` int64 (t,): all texts' tokens, one text after the other; `lengths` int64 (n,): how many each has,
        at least one.
        """
        window = _neighbours(lengths, len(tokens))
        distinct, place = torch.unique(tokens, return_inverse=True)
        embedded = self.embedding(distinct)
        projected = self.project_norm(self.project(embedded))
        rows = torch.cat([place, place.new_tensor([len(distinct)])])[window]
        features = [embedded[place]]
        for branch, (size, left) in enumerate(WINDOWS):
            own = projected[:, branch * BRANCH : (branch + 1) * BRANCH]
            at = slice(2 - left, 2 - left + size)
            # The first convolution is linear in each of its tokens: once for each distinct one, then summed.
            first = cast(nn.Linear, self.first[branch])
            shares = torch.einsum("tw,hsw->tsh", own, first.weight.view(BRANCH, size, BRANCH)).flatten(0, 1)
            shares = functional.pad(shares, (0, 0, 0, size))
            chosen = rows[:, at] * size + torch.arange(size, device=rows.device)
            summed = functional.embedding_bag(chosen, shares, mode="sum")
            hidden = functional.relu(summed + first.bias) + own[place]
            around = functional.pad(hidden, (0, 0, 0, 1))[window[:, at]].flatten(1)
            features.append(functional.relu(self.second[branch](around)) + hidden)
        normal = self.norm(torch.cat(features, dim=1)).float()
        pooled = _summed(normal, lengths)
        counts = lengths[:, None].float()
        return self._head((pooled @ self.pool.weight.float().T + counts * self.pool.bias.float()) / counts.sqrt())

    def _head(self, pooled: Tensor) -> Tensor:
        inner = functional.relu(pooled @ self._weight("d0")) @ self._weight("d1")
        lower = functional.relu(inner + pooled @ self._weight("p1"))
        inner = functional.relu(lower @ self._weight("d2")) @ self._weight("d3")
        upper = torch.tanh(inner + lower @ self._weight("p3"))
        return functional.normalize(upper, dim=1)

    def _weight(self, name: str) -> Tensor:
        return cast(nn.Linear, self.dense[name]).weight.float().T

    # What sentence-transformers asks of a module.

    def preprocess(self, inputs: Sequence[str], prompt: str | None = None, **_: Any) -> dict[str, Tensor]:
        """Token numbers of n texts, padded to the longest: `input_ids` and `attention_mask`, int64 (n, longest)."""
        tokens = tokens_of(self.pieces, [(prompt or "") + text for text in inputs])
        rows = [torch.tensor(text) for text in tokens]
        ids = nn.utils.rnn.pad_sequence(rows, batch_first=True)
        mask = torch.arange(ids.shape[1]) < torch.tensor([[len(row)] for row in rows])
        return {"input_ids": ids, "attention_mask": mask.long()}

    def forward(self, features: dict[str, Tensor], **_: Any) -> dict[str, Tensor]:
        """Add `sentence_embedding`, float32 (n, 512), to what `preprocess` gave."""
        mask = features["attention_mask"].bool()
        features["sentence_embedding"] = self.vectors(features["input_ids"][mask], mask.sum(dim=1))
        return features

    def get_embedding_dimension(self) -> int:
        """512."""
        return WIDTH

    def save(self, output_path: str, *_: Any, safe_serialization: bool = True, **__: Any) -> None:
        """Write the parameters (safetensors), the tokeniser and an empty configuration into a folder."""
        self.save_config(output_path)
        self.save_torch_weights(output_path, safe_serialization=safe_serialization)
        shutil.copyfile(self._pieces_file, Path(output_path) / "sp.model")

    @classmethod
    def load(cls, model_name_or_path: str, subfolder: str = "", **options: Any) -> Self:
        """Read what `save` wrote."""
        where = {name: options[name] for name in _WHERE if name in options}
        folder = Path(cls.load_dir_path(model_name_or_path, subfolder=subfolder, **where))
        module = cls(folder)
        cls.load_torch_weights(model_name_or_path, subfolder=subfolder, model=module, **where)
        module.eval()
        return module


class TorchBundledEncoder:
    """The bundled encoder on a device: `cpu` or `cuda`, in float32, or in bfloat16 (cosine to float32 over .999)."""

    dimension = WIDTH

    def __init__(self, device: str = "cuda", *, bfloat16: bool = False) -> None:
        self.name = "bundled-bf16" if bfloat16 else "bundled"
        # In float32 the vectors are the numpy form's, so the checksum is too: a model fitted here is used there.
        self.checksum = weights_checksum() + ("-bf16" if bfloat16 else "")
        try:
            self._module = BundledModule().to(device=device, dtype=torch.bfloat16 if bfloat16 else torch.float32)
        except torch.cuda.OutOfMemoryError:
            raise does_not_fit("the model") from None
        self._batch = _BATCH_TOKENS.get(torch.device(device).type, _BATCH_TOKENS["cuda"])

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The vectors of n texts: float32, shape (n, 512), unit length. Out of memory on a GPU halves the batch.

        The next texts are cut into tokens while the device works on those before.
        """
        vectors = np.empty((len(texts), WIDTH), dtype=np.float32)
        cut: deque[tuple[slice, Future[list[list[int]]]]] = deque()
        with ThreadPoolExecutor(1) as ahead:
            for chosen in rounds(texts):
                cut.append((chosen, ahead.submit(tokens_of, self._module.pieces, texts[chosen])))
                if len(cut) > 1:
                    self._take(vectors, *cut.popleft())
            while cut:
                self._take(vectors, *cut.popleft())
        return vectors

    def _take(self, vectors: NDArray[np.float32], chosen: slice, tokens: Future[list[list[int]]]) -> None:
        vectors[chosen] = self._round(tokens.result())

    def _round(self, tokens: list[list[int]]) -> NDArray[np.float32]:
        lengths = np.fromiter(map(len, tokens), dtype=np.int64, count=len(tokens))
        flat = np.fromiter(chain.from_iterable(tokens), dtype=np.int64, count=lengths.sum())
        ends = np.cumsum(lengths)
        vectors = np.empty((len(tokens), WIDTH), dtype=np.float32)
        done = 0
        while done < len(tokens):
            begin = ends[done] - lengths[done]
            end = max(done + 1, int(np.searchsorted(ends, begin + self._batch, side="right")))
            try:
                vectors[done:end] = self._forward(flat[begin : ends[end - 1]], lengths[done:end])
                done = end
                continue
            except torch.cuda.OutOfMemoryError:
                if end == done + 1:
                    raise does_not_fit() from None
                self._batch = int(ends[end - 1] - begin) // 2
            # Only now, with the error gone, does nothing hold the batch's tensors.
            torch.cuda.empty_cache()
        return vectors

    def _forward(self, tokens: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        with torch.inference_mode():
            made = self._module.vectors(self._there(tokens), self._there(lengths))
        vectors: NDArray[np.float32] = made.cpu().numpy()
        return vectors

    def _there(self, numbers: NDArray[np.int64]) -> Tensor:
        """The numbers on the device; a GPU fetches them from pinned memory while it computes."""
        device, made = self._module.embedding.weight.device, torch.from_numpy(numbers)
        return made.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else made.to(device)


def _summed(rows: Tensor, lengths: Tensor) -> Tensor:
    """The sum of each text's rows: of runs of 64 first, so that a text of 10,000 tokens loses no digits."""
    runs = torch.div(lengths + _RUN - 1, _RUN, rounding_mode="floor")
    sizes = torch.full((int(runs.sum()),), _RUN, device=lengths.device)
    sizes[runs.cumsum(0) - 1] = lengths - (runs - 1) * _RUN
    summed = torch.segment_reduce(rows, "sum", lengths=sizes, axis=0)
    return torch.segment_reduce(summed, "sum", lengths=runs, axis=0)


def _neighbours(lengths: Tensor, total: int) -> Tensor:
    """For each of n tokens, the places of the two tokens before, itself, and the two after: shape (n, 5).

    A place outside of the token's own text is n.
    """
    ends = torch.repeat_interleave(lengths.cumsum(0), lengths, output_size=total)[:, None]
    starts = ends - torch.repeat_interleave(lengths, lengths, output_size=total)[:, None]
    around = torch.arange(total, device=lengths.device)[:, None] + torch.arange(-2, 3, device=lengths.device)
    return torch.where((around >= starts) & (around < ends), around, total)


def _state(weights: dict[str, NDArray[np.float32]]) -> dict[str, Tensor]:
    """The package's arrays by the names of the module's parameters; theirs are (in, out), torch's (out, in)."""

    def side_by_side(name: str) -> NDArray[np.float32]:
        return np.hstack([weights[f"{name}{size}"] for size, _ in WINDOWS])

    block = np.arange(len(weights["table"])) % BLOCKS
    arrays = {
        "embedding.weight": weights["table"] * weights["scale"][block, None] + weights["lo"][block, None],
        "project.weight": side_by_side("proj").T,
        "project.bias": side_by_side("proj_b"),
        "project_norm.weight": side_by_side("ln_g"),
        "project_norm.bias": side_by_side("ln_b"),
        "norm.weight": weights["ln_g"],
        "norm.bias": weights["ln_b"],
        "pool.weight": weights["cnn_W"].T,
        "pool.bias": weights["cnn_b"],
    }
    for branch, (size, _) in enumerate(WINDOWS):
        for layer, number in (("first", 1), ("second", 2)):
            arrays[f"{layer}.{branch}.weight"] = weights[f"w{number}_{size}"].T
            arrays[f"{layer}.{branch}.bias"] = weights[f"b{number}_{size}"]
    arrays |= {f"dense.{name}.weight": weights[name].T for name in ("d0", "d1", "d2", "d3", "p1", "p3")}
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
