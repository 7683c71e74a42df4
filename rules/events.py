"""Structured events: JSON to one column for each field that a rule names, and which rules an event is for.

In: events as JSON strings. Out: columns of strings, and the rows that a log source covers. Windows events
(`{"Event": {"System": …, "EventData": …}}`), flat JSON and nested JSON with dotted names are the three layouts known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from importlib import resources
from typing import Any

import msgspec
import numpy as np
import polars as pl
import yaml
from numpy.typing import NDArray

Rows = NDArray[np.int64]
_SYSTEM = ("EventID", "Channel", "Computer", "Level", "Task", "Opcode", "Keywords", "Version", "EventRecordID")
_PROVIDER = "Provider_Name"
_ALWAYS = ("EventID", "Channel")


@lru_cache(maxsize=1)
def _sources() -> dict[str, Any]:
    text = resources.files("forewarn.rules").joinpath("logsources.yaml").read_text("utf-8")
    read: dict[str, Any] = yaml.load(text, Loader=yaml.CSafeLoader)
    return read


class Events:
    """The columns of n events.

    `fields` a frame of n rows, one String column for each field asked for (null = the event has none); `windows` the
    rows that are Windows events.
    """

    def __init__(self, raw: pl.Series, fields: Sequence[str]) -> None:
        wanted = sorted(
            {*fields, *_ALWAYS, *(new for names in _sources()["renamed"].values() for new in names.values())}
        )
        self.fields = _renamed(_columns(raw, wanted))
        self._ids = self.fields["EventID"]
        self._channels = self.fields["Channel"]
        windows = self._channels.is_not_null() & self._ids.is_not_null()
        self.windows: Rows = np.flatnonzero(windows.to_numpy())
        self._others: Rows = np.flatnonzero(~windows.to_numpy())
        self._present: dict[str, Rows] = {}
        self._covered: dict[tuple[tuple[str, str], ...], Rows | None] = {}

    def present(self, field: str) -> Rows:
        """The rows that have the field."""
        if field not in self._present:
            column = self.fields[field] if field in self.fields.columns else None
            self._present[field] = (
                np.empty(0, np.int64) if column is None else np.flatnonzero(column.is_not_null().to_numpy())
            )
        return self._present[field]

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
        rest = self._others if named else np.arange(len(self._ids))
        if not len(rest):
            return rest
        having = [np.intersect1d(self.present(field), rest, assume_unique=True) for field in set(fields)]
        return np.unique(np.concatenate(having)) if having else rest

    def _windows_rows(self, logsource: Mapping[str, str]) -> Rows:
        sources = _sources()
        ways = sources["categories"].get(logsource.get("category", ""))
        channels = sources["services"].get(logsource.get("service", ""))
        selected = pl.Series([True], dtype=pl.Boolean).new_from_index(0, len(self._ids))
        if ways is not None:
            selected = pl.Series([False], dtype=pl.Boolean).new_from_index(0, len(self._ids))
            for way in ways:
                ids = pl.Series([str(number) for number in way["ids"]])
                selected |= (self._channels == way["channel"]) & self._ids.is_in(ids.implode())
        elif logsource.get("category"):
            return np.empty(0, np.int64)
        if channels is not None:
            selected &= self._channels.is_in(pl.Series(channels).implode())
        elif logsource.get("service"):
            return np.empty(0, np.int64)
        return np.intersect1d(np.flatnonzero(selected.fill_null(False).to_numpy()), self.windows, assume_unique=True)


def _columns(raw: pl.Series, wanted: Sequence[str]) -> pl.DataFrame:
    """One String column for each wanted field.

    Windows events are decoded as columns at once; other layouts, and blocks that hold a shape that was not foreseen,
    event by event.
    """
    if raw.str.contains(r'^\s*\{\s*"Event"').all():
        try:
            return _windows_columns(raw, wanted)
        except pl.exceptions.PolarsError:
            pass  # An object where a text is wanted, or half an event.
    return _one_by_one(raw, wanted)


def _windows_columns(raw: pl.Series, wanted: Sequence[str]) -> pl.DataFrame:
    text = pl.String()
    provider = pl.Struct({"#attributes": pl.Struct({"Name": text})})
    system = pl.Struct({**dict.fromkeys(_SYSTEM, text), "Provider": provider})
    data = pl.Struct(dict.fromkeys(wanted, text))
    decoded = raw.str.json_decode(pl.Struct({"Event": pl.Struct({"System": system, "EventData": data})}))
    event = pl.col("event").struct.field("Event").struct.field
    columns = []
    for name in wanted:
        column = event("EventData").struct.field(name)
        if name in _SYSTEM:
            column = pl.coalesce(event("System").struct.field(name), column)
        elif name == _PROVIDER:
            column = event("System").struct.field("Provider").struct.field("#attributes").struct.field("Name")
        columns.append(column.alias(name))
    return pl.DataFrame({"event": decoded}).select(columns)


def _one_by_one(raw: pl.Series, wanted: Sequence[str]) -> pl.DataFrame:
    columns: dict[str, list[str | None]] = {name: [None] * len(raw) for name in wanted}
    decoder = msgspec.json.Decoder()
    for row, text in enumerate(raw):
        try:
            event = decoder.decode(text or "null")
        except msgspec.DecodeError:
            continue
        for name, value in _flattened(event):
            if name in columns:
                columns[name][row] = value
    return pl.DataFrame(columns, schema=dict.fromkeys(wanted, pl.String()))


def _flattened(event: Any) -> Iterator[tuple[str, str | None]]:
    """Every field of an event by its plain or dotted name."""
    if isinstance(event, dict) and isinstance(event.get("Event"), dict):
        windows = event["Event"]
        system = windows.get("System") if isinstance(windows.get("System"), dict) else {}
        yield from _walk("", windows.get("EventData") or windows.get("UserData") or {})
        for name in _SYSTEM:
            value = system.get(name)
            yield name, _text(value.get("#text") if isinstance(value, dict) else value)
        provider = system.get("Provider")
        if isinstance(provider, dict):
            yield _PROVIDER, _text((provider.get("#attributes") or provider).get("Name"))
    elif isinstance(event, dict):
        yield from _walk("", event)


def _walk(prefix: str, value: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from _walk(f"{prefix}{name}.", inner)
        yield f"{prefix}{name}", _text(inner)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else msgspec.json.encode(value).decode()


def _renamed(fields: pl.DataFrame) -> pl.DataFrame:
    """Give the fields of the Security channel the names that Sigma knows them by."""
    for event_id, names in _sources()["renamed"].items():
        security = (pl.col("Channel") == "Security") & (pl.col("EventID") == event_id)
        fields = fields.with_columns(
            pl.when(security & pl.col(known).is_null()).then(pl.col(other)).otherwise(pl.col(known)).alias(known)
            for known, other in names.items()
            if known in fields.columns and other in fields.columns
        )
    return fields
