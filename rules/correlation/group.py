"""One group of a correlation: its records within the span, and whether they complete the condition.

In: records of one group, in the order of their times or not. Out: the windows that a record completes. A window ends at
a record and reaches back over the span, both ends included.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from forewarn.rules.correlation.windows import Value, Window

MOST_RECORDS = 200_000
"""Records of a group that are remembered."""
MOST_NAMED = 20
"""Records that are named with a hit, the latest."""
_MOST_LATER = 1_000
"""Windows ending later that are looked at where a record comes late."""
_BYTES = 40
_BYTES_OF_VALUE = 110


@dataclass(frozen=True)
class Completed:
    """A window that fulfils its condition: `value` what was counted or made, from the record `first` to `last`.

    Times in microseconds since 1970; `records` the latest of them, each as the number of its source and its line;
    `size` how many there are.
    """

    value: Decimal | int
    first: int
    last: int
    size: int
    records: list[tuple[int, int]]


class PackedGroup(msgspec.Struct, array_like=True):
    """A group, to be saved."""

    correlation: int
    names: list[str]
    seen: int
    times: bytes
    rows: bytes
    sources: bytes
    lines: bytes
    values: list[str | int | None]


class Group:
    """The records of one group: `names` the values of its fields; `span` in microseconds; `make` an empty window.

    `seen` how often it was asked for.
    """

    def __init__(self, correlation: int, names: tuple[str, ...], span: int, make: Callable[[], Window]) -> None:
        self.correlation, self.names, self.span = correlation, names, span
        self._make = make
        self._times, self._rows = array("q"), array("q")
        self._sources, self._lines = array("l"), array("q")
        self._values: list[Value] = []
        self._start = 0
        self._window = make()
        self.seen = 1

    def __len__(self) -> int:
        return len(self._times)

    @property
    def last(self) -> int:
        """The time of its latest record."""
        return self._times[-1] if self._times else -(1 << 62)

    def bytes_of(self, value: Value) -> int:
        """About how many bytes a record takes."""
        return _BYTES if value is None or isinstance(value, int) else _BYTES_OF_VALUE + len(str(value))

    def size(self) -> int:
        """About how many bytes all of its records take."""
        return sum(map(self.bytes_of, self._values))

    def add(self, time: int, row: int, source: int, line: int, value: Value) -> Completed | None:
        """Take one more record; gives back the window that it completes, of several the earliest."""
        if not self._times or time >= self._times[-1]:
            self._append(time, row, source, line, value)
            return self._completed(self._window, self._start, len(self) - 1)
        at = bisect_right(self._times, time)
        self._times.insert(at, time)
        self._rows.insert(at, row)
        self._sources.insert(at, source)
        self._lines.insert(at, line)
        self._values.insert(at, value)
        self._begin_anew()
        end = min(bisect_right(self._times, time + self.span), at + _MOST_LATER)
        for last in range(at, end):
            start, window = self._fresh(last)
            if completed := self._completed(window, start, last):
                return completed
        return None

    def has(self, time: int, row: int, value: Value) -> bool:
        """Whether a record has brought that value."""
        low, high = bisect_left(self._times, time), bisect_right(self._times, time)
        return any(self._rows[at] == row and self._values[at] == value for at in range(low, high))

    def _append(self, time: int, row: int, source: int, line: int, value: Value) -> None:
        self._times.append(time)
        self._rows.append(row)
        self._sources.append(source)
        self._lines.append(line)
        self._values.append(value)
        self._window.enter(value, time)
        while self._times[self._start] < time - self.span:
            self._window.leave(self._values[self._start])
            self._start += 1

    def _fresh(self, last: int) -> tuple[int, Window]:
        """The window that ends at a record, made from its records: the plain form of the running one."""
        start = bisect_left(self._times, self._times[last] - self.span)
        window = self._make()
        for at in range(start, last + 1):
            window.enter(self._values[at], self._times[at])
        return start, window

    def _begin_anew(self) -> None:
        self._start, self._window = self._fresh(len(self) - 1) if len(self) else (0, self._make())

    def _completed(self, window: Window, start: int, last: int) -> Completed | None:
        value = window.holds()
        if value is None:
            return None
        named = slice(max(start, last + 1 - MOST_NAMED), last + 1)
        places = list(zip(self._sources[named], self._lines[named], strict=True))
        return Completed(value, self._times[start], self._times[last], last + 1 - start, places)

    def forget(self, before: int, most: int = MOST_RECORDS) -> int:
        """Drop the records from before a time, and the oldest of more than so many; about how many bytes they took."""
        drop = max(bisect_left(self._times, before), len(self) - most)
        if drop <= 0:
            return 0
        freed = sum(map(self.bytes_of, self._values[:drop]))
        for column in (self._times, self._rows, self._sources, self._lines, self._values):
            del column[:drop]
        self._begin_anew()
        return freed

    def packed(self) -> PackedGroup:
        """The group, to be saved."""
        times, rows, sources, lines = (
            array("q", column).tobytes() for column in (self._times, self._rows, self._sources, self._lines)
        )
        values = [str(value) if isinstance(value, Decimal) else value for value in self._values]
        return PackedGroup(self.correlation, list(self.names), self.seen, times, rows, sources, lines, values)

    def restore(self, packed: PackedGroup, *, numbers: bool) -> None:
        """Go on from a saved group; its values are `numbers`, or not. Raises ValueError where its parts do not fit."""
        columns = [array("q", content) for content in (packed.times, packed.rows, packed.sources, packed.lines)]
        if {len(column) for column in columns} != {len(packed.values)}:
            raise ValueError("a group of columns of different lengths")
        self.seen = packed.seen
        self._times, self._rows, sources, self._lines = columns
        self._sources = array("l", sources)
        self._values = [Decimal(value) if numbers and value is not None else value for value in packed.values]
        self._begin_anew()
