"""The nearest of many unit vectors to a few, by cosine: exactly, or through an IVF-PQ index and an exact second look.

In: vectors as a base keeps them (int8, see `compressed`), and queries. Out: cosines and row numbers. Below `LARGE`
vectors every one is compared. Above, an inverted file with product quantisation (Jégou, Douze & Schmid 2011, in FAISS)
proposes candidates, whose true cosines then decide; it needs a tenth of the memory, and the vectors stay on disk.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from forewarn.arrays import Rows, Vectors

Bytes = NDArray[np.int8]

LARGE = 200_000
"""Vectors from which on an index is built: comparing all 200,000 takes 27 ms a query on one core, the index 1."""
FEW = 20_000
"""Chosen vectors up to which comparing all of them beats the index."""
PROBES = 1 / 8
"""Share of the inverted lists that is looked through."""
CANDIDATES = 384
"""Vectors that an index proposes; their true cosines decide (PROBES and CANDIDATES: `python -m benchmarks cases`)."""
_ALONE = Lock()
"""Held while the number of threads is set: another search would set it back."""
_MOST_ON_GPU = 2_048
"""Neighbours that FAISS can look for on a GPU."""
_WIDE = 256
"""Dimensions from which half of them are enough to find candidates by."""
_BLOCK = 65_536
_COSINES_AT_ONCE = 1 << 21
"""Cosines of a product: 8 MB, that stay in the processor's cache."""
_CANDIDATES_AT_ONCE = 32_768
"""Candidates of all queries of a step: 64 MB of vectors."""


def _compared(queries: Vectors, vectors: Vectors, k: int) -> tuple[Vectors, Rows]:
    """The k nearest of each query among all vectors, on the GPU where FAISS has one."""
    faiss = _faiss()
    if k <= _MOST_ON_GPU and faiss.get_num_gpus():
        found = faiss.knn_gpu(faiss.StandardGpuResources(), queries, vectors, k, metric=faiss.METRIC_INNER_PRODUCT)
    else:
        # One thread: the last bits of a product depend on how many there are.
        with _ALONE, _threads().limit(limits=1):
            found = faiss.knn(queries, vectors, k, metric=faiss.METRIC_INNER_PRODUCT)
    near, place = found
    return near, place


@lru_cache(maxsize=1)
def _threads() -> Any:
    """What sets the number of threads; found once, which takes a millisecond, and after FAISS is there."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def compressed(vectors: Vectors) -> Bytes:
    """Unit vectors float32 (n, d) as int8 (n, d): only the direction is kept, the largest component becomes ±127.

    The cosine of a vector and its compressed form is above .9999 for vectors of 512 components.
    """
    largest = np.abs(vectors).max(axis=1, keepdims=True, initial=0.0)
    packed: Bytes = np.rint(vectors * (127.0 / np.where(largest > 0, largest, 1.0))).astype(np.int8)
    return packed


def unpacked(vectors: Bytes) -> Vectors:
    """Unit vectors float32 (n, d) from their compressed form."""
    plain = vectors.astype(np.float32)
    length = np.linalg.norm(plain, axis=-1, keepdims=True)
    plain /= np.where(length > 0, length, 1.0)
    return plain


class Nearest(Protocol):
    """Vectors that can be searched; `size` is how many there are."""

    size: int

    def search(self, queries: Vectors, k: int) -> tuple[Vectors, Rows]:
        """The k nearest of each of n queries, nearest first: cosines float32 (n, k) and rows int64 (n, k).

        Where there are fewer, the cosine is -1 and the row -1. Of equal cosines the lower row comes first.
        """
        ...

    def only(self, rows: Rows) -> Nearest:
        """The same vectors as if there were only these rows (ascending); row numbers stay what they were."""
        ...

    def vectors(self, rows: Rows) -> Vectors:
        """The vectors of these rows: float32 (len(rows), d)."""
        ...


class Flat:
    """Every vector is compared. `vectors` float32 (m, d), `rows` the numbers under which they are known."""

    def __init__(self, vectors: Vectors, rows: Rows | None = None) -> None:
        self.size = len(vectors)
        self._vectors = np.ascontiguousarray(vectors)
        self._rows = np.arange(len(vectors)) if rows is None else rows

    def search(self, queries: Vectors, k: int) -> tuple[Vectors, Rows]:
        """As `Nearest.search`."""
        cosine, row = _nothing(len(queries), k)
        width = min(k, self.size)
        if width and len(queries):
            near, place = _compared(np.ascontiguousarray(queries), self._vectors, width)
            cosine[:, :width], row[:, :width] = _ordered(near, self._rows[place])
        return cosine, row

    def cosines(self, queries: Vectors, k: int) -> Vectors:
        """The cosines of the k nearest of each of n queries, in no order: float32 (n, k), k at most `size`.

        One product and a partition of each row: with hundreds of neighbours, a sixth of the time of a search.
        """
        found = np.empty((len(queries), k), dtype=np.float32)
        step = max(_COSINES_AT_ONCE // max(self.size, 1), 1)
        for start in range(0, len(queries), step):
            every = queries[start : start + step] @ self._vectors.T
            if k < self.size:
                every.partition(self.size - k, axis=1)
            found[start : start + step] = every[:, self.size - k :]
        return found

    def only(self, rows: Rows) -> Flat:
        """As `Nearest.only`."""
        return self if len(rows) == self.size else Flat(self.vectors(rows), rows)

    def vectors(self, rows: Rows) -> Vectors:
        """As `Nearest.vectors`."""
        return self._vectors[np.searchsorted(self._rows, rows)]


class Indexed:
    """An index proposes, the vectors decide. `vectors` int8 (m, d), may be memory-mapped; `index` of `train`."""

    def __init__(self, vectors: Bytes, index: Any, rows: Rows | None = None) -> None:
        faiss = _faiss()

        self.size = len(vectors) if rows is None else len(rows)
        self._vectors, self._index = vectors, index
        self._chosen = None
        if rows is not None:
            bits = np.zeros(len(vectors), dtype=np.bool_)
            bits[rows] = True
            self._bits = np.packbits(bits, bitorder="little")
            self._chosen = faiss.IDSelectorBitmap(self._bits)

    def search(self, queries: Vectors, k: int) -> tuple[Vectors, Rows]:
        """As `Nearest.search`; what the index does not propose is not found (see `CANDIDATES` and `PROBES`)."""
        cosine, row = _nothing(len(queries), k)
        width = min(k, self.size)
        wanted = min(max(CANDIDATES, 2 * width), self.size)
        step = max(_CANDIDATES_AT_ONCE // max(wanted, 1), 1)
        for start in range(0, len(queries), step) if width else ():
            part = np.ascontiguousarray(queries[start : start + step])
            candidates = self._candidates(part, wanted)
            plain = self._vectors[candidates].astype(np.float32)
            length = np.sqrt(np.einsum("qcd,qcd->qc", plain, plain) + 1e-9)
            near = np.matmul(plain, part[:, :, None])[:, :, 0] / length
            near[candidates < 0] = -1.0
            best = np.argsort(-near, axis=1, kind="stable")[:, :width]
            got = slice(0, best.shape[1])
            block = slice(start, start + len(part))
            cosine[block, got], row[block, got] = _ordered(
                np.take_along_axis(near, best, axis=1), np.take_along_axis(candidates, best, axis=1)
            )
        return cosine, row

    def _candidates(self, queries: Vectors, wanted: int) -> Rows:
        # Where only a part of the vectors is wanted, more lists have to be looked through to meet as many.
        share = self.size / len(self._vectors)
        faiss, lists = _faiss(), _inner(self._index).nlist
        probes = min(lists, int(PROBES * lists / share**0.5) + 1)
        settings = faiss.SearchParametersPreTransform(
            index_params=faiss.SearchParametersIVF(nprobe=probes, sel=self._chosen)
        )
        _, found = self._index.search(queries, wanted, params=settings)
        proposed: Rows = np.sort(found, axis=1)
        return proposed

    def only(self, rows: Rows) -> Nearest:
        """As `Nearest.only`."""
        if len(rows) == self.size:
            return self
        if len(rows) <= FEW:
            return Flat(self.vectors(rows), rows)
        return Indexed(self._vectors, self._index, rows)

    def vectors(self, rows: Rows) -> Vectors:
        """As `Nearest.vectors`."""
        return unpacked(self._vectors[rows])


def train(vectors: Bytes, *, seed: int = 0) -> Any:
    """An IVF-PQ index of m vectors int8 (m, d), trained on forty of them a list and holding them all.

    Vectors are turned to their principal axes first, of wide ones the first half is kept, and the axes are dealt to the
    quantiser's parts so that each part has as much to say (Ge et al. 2013, the parametric form).
    """
    faiss = _faiss()

    count, width = vectors.shape
    lists = int(2 ** np.clip(np.round(np.log2(4 * count**0.5)), 4, 12))
    sample = unpacked(vectors[np.sort(np.random.default_rng(seed).permutation(count)[: 40 * lists])])
    axes = _axes(sample, _parts(width))
    turned = faiss.LinearTransform(*axes.shape, False)
    faiss.copy_array_to_vector(np.ascontiguousarray(axes.T).ravel(), turned.A)
    turned.is_trained = True
    kept = axes.shape[1]
    inner = faiss.IndexIVFPQFastScan(faiss.IndexFlatIP(kept), kept, lists, _parts(width), 4, faiss.METRIC_INNER_PRODUCT)
    inner.cp.seed = seed
    inner.cp.min_points_per_centroid = 1
    inner.cp.spherical = True
    inner.cp.niter = 6
    index = faiss.IndexPreTransform(turned, inner)
    index.train(sample)
    extend(index, vectors)
    return index


def extend(index: Any, vectors: Bytes) -> None:
    """Put the vectors that the index does not hold yet into it; `vectors` int8 (m, d) are all of the base."""
    for start in range(index.ntotal, len(vectors), _BLOCK):
        index.add(unpacked(vectors[start : start + _BLOCK]))


def shrink(index: Any, kept: NDArray[np.bool_]) -> None:
    """Take the vectors of a mask's false rows out of an index, in place, and number the others anew."""
    faiss = _faiss()

    bits = np.packbits(~kept, bitorder="little")
    index.remove_ids(faiss.IDSelectorBitmap(bits))
    number = np.cumsum(kept) - 1
    lists = _inner(index).invlists
    for one in range(lists.nlist):
        if size := lists.list_size(one):
            ids = faiss.rev_swig_ptr(lists.get_ids(one), size)
            ids[:] = number[ids]


def trained_for(index: Any) -> int:
    """How many vectors an index of this many lists is made for, about."""
    return int((_inner(index).nlist / 4) ** 2)


def _inner(index: Any) -> Any:
    """The inverted file behind the turning."""
    return _faiss().downcast_index(index.index)


def _axes(sample: Vectors, parts: int) -> Vectors:
    """The principal axes of a sample, float32 (d, kept), dealt to `parts` of equal size, each as rich as the others."""
    variance, axes = np.linalg.eigh((sample.T @ sample).astype(np.float64) / len(sample))
    width = len(variance)
    kept = width // 2 if width >= _WIDE else width
    kept -= kept % parts
    richness = np.log(np.maximum(variance[::-1][:kept], 1e-12))
    richness -= richness.min()
    dealt: list[list[int]] = [[] for _ in range(parts)]
    load = np.zeros(parts)
    for axis in range(kept):
        open_ = [part for part in range(parts) if len(dealt[part]) < kept // parts]
        poorest = min(open_, key=lambda part: load[part])
        dealt[poorest].append(axis)
        load[poorest] += richness[axis]
    order = np.array([axis for part in dealt for axis in part])
    chosen: Vectors = axes[:, ::-1][:, order].astype(np.float32)
    return chosen


def _faiss() -> Any:
    # Imported when it is needed; its own type hints leave out half of what it does.
    return import_module("faiss")


def _parts(width: int) -> int:
    """Sub-vectors of the product quantiser: as near to a quarter of the dimensions as divides them."""
    return next(parts for parts in range(max(width // 4, 1), 0, -1) if width % parts == 0)


def _nothing(queries: int, k: int) -> tuple[Vectors, Rows]:
    return np.full((queries, k), -1.0, dtype=np.float32), np.full((queries, k), -1, dtype=np.int64)


def _ordered(cosine: Vectors, row: Rows) -> tuple[Vectors, Rows]:
    """Nearest first, the lower row first among equals, so that the answer does not depend on the way it was found."""
    order = np.lexsort((row, -cosine), axis=1)
    return np.take_along_axis(cosine, order, axis=1), np.take_along_axis(row, order, axis=1)
