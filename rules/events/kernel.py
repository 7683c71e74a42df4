"""The loops of `event_kinds`, compiled: JSON to the places of the values that are asked for.

In: bytes and tables of numbers. Out: numbers. An event that is not plain, strict JSON of a known shape is only marked:
another reader takes it (`events`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from forewarn.rules.events.number_kernel import compiled, hashed

FLAT, WINDOWS = range(2)
"""Layouts of an event."""
SINGLE, NULL, OBJECT, LIST = range(4)
"""Kinds of a value."""
NO_FIELD, NOT_PLAIN = -1, -2
BLANKS, LETTERS = 1, 2
"""What folding changes in an event beside the case of ASCII letters: runs of blanks; letters, perhaps."""
ANY, NO_OBJECT, NO_NEST = range(3)
"""What the value of a path may be: anything; an object stands for what is in it; or no object or list at all."""
_DEEPEST, MOST = 64, 1024
"""How deep an event is followed, and how many of its values are taken; beyond, it is not plain."""
_QUOTE, _BACKSLASH, _BLANK, _COMMA, _COLON = 34, 92, 32, 44, 58
_IN_A_STRING = np.zeros(256, np.uint8)
_IN_A_STRING[:33] = _IN_A_STRING[0xC0:] = 1
_IN_A_STRING[[_QUOTE, _BACKSLASH]] = 1
"""Bytes of a string that are looked at: its end, escapes, blanks, what may not be there, other letters' first bytes."""
_ESCAPED = np.zeros(256, np.uint8)
_ESCAPED[list(b'"\\/bfnrt')] = 1
_ESCAPED[ord("u")] = 2


class Paths(NamedTuple):
    """The paths that are asked for, as a tree of k nodes (0 the root) and a table to find a node's children in.

    `table` int32, a power of two: a node, or -1; `parent` int32 (k,); `keys` uint8 and `bounds` int64 (k, 2) each
    node's key; `inner` bool (k,) whether it has children; `field`, `slot` int32 (2, k) for each layout: the field that
    a node is, and what no two nodes of an event may be; `shape` int8 (k,) what its value may be; `renamed` int64
    (r, 3): an event ID, the field that has no value, the field that has it; `marks` the node of Event.System, the
    fields Channel and EventID, how many slots there are.
    """

    table: NDArray[np.int32]
    parent: NDArray[np.int32]
    keys: NDArray[np.uint8]
    bounds: NDArray[np.int64]
    inner: NDArray[np.bool_]
    field: NDArray[np.int32]
    slot: NDArray[np.int32]
    shape: NDArray[np.int8]
    renamed: NDArray[np.int64]
    marks: NDArray[np.int64]


@compiled
def _string(data: Any, at: int, end: int, unlike: Any) -> tuple[int, bool, int]:
    """Past the string whose quote is at `at`; 0 = it is none. Also whether it has escapes, and what folding changes."""
    at += 1
    escaped = False
    folds = 0
    while at < end:
        byte = data[at]
        kind = _IN_A_STRING[byte]
        if kind == 0:
            at += 1
        elif byte == _QUOTE:
            return at + 1, escaped, folds
        elif byte == _BLANK:
            if data[at - 1] == _BLANK:
                folds |= BLANKS
            at += 1
        elif byte == _BACKSLASH:
            escaped = True
            if at + 1 == end or _ESCAPED[data[at + 1]] == 0:
                return 0, escaped, folds
            if _ESCAPED[data[at + 1]] == 1:
                at += 2
                continue
            # u and four hexadecimal digits; halves of a pair are left to the other reader.
            if at + 5 >= end or (data[at + 2] | 32 == 100 and data[at + 3] >= 56):
                return 0, escaped, folds
            for place in range(at + 2, at + 6):
                if not (48 <= data[place] <= 57 or 97 <= data[place] | 32 <= 102):
                    return 0, escaped, folds
            at += 6
        elif byte < _BLANK:
            return 0, escaped, folds
        else:
            if byte < 0xE0 and at + 1 < end:
                if unlike[((byte & 31) << 6) | (data[at + 1] & 63)]:
                    folds |= LETTERS
            elif byte < 0xF0 and at + 2 < end:
                if unlike[((byte & 15) << 12) | ((data[at + 1] & 63) << 6) | (data[at + 2] & 63)]:
                    folds |= LETTERS
            else:
                folds |= LETTERS
            at += 1
    return 0, escaped, folds


@compiled
def _other(data: Any, at: int, end: int) -> tuple[int, bool]:
    """Past the number, true, false or null at `at`; 0 where it is none. Also whether it is null."""
    byte = data[at]
    if byte == 110:
        right = at + 4 <= end and data[at + 1] == 117 and data[at + 2] == 108 and data[at + 3] == 108
        return (at + 4 if right else 0), True
    if byte == 116:
        right = at + 4 <= end and data[at + 1] == 114 and data[at + 2] == 117 and data[at + 3] == 101
        return (at + 4 if right else 0), False
    if byte == 102:
        right = (
            at + 5 <= end and data[at + 1] == 97 and data[at + 2] == 108 and data[at + 3] == 115 and data[at + 4] == 101
        )
        return (at + 5 if right else 0), False
    if byte == 45:
        at += 1
    first, at = at, _past_digits(data, at, end)
    if at == first or (data[first] == 48 and at > first + 1):
        return 0, False
    if at < end and data[at] == 46:
        first, at = at + 1, _past_digits(data, at + 1, end)
        if at == first:
            return 0, False
    if at < end and data[at] | 32 == 101:
        at += 1
        if at < end and (data[at] == 43 or data[at] == 45):
            at += 1
        first, at = at, _past_digits(data, at, end)
        if at == first:
            return 0, False
    return at, False


@compiled
def _past_digits(data: Any, at: int, end: int) -> int:
    while at < end and 48 <= data[at] <= 57:
        at += 1
    return at


@compiled
def _child(paths: Any, node: int, data: Any, start: int, end: int) -> int:
    """The node that a key leads to from another; -1 where it leads nowhere."""
    place = hashed(data, start, end, node) & np.uint64(len(paths.table) - 1)
    while paths.table[place] >= 0:
        child = paths.table[place]
        first = paths.bounds[child, 0]
        if paths.parent[child] == node and paths.bounds[child, 1] - first == end - start:
            same = True
            for offset in range(end - start):
                if paths.keys[first + offset] != data[start + offset]:
                    same = False
                    break
            if same:
                return int(child)
        place = (place + np.uint64(1)) & np.uint64(len(paths.table) - 1)
    return -1


@compiled
def fill(paths: Any) -> None:
    """Put the nodes into the table of `paths`."""
    for node in range(1, len(paths.parent)):
        at = hashed(paths.keys, paths.bounds[node, 0], paths.bounds[node, 1], paths.parent[node])
        place = at & np.uint64(len(paths.table) - 1)
        while paths.table[place] >= 0:
            place = (place + np.uint64(1)) & np.uint64(len(paths.table) - 1)
        paths.table[place] = node


@compiled
def _whole_number(data: Any, start: int, end: int) -> int:
    """The event ID that a value is, written as a number or a string; -1 where it is none, -2 where it has escapes."""
    if data[start] == _QUOTE:
        start, end = start + 1, end - 1
    number = -1 if end <= start or end - start > 9 or (data[start] == 48 and end - start > 1) else 0
    for at in range(start, end):
        if data[at] == _BACKSLASH:
            return -2
        if 48 <= data[at] <= 57:
            if number >= 0:
                number = number * 10 + data[at] - 48
        else:
            number = -1
    return number


@compiled
def _is_security(data: Any, start: int, end: int) -> int:
    """1 where a value is "Security", 0 where it is not, -1 where it has escapes."""
    same = end - start == 10
    for at in range(start, end):
        if data[at] == _BACKSLASH:
            return -1
        if same and data[at] != SECURITY[at - start]:
            same = False
    return 1 if same else 0


SECURITY = np.frombuffer(b'"Security"', dtype=np.uint8)


@compiled
def _event(
    data: Any, at: int, end: int, paths: Any, unlike: Any, nodes: Any, starts: Any, ends: Any, kinds: Any, deep: Any
) -> tuple[int, int, int]:
    """The values of one event in the order of their ends: how many, -1 = not plain; layout; what folding changes."""
    found = depth = 0
    layout, folds = FLAT, 0
    own, inside, begun, is_object = deep[0], deep[1], deep[2], deep[3]
    at, blanks = _skipped(data, at, end)
    folds |= blanks
    if at == end or data[at] != 123:
        return -1, layout, folds
    own[0], inside[0], is_object[0] = -1, 0, 1
    at += 1
    fresh = True
    while True:
        at, blanks = _skipped(data, at, end)
        folds |= blanks
        if at == end:
            return -1, layout, folds
        byte = data[at]
        closing = byte == (125 if is_object[depth] else 93)
        if not closing:
            if not fresh:
                if byte != _COMMA:
                    return -1, layout, folds
                at, blanks = _skipped(data, at + 1, end)
                folds |= blanks
                if at == end:
                    return -1, layout, folds
            child = -1
            if is_object[depth]:
                if data[at] != _QUOTE:
                    return -1, layout, folds
                past, escaped, unlike_key = _string(data, at, end, unlike)
                if past == 0 or (escaped and inside[depth] >= 0):
                    return -1, layout, folds
                folds |= unlike_key
                if inside[depth] >= 0:
                    child = _child(paths, inside[depth], data, at + 1, past - 1)
                at, blanks = _skipped(data, past, end)
                folds |= blanks
                if at == end or data[at] != _COLON:
                    return -1, layout, folds
                at, blanks = _skipped(data, at + 1, end)
                folds |= blanks
                if at == end:
                    return -1, layout, folds
            byte = data[at]
            if byte == 123 or byte == 91:
                depth += 1
                if depth == _DEEPEST:
                    return -1, layout, folds
                own[depth], begun[depth], is_object[depth] = child, at, byte == 123
                inside[depth] = child if byte == 123 and child >= 0 and paths.inner[child] else -1
                if byte == 123 and child >= 0 and child == paths.marks[0]:
                    layout = WINDOWS
                at += 1
                fresh = True
                continue
            first = at
            is_null = False
            if byte == _QUOTE:
                at, escaped, unlike_value = _string(data, at, end, unlike)
                folds |= unlike_value
            else:
                at, is_null = _other(data, at, end)
            if at == 0:
                return -1, layout, folds
            kind = NULL if is_null else SINGLE
            fresh = False
        else:
            # A comma before the end was taken above, and then something has to follow it.
            at += 1
            child, first = own[depth], begun[depth]
            kind = OBJECT if is_object[depth] else LIST
            depth -= 1
            fresh = False
            if depth < 0:
                break
        if child >= 0:
            if found == MOST:
                return -1, layout, folds
            nodes[found], starts[found], ends[found], kinds[found] = child, first, at, kind
            found += 1
    at, blanks = _skipped(data, at, end)
    folds |= blanks
    return (found if at == end else -1), layout, folds


@compiled
def _skipped(data: Any, at: int, end: int) -> tuple[int, int]:
    """Past blanks; also what folding changes in them."""
    folds = before = 0
    while at < end and (data[at] == _BLANK or data[at] == 10 or data[at] == 13 or data[at] == 9):
        if data[at] == 9 or (data[at] == _BLANK and before == _BLANK):
            folds = BLANKS
        before = data[at]
        at += 1
    return at, folds


@compiled
def read(
    data: Any, bounds: Any, paths: Any, unlike: Any, fields: Any, starts: Any, ends: Any, counts: Any, folds: Any
) -> tuple[int, int]:
    """The values of n events: `data` uint8 and `bounds` int64 (n + 1,) where each begins.

    Into `fields` int32, `starts`, `ends` int64 (m,) go a field and where its value stands, events one after another;
    into `counts` int32 (n,) how many are each event's, -1 = not plain; into `folds` int8 (n,) what folding changes
    in it. Returns how many events and values there are: fewer events where m is too
    small.
    """
    nodes, kinds = np.empty(MOST, np.int32), np.empty(MOST, np.int8)
    first, last = np.empty(MOST, np.int64), np.empty(MOST, np.int64)
    deep = np.empty((4, _DEEPEST), np.int64)
    met = np.full(len(paths.parent), -1, np.int64)
    taken = np.full(paths.marks[3], -1, np.int64)
    at = 0
    for row in range(len(counts)):
        if at + MOST + len(paths.renamed) > len(fields):
            return row, at
        found, layout, folds[row] = _event(
            data, bounds[row], bounds[row + 1], paths, unlike, nodes, first, last, kinds, deep
        )
        begun = at
        channel = number = -1
        for place in range(max(found, 0)):
            node, kind = nodes[place], kinds[place]
            field, slot = paths.field[layout, node], paths.slot[layout, node]
            if met[node] == row or slot == NOT_PLAIN or (slot >= 0 and taken[slot] == row):
                found = -1
                break
            met[node] = row
            if slot >= 0:
                taken[slot] = row
            if layout == WINDOWS and paths.shape[node] != ANY and kind >= OBJECT:
                if paths.shape[node] == NO_NEST:
                    found = -1
                    break
                if kind == OBJECT:
                    continue
            if field < 0 or kind == NULL:
                continue
            if layout == WINDOWS:
                if field == paths.marks[1]:
                    channel = at
                elif field == paths.marks[2]:
                    number = at
            fields[at], starts[at], ends[at] = field, first[place], last[place]
            at += 1
        if found >= 0 and channel >= 0 and number >= 0 and len(paths.renamed):
            security = _is_security(data, starts[channel], ends[channel])
            if security != 0:
                event = _whole_number(data, starts[number], ends[number])
                values = at
                if security < 0 or event == -2:
                    found = -1
                else:
                    for other in range(len(paths.renamed)):
                        if paths.renamed[other, 0] == event:
                            source = -1
                            for place in range(begun, values):
                                if fields[place] == paths.renamed[other, 1]:
                                    source = -1
                                    break
                                if fields[place] == paths.renamed[other, 2]:
                                    source = place
                            if source >= 0:
                                fields[at] = paths.renamed[other, 1]
                                starts[at], ends[at] = starts[source], ends[source]
                                at += 1
                                if data[starts[source]] == 123:
                                    found = -1
        if found < 0:
            at = begun
            counts[row] = -1
        else:
            counts[row] = at - begun
    return len(counts), at
