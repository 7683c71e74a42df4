"""The distinct texts to their vectors, a chunk at a time, so that a killed scan need not embed them again.

In: an encoder, texts, the work folder of the scan if there is one. Out: one matrix. Chunks are the same with and
without a work folder: where vectors depend on what they are embedded with, they depend on the same texts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.checkpoint import Checkpoint
from forewarn.runtime.spill import SpilledFrames

if TYPE_CHECKING:
    from forewarn.embeddings import Encoder
    from forewarn.runtime.timings import Progress

CHUNK = 1 << 14
"""Texts that are embedded together."""


def embed(
    encoder: Encoder, texts: Sequence[str], work: Checkpoint | None = None, progress: Progress | None = None
) -> NDArray[np.float32]:
    """The vectors of n texts, float32 (n, d), unit length. Raises OutputError where the work cannot be kept."""
    vectors = np.empty((len(texts), encoder.dimension), dtype=np.float32)
    with ExitStack() as stack:
        made = kept = 0
        if work:
            name = f"vectors-{weights_of(encoder)}"
            waiting = stack.enter_context(SpilledFrames(work.place(name)))
            work.wait(name, waiting)
            for file in waiting.files():
                block = pl.read_ipc(file)["vector"].to_numpy()
                vectors[made : made + len(block)] = block
                made += len(block)
            kept = made
        while made < len(texts):
            chunk = slice(made, min(made + CHUNK, len(texts)))
            vectors[chunk] = encoder.encode(texts[chunk])
            made = chunk.stop
            if work and work.due:
                for first in range(kept, made, CHUNK):
                    block = vectors[first : min(first + CHUNK, made)]
                    waiting.keep(
                        pl.DataFrame({"vector": block}, schema={"vector": pl.Array(pl.Float32, block.shape[1])})
                    )
                kept = made
                work.write()
            if progress:
                progress("texts embedded", made)
    return vectors


def weights_of(encoder: Encoder) -> str:
    """A name for an encoder's weights: what another one made is not taken up."""
    return hashlib.sha256(f"{encoder.checksum} {encoder.dimension}".encode()).hexdigest()[:16]
