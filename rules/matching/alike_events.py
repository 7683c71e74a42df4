"""Rules about events, matched on every event of a block while one of each kind is looked at.

In: a column of events as JSON. Out: which rules fire on which events. Exact: in events of one kind the same atoms hold,
so that a rule fires on all of them or on none. Events that have to be decoded are looked at each.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.rules.events.fields import Column, Events
from forewarn.rules.events.kernel import BLANKS, LETTERS
from forewarn.rules.events.kinds import NOT_PLAIN, EventKinds, Kinds
from forewarn.rules.events.numbers import Numbered
from forewarn.rules.language.normalise import folded, one_blank
from forewarn.rules.language.rule import Atom, Leaf
from forewarn.rules.matching.evaluation import Rows, same
from forewarn.rules.matching.event_matcher import any_case

if TYPE_CHECKING:
    from forewarn.rules.matching.event_matcher import EventMatcher, Fired

_MOST_BYTES = 64 << 20
"""What may be remembered before all of it is forgotten."""
_NOWHERE: Rows = np.empty(0, dtype=np.int64)


class AlikeEvents:
    """The kinds of events met so far, and the rules of `matcher` that fire on each."""

    def __init__(self, matcher: EventMatcher) -> None:
        self._matcher = matcher
        self._by_kind = {number: rule for number, rule in matcher.rules.items() if number not in matcher.whole}
        self._searching = [product for product, field in matcher.keywords.items() if field.numbers]
        atoms = dict.fromkeys(atom for rule in self._by_kind.values() for atom in rule.atoms)
        self._compared = [atom for atom in atoms if atom.kind == "same"]
        self._by_value: dict[str, list[Atom]] = defaultdict(list)
        for atom in atoms:
            if atom.kind not in ("find", "null", "exists", "same"):
                self._by_value[atom.field].append(atom)
        self._forget()

    def match(self, raw: pl.Series) -> Fired:
        """The rules that fire on n events (String, no null): rows and rules, in no order."""
        if self._kinds.nbytes + self._told_apart.nbytes > _MOST_BYTES:
            self._forget()
        known = self._kinds.of(raw)
        plain = np.flatnonzero(known.kinds != NOT_PLAIN)
        self._look_into(raw, known)
        # A kind says what holds in each field; here it is told apart by what holds in the whole event.
        more, what = self._in_whole_events(raw, known, plain)
        rows, items = np.concatenate([plain, more]), np.concatenate([known.kinds[plain], -1 - what]).astype(np.int32)
        order = np.lexsort((-items, rows))
        last = np.searchsorted(rows[order], plain, side="right")
        first = np.searchsorted(rows[order], plain)
        before = self._told_apart.count
        told = self._told_apart.of(items[order], first, last, np.zeros(len(plain), np.int32))
        new = plain[_first(told, before)]
        others = np.flatnonzero(known.kinds == NOT_PLAIN)
        at, rules = self._matcher.one_by_one(raw.gather(np.concatenate([new, others])), self._by_kind)
        is_new = at < len(new)
        self._remember(at[is_new], rules[is_new], len(new))
        counts = np.diff(self._bounds)[told]
        places = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts - self._bounds[told], counts)
        return (
            np.concatenate([np.repeat(plain, counts), others[at[~is_new] - len(new)]]),
            np.concatenate([self._fired[places], rules[~is_new]]),
        )

    def _forget(self) -> None:
        self._kinds = EventKinds(self._matcher.asked, self._holding)
        self._told_apart = Numbered(np.int32)
        self._searched_in = np.empty((0, len(self._searching)), np.bool_)
        self._bounds, self._fired = np.zeros(1, np.int64), _NOWHERE

    def _remember(self, kinds: Rows, rules: Rows, count: int) -> None:
        """Add the rules that fire on `count` new kinds: each kind's from one bound to the next."""
        self._fired = np.concatenate([self._fired, rules[np.argsort(kinds, kind="stable")]])
        fired = np.cumsum(np.bincount(kinds, minlength=count))[:count]
        self._bounds = np.concatenate([self._bounds, self._bounds[-1] + fired])

    def _look_into(self, raw: pl.Series, known: Kinds) -> None:
        """Say of the kinds that are new, which products' keywords are looked for in events of them."""
        new = _first(known.kinds, len(self._searched_in))
        searched = np.zeros((len(new), len(self._searching)), np.bool_)
        if self._searching and len(new):
            events = Events(raw.gather(new), list(self._matcher.asked))
            for at, product in enumerate(self._searching):
                searched[self._matcher.searched_in(events, product), at] = True
        self._searched_in = np.concatenate([self._searched_in, searched])

    def _in_whole_events(self, raw: pl.Series, known: Kinds, plain: Rows) -> Fired:
        """What no field says by itself: the keywords in events and the fields that are the same. Rows and numbers."""
        rows, what = [_NOWHERE], [_NOWHERE]
        number = 0
        for at, product in enumerate(self._searching):
            searched = plain[self._searched_in[known.kinds[plain], at]]
            if len(searched):
                those, texts = self._any_case_of(product, raw, known.folds, searched)
                found, ids = self._matcher.keywords[product].expressions.hits(texts)
                rows.append(those[found])
                what.append(ids + number)
            number += len(self._matcher.keywords[product].numbers)
        for atom in self._compared:
            rows.append(self._same(atom, known))
            what.append(np.full(len(rows[-1]), number))
            number += 1
        return np.concatenate(rows), np.concatenate(what)

    def _any_case_of(self, product: str, raw: pl.Series, folds: NDArray[np.int8], rows: Rows) -> tuple[Rows, pl.Series]:
        """Events folded, but for the case of letters where no pattern minds it: rows in another order, their texts."""
        if any(any_case(pattern) is None for pattern in self._matcher.keywords[product].numbers):
            return rows, folded(raw.gather(rows))
        changes = folds[rows]
        same, blanks, letters = rows[changes == 0], rows[changes == BLANKS], rows[changes >= LETTERS]
        texts = [raw.gather(same), one_blank(raw.gather(blanks)), folded(raw.gather(letters))]
        return np.concatenate([same, blanks, letters]), pl.concat(texts)

    def _same(self, atom: Atom, known: Kinds) -> Rows:
        """The rows in which two fields are the same as an atom says; each pair of values is looked at once."""
        numbers = [self._kinds.fields.get(name, -1) for name in (atom.field, atom.arguments[0])]
        sides = np.full((2, len(known.kinds)), -1, np.int64)
        for side, number in enumerate(numbers):
            having = known.fields == number
            sides[side, known.rows[having]] = known.values[having]
        both = np.flatnonzero((sides >= 0).all(axis=0))
        own, other = sides[:, both]
        pairs, which = np.unique(own << 32 | other, return_inverse=True)
        holds = same(atom, self._kinds.texts(pairs >> 32), self._kinds.texts(pairs & 0xFFFFFFFF))
        return both[holds[which]]

    def _holding(self, name: str, values: pl.Series) -> Fired:
        """Which of a field's patterns and atoms hold in which of n values: rows and numbers."""
        if name not in self._matcher.fields:
            return _NOWHERE, _NOWHERE
        field = self._matcher.fields[name]
        rows, numbers = field.expressions.hits(values)
        if self._by_value[name]:
            found = cache(lambda: field.hits(values))
            events = Events.of({name: Column.of(np.arange(len(values)), values)}, len(values))
            block = self._matcher.block(values, lambda _, pattern: found()[field.numbers[pattern]], events)
            more = [block.select(Leaf(0), [atom]).rows for atom in self._by_value[name]]
            rows = np.concatenate([rows, *more])
            kinds = [np.full(len(own), len(field.numbers) + at) for at, own in enumerate(more)]
            numbers = np.concatenate([numbers, *kinds])
        return rows, numbers


def _first(numbers: NDArray[np.int32], least: int) -> Rows:
    """Where each number from `least` on stands first, in the order of the numbers."""
    places = np.flatnonzero(numbers >= least)
    _, first = np.unique(numbers[places], return_index=True)
    return places[first]
