"""Structured events: JSON to one column for each field that a rule names, and which rules an event is for.

In: events as JSON strings. Out: sparse columns of strings, and the rows that a log source covers. Events are decoded
one by one (`decoding`): msgspec and a walk over what is there take a third of the time of a decoder that makes
every column for every event (docs/decisions.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.arrays import Rows
from forewarn.rules.events.decoding import FieldReader, Values
from forewarn.rules.events.shapes import Source
from forewarn.rules.language.rule import TEXT
from forewarn.rules.language.sources import sources

CHANNEL, EVENT_ID = "Channel", "EventID"
"""The two fields by which a Windows event is known."""


@dataclass(frozen=True)
class Column:
    """One field of a block of events.

    `rows` an event for each value, int64 (k,), sorted: one that has a list is there for each of its members; `codes`
    each value's place in `distinct`, int64 (k,). Null in `distinct` is an object, which is there and has no value.
    """

    rows: Rows
    codes: NDArray[np.int64]
    distinct: pl.Series

    @property
    def values(self) -> pl.Series:
        """The value at each of the rows: String (k,)."""
        return self.distinct.gather(self.codes)

    @cached_property
    def present(self) -> Rows:
        """The events that have the field, each once."""
        return _once(self.rows)

    def where(self, holds: NDArray[np.bool_]) -> Rows:
        """The events of which a value is one that holds: bool, as long as `distinct`."""
        return _once(self.rows[holds[self.codes]])

    def of(self, rows: Rows) -> Column:
        """The same of some events only, which are given sorted."""
        chosen = np.isin(self.rows, rows)
        codes, own = np.unique(self.codes[chosen], return_inverse=True)
        return Column(self.rows[chosen], own, self.distinct.gather(codes))

    @cached_property
    def _texts(self) -> list[str | None]:
        return self.distinct.to_list()

    def at(self, row: int) -> list[str]:
        """The values of one event."""
        first, last = np.searchsorted(self.rows, [row, row + 1])
        found = [self._texts[code] for code in self.codes[first:last]]
        return [text for text in found if text is not None]

    def first(self) -> Column:
        """The first value of each event."""
        rows, places = np.unique(self.rows, return_index=True)
        return Column(rows, self.codes[places], self.distinct)

    @classmethod
    def dense(cls, values: pl.Series) -> Column:
        """A value (String) for each event."""
        return cls(np.arange(len(values)), np.arange(len(values)), values)


NO_COLUMN = Column(np.empty(0, np.int64), np.empty(0, np.int64), pl.Series([], dtype=pl.String))


class Events:
    """The columns of n events: a `Column` for each field asked for that some event has.

    `TEXT` among the fields asks for all values of an event together. `sources` are those of the events, `source` the
    place in it of each: int64 (n,). `windows` are the Windows events that have an ID and a channel, `others` the rest.
    """

    def __init__(self, raw: pl.Series, fields: Sequence[str]) -> None:
        every = Values() if TEXT in fields else None
        reader = FieldReader(dict.fromkeys([CHANNEL, EVENT_ID, *(name for name in fields if name != TEXT)]), every)
        for row, text in enumerate(raw):
            reader.read(row, text)
        self.sources = list(reader.sources)
        self.source: NDArray[np.int64] = np.asarray(reader.codes, dtype=np.int64)
        found = reader.values if every is None else {**reader.values, TEXT: every}
        self.columns = {name: _column(values) for name, values in found.items() if values.rows}
        self._count = len(raw)
        ids, channels = (_with_value(self.column(name).first()) for name in (EVENT_ID, CHANNEL))
        of_windows = np.flatnonzero(self._of(lambda source: source.product == "windows"))
        named = np.intersect1d(ids.rows, channels.rows, assume_unique=True)
        self.windows: Rows = np.intersect1d(named, of_windows, assume_unique=True)
        self.others: Rows = np.setdiff1d(np.arange(self._count), self.windows, assume_unique=True)
        self._ids = ids.values.gather(np.searchsorted(ids.rows, self.windows))
        written = channels.values.gather(np.searchsorted(channels.rows, self.windows))
        self._channels = written.str.to_lowercase()
        self._covered: dict[tuple[tuple[str, str], ...], Rows | None] = {}

    def column(self, field: str) -> Column:
        """The rows that have a field, and its values."""
        return self.columns.get(field, NO_COLUMN)

    def dense(self, field: str) -> pl.Series:
        """A field as one String value for each of the n events, its first; null where it is missing."""
        column = self.column(field).first()
        return pl.Series([None], dtype=pl.String).new_from_index(0, self._count).scatter(column.rows, column.values)

    def covered(self, logsource: Mapping[str, str], fields: Sequence[str]) -> Rows:
        """The rows that a rule of this log source with these fields is for.

        A Windows rule is for Windows events of its channel and event IDs; another rule is for other events that have at
        least one of its fields, and of which nothing is known that says otherwise.
        """
        key = tuple(sorted(logsource.items()))
        if key not in self._covered:
            self._covered[key] = self._windows_rows(logsource) if logsource.get("product") == "windows" else None
        rows = self._covered[key]
        if rows is not None:
            return rows
        named = logsource.get("product") or logsource.get("service")
        rest = self.others if named else np.arange(self._count)
        if named:
            rest = rest[self._of(lambda source: source.fits(logsource))[rest]]
        if not len(rest):
            return rest
        with_one = [self.column(field).present if field != TEXT else NO_COLUMN.rows for field in set(fields)]
        having = [np.intersect1d(rows, rest, assume_unique=True) for rows in with_one]
        return np.unique(np.concatenate(having)) if having else rest

    def _of(self, holds: Callable[[Source], bool]) -> NDArray[np.bool_]:
        """The events of which the source is one that holds: bool (n,)."""
        chosen = np.array([holds(source) for source in self.sources], dtype=bool)
        return chosen[self.source] if len(chosen) else np.zeros(self._count, dtype=bool)

    def _windows_rows(self, logsource: Mapping[str, str]) -> Rows:
        known = sources()
        ways = known["categories"].get(logsource.get("category", ""))
        channels = known["services"].get(logsource.get("service", ""))
        unknown = (logsource.get("category") and ways is None) or (logsource.get("service") and channels is None)
        selected = np.full(len(self.windows), not unknown)
        if ways is not None:
            either = [
                (self._channels == way["channel"].lower()) & self._ids.is_in([str(number) for number in way["ids"]])
                for way in ways
            ]
            selected &= np.any([way.to_numpy() for way in either], axis=0)
        if channels is not None:
            selected &= self._channels.is_in([channel.lower() for channel in channels]).to_numpy()
        rows: Rows = self.windows[selected]
        return rows


def _column(values: Values) -> Column:
    rows = np.asarray(values.rows, dtype=np.int64)
    return Column(rows, np.asarray(values.codes, dtype=np.int64), pl.Series(list(values.known), dtype=pl.String))


def _with_value(column: Column) -> Column:
    """Without the events that have an object there."""
    known = column.distinct.is_not_null().to_numpy()[column.codes]
    return Column(column.rows[known], column.codes[known], column.distinct)


def _once(rows: Rows) -> Rows:
    """Sorted rows, each once."""
    return rows[np.diff(rows, prepend=-1) > 0]
