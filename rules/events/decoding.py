"""One event to the values of its fields, decoded.

In: an event as JSON, and the fields that are asked for. Out: their values as texts. The layouts known are Windows
events (`{"Event": {"System": …, "EventData": …}}`), flat JSON, and nested JSON with dotted names. A list has the values
of all its members, an object with a `#text` (XML's way to carry attributes) has that one, and another object has none
by itself: it is there, and its own fields have dotted names.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from forewarn.rules.language.numbers import number_text
from forewarn.rules.language.sources import sources

SYSTEM = ("EventID", "Channel", "Computer", "Level", "Task", "Opcode", "Keywords", "Version", "EventRecordID")
"""What Event.System says of an event, beside its provider."""
PROVIDER = "Provider_Name"
_DECODER = msgspec.json.Decoder()
_LONGEST_NUMBER = 4300
"""Digits from which Python refuses to read a number; it is then the text of its digits."""


class Values:
    """The values of one field as events bring them, in their order.

    `rows` an event for each value, `codes` the value's place in `known`; of an object that has no value of its own the
    place of None.
    """

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.codes: list[int] = []
        self.known: dict[str | None, int] = {}

    def add(self, row: int, value: str | None) -> None:
        """Take one more value."""
        self.rows.append(row)
        self.codes.append(self.known.setdefault(value, len(self.known)))


class FieldReader:
    """Reads the fields `asked` of one event after another into `values`; into `every` all values, where that is given.

    Names of fields count as they are written, but for blanks in Windows events, where `New Value` is Sigma's
    `NewValue`.
    """

    def __init__(self, asked: Iterable[str], every: Values | None = None) -> None:
        self.values = {name: Values() for name in asked}
        self._every = every
        self._exactly: dict[str, tuple[Values, ...]] = {name: (values,) for name, values in self.values.items()}
        self._without_blanks: dict[str, tuple[Values, ...]] = {}
        for name, values in self.values.items():
            plain = name.replace(" ", "")
            self._without_blanks[plain] = (*self._without_blanks.get(plain, ()), values)
        # Objects are entered only on the way to a field that is asked for.
        self._ways = {name[:at] for name in self._exactly for at, char in enumerate(name) if char == "."}
        self._windows_ways = {name.replace(" ", "") for name in self._ways}

    def read(self, row: int, text: str | None) -> None:
        """Take the values of an event; what is no JSON object has none."""
        event = decoded(text)
        if not isinstance(event, dict):
            return
        try:
            self._read(row, event)
        except RecursionError:
            return

    def _read(self, row: int, event: dict[str, Any]) -> None:
        windows = event.get("Event")
        system = windows.get("System") if isinstance(windows, dict) else None
        if isinstance(windows, dict) and isinstance(system, dict):
            own = dict(_of_system(system))
            fields = [*own.items(), *((name, value) for name, value in _of_data(windows) if name not in own)]
            for name, value in fields:
                self._put(row, name.replace(" ", ""), value, self._without_blanks, self._windows_ways)
            self._rename(row, fields)
        elif "Channel" in event and "EventID" in event:
            for name, value in event.items():
                self._put(row, name.replace(" ", ""), value, self._without_blanks, self._windows_ways)
            self._rename(row, list(event.items()))
        else:
            for name, value in event.items():
                self._put(row, name, value, self._exactly, self._ways)
        if self._every is not None:
            for value in _leaves(event):
                self._every.add(row, value)

    def _put(self, row: int, name: str, value: Any, columns: dict[str, tuple[Values, ...]], ways: set[str]) -> None:
        if value.__class__ is str:
            for column in columns.get(name, ()):
                column.add(row, value)
        elif value.__class__ is dict:
            if "#text" in value:
                self._put(row, name, value["#text"], columns, ways)
            else:
                for column in columns.get(name, ()):
                    column.add(row, None)
            if name in ways:
                exactly = columns is self._exactly
                for key, inner in value.items():
                    dotted = f"{name}.{key}"
                    self._put(row, dotted if exactly else dotted.replace(" ", ""), inner, columns, ways)
        elif value.__class__ is list:
            for member in value:
                self._put(row, name, member, columns, ways)
        elif value is not None:
            for column in columns.get(name, ()):
                column.add(row, text_of(value))

    def _rename(self, row: int, fields: Sequence[tuple[str, Any]]) -> None:
        """The Security channel has names of its own for what Sigma knows by those of Sysmon."""
        given = {name: value for name, value in fields if value is not None}
        if str(_plain(given.get("Channel"))).lower() != "security":
            return
        for known, other in sources()["renamed"].get(_text_or_none(given.get("EventID")), {}).items():
            if known not in given and other in given:
                self._put(row, known, given[other], self._without_blanks, self._windows_ways)


def decoded(text: str | None) -> Any:
    """An event; None where there is none. What only JavaScript takes for JSON (NaN, half a surrogate) is taken too.

    Of a key that is given twice the last value counts.
    """
    try:
        return _DECODER.decode(text or "null")
    except RecursionError:
        return None
    except msgspec.DecodeError:
        pass
    try:
        lenient = json.loads(text or "null", strict=False, parse_int=_whole)
        return json.loads(json.dumps(lenient, ensure_ascii=False).encode(errors="replace"), strict=False)
    except (ValueError, RecursionError):
        return None


def _whole(digits: str) -> int | str:
    return int(digits) if len(digits) < _LONGEST_NUMBER else digits


def text_of(value: str | float) -> str:
    """One value of JSON, no null, list or object, as a rule compares it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return number_text(value)


def _plain(value: Any) -> Any:
    """A value without the attributes around it; of a list the first."""
    while isinstance(value, dict | list):
        value = value.get("#text") if isinstance(value, dict) else next(iter(value), None)
    return value


def _text_or_none(value: Any) -> str | None:
    plain = _plain(value)
    return None if plain is None else text_of(plain)


def _of_system(system: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """What Event.System says."""
    for name in SYSTEM:
        if (value := system.get(name)) is not None:
            yield name, value
    provider = system.get("Provider")
    if isinstance(provider, dict):
        attributes = provider.get("#attributes")
        yield PROVIDER, (attributes if isinstance(attributes, dict) else provider).get("Name")


def _of_data(event: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The fields of EventData, and of UserData, where they stand in an element of it that has a name of its own."""
    for data in _objects(event.get("EventData")):
        yield from data.items()
    for data in _objects(event.get("UserData")):
        for name, value in data.items():
            yield name, value
            for element in _objects(value):
                if "#text" not in element:
                    yield from ((key, inner) for key, inner in element.items() if key != "#attributes")


def _objects(value: Any) -> list[dict[str, Any]]:
    """An object, or those of a list."""
    members = value if isinstance(value, list) else [value]
    return [member for member in members if isinstance(member, dict)]


def _leaves(event: dict[str, Any]) -> Iterator[str]:
    """Every value of an event as a text; the name space of its XML is none."""
    waiting: list[Any] = [event]
    while waiting:
        value = waiting.pop()
        if value.__class__ is dict:
            for key, inner in value.items():
                if inner.__class__ is str:
                    if key != "xmlns":
                        yield inner
                elif inner is not None:
                    waiting.append(inner)
        elif value.__class__ is list:
            waiting += value
        elif value is not None:
            yield text_of(value)
