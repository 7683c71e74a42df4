"""Events that no rule can tell from one another are of one kind, and one of each kind is looked at.

In: events as JSON. Out: a kind for each event. Values are taken from the JSON as they stand there, without decoding it.
Each distinct value of a field is met once and put into a class with those in which the same atoms hold; the classes of
an event's fields are its kind. What was met is remembered from one block to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.rules.events import kernel
from forewarn.rules.events.fields import ALWAYS, Rows, text_of
from forewarn.rules.events.numbers import Numbered, Numbers
from forewarn.rules.events.paths import paths_of, unlike
from forewarn.rules.language.sources import sources

NOT_PLAIN = -1
"""In place of the kind of an event that has to be decoded."""
Holding = Callable[[str, pl.Series], tuple[Rows, Rows]]
"""Which atoms of a field hold in which of n values (String): rows and atoms, each of shape (k,)."""
_A_ROW = 64


@dataclass(frozen=True)
class Kinds:
    """What is known of n events: `kinds` int32 (n,); `folds` int8 (n,) what folding changes in their JSON.

    `rows`, `fields`, `values` of shape (k,): the values that they have, as numbers, event by event.
    """

    kinds: Numbers
    folds: NDArray[np.int8]
    rows: Rows
    fields: Numbers
    values: Numbers


class EventKinds:
    """The kinds of events met so far, for rules with the fields `asked`; `holding` looks at values that are new."""

    def __init__(self, asked: Mapping[str, Any], holding: Holding) -> None:
        others = (new for names in sources()["renamed"].values() for new in names.values())
        self.fields = {name: number for number, name in enumerate(sorted({*asked, *ALWAYS, *others}))}
        self._names = list(self.fields)
        self._paths = paths_of(self._names)
        self._holding = holding
        self._values, self._classes, self._kinds = Numbered(np.uint8), Numbered(np.int32), Numbered(np.int32)
        self._class_of = np.empty(0, np.int32)

    @property
    def nbytes(self) -> int:
        """Bytes that what was met takes."""
        return self._values.nbytes + self._classes.nbytes + self._kinds.nbytes

    def of(self, raw: pl.Series) -> Kinds:
        """The kinds of n events (String, no null), in the order of their first event where they are new."""
        data, bounds = _bytes(raw)
        fields, starts, ends, counts, folds = self._read(data, bounds)
        values = self._values.of(data, starts, ends, fields)
        self._meet()
        classes = self._class_of[values]
        plain = counts >= 0
        counts = np.maximum(counts, 0)
        last = np.cumsum(counts)
        kinds = np.full(len(raw), NOT_PLAIN, np.int32)
        kinds[plain] = self._kinds.of(classes, (last - counts)[plain], last[plain], np.zeros(plain.sum(), np.int32))
        return Kinds(kinds, folds, np.repeat(np.arange(len(raw)), counts), fields, values)

    def _read(self, data: NDArray[np.uint8], bounds: NDArray[np.int64]) -> tuple[Any, ...]:
        rows = len(bounds) - 1
        counts, folds = np.empty(rows, np.int32), np.empty(rows, np.int8)
        letters = unlike()
        parts, done = [], 0
        while done < rows:
            room = (rows - done) * _A_ROW + 2 * kernel.MOST
            into = np.empty(room, np.int32), np.empty(room, np.int64), np.empty(room, np.int64)
            more, values = kernel.read(data, bounds[done:], self._paths, letters, *into, counts[done:], folds[done:])
            parts.append(tuple(column[:values] for column in into))
            done += more
        return (*(np.concatenate(part) for part in zip(*parts, strict=True)), counts, folds)

    def texts(self, values: Numbers) -> pl.Series:
        """The texts of values, as their numbers are given: String (k,)."""
        return _decoded(self._values.lines(values))

    def _meet(self) -> None:
        """Put the values that are new into classes."""
        first = len(self._class_of)
        new = np.arange(first, self._values.count, dtype=np.int32)
        fields = self._values.leads[first:]
        self._class_of = np.concatenate([self._class_of, np.empty(len(new), np.int32)])
        order = np.argsort(fields, kind="stable")
        numbers, begun = np.unique(fields[order], return_index=True)
        for field, chosen in zip(numbers.tolist(), np.split(new[order], begun[1:]), strict=False):
            self._class_of[chosen] = self._classified(field, chosen)

    def _classified(self, field: int, values: Numbers) -> Numbers:
        name = self._names[field]
        leads = np.full(len(values), field, np.int32)
        if name in ALWAYS:
            # What an event is, is asked by its own name, not by a rule's pattern.
            at = np.arange(len(values))
            return self._classes.of(values, at, at + 1, -1 - leads)
        rows, atoms = self._holding(name, self.texts(values))
        order = np.lexsort((atoms, rows))
        last = np.cumsum(np.bincount(rows, minlength=len(values)))
        first = np.concatenate([np.zeros(1, np.int64), last[:-1]])
        return self._classes.of(atoms[order].astype(np.int32), first, last, leads)


def _bytes(raw: pl.Series) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The bytes of n texts one after another, and where each begins: int64 (n + 1,)."""
    joined = raw.str.join("").cast(pl.Binary).item() or b""
    bounds = np.zeros(len(raw) + 1, np.int64)
    np.cumsum(raw.str.len_bytes().to_numpy(), out=bounds[1:])
    return np.frombuffer(joined, np.uint8), bounds


def _decoded(lines: bytes) -> pl.Series:
    """JSON values, one a line, as the texts that `events` makes of them."""
    json = pl.Series(lines.decode().split("\n")[:-1], dtype=pl.String)
    quoted = json.str.starts_with('"')
    escaped = quoted & json.str.contains("\\", literal=True)
    texts = json.to_frame("json").select(
        pl.when(quoted).then(pl.col("json").str.slice(1).str.strip_suffix('"')).otherwise("json")
    )
    decoded = texts.to_series()
    if escaped.any():
        decoded = decoded.scatter(escaped.arg_true(), json.filter(escaped).str.json_decode(pl.String))
    odd = ~quoted & ~json.str.contains(r"^[1-9][0-9]{0,17}$")
    if odd.any():
        known = {value: text_of(value) for value in json.filter(odd).unique().to_list()}
        decoded = decoded.scatter(odd.arg_true(), json.filter(odd).replace_strict(known, return_dtype=pl.String))
    return decoded
