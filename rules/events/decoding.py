"""One event to the values of its fields, decoded.

In: an event as JSON, and the fields that are asked for. Out: their values as texts, and of what log source the event
is. In which shapes events come is said in `shapes`; nested objects have dotted names. A list has the values of all its
members, an object with a `#text` (XML's way to carry attributes) has that one, and another object has none
by itself: it is there, and its own fields have dotted names.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec

from forewarn.rules.events.dresses import NOTHING, dressed
from forewarn.rules.events.shapes import Recogniser, Source
from forewarn.rules.events.windows import named_data, plain
from forewarn.rules.language.numbers import number_text
from forewarn.rules.language.sources import sources

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


@dataclass(frozen=True)
class _Names:
    """How names are compared: `columns` by their plain form, `ways` the objects on the way to them."""

    columns: Mapping[str, tuple[Values, ...]]
    ways: frozenset[str]
    plain: Callable[[str], str]


class FieldReader:
    """Reads the fields `asked` of one event after another into `values`; into `every` all values, where that is given.

    Names of fields count as they are written, but for blanks in Windows events, where `New Value` is Sigma's
    `NewValue`, and for shapes in which their case is no matter. `sources` has what each event is of, `codes` the place
    in it of each event that was read.
    """

    def __init__(self, asked: Iterable[str], every: Values | None = None) -> None:
        self.values = {name: Values() for name in asked}
        self.sources: dict[Source, int] = {}
        self.codes: list[int] = []
        self._every = every
        self._exactly = self._names(str)
        self._without_blanks = self._names(_without_blanks)
        self._any_case = self._names(str.lower)
        self._shapes = Recogniser()

    def _names(self, plain: Callable[[str], str]) -> _Names:
        columns: dict[str, tuple[Values, ...]] = {}
        for name, values in self.values.items():
            columns[plain(name)] = (*columns.get(plain(name), ()), values)
        # Objects are entered only on the way to a field that is asked for.
        return _Names(columns, frozenset(name[:at] for name in columns for at, c in enumerate(name) if c == "."), plain)

    def read(self, row: int, text: str | None) -> None:
        """Take the values of an event; what is no JSON object has none."""
        event = decoded(text)
        source = NOTHING
        if isinstance(event, dict):
            with suppress(RecursionError):
                source = self._read(row, event)
        self.codes.append(self.sources.setdefault(source, len(self.sources)))

    def _read(self, row: int, event: dict[str, Any]) -> Source:
        fields, shape, source = dressed(event, self._shapes)
        names = self._without_blanks if source.product == "windows" else self._exactly
        names = self._any_case if shape.any_case else names
        for name, value in fields:
            self._put(row, names.plain(name), value, names)
        if source.product == "windows":
            self._rename(row, fields)
        if self._every is not None:
            for value in _leaves(event):
                self._every.add(row, value)
        return source

    def _put(self, row: int, name: str, value: Any, names: _Names) -> None:
        if value.__class__ is str:
            for column in names.columns.get(name, ()):
                column.add(row, value)
        elif value.__class__ is dict:
            if "#text" in value:
                self._put(row, name, value["#text"], names)
            else:
                for column in names.columns.get(name, ()):
                    column.add(row, None)
            if name in names.ways:
                for key, inner in value.items():
                    self._put(row, names.plain(f"{name}.{key}"), inner, names)
        elif value.__class__ is list:
            for member in value:
                self._put(row, name, member, names)
        elif value is not None:
            for column in names.columns.get(name, ()):
                column.add(row, text_of(value))

    def _rename(self, row: int, fields: Sequence[tuple[str, Any]]) -> None:
        """The Security channel has names of its own for what Sigma knows by those of Sysmon."""
        given = {name: value for name, value in fields if value is not None}
        if str(plain(given.get("Channel"))).lower() != "security":
            return
        ident = plain(given.get("EventID"))
        for known, other in sources()["renamed"].get("" if ident is None else text_of(ident), {}).items():
            if known not in given and other in given:
                self._put(row, known, given[other], self._without_blanks)


def _without_blanks(name: str) -> str:
    return name.replace(" ", "")


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


def _leaves(event: dict[str, Any]) -> Iterator[str]:
    """Every value of an event as a text; the name space of its XML is none, nor are the names of its data."""
    waiting: list[Any] = [event]
    while waiting:
        value = waiting.pop()
        if value.__class__ is dict:
            for key, inner in value.items():
                if inner.__class__ is str:
                    if key != "xmlns":
                        yield inner
                elif key == "Data" and (pairs := named_data(inner)):
                    waiting += (text for _, text in pairs if text is not None)
                elif inner is not None:
                    waiting.append(inner)
        elif value.__class__ is list:
            waiting += value
        elif value is not None:
            yield text_of(value)
