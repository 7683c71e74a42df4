"""Where the fields of an event stand in its JSON: `events` says it of a decoded event, this of one that is not decoded.

In: names of fields. Out: the tree of `event_kernel.Paths`, for the flat layout (a name with dots is a path, in every
way of cutting it) and for that of Windows. Also which letters make an event one that has to be folded.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from forewarn.rules.events import kernel
from forewarn.rules.events.fields import ALWAYS, PROVIDER, SYSTEM
from forewarn.rules.events.kernel import ANY, FLAT, NO_FIELD, NO_NEST, NO_OBJECT, NOT_PLAIN, WINDOWS, Paths
from forewarn.rules.language.normalise import fold
from forewarn.rules.language.sources import sources

_Path = tuple[str, ...]
_SYSTEM: _Path = ("Event", "System")
_PROVIDER: _Path = (*_SYSTEM, "Provider")


def paths_of(fields: Sequence[str]) -> Paths:
    """The paths of the fields, which are numbered as they are given; `ALWAYS` must be among them."""
    number = {name: at for at, name in enumerate(fields)}
    tree = _Tree()
    for name, at in number.items():
        for path in _cuts(name):
            tree.add(path, FLAT, at, at)
            for data in ("EventData", "UserData"):
                tree.add(("Event", data, *path), WINDOWS, at, NOT_PLAIN if name == PROVIDER else at)
    for name in SYSTEM:
        if name in number:
            tree.add((*_SYSTEM, name), WINDOWS, number[name], number[name], NO_OBJECT)
            tree.add((*_SYSTEM, name, "#text"), WINDOWS, number[name], NO_FIELD, NO_NEST)
    if PROVIDER in number:
        # A provider has a name or attributes that have it; only one of the two is looked at.
        either = len(fields)
        tree.add((*_PROVIDER, "Name"), WINDOWS, number[PROVIDER], either, NO_NEST)
        tree.add((*_PROVIDER, "#attributes"), WINDOWS, NO_FIELD, either)
        tree.add((*_PROVIDER, "#attributes", "Name"), WINDOWS, number[PROVIDER], NO_FIELD, NO_NEST)
    renamed = [
        (int(event), number[known], number[other])
        for event, names in sources()["renamed"].items()
        for known, other in names.items()
        if known in number and other in number
    ]
    return tree.paths(np.asarray(renamed, dtype=np.int64).reshape(-1, 3), [number[name] for name in (ALWAYS)])


def _cuts(name: str) -> Iterator[_Path]:
    """A name as paths: with each of its dots as a part of a key or as the step from one to the next."""
    yield (name,)
    for at, char in enumerate(name):
        if char == ".":
            yield from ((name[:at], *rest) for rest in _cuts(name[at + 1 :]))


class _Tree:
    """Nodes by their paths, the root first."""

    def __init__(self) -> None:
        self._nodes: dict[_Path, int] = {(): 0}
        self._field: list[list[int]] = [[NO_FIELD], [NO_FIELD]]
        self._slot: list[list[int]] = [[NO_FIELD], [NO_FIELD]]
        self._shape = [ANY]

    def add(self, path: _Path, layout: int, field: int, slot: int, shape: int = ANY) -> None:
        """Say what a path is in a layout."""
        node = self._node(path)
        self._field[layout][node], self._slot[layout][node] = field, slot
        self._shape[node] = max(self._shape[node], shape)

    def _node(self, path: _Path) -> int:
        if path not in self._nodes:
            self._node(path[:-1])
            self._nodes[path] = len(self._nodes)
            self._shape.append(ANY)
            for layout in (FLAT, WINDOWS):
                self._field[layout].append(NO_FIELD)
                self._slot[layout].append(NO_FIELD)
        return self._nodes[path]

    def paths(self, renamed: NDArray[np.int64], always: Sequence[int]) -> Paths:
        """The tree as arrays."""
        system = self._node(_SYSTEM)
        keys = [path[-1].encode() if path else b"" for path in self._nodes]
        ends = np.cumsum([len(key) for key in keys])
        parent = np.array([self._nodes[path[:-1]] if path else -1 for path in self._nodes], np.int32)
        slots = max(max(slots) for slots in self._slot) + 1
        size = 1 << (4 * len(keys)).bit_length()
        paths = Paths(
            np.full(size, -1, np.int32),
            parent,
            np.frombuffer(b"".join(keys), np.uint8),
            np.stack([ends - [len(key) for key in keys], ends], axis=1).astype(np.int64),
            np.bincount(parent[1:], minlength=len(keys)).astype(np.bool_),
            np.array(self._field, np.int32),
            np.array(self._slot, np.int32),
            np.array(self._shape, np.int8),
            renamed,
            np.array([system, *always, slots], np.int64),
        )
        kernel.fill(paths)
        return paths


@lru_cache(maxsize=1)
def unlike() -> NDArray[np.bool_]:
    """Of the first 65,536 code points, whether folding may change it or what stands beside it: bool (65536,)."""
    found = np.ones(1 << 16, np.bool_)
    found[:128] = False
    for point in range(128, 1 << 16):
        char = chr(point)
        # Marks and Hangul's letters join what is before them; letters with another case fold to it.
        if 0x1100 <= point < 0x1200 or not char.isprintable() or unicodedata.category(char)[0] == "M":
            continue
        found[point] = not unicodedata.is_normalized("NFKC", char) or fold(char) != char
    return found
