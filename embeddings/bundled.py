"""The bundled encoder: multilingual Universal Sentence Encoder v3, 512 dimensions, 16 languages, in numpy.

In: texts. Out: unit vectors. No network, no GPU, no torch. The layers: token embeddings, three branches of two residual
n-gram convolutions each, a sum over the tokens, four dense layers (Yang et al. 2019). What makes it fast:

* the first convolution is linear in each of its tokens: its products are computed once for each distinct token;
* what a token becomes depends on the four tokens to its left and right alone: equal stretches of text, of which logs
  are full, are computed once in a batch;
* batches are worked on by threads of their own, each in pieces that stay in the processor's cache.

A text's vector is the same to the bit whatever other texts there are and however many threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from threadpoolctl import ThreadpoolController

from forewarn.arrays import Vectors
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
)

_BATCH_TOKENS = 4096
"""Tokens among which equal stretches are looked for: at most 21 MB of features a thread."""
_PART = 512
"""Rows that go through a layer together, so that they stay in the processor's cache."""
_TABLE = 12_288
"""Distinct tokens that the table holds, 184 MB; it grows where one round has more."""
_LEAST_ROWS = 16
"""BLAS multiplies fewer rows by other routines, which round otherwise."""
_RUN = 64
_POOLED = WIDTH + len(WINDOWS) * BRANCH

Ints = NDArray[np.int64]


class BundledEncoder:
    """The multilingual Universal Sentence Encoder v3 on the CPU."""

    name = "bundled"
    dimension = WIDTH

    def __init__(self) -> None:
        self.checksum = weights_checksum()
        self._tokenizer = load_tokenizer()
        weights: Any = load_weights(self.checksum)
        self._table = _TokenTable(weights)
        self._second = [weights[f"w2_{size}"] for size, _ in WINDOWS]
        self._second_bias = [weights[f"b2_{size}"] for size, _ in WINDOWS]
        self._gain, self._bias = weights["ln_g"], weights["ln_b"]
        self._pool, self._pool_bias = weights["cnn_W"], weights["cnn_b"]
        self._dense: dict[str, Vectors] = {name: weights[name] for name in ("d0", "d1", "d2", "d3", "p1", "p3")}
        self._epsilon = np.float32(weights["eps"])
        self._blas = ThreadpoolController().select(user_api="blas")

    def encode(self, texts: Sequence[str]) -> Vectors:
        """The vectors of n texts: float32, shape (n, 512), unit length."""
        vectors = np.empty((len(texts), WIDTH), dtype=np.float32)
        threads = max((library["num_threads"] for library in self._blas.info()), default=1)
        with self._blas.limit(limits=1), ThreadPoolExecutor(threads) as pool:
            for chosen in rounds(texts):
                vectors[chosen] = self._round(texts[chosen], pool)
        return vectors

    def _round(self, texts: Sequence[str], pool: ThreadPoolExecutor) -> Vectors:
        """Tokens are looked up in the table together, then the threads take batches of texts."""
        tokens = tokens_of(self._tokenizer, texts)
        lengths = np.fromiter(map(len, tokens), dtype=np.int64, count=len(tokens))
        flat = np.fromiter(chain.from_iterable(tokens), dtype=np.int64, count=lengths.sum())
        rows = self._table.rows(flat, pool.map)
        # Cut after the text that reaches the next multiple of so many tokens.
        ends = np.cumsum(lengths)
        cuts = np.flatnonzero(np.diff(ends // _BATCH_TOKENS)) + 1
        batches = pool.map(self._forward, np.split(rows, ends[cuts - 1]), np.split(lengths, cuts))
        return np.concatenate(list(batches))

    def _forward(self, rows: Ints, lengths: Ints) -> Vectors:
        """The vectors of texts whose tokens stand one after the other, each as its row in the token table."""
        starts = np.cumsum(lengths) - lengths
        window = _neighbours(starts, lengths)
        grams, (chosen, stretch) = _stretches(np.append(rows, 0)[window], window)
        features = np.empty((len(chosen), _POOLED), dtype=np.float32)
        features[:, :WIDTH] = self._table.embedded[rows[chosen]]
        for branch, (size, left) in enumerate(WINDOWS):
            at = slice(2 - left, 2 - left + size)
            first_of, gram = grams[branch]
            hidden = self._table.hidden(branch, np.append(rows, 0)[window[first_of, at]])
            around = np.append(gram, len(first_of))[window[chosen, at]]
            out = features[:, WIDTH + branch * BRANCH : WIDTH + (branch + 1) * BRANCH]
            for part in _parts(len(chosen)):
                seen = hidden.take(around[part].ravel(), axis=0).reshape(-1, size * BRANCH)
                second = _product(seen, self._second[branch])
                second += self._second_bias[branch]
                np.maximum(second, 0, out=second)
                np.add(second, hidden.take(around[part, left], axis=0), out=out[part])
        return self._head(self._pooled(features, stretch, starts, lengths), lengths)

    def _pooled(self, features: Vectors, stretch: Ints, starts: Ints, lengths: Ints) -> Vectors:
        """The sum over each text's tokens of their features, layer-normalised (Ba et al. 2016): shape (n, 1280).

        `stretch` is each token's row in `features`. Sums are taken of runs of 64 tokens first, so that a text of 10,000
        loses no digits.
        """
        mean, scale = np.empty(len(features), dtype=np.float32), np.empty(len(features), dtype=np.float32)
        for part in _parts(len(features)):
            mean[part] = features[part].mean(axis=1)
            square = np.einsum("ij,ij->i", features[part], features[part]) / np.float32(_POOLED)
            scale[part] = np.reciprocal(np.sqrt(square - mean[part] * mean[part] + self._epsilon))
        runs = -(-lengths // _RUN)
        first_run = np.cumsum(runs) - runs
        run_starts = np.repeat(starts, runs) + _RUN * (np.arange(runs.sum()) - np.repeat(first_run, runs))
        weight = scale[stretch]
        chosen = csr_array(
            (weight, stretch.astype(np.int32), np.append(run_starts, len(stretch)).astype(np.int32)),
            shape=(len(run_starts), len(features)),
        )
        summed = chosen @ features
        summed -= np.add.reduceat(weight * mean[stretch], run_starts)[:, None]
        pooled: Vectors = np.add.reduceat(summed, first_run, axis=0)
        pooled *= self._gain
        pooled += lengths.astype(np.float32)[:, None] * self._bias
        return pooled

    def _head(self, pooled: Vectors, lengths: Ints) -> Vectors:
        counts, dense = lengths.astype(np.float32)[:, None], self._dense
        mean = (_product(pooled, self._pool) + counts * self._pool_bias) / np.sqrt(counts)
        inner = _product(np.maximum(_product(mean, dense["d0"]), 0), dense["d1"])
        lower = np.maximum(_product(mean, dense["p1"]) + inner, 0)
        inner = _product(np.maximum(_product(lower, dense["d2"]), 0), dense["d3"])
        upper = np.tanh(_product(lower, dense["p3"]) + inner)
        length = np.sqrt(np.maximum(np.einsum("ij,ij->i", upper, upper), self._epsilon))
        unit: Vectors = upper / length[:, None]
        return unit


class _TokenTable:
    """What depends on a token alone, computed when it is first met: `embedded` (m, 512), `projected` (m, 768), and its
    share of the first convolution at each place of each branch's window, (m, size, 256). Row 0 is that of no token.
    """

    def __init__(self, weights: Any) -> None:
        orders = [size for size, _ in WINDOWS]
        self._bytes, self._scale, self._lowest = weights["table"], weights["scale"], weights["lo"]
        self._project = np.hstack([weights[f"proj{size}"] for size in orders])
        self._project_bias = np.hstack([weights[f"proj_b{size}"] for size in orders])
        self._gain = np.hstack([weights[f"ln_g{size}"] for size in orders])
        self._bias = np.hstack([weights[f"ln_b{size}"] for size in orders])
        self._epsilon = np.float32(weights["eps"])
        # One matrix for each place in the window, side by side: (256, size * 256).
        self._first = [np.hstack(np.split(weights[f"w1_{size}"], size)) for size in orders]
        self._first_bias = [weights[f"b1_{size}"] for size in orders]
        self._row_of = np.zeros(len(self._bytes), dtype=np.int64)
        self._allocate(_TABLE)

    def _allocate(self, tokens: int) -> None:
        self.embedded = np.empty((tokens + 1, WIDTH), dtype=np.float32)
        self.projected = np.empty((tokens + 1, len(WINDOWS) * BRANCH), dtype=np.float32)
        self.shares = [np.empty((tokens + 1, size, BRANCH), dtype=np.float32) for size, _ in WINDOWS]
        for share in self.shares:
            share[0] = 0
        self._used = 1

    def rows(self, tokens: Ints, mapped: Callable[..., Iterable[None]]) -> Ints:
        """The row of each token; those not met before are computed, by `mapped` (a `map`) over pieces of them."""
        distinct = np.unique(tokens)
        new = distinct[self._row_of[distinct] == 0]
        if self._used + len(new) > len(self.embedded):
            self._row_of[:] = 0
            self._used, new = 1, distinct
            if len(distinct) >= len(self.embedded):
                self._allocate(len(distinct))
        list(mapped(partial(self._compute, self._used, new), _parts(len(new))))
        self._row_of[new] = np.arange(self._used, self._used + len(new))
        self._used += len(new)
        return self._row_of[tokens]

    def _compute(self, first_row: int, tokens: Ints, part: slice) -> None:
        chosen = tokens[part]
        rows = slice(first_row + part.start, first_row + part.start + len(chosen))
        block = chosen % BLOCKS
        embedded = self._bytes[chosen] * self._scale[block, None] + self._lowest[block, None]
        projected = _product(embedded, self._project) + self._project_bias
        projected -= projected.mean(axis=1, keepdims=True)
        variance = np.einsum("ij,ij->i", projected, projected) / np.float32(projected.shape[1])
        projected /= np.sqrt(variance + self._epsilon)[:, None]
        projected *= self._gain
        projected += self._bias
        self.embedded[rows], self.projected[rows] = embedded, projected
        for branch, (size, left) in enumerate(WINDOWS):
            own = projected[:, branch * BRANCH : (branch + 1) * BRANCH]
            share = _product(own, self._first[branch]).reshape(-1, size, BRANCH)
            share[:, left] += self._first_bias[branch]
            self.shares[branch][rows] = share

    def hidden(self, branch: int, grams: Ints) -> Vectors:
        """The first convolution's output (m + 1, 256) for m n-grams (m, n) of rows; the last is for no token: zero."""
        size, left = WINDOWS[branch]
        flat = self.shares[branch].reshape(-1, BRANCH)
        own = self.projected[:, branch * BRANCH : (branch + 1) * BRANCH]
        hidden = np.zeros((len(grams) + 1, BRANCH), dtype=np.float32)
        for part in _parts(len(grams)):
            summed = flat.take(grams[part, 0] * size, axis=0)
            for place in range(1, size):
                summed += flat.take(grams[part, place] * size + place, axis=0)
            np.maximum(summed, 0, out=summed)
            np.add(summed, own[grams[part, left]], out=hidden[part])
        return hidden


def _product(rows: Vectors, matrix: Vectors) -> Vectors:
    """`rows @ matrix`, each row rounded in the same way however many there are."""
    if len(rows) >= _LEAST_ROWS:
        return rows @ matrix
    padded = np.zeros((_LEAST_ROWS, rows.shape[1]), dtype=np.float32)
    padded[: len(rows)] = rows
    made: Vectors = (padded @ matrix)[: len(rows)]
    return made


def _parts(rows: int) -> list[slice]:
    """Slices of at most `_PART` rows."""
    return [slice(start, min(start + _PART, rows)) for start in range(0, rows, _PART)]


def _neighbours(starts: Ints, lengths: Ints) -> Ints:
    """For each of n tokens, the places of the two tokens before, itself, and the two after: shape (n, 5).

    A place outside of the token's own text is n.
    """
    total = int(lengths.sum())
    around = np.arange(total)[:, None] + np.arange(-2, 3)
    inside = (around >= np.repeat(starts, lengths)[:, None]) & (around < np.repeat(starts + lengths, lengths)[:, None])
    return np.where(inside, around, total)


def _stretches(around: Ints, window: Ints) -> tuple[list[tuple[Ints, Ints]], tuple[Ints, Ints]]:
    """The distinct n-grams that each branch's first convolution sees, and the distinct stretches of nine tokens.

    `around` is the row of each of the five tokens of `window`. Each answer is the place of the first of its kind,
    shape (m,), and the number of its kind for each token, shape (n,).
    """
    rows = int(around.max(initial=0)) + 1
    pairs = _distinct(around[:, 2] * rows + around[:, 3])
    threes = _distinct((around[:, 1] * rows + around[:, 2]) * rows + around[:, 3])
    fives = _distinct((threes[1] * rows + around[:, 0]) * rows + around[:, 4])
    # Nine tokens are the five around a token, the five around its left neighbour but one, and those on the right.
    kinds = len(fives[0]) + 1
    number = np.append(fives[1], kinds - 1)
    nines = _distinct((fives[1] * kinds + number[window[:, 0]]) * kinds + number[window[:, 4]])
    return [pairs, threes, fives], nines


def _distinct(keys: Ints) -> tuple[Ints, Ints]:
    _, first, number = np.unique(keys, return_index=True, return_inverse=True)
    return first, number
