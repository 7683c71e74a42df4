"""Windows events as XML → the same events as JSON: `wevtutil qe /f:xml`, `Get-WinEvent … ToXml()`, Sysmon for Linux.

In: text that holds `<Event>` elements, alone, below `<Events>`, or each in a line of a log. Out: each as JSON
of the shape that EVTX has, on one line, with the line where it begins. Every event is parsed by itself, so that no
document type is ever read: one that is declared is refused, and so is what only it could explain (entities).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import Any
from xml.parsers import expat

import msgspec

from forewarn.reading.decoding import TextBlock
from forewarn.reading.problems import Problems

_BEGIN = re.compile(rb"<Event(?=[\s>])")
_END = b"</Event>"
_IS_EVENTS = re.compile(r"(?:\s|<\?[^>]{0,200}\?>|<!--.{0,2000}?-->|<Events\b[^>]{0,200}>)*<Event[\s>]", re.DOTALL)
_IN_LINES = re.compile(r"<Event[\s>][^<]{0,200}<System[\s>]")
_DECLARES = re.compile(r"\s*(?:<\?[^>]{0,200}\?>\s*)?<!DOCTYPE[^>\[]{0,200}\[(?:(?!\]>).){0,2000}?<!ENTITY", re.DOTALL)
_LONGEST_EVENT = 1 << 22
"""Bytes of one event; a longer one is passed over."""
_DEEPEST = 64
_SAMPLE = 20


def is_events(head: str) -> bool:
    """Whether a file that starts like this holds events as XML."""
    if _IS_EVENTS.match(head) and "<System" in head:
        return True
    lines = [line for line in head.split("\n")[:_SAMPLE] if line.strip()]
    return bool(lines) and 2 * sum(bool(_IN_LINES.search(line)) for line in lines) >= len(lines)


def declares_entities(head: str) -> bool:
    """Whether a file is XML that begins with entities of its own: what can make a few bytes into gigabytes."""
    return _DECLARES.match(head) is not None


def events(blocks: Iterator[TextBlock], name: str, problems: Problems) -> Iterator[tuple[list[int], bytes]]:
    """The events of a text, a block's worth at a time: the lines where they begin, and as many lines of JSON."""
    held, line = b"", 1
    for block in chain(blocks, [None]):
        held += block.data if block else b""
        numbers: list[int] = []
        made: list[bytes] = []
        at = counted = 0
        while begin := _BEGIN.search(held, at):
            end = held.find(_END, begin.end())
            if end < 0:
                at = begin.start()
                break
            at = end + len(_END)
            line += held.count(b"\n", counted, begin.start())
            counted = begin.start()
            try:
                event = _event(held[begin.start() : at])
            except (expat.ExpatError, ValueError) as error:
                problems.note(
                    name, "is no well-formed event; passed over", line=line, remedy=f"The parser says: {error}."
                )
                continue
            numbers.append(line)
            made.append(event)
        else:
            at = max(at, len(held) - len("<Event "))
        line += held.count(b"\n", counted, at)
        held = held[at:]
        if len(held) > _LONGEST_EVENT or (block is None and _BEGIN.match(held)):
            problems.note(name, "is cut inside an event, or longer than an event can be; passed over", line=line)
            line += held.count(b"\n")
            held = b""
        if numbers:
            yield numbers, b"\n".join(made) + b"\n"


def _event(xml: bytes) -> bytes:
    """One event as JSON. Raises ExpatError or ValueError."""
    root = _Tree().parsed(xml)
    if not isinstance(root, dict) or not isinstance(root.get("System"), dict):
        raise ValueError("it has no System")
    root.pop("#attributes", None)
    for data in ("EventData", "ProcessingErrorData", "BinaryEventData"):
        if isinstance(root.get(data), dict):
            root[data] = _named(root[data])
    return msgspec.json.encode({"Event": root})


def _named(data: dict[str, Any]) -> dict[str, Any]:
    """EventData with each `Data` under its name; those without one stay together."""
    elements = data.pop("Data", None)
    made: dict[str, Any] = {}
    unnamed: list[str] = []
    for element in elements if isinstance(elements, list) else [elements]:
        name = element.get("#attributes", {}).get("Name") if isinstance(element, dict) else None
        if name is not None:
            _put(made, name, element.get("#text", ""))
        elif element is not None:
            unnamed.append(element.get("#text", "") if isinstance(element, dict) else element)
    if unnamed:
        made["Data"] = {"#text": unnamed if len(unnamed) > 1 else unnamed[0]}
    for name, value in data.items():
        if name != "#attributes":
            made.setdefault(name, value)
    return made


def _put(into: dict[str, Any], name: str, value: Any) -> None:
    """A value under a name; of several, a list."""
    known = into.get(name)
    if name not in into:
        into[name] = value
    elif isinstance(known, list):
        known.append(value)
    else:
        into[name] = [known, value]


class _Tree:
    """An XML element as JSON has it: text, or an object of attributes, text and children."""

    def __init__(self) -> None:
        self._open: list[tuple[str, dict[str, Any], list[str]]] = []
        self._root: Any = None

    def parsed(self, xml: bytes) -> Any:
        """The value of the one element that `xml` (UTF-8) holds."""
        parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.Parse(xml, True)
        return self._root

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) >= _DEEPEST:
            raise ValueError(f"it is nested more than {_DEEPEST} deep")
        own = {key: value for key, value in attributes.items() if key != "xmlns" and not key.startswith("xmlns:")}
        self._open.append((name.rpartition(":")[2], {"#attributes": own} if own else {}, []))

    def _text(self, text: str) -> None:
        self._open[-1][2].append(text)

    def _end(self, _: str) -> None:
        name, value, pieces = self._open.pop()
        text = "".join(pieces)
        made: Any = value
        if set(value) <= {"#attributes"}:
            if not value:
                made = text
            elif text.strip():
                value["#text"] = text
        if self._open:
            _put(self._open[-1][1], name, made)
        else:
            self._root = made
