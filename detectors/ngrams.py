"""Texts to counted n-grams: words, word pairs, runs of characters, each as a 44-bit key.

In: texts. Out: for each block of texts and each view, the distinct tokens of every text and how often it holds them.
Vectorised over the code points of a whole block; no Python loop over texts, no vocabulary, no regular expression. A
Chinese or Japanese character is a word of its own.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

NgramKeys = NDArray[np.uint64]
Made = TypeVar("Made")
WORDS, PAIRS = "words", "pairs"
_KEY_BITS = 44
"""A million distinct tokens share a key with a probability of 3 %; a text's number in its block takes the other 20."""
_BLOCK_TEXTS = 1 << 12
_BLOCK_CHARACTERS = 500_000
_MAX_CHARACTERS = 10_000
"""A longer text is cut, as the encoder does."""
_ASCII_WORD = re.compile("[a-z0-9]+")
_NOTHING, _LETTER, _IDEOGRAPH = 0, 1, 2
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""2**64 / golden ratio: multiplicative hashing (Knuth 1973)."""


@dataclass(frozen=True)
class Tokens:
    """The distinct tokens of the texts of a block, sorted by text, then key.

    `text` int32 (m,), the number of the text in the block; `key` uint64 (m,), below 2**44; `own` float32 (m,), how
    often the text holds the token.
    """

    text: NDArray[np.int32]
    key: NgramKeys
    own: NDArray[np.float32]


@dataclass(frozen=True)
class NgramBlock:
    """Some consecutive texts: `first` the number of the first, `size` how many, `views` their tokens in each view."""

    first: int
    size: int
    views: dict[str, Tokens]


class KeyTable:
    """Where keys stand in a sorted array of them. Keys are hashes: one table of their leading bits comes close.

    `known` uint64 (m,), sorted, each once.
    """

    def __init__(self, known: NgramKeys) -> None:
        bits = max(len(known), 1).bit_length()
        self._shift = np.uint64(_KEY_BITS - bits)
        starts = np.arange(1 << bits, dtype=np.uint64) << self._shift
        self._start = np.searchsorted(known, starts).astype(np.int32)
        self._known = np.append(known, np.uint64(1 << _KEY_BITS))

    def places(self, keys: NgramKeys) -> NDArray[np.int64]:
        """The place of each of n keys, -1 where it is not known: int64 (n,)."""
        place = self._start[keys >> self._shift].astype(np.int64)
        behind = np.flatnonzero(self._known[place] < keys)
        while len(behind):
            place[behind] += 1
            behind = behind[self._known[place[behind]] < keys[behind]]
        return np.where(self._known[place] == keys, place, -1)


def over_blocks(
    function: Callable[[NgramBlock], Made],
    texts: pl.Series,
    *,
    runs: Sequence[int] = (4,),
    ideograph_runs: Sequence[int] = (2,),
) -> Iterator[Made]:
    """What `function` makes of the tokens of n texts, block by block, in order; each block is one thread's.

    The views are `words`, `pairs` (of neighbouring words) and, for each length of `runs`, `characters-LENGTH`: the
    runs of that many characters that begin with no ideograph; those of `ideograph_runs` that begin with one are in the
    view of the first length. Case is folded.
    """
    shortened = texts.fill_null("").str.slice(0, _MAX_CHARACTERS).str.to_lowercase()
    lengths = shortened.str.len_chars().to_numpy().astype(np.int64)

    def made_of(first: int, last: int) -> Made:
        part = shortened[first:last].str.replace_all("\x00", " ", literal=True)
        return function(NgramBlock(first, last - first, _views(part, runs, ideograph_runs)))

    # No thread works more than one block ahead: what is made of a block may be large.
    threads = os.cpu_count() or 1
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Made]] = deque()
        for first, last in _cut(lengths):
            waiting.append(pool.submit(made_of, first, last))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def words_of(text: str) -> list[str]:
    """The distinct words of one text, in order: what the view `words` counts."""
    shortened = text[:_MAX_CHARACTERS].lower()
    if shortened.isascii():
        return list(dict.fromkeys(_ASCII_WORD.findall(shortened)))
    words: dict[str, None] = {}
    word = ""
    for char in [*shortened, " "]:
        kind = _kind(ord(char))
        if kind != _LETTER and word:
            words[word] = None
            word = ""
        if kind == _LETTER:
            word += char
        elif kind == _IDEOGRAPH:
            words[char] = None
    return list(words)


def _cut(lengths: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    first, characters = 0, np.cumsum(lengths)
    while first < len(lengths):
        before = characters[first - 1] if first else 0
        last = int(np.searchsorted(characters, before + _BLOCK_CHARACTERS, side="right"))
        last = min(max(last, first + 1), first + _BLOCK_TEXTS)
        yield first, last
        first = last


def _views(texts: pl.Series, runs: Sequence[int], ideograph_runs: Sequence[int]) -> dict[str, Tokens]:
    codes = np.frombuffer("\x00".join(texts.to_list()).encode("utf-32-le", "replace"), dtype="<u4")
    text = np.cumsum(codes == 0)
    mixed = _mixed(codes.astype(np.uint64) + np.uint64(1))
    kinds = _kinds(codes)
    words, owner = _words(mixed, kinds, text)
    together = owner[1:] == owner[:-1]
    views = {
        WORDS: _counted(owner, words),
        PAIRS: _counted(owner[:-1][together], _mixed(words[:-1] * np.uint64(3) + words[1:])[together]),
    }
    ideograph = kinds == _IDEOGRAPH
    for at, size in enumerate(runs):
        found = [_runs(mixed, codes, text, size, ~ideograph)]
        if at == 0:
            found += [_runs(mixed, codes, text, of_ideographs, ideograph) for of_ideographs in ideograph_runs]
        views[f"characters-{size}"] = _counted(*(np.concatenate(parts) for parts in zip(*found, strict=True)))
    return views


def _mixed(keys: NgramKeys) -> NgramKeys:
    keys = keys * _GOLDEN
    keys ^= keys >> np.uint64(29)
    keys *= _GOLDEN
    keys ^= keys >> np.uint64(32)
    return keys


def _kinds(codes: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """What each code point is: part of a word, an ideograph (a word of its own), or neither."""
    there = np.zeros(int(codes.max(initial=0)) + 1, dtype=np.bool_)
    there[codes] = True
    kinds = there.astype(np.uint8)
    distinct = np.flatnonzero(there)
    kinds[distinct] = [_kind(int(code)) for code in distinct]
    return kinds[codes]


def _kind(code: int) -> int:
    if 0x3040 <= code <= 0x30FF or 0x3400 <= code <= 0x9FFF or 0xF900 <= code <= 0xFAFF or 0x20000 <= code <= 0x3FFFF:
        return _IDEOGRAPH
    return _LETTER if unicodedata.category(chr(code))[0] in "LNM" else _NOTHING


def _words(mixed: NgramKeys, kinds: NDArray[np.uint8], text: NDArray[np.int64]) -> tuple[NgramKeys, NDArray[np.int64]]:
    """The words in order: their keys, and the text that each is in."""
    if not len(kinds):
        return np.empty(0, np.uint64), np.empty(0, np.int64)
    continues = (kinds[1:] == _LETTER) & (kinds[:-1] == _LETTER)
    starts = np.flatnonzero((kinds != _NOTHING) & np.concatenate([[True], ~continues]))
    if not len(starts):
        return np.empty(0, np.uint64), np.empty(0, np.int64)
    within = _within(starts, len(kinds))
    letters = np.where(kinds == _NOTHING, np.uint64(0), _mixed(mixed + within.astype(np.uint64)))
    return np.add.reduceat(letters, starts), text[starts]


def _within(starts: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """How far each place is from the last start before it."""
    last = np.zeros(size, dtype=np.int64)
    last[starts] = starts
    distance: NDArray[np.int64] = np.arange(size) - np.maximum.accumulate(last)
    return distance


def _runs(
    mixed: NgramKeys, codes: NDArray[np.uint32], text: NDArray[np.int64], size: int, start: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NgramKeys]:
    """Every run of `size` characters of one text that begins where `start` says."""
    count = max(0, len(codes) - size + 1)
    keys = np.full(count, size, dtype=np.uint64)
    whole = start[:count].copy()
    for at in range(size):
        keys = (keys ^ mixed[at : at + count]) * _GOLDEN
        keys ^= keys >> np.uint64(29)
        whole &= codes[at : at + count] != 0
    return text[:count][whole], keys[whole]


def _counted(text: NDArray[np.int64], key: NgramKeys) -> Tokens:
    together = (text.astype(np.uint64) << np.uint64(_KEY_BITS)) | (key >> np.uint64(64 - _KEY_BITS))
    together.sort()
    first = np.flatnonzero(np.diff(together, prepend=~together[:1]))
    own = np.diff(first, append=len(together)).astype(np.float32)
    distinct = together[first]
    return Tokens((distinct >> np.uint64(_KEY_BITS)).astype(np.int32), distinct & np.uint64((1 << _KEY_BITS) - 1), own)
