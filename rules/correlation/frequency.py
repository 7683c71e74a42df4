"""Which keys deserve to be remembered, when there are more than can be.

In: keys as they come. Out: the entries that are kept. A key that comes once does not push out one that came before: a
W-TinyLFU cache (Einziger, Friedman & Manes 2017, "TinyLFU: a highly efficient cache admission policy"), whose sketch of
frequencies knows keys that are no longer there. So a flood of new keys passes through a small window and leaves
what is counted slowly where it is.
"""

from __future__ import annotations

import hashlib
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

_ROWS = 4
_PER_KEY = 32
"""Counters of each row, and keys given up before all are halved, for each entry that may be kept."""
_WINDOW = 16
"""One entry in so many is for the newest keys, whatever came before."""
_MOST_COUNTED = 255
_HALVED = bytes(count >> 1 for count in range(256))


class Entry(Protocol):
    """What is kept of a key; `seen` how often it came."""

    seen: int


V = TypeVar("V", bound=Entry)


class FrequencySketch:
    """How often keys came that were given up: at least so often, seldom more (a count-min sketch that forgets).

    `kept` how many it holds, those that were halved away for a half.
    """

    def __init__(self, entries: int) -> None:
        self._width = 1 << max(6, (_PER_KEY * entries - 1).bit_length())
        self._counters = bytearray(_ROWS * self._width)
        self.kept = 0

    def _places(self, key: str) -> list[int]:
        digest = hashlib.blake2b(key.encode(errors="surrogatepass"), digest_size=4 * _ROWS).digest()
        mask = self._width - 1
        return [
            row * self._width + (int.from_bytes(digest[4 * row : 4 * row + 4], "little") & mask) for row in range(_ROWS)
        ]

    def remember(self, key: str, seen: int) -> None:
        """A key is given up, which came so often."""
        places, count = self._places(key), min(seen, _MOST_COUNTED)
        for place in places:
            if self._counters[place] < count:
                self._counters[place] = count
        self.kept += 1

    def halve(self) -> bool:
        """Forget the half of everything, if it is time."""
        if self.kept < self._width:
            return False
        self._counters = self._counters.translate(_HALVED)
        self.kept //= 2
        return True

    def count(self, key: str) -> int:
        """How often a key came before it was given up."""
        return min(self._counters[place] for place in self._places(key))

    def packed(self) -> tuple[int, bytes]:
        """The state, to be saved."""
        return self.kept, zlib.compress(bytes(self._counters), 1)

    def restore(self, kept: int, packed: bytes) -> None:
        """Go on from a saved state. Raises ValueError where it is damaged, or of another size."""
        try:
            counters = zlib.decompressobj().decompress(packed, len(self._counters) + 1)
        except zlib.error as error:
            raise ValueError(str(error)) from None
        if len(counters) != len(self._counters):
            raise ValueError("a sketch of another size")
        self.kept, self._counters = kept, bytearray(counters)


class FrequentKeys(Generic[V]):
    """At most `most` entries by key; `expired` says of an entry that nobody will ask for it.

    `left_out` says how many were given up before they expired.
    """

    def __init__(self, most: int, expired: Callable[[V], bool]) -> None:
        self._most_new = max(1, most // _WINDOW)
        self._most_known = max(1, most - self._most_new)
        self._expired = expired
        self._new: OrderedDict[str, V] = OrderedDict()
        self._known: OrderedDict[str, V] = OrderedDict()
        self.sketch = FrequencySketch(most)
        self.left_out = 0

    def __len__(self) -> int:
        return len(self._new) + len(self._known)

    def items(self) -> Iterator[tuple[str, V]]:
        """Every entry, those first that would go first."""
        yield from self._known.items()
        yield from self._new.items()

    def get(self, key: str) -> V | None:
        """The entry of a key that came."""
        for part in (self._known, self._new):
            if (entry := part.get(key)) is not None:
                part.move_to_end(key)
                entry.seen += 1
                return entry
        return None

    def put(self, key: str, value: V) -> V | None:
        """Take an entry whose key `get` did not find; gives back the one that had to go for it."""
        if self.sketch.kept:
            value.seen += self.sketch.count(key)
        self._new[key] = value
        if len(self._new) <= self._most_new:
            return None
        name, entry = self._new.popitem(last=False)
        if len(self._known) < self._most_known:
            self._known[name] = entry
            return None
        oldest = next(iter(self._known))
        if self._expired(self._known[oldest]) or entry.seen > self._known[oldest].seen:
            self._known[name] = entry
            name, entry = oldest, self._known.pop(oldest)
        else:
            # It was spared once; another one is asked the next time.
            self._known.move_to_end(oldest)
        self._give_up(name, entry)
        return entry

    def _give_up(self, key: str, entry: V) -> None:
        self.left_out += not self._expired(entry)
        self.sketch.remember(key, entry.seen)
        if self.sketch.halve():
            for kept in (*self._known.values(), *self._new.values()):
                kept.seen = max(1, kept.seen >> 1)

    def drop(self, key: str) -> None:
        """Give an entry up."""
        for part in (self._new, self._known):
            if (entry := part.pop(key, None)) is not None:
                self._give_up(key, entry)

    def restore(self, new: dict[str, V], known: dict[str, V]) -> None:
        """Go on from saved entries."""
        self._new, self._known = OrderedDict(new), OrderedDict(known)

    def parts(self) -> tuple[dict[str, V], dict[str, V]]:
        """The entries, to be saved: the newest keys and the others, in the order in which they go."""
        return dict(self._new), dict(self._known)
