"""Structured events: JSON to one column for each field that a rule names, and which rules an event is for.

In: events as JSON strings. Out: sparse columns of strings, and the rows that a log source covers. Windows events
(`{"Event": {"System": …, "EventData": …}}`), flat JSON and nested JSON with dotted names are the three layouts known.
Events are decoded one by one: msgspec and a walk over what is there take a third of the time of a decoder that makes
every column for every event (docs/decisions.md). Of many events only one of each kind comes here (`alike_events`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.rules.language.sources import sources

Rows = NDArray[np.int64]
SYSTEM = ("EventID", "Channel", "Computer", "Level", "Task", "Opcode", "Keywords", "Version", "EventRecordID")
"""What Event.System says of an event, beside its provider."""
PROVIDER = "Provider_Name"
ALWAYS = ("EventID", "Channel")
_DECODER = msgspec.json.Decoder()
_ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True)
class Column:
    """One field of a block of events.

    `rows` that have it, int64 (k,), sorted; `codes` the place of each one's value in `distinct`, int64 (k,).
    """

    rows: Rows
    codes: NDArray[np.int64]
    distinct: pl.Series

    @property
    def values(self) -> pl.Series:
        """The value of each of the rows: String (k,)."""
        return self.distinct.gather(self.codes)

    @classmethod
    def of(cls, rows: Rows, values: pl.Series) -> Column:
        """The values (String, length k) of k rows."""
        return cls(rows, np.arange(len(rows)), values)


NO_COLUMN = Column(np.empty(0, np.int64), np.empty(0, np.int64), pl.Series([], dtype=pl.String))


class Events:
    """The columns of n events: a `Column` for each field asked for that some event has."""

    def __init__(self, raw: pl.Series, fields: Sequence[str]) -> None:
        renamed = (new for names in sources()["renamed"].values() for new in names.values())
        self._take(_columns(raw, {*fields, *ALWAYS, *renamed}), len(raw))

    @classmethod
    def of(cls, columns: dict[str, Column], count: int) -> Events:
        """`count` events with the given columns."""
        made = cls.__new__(cls)
        made._take(columns, count)
        return made

    def _take(self, columns: dict[str, Column], count: int) -> None:
        self.columns, self._count = columns, count
        ids, channels = (self.column(name) for name in ALWAYS)
        self.windows: Rows = np.intersect1d(ids.rows, channels.rows, assume_unique=True)
        self.others: Rows = np.setdiff1d(np.arange(self._count), self.windows, assume_unique=True)
        self._ids = ids.values.gather(np.searchsorted(ids.rows, self.windows))
        self._channels = channels.values.gather(np.searchsorted(channels.rows, self.windows))
        self._covered: dict[tuple[tuple[str, str], ...], Rows | None] = {}

    def column(self, field: str) -> Column:
        """The rows that have a field, and its values."""
        return self.columns.get(field, NO_COLUMN)

    def dense(self, field: str) -> pl.Series:
        """A field as one String value for each of the n events, null where it is missing."""
        column = self.column(field)
        return pl.Series([None], dtype=pl.String).new_from_index(0, self._count).scatter(column.rows, column.values)

    def covered(self, logsource: Mapping[str, str], fields: Sequence[str]) -> Rows:
        """The rows that a rule of this log source with these fields is for.

        A Windows rule is for Windows events of its channel and event IDs; another rule is for other events that have at
        least one of its fields.
        """
        key = tuple(sorted(logsource.items()))
        if key not in self._covered:
            self._covered[key] = self._windows_rows(logsource) if logsource.get("product") == "windows" else None
        rows = self._covered[key]
        if rows is not None:
            return rows
        named = logsource.get("product") or logsource.get("service")
        rest = self.others if named else np.arange(self._count)
        if not len(rest):
            return rest
        having = [np.intersect1d(self.column(field).rows, rest, assume_unique=True) for field in set(fields)]
        return np.unique(np.concatenate(having)) if having else rest

    def _windows_rows(self, logsource: Mapping[str, str]) -> Rows:
        known = sources()
        ways = known["categories"].get(logsource.get("category", ""))
        channels = known["services"].get(logsource.get("service", ""))
        unknown = (logsource.get("category") and ways is None) or (logsource.get("service") and channels is None)
        selected = np.full(len(self.windows), not unknown)
        if ways is not None:
            either = [
                (self._channels == way["channel"]) & self._ids.is_in([str(number) for number in way["ids"]])
                for way in ways
            ]
            selected &= np.any([way.to_numpy() for way in either], axis=0)
        if channels is not None:
            selected &= self._channels.is_in(channels).to_numpy()
        rows: Rows = self.windows[selected]
        return rows


def _columns(raw: pl.Series, wanted: set[str]) -> dict[str, Column]:
    """Events with the same fields in the same order are turned into columns together."""
    alike: dict[tuple[str, ...], tuple[list[int], list[Iterable[Any]]]] = {}
    for row, text in enumerate(raw):
        fields = _fields_of(_decoded(text))
        if fields:
            rows, values = alike.setdefault(tuple(fields), ([], []))
            rows.append(row)
            values.append(fields.values())
    rows_of: dict[str, list[int]] = {name: [] for name in wanted}
    texts_of: dict[str, list[str]] = {name: [] for name in wanted}
    for names, (rows, values) in alike.items():
        for name, column in zip(names, zip(*values, strict=True), strict=True):
            kinds = set(map(type, column))
            if dict in kinds:
                for row, value in zip(rows, column, strict=True):
                    if isinstance(value, dict):
                        _walk(f"{name}.", value, row, rows_of, texts_of)
            if name in wanted:
                if kinds == {str}:
                    rows_of[name] += rows
                    texts_of[name] += column
                else:
                    known = [
                        (row, text)
                        for row, value in zip(rows, column, strict=True)
                        if (text := _text(value)) is not None
                    ]
                    rows_of[name] += [row for row, _ in known]
                    texts_of[name] += [text for _, text in known]
    return {name: _column(rows_of[name], texts_of[name]) for name in wanted if rows_of[name]}


def _column(rows: list[int], texts: list[str]) -> Column:
    order = np.argsort(np.asarray(rows, dtype=np.int64), kind="stable")
    known: dict[str, int] = {}
    codes = np.fromiter((known.setdefault(text, len(known)) for text in texts), dtype=np.int64, count=len(texts))
    return Column(np.asarray(rows, dtype=np.int64)[order], codes[order], pl.Series(list(known), dtype=pl.String))


def _decoded(text: str | None) -> Any:
    """An event; None where there is none. What only JavaScript takes for JSON (NaN, half a surrogate) is taken too."""
    try:
        return _DECODER.decode(text or "null")
    except RecursionError:
        return None
    except msgspec.DecodeError:
        pass
    try:
        lenient = json.loads(text or "null", strict=False)
        return json.loads(json.dumps(lenient, ensure_ascii=False).encode(errors="replace"), strict=False)
    except (ValueError, RecursionError):
        return None


def text_of(json: str) -> str | None:
    """The text of one value, written as JSON: what a rule compares."""
    return _text(_decoded(json))


def _fields_of(event: Any) -> dict[str, Any]:
    """The fields of an event by their plain names; what is nested stays so."""
    if not isinstance(event, dict):
        return {}
    windows = event.get("Event")
    system = windows.get("System") if isinstance(windows, dict) else None
    if not isinstance(windows, dict) or not isinstance(system, dict):
        return event
    data, user = windows.get("EventData"), windows.get("UserData")
    fields: dict[str, Any] = {**user} if isinstance(user, dict) else {}
    if isinstance(data, dict):
        fields.update(data)
    for name in SYSTEM:
        if (value := system.get(name)) is not None:
            fields[name] = value.get("#text") if isinstance(value, dict) else value
    provider = system.get("Provider")
    if isinstance(provider, dict):
        attributes = provider.get("#attributes")
        fields[PROVIDER] = (attributes if isinstance(attributes, dict) else provider).get("Name")
    if fields.get("Channel") == "Security":
        # The Security channel has names of its own for what Sigma knows by those of Sysmon.
        for known, other in sources()["renamed"].get(_text(fields.get("EventID")), {}).items():
            if fields.get(known) is None and other in fields:
                fields[known] = fields[other]
    return fields


def _walk(
    prefix: str, fields: dict[str, Any], row: int, rows: dict[str, list[int]], texts: dict[str, list[str]]
) -> None:
    for name, value in fields.items():
        dotted = prefix + name
        if dotted in rows and (text := _text(value)) is not None and rows[dotted][-1:] != [row]:
            rows[dotted].append(row)
            texts[dotted].append(text)
        if isinstance(value, dict):
            _walk(f"{dotted}.", value, row, rows, texts)


def _text(value: Any) -> str | None:
    if value.__class__ is str:
        return str(value)
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else _ENCODER.encode(value).decode()
