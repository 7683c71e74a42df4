"""The conditions of rules over a whole block at once, as set algebra over rows.

In: which patterns were found in which rows of each field. Out: the rows on which a rule fires. Each atom is decided
once for a block; a closer look at single texts is taken only where patterns alone do not decide.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.arrays import Rows
from forewarn.rules.events.fields import NO_COLUMN, Column, Events
from forewarn.rules.language.normalise import folded
from forewarn.rules.language.numbers import compares
from forewarn.rules.language.rule import TEXT, All, Any, Atom, Leaf, Node, Not, Pattern
from forewarn.rules.matching.digits import blinded, digits_alike
from forewarn.rules.matching.expressions import Expressions

Verdict = Callable[[Atom, str], bool]
"""Whether an atom holds in a folded text, on a closer look."""


@dataclass(frozen=True)
class Selection:
    """Rows of a block: `rows` sorted and distinct, or all but those where `complement`."""

    rows: Rows
    complement: bool = False

    def __and__(self, other: Selection) -> Selection:
        """The rows of both."""
        if self.complement and other.complement:
            return Selection(np.union1d(self.rows, other.rows), True)
        if self.complement or other.complement:
            keep, drop = (other, self) if self.complement else (self, other)
            return Selection(keep.rows[~_within(keep.rows, drop.rows)])
        few, many = (self, other) if len(self.rows) < len(other.rows) else (other, self)
        return Selection(few.rows[_within(few.rows, many.rows)])

    def __invert__(self) -> Selection:
        """The other rows."""
        return Selection(self.rows, not self.complement)

    def __or__(self, other: Selection) -> Selection:
        """The rows of either."""
        return ~(~self & ~other)

    @property
    def empty(self) -> bool:
        """Whether no row is selected, whatever the number of rows."""
        return not self.complement and not len(self.rows)


def _within(some: Rows, others: Rows) -> NDArray[np.bool_]:
    """Which of k sorted rows are among other sorted rows: bool (k,)."""
    if not len(others):
        return np.zeros(len(some), dtype=bool)
    at = np.searchsorted(others, some)
    at[at == len(others)] = 0
    found: NDArray[np.bool_] = others[at] == some
    return found


ALL_ROWS = Selection(np.empty(0, np.int64), True)
NOTHING = Selection(np.empty(0, np.int64))


@dataclass(frozen=True)
class Field:
    """One field's compiled patterns, and the number of each."""

    expressions: Expressions
    numbers: Mapping[Pattern, int]

    def hits(self, values: pl.Series) -> list[Rows]:
        """For each pattern, the rows of `values` (String, length n) in which it occurs, sorted."""
        rows, ids = self.expressions.hits(values)
        bounds = np.searchsorted(ids, np.arange(len(self.numbers) + 1))
        return [rows[bounds[i] : bounds[i + 1]] for i in range(len(self.numbers))]

    def hits_in(self, column: Column) -> dict[int, Rows]:
        """For each pattern that occurs, in which rows of a sparse column; each distinct value is matched once."""
        found, ids = self.expressions.hits(column.distinct)
        numbers, first = np.unique(ids, return_index=True)
        rows = {}
        for number, values in zip(numbers.tolist(), np.split(found, first[1:]), strict=False):
            chosen = np.zeros(len(column.distinct), dtype=bool)
            chosen[values] = True
            rows[number] = column.where(chosen)
        return rows


class Block:
    """One block of records while its rules are evaluated.

    `texts` the folded texts of n records, or the JSON of n events; `found` the rows in which a pattern of a field
    occurs; `cued` whether each
    row holds a cue of negation; `events` the columns of structured records, where they are events.
    """

    def __init__(
        self,
        texts: pl.Series,
        found: Callable[[str, Pattern], Rows],
        cued: NDArray[np.bool_],
        holds: Verdict,
        similar: Callable[[Atom, list[str]], NDArray[np.bool_]],
        events: Events | None = None,
    ) -> None:
        self._texts = texts
        self._found = found
        self._cued = cued
        self._holds = holds
        self._similar = similar
        self._events = events
        self._atoms: dict[Atom, Selection] = {}

    def select(self, node: Node, atoms: Sequence[Atom]) -> Selection:
        """The rows on which a condition holds."""
        match node:
            case Leaf():
                atom = atoms[node.atom]
                if atom not in self._atoms:
                    self._atoms[atom] = self._atom(atom)
                return self._atoms[atom]
            case Not():
                return ~self.select(node.part, atoms)
            case All():
                chosen = ALL_ROWS
                for part in node.parts:
                    chosen = chosen & self.select(part, atoms)
                    if chosen.empty:
                        return chosen
                return chosen
            case Any():
                parts = [self.select(part, atoms) for part in node.parts]
                plain = [part.rows for part in parts if not part.complement and len(part.rows)]
                united = Selection(self._united(plain)) if plain else NOTHING
                for other in (part for part in parts if part.complement):
                    united = united | other
                return united

    def _united(self, parts: Sequence[Rows]) -> Rows:
        if len(parts) == 1:
            return parts[0]
        chosen = np.zeros(len(self._texts), dtype=bool)
        for part in parts:
            chosen[part] = True
        return np.flatnonzero(chosen)

    def _atom(self, atom: Atom) -> Selection:
        match atom.kind:
            case "find":
                return Selection(self._found(atom.field, atom.patterns[0]))
            case "affirmed":
                found = self._found(atom.field, atom.patterns[0])
                doubtful = found[self._cued[found]]
                if not len(doubtful):
                    return Selection(found)
                return Selection(np.setdiff1d(found, self._failing(atom, doubtful), assume_unique=True))
            case "near":
                together = Selection(self._found(atom.field, atom.patterns[0]))
                for pattern in atom.patterns[1:]:
                    together = together & Selection(self._found(atom.field, pattern))
                return Selection(np.setdiff1d(together.rows, self._failing(atom, together.rows), assume_unique=True))
            case "similar":
                column = self._column(atom.field)
                distinct = column.distinct.drop_nulls().unique(maintain_order=True)
                close = distinct.filter(pl.Series(self._similar(atom, distinct.to_list()), dtype=pl.Boolean))
                return _where(column, column.distinct.is_in(close.implode()))
        if self._events is None:
            return NOTHING
        column = self._events.column(atom.field)
        match atom.kind:
            case "null":
                return ~Selection(column.present)
            case "exists":
                return Selection(column.present)
        return self._by_value(atom, column)

    def _column(self, field: str) -> Column:
        """A field as our own modifiers look at it: folded."""
        if self._events is None:
            return Column.dense(self._texts) if field == TEXT else NO_COLUMN
        column = self._events.column(field)
        return Column(column.rows, column.codes, folded(column.distinct))

    def _by_value(self, atom: Atom, column: Column) -> Selection:
        """Atoms that compare a field's value with a number, a network, a moment or another field."""
        match atom.kind:
            case "compare":
                operator, number = atom.arguments
                return Selection(column.where(compares(column.distinct, operator, number)))
            case "cidr":
                network = ipaddress.ip_network(atom.arguments[0], strict=False)
                inside = [text is not None and _inside(text, network) for text in column.distinct]
                return _where(column, pl.Series(inside, dtype=pl.Boolean))
            case "same":
                return self._same(atom, column)
            case "part":
                part, number = atom.arguments
                moment = _moments(column.distinct)
                return _where(column, getattr(moment.dt, part)() == int(number))
        return NOTHING

    def _same(self, atom: Atom, column: Column) -> Selection:
        other = self._events.column(atom.arguments[0]) if self._events is not None else NO_COLUMN
        # Each value of the one beside each of the other, event by event.
        own, its = (
            pl.DataFrame({"row": one.rows, name: one.values}, schema={"row": pl.Int64, name: pl.String})
            for one, name in ((column, "own"), (other, "other"))
        )
        pairs = own.drop_nulls().join(its.drop_nulls(), on="row").sort("row")
        return Selection(np.unique(pairs["row"].to_numpy()[_same(atom, pairs)]))

    def _failing(self, atom: Atom, rows: Rows) -> Rows:
        """Those of the rows on which a closer look says no; each distinct text is looked at once."""
        if not len(rows):
            return rows
        column = self._column(atom.field)
        places = np.flatnonzero(_within(column.rows, rows) & column.distinct.is_not_null().to_numpy()[column.codes])
        texts = column.distinct.gather(column.codes[places])
        sharp = self._events is not None or any(blinded(pattern)[1] for pattern in atom.patterns)
        alike = texts if sharp else digits_alike(texts)
        # A few candidates: a dictionary is faster than a frame.
        verdicts: dict[str, bool] = {}
        holds = np.zeros(len(places), dtype=bool)
        for at, (key, text) in enumerate(zip(alike.to_list(), texts.to_list(), strict=True)):
            if key not in verdicts:
                verdicts[key] = self._holds(atom, text)
            holds[at] = verdicts[key]
        return np.setdiff1d(rows, column.rows[places[holds]], assume_unique=False)


def _same(atom: Atom, pairs: pl.DataFrame) -> NDArray[np.bool_]:
    """Of n pairs of values, in which the field of an atom is the same as the other field, or starts or ends as it."""
    _, starts, ends = atom.arguments
    mine, its = pl.col("own").str.to_lowercase(), pl.col("other").str.to_lowercase()
    if starts and ends:
        test = mine.str.contains(its, literal=True)
    else:
        test = mine.str.starts_with(its) if starts else mine.str.ends_with(its) if ends else mine == its
    return pairs.select(test).to_series().to_numpy()


def _moments(values: pl.Series) -> pl.Series:
    """Times in UTC, whichever way each is written; null where a value is none."""
    text = pl.col("value")
    ways = [
        text.str.to_datetime(form, strict=False, time_zone="UTC", exact=True)
        for form in ("%+", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f%:z", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d")
    ]
    return pl.DataFrame({"value": values}).select(pl.coalesce(ways)).to_series()


def _where(column: Column, holds: pl.Series) -> Selection:
    """The events of a column of which a value is one that holds: Boolean, as long as `distinct`."""
    return Selection(column.where(holds.fill_null(False).to_numpy()))


def _inside(text: str, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    try:
        return ipaddress.ip_address(text.strip()) in network
    except ValueError:
        return False
