"""A JSON document → its events, one a line.

In: an array, objects one after another over any number of lines, or an object that holds a list of objects wherever it
stands (`items`, `hits.hits`, `data.result`). Out: the members of the longest list of objects with the lines on which
they start, compact. What is no whole value comes as it stands, line by line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from forewarn.reading.decoding import TextBlock

_LONGEST_EVENT = 1 << 24
"""Characters of one value of a document; a longer one is read as lines of text."""
# Documents that wrap their events as the first they hold: {"Records": [{… can be read as they come, however long.
_WRAPPER = re.compile(
    r'\s*\{\s*"(?:records|events|logs|entries|items|data|results|hits|value|documents)"\s*:\s*(?=\[\s*\{)', re.I
)
_DOCUMENT = re.compile(r'\s*(?:\{\s*(?:"|\})|\[\s*(?:[{"]|\]))')
_BETWEEN = re.compile(r"[\s,\[\]\x1e]*")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_BATCHES = re.compile(r'\s*\{\s*"resource(?:Logs|Spans)"\s*:\s*\[')
"""OpenTelemetry: a batch holds the records of many scopes, and all of them count."""


def is_document(head: str) -> bool:
    """Whether a file that starts like this is a JSON document: an array, or objects of more than one line."""
    if not _DOCUMENT.match(head):
        return False
    values = _Values(head)
    values.feed(head)
    found = len(list(values.taken(final=False))) > 0
    return values.ends_inside_a_value or (found and values.is_empty)


def is_batches(head: str) -> bool:
    """Whether the objects of a file that starts like this are batches of events, one or more on each line."""
    return _BATCHES.match(head) is not None


@dataclass
class _List:
    """A list in a text: how deep it stands, and the spans of the objects in it."""

    depth: int
    objects: list[tuple[int, int]]


def members(text: str, *, batches: bool = False) -> list[tuple[int, int]]:
    """The spans in `text`, one JSON object, of the objects in its longest list of such; [] where there is none.

    Of lists of equal length the one that is deepest within no other counts. Of `batches` the members of all lists that
    are as deep as the one with bodies.
    """
    lists: list[_List] = []
    inside: list[tuple[str, int, _List | None]] = []
    for token in _TOKEN.finditer(text):
        sign = token[0]
        if sign == "[":
            found = _List(len(inside), [])
            lists.append(found)
            inside.append((sign, token.start(), found))
        elif sign == "{":
            inside.append((sign, token.start(), None))
        elif sign in "]}":
            if not inside:
                return []
            opened, at, _ = inside.pop()
            if (opened == "[") != (sign == "]"):
                return []
            if sign == "}" and inside and (around := inside[-1][2]) is not None:
                around.objects.append((at, token.end()))
    best = max(lists, key=lambda one: (len(one.objects), -one.depth), default=None)
    if best is None or not best.objects:
        return []
    if batches:
        deepest = max(
            (one.depth for one in lists if one.objects and '"body"' in text[slice(*one.objects[0])]), default=best.depth
        )
        return [span for one in lists if one.depth == deepest for span in one.objects]
    return best.objects


def _are_events(spans: list[tuple[int, int]], size: int) -> bool:
    """Whether a list of objects is what its document of `size` characters is about, and not a part of one event."""
    return len(spans) > 1 and 2 * sum(end - start for start, end in spans) >= size


def is_one_line(head: str, whole: bool) -> bool:
    """Whether a file that starts like this is one object on one line that holds a list of events."""
    text = head.strip()
    if "\n" in text or not text.startswith("{"):
        return False
    return not whole or _are_events(members(text), len(text))


def document(blocks: Iterator[TextBlock], head: str) -> Iterator[tuple[list[int], bytes]]:
    """The events of a JSON document, a block's worth at a time: their line numbers, and one event a line, compact.

    Events are the elements of an array, the members of the longest list of objects in an object, or objects one after
    another. What is no whole value comes as it stands, line by line. `head` is how the document starts.
    """
    values = _Values(head)
    for block in chain(blocks, [None]):
        if block:
            values.feed(block.data.decode())
        found = list(values.taken(final=block is None))
        if found:
            yield [line for line, _ in found], ("\n".join(text for _, text in found) + "\n").encode("utf-8", "replace")


class _Values:
    """The JSON values in text that comes piece by piece; holds no more than the value that has not ended."""

    def __init__(self, head: str) -> None:
        wrapper = _WRAPPER.match(head)
        self._wrapped = wrapper is not None
        self._in_an_array = wrapper is not None or head.lstrip().startswith("[")
        self._batches = is_batches(head)
        self._skip = wrapper.end() if wrapper else 0
        self._text = ""
        self._line = 1
        self._lost = False
        self._decoder = json.JSONDecoder(strict=False)
        self.ends_inside_a_value = False
        """Whether the text so far is JSON that goes on."""

    @property
    def is_empty(self) -> bool:
        """Whether all of the text so far has been taken."""
        return not self._text.strip()

    def feed(self, text: str) -> None:
        self._text += text

    def taken(self, final: bool) -> Iterator[tuple[int, str]]:
        """Take the values that are whole, each with the line on which it starts; `final` = no more text will come."""
        text, at, counted = self._text, 0, 0
        self.ends_inside_a_value = False
        if self._skip and (len(text) > self._skip or final):
            at, self._skip = self._skip, 0
        while not self._skip:
            between = _BETWEEN.match(text, at)
            begin = between.end() if between else at
            if self._wrapped and "]" in text[at:begin]:
                # What follows the array in the object around it is about the document, no event.
                begin = len(text)
            if begin == len(text):
                at = begin
                break
            found = self._value(text, begin)
            if found is None:
                if not final and not self._lost and len(text) - begin < _LONGEST_EVENT:
                    at = begin
                    break
                # A line of its own, and so are those after it, up to one that starts an object.
                begin = max(text.rfind("\n", 0, begin) + 1, at)
                end = text.find("\n", begin) + 1 or len(text)
                found = text[begin:end].rstrip("\r\n"), end
                self._lost = True
            self._line += text.count("\n", counted, begin)
            yield from self._events(text, begin, found)
            self._line += text.count("\n", begin, found[1])
            counted = at = found[1]
        self._line += text.count("\n", counted, at)
        self._text = text[at:]

    def _events(self, text: str, begin: int, found: tuple[str, int]) -> Iterator[tuple[int, str]]:
        """The events of a value with their lines: itself, or the members of the list in it."""
        whole, end = found
        spans = [] if self._in_an_array or self._lost else members(text[begin:end], batches=self._batches)
        if not _are_events(spans, end - begin) and not (self._batches and spans):
            yield self._line, whole
            return
        line, counted = self._line, begin
        for start, stop in spans:
            line += text.count("\n", counted, begin + start)
            counted = begin + start
            yield line, _compact(text[begin + start : begin + stop])

    def _value(self, text: str, begin: int) -> tuple[str, int] | None:
        """The value that starts at `begin`, on one line, and where it ends; None where it is not (yet) whole."""
        if self._lost and text[begin] != "{":
            return None
        try:
            value, end = self._decoder.raw_decode(text, begin)
        except (ValueError, RecursionError) as error:
            self.ends_inside_a_value = _is_at_end(error, text)
            return None
        self._lost = False
        raw = text[begin:end]
        return (_on_one_line(value) if "\n" in raw or "\r" in raw else raw), end


def _on_one_line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _compact(raw: str) -> str:
    return _on_one_line(json.loads(raw, strict=False)) if "\n" in raw or "\r" in raw else raw


def _is_at_end(error: Exception, text: str) -> bool:
    """Whether JSON could not be read because it goes on after `text`, and not for what `text` holds."""
    if not isinstance(error, json.JSONDecodeError):
        return False
    return error.msg.startswith("Unterminated string") or error.pos >= len(text.rstrip()) - 8
