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

from forewarn.rules.events import Events
from forewarn.rules.expressions import Expressions
from forewarn.rules.rule import All, Any, Atom, Leaf, Node, Not, Pattern

Rows = NDArray[np.int64]
Verdict = Callable[[Atom, str], bool]
"""Whether an atom holds in a folded text, on a closer look."""
_COMPARE = {"lt": "__lt__", "lte": "__le__", "gt": "__gt__", "gte": "__ge__", "neq": "__ne__"}


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
            return Selection(np.setdiff1d(keep.rows, drop.rows, assume_unique=True))
        return Selection(np.intersect1d(self.rows, other.rows, assume_unique=True))

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


EVERYTHING = Selection(np.empty(0, np.int64), True)
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

    def hits_of_distinct(self, values: pl.Series) -> list[Rows]:
        """The same, where values repeat: each distinct value is matched once."""
        if values.null_count() == len(values):
            return [np.empty(0, np.int64)] * len(self.numbers)
        distinct = values.unique(maintain_order=True).drop_nulls()
        if len(distinct) > len(values) // 2:
            return self.hits(values)
        codes = pl.DataFrame({"value": values}).join(
            pl.DataFrame({"value": distinct}).with_row_index("code"), on="value", how="left", maintain_order="left"
        )["code"]
        coded = np.flatnonzero(codes.is_not_null().to_numpy())
        by_code = coded[np.argsort(codes.gather(coded).to_numpy(), kind="stable")]
        bounds = np.concatenate([[0], np.cumsum(np.bincount(codes.drop_nulls().to_numpy(), minlength=len(distinct)))])
        return [
            np.sort(np.concatenate([by_code[bounds[code] : bounds[code + 1]] for code in found]))
            if len(found)
            else found
            for found in self.hits(distinct)
        ]


class Block:
    """One block of records while its rules are evaluated.

    `texts` the folded texts of n records; `found` the rows in which a pattern of a field occurs; `cued` whether each
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
                chosen = EVERYTHING
                for part in node.parts:
                    chosen = chosen & self.select(part, atoms)
                    if chosen.empty:
                        return chosen
                return chosen
            case Any():
                parts = [self.select(part, atoms) for part in node.parts]
                plain = [part.rows for part in parts if not part.complement and len(part.rows)]
                united = Selection(np.unique(np.concatenate(plain))) if plain else NOTHING
                for other in (part for part in parts if part.complement):
                    united = united | other
                return united

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
                distinct = self._texts.unique(maintain_order=True)
                close = distinct.filter(pl.Series(self._similar(atom, distinct.to_list()), dtype=pl.Boolean))
                return _where(self._texts.is_in(close.implode()))
        if self._events is None:
            return NOTHING
        present = Selection(self._events.present(atom.field))
        column = self._events.fields[atom.field] if atom.field in self._events.fields.columns else None
        match atom.kind:
            case "null":
                return ~present
            case "exists":
                return present
        return NOTHING if column is None else self._by_value(atom, column)

    def _by_value(self, atom: Atom, column: pl.Series) -> Selection:
        """Atoms that compare a field's value with a number, a network, a moment or another field."""
        match atom.kind:
            case "compare":
                operator, number = atom.arguments
                values = column.cast(pl.Float64, strict=False)
                return _where(getattr(values, _COMPARE[operator])(float(number)))
            case "cidr":
                network = ipaddress.ip_network(atom.arguments[0], strict=False)
                inside = [text for text in column.unique().drop_nulls() if _inside(text, network)]
                return _where(column.is_in(pl.Series(inside, dtype=pl.String).implode()))
            case "same":
                other, starts, ends = atom.arguments
                if self._events is None or other not in self._events.fields.columns:
                    return NOTHING
                pair = pl.DataFrame(
                    {"own": column.str.to_lowercase(), "other": self._events.fields[other].str.to_lowercase()}
                )
                own, theirs = pl.col("own"), pl.col("other")
                if starts and ends:
                    test = own.str.contains(theirs, literal=True)
                else:
                    test = (
                        own.str.starts_with(theirs) if starts else own.str.ends_with(theirs) if ends else own == theirs
                    )
                return _where(pair.select(test).to_series())
            case "part":
                part, number = atom.arguments
                moment = column.str.to_datetime(strict=False, time_zone="UTC")
                return _where(getattr(moment.dt, part)() == int(number))
        return NOTHING

    def _failing(self, atom: Atom, rows: Rows) -> Rows:
        """Those of the rows on which a closer look says no; numbers do not matter to it, so texts are judged once."""
        if not len(rows):
            return rows
        texts = self._texts.gather(rows)
        frame = pl.DataFrame({"text": texts, "alike": texts.str.replace_all("[0-9]+", "0")})
        distinct = frame.unique("alike", keep="first", maintain_order=True)
        verdicts = pl.Series([not self._holds(atom, text) for text in distinct["text"]], dtype=pl.Boolean)
        judged = frame.join(distinct.select("alike", fails=verdicts), on="alike", how="left", maintain_order="left")
        failing: Rows = rows[judged["fails"].to_numpy()]
        return failing


def _where(mask: pl.Series) -> Selection:
    return Selection(np.flatnonzero(mask.fill_null(False).to_numpy()))


def _inside(text: str, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    try:
        return ipaddress.ip_address(text.strip()) in network
    except ValueError:
        return False
