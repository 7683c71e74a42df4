"""A million vectors as texts have them, and a base of them: made, opened and searched in processes of their own.

In: real vectors to start from (`.npy`, float32 (n, d), unit length). Out: a case base folder, true neighbours, figures.
Used by `benchmarks/cases.py`; each step is a process, so that its memory and its first query are its own.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.embeddings import CaseBase, case_store, nearest
from forewarn.embeddings.cases import complete

Floats = NDArray[np.float32]
BLOCK = 50_000
QUERIES = 500
_TOGETHER = 50
KINDS = ("clustered", "mixed")


class Recorded:
    """An encoder that only has a name and a checksum: the vectors are there already."""

    name, checksum, dimension = "recorded", "recorded", 512

    def encode(self, texts: Any) -> Floats:
        """Never asked."""
        raise NotImplementedError


def vectors(kind: str, real: Floats, count: int, seed: int) -> Iterator[Floats]:
    """`count` vectors in blocks, float32 (·, d), unit length, made of real ones.

    `clustered`: a real vector plus up to .7 of the difference of two others, so that each text has neighbours that
    differ from it as texts do. `mixed`: three real vectors in random shares, and noise; no clusters at all.
    """
    chance = np.random.default_rng(seed)
    for start in range(0, count, BLOCK):
        size = min(BLOCK, count - start)
        first, second, third = real[chance.integers(len(real), size=(3, size))]
        if kind == "clustered":
            made = first + chance.uniform(0.1, 0.7, (size, 1)).astype(np.float32) * (second - third)
        else:
            share = chance.dirichlet(np.ones(3) * 0.7, size).astype(np.float32)
            made = share[:, :1] * first + share[:, 1:2] * second + share[:, 2:] * third
            made += chance.normal(0, 0.15 / made.shape[1] ** 0.5, made.shape).astype(np.float32)
        yield made / np.linalg.norm(made, axis=1, keepdims=True)


def split(real: Floats) -> tuple[Floats, Floats]:
    """What the base is made of, and what queries are."""
    return real[len(real) // 10 :], real[: len(real) // 10]


def queries(kind: str, real: Floats) -> Floats:
    """Queries: one half real vectors that nothing in the base was made of, one half made of those as the base was."""
    held = split(real)[1]
    return np.concatenate([held[: QUERIES // 2], next(vectors(kind, held, QUERIES // 2, 99))])


def build(kind: str, real: Floats, count: int, folder: Path) -> dict[str, float]:
    """Write a base of `count` cases with a vector each; seconds of training, adding and writing."""
    started = time.perf_counter()
    base = split(real)[0]
    packed = np.concatenate([nearest.compressed(block) for block in vectors(kind, base, count, 1)])
    made = time.perf_counter()
    index = nearest.train(packed)
    trained = time.perf_counter()
    texts = pl.select(
        id=pl.format("case-{}", pl.int_range(count)),
        time=pl.date(2000, 1, 1).dt.offset_by(pl.format("{}d", pl.int_range(count) % 9000)).cast(pl.String),
        text=pl.format("What happened at place {}, and how it went on from there", pl.int_range(count)),
        category=pl.lit("finance"),
    )
    with case_store.writing(folder):
        case_store.write(
            folder, complete(texts), np.ones(count, np.uint8), [packed], index, encoder=("recorded", "recorded")
        )
    written = time.perf_counter()
    return {"make": made - started, "index": trained - made, "write": written - trained}


def true_neighbours(kind: str, real: Floats, count: int, k: int = 10) -> NDArray[np.int64]:
    """The k nearest of each query by brute force over the uncompressed vectors: rows int64 (n, k)."""
    import faiss

    asked = queries(kind, real)
    best = np.full((len(asked), k), -2.0, np.float32)
    row = np.zeros((len(asked), k), np.int64)
    start = 0
    for block in vectors(kind, split(real)[0], count, 1):
        near, place = faiss.knn(asked, block, k, metric=faiss.METRIC_INNER_PRODUCT)
        together, rows = np.hstack([best, near]), np.hstack([row, place + start])
        order = np.argsort(-together, axis=1, kind="stable")[:, :k]
        best, row = np.take_along_axis(together, order, 1), np.take_along_axis(rows, order, 1)
        start += len(block)
    return row


def open_and_ask(kind: str, real: Floats, folder: Path, true: NDArray[np.int64]) -> dict[str, float]:
    """One core: seconds to open and answer the first query; milliseconds a query, alone and of fifty; recall@10."""
    import faiss

    faiss.omp_set_num_threads(1)
    asked = queries(kind, real)
    started = time.perf_counter()
    base = CaseBase.open(folder, encoder=Recorded())  # type: ignore[arg-type]
    opened = time.perf_counter()
    _, numbers = base.look_up(asked[:1], 5)
    base.rows(numbers.tolist())
    first = time.perf_counter()
    everything = base._nearest
    wall, cpu, found = [], [], []
    for query in asked:
        before, before_cpu = time.perf_counter(), time.process_time()
        found.append(everything.search(query[None], true.shape[1])[1][0])
        wall.append(time.perf_counter() - before)
        cpu.append(time.process_time() - before_cpu)
    before, before_cpu = time.perf_counter(), time.process_time()
    for start in range(0, len(asked), _TOGETHER):
        everything.search(asked[start : start + _TOGETHER], true.shape[1])
    together = {
        "ms_together": 1000 * (time.perf_counter() - before) / len(asked),
        "cpu_ms_together": 1000 * (time.process_time() - before_cpu) / len(asked),
    }
    hit = [np.isin(one, other).mean() for one, other in zip(true, found, strict=True)]
    half = len(hit) // 2
    return {
        "open": opened - started,
        "first": first - started,
        "ms": 1000 * float(np.median(wall)),
        "cpu_ms": 1000 * float(np.median(cpu)),
        **together,
        "recall": float(np.mean(hit)),
        "recall_real": float(np.mean(hit[:half])),
    }


def main(step: str, kind: str, real_file: str, count: str, folder: str, true_file: str) -> None:
    """Run one step and print its figures as JSON."""
    real = np.load(real_file)
    if step == "build":
        print(json.dumps(build(kind, real, int(count), Path(folder))))
    elif step == "true":
        np.save(true_file, true_neighbours(kind, real, int(count)))
    else:
        print(json.dumps(open_and_ask(kind, real, Path(folder), np.load(true_file))))


if __name__ == "__main__":
    main(*sys.argv[1:])
