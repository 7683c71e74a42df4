"""Rules about texts, matched on every line of a block while most lines are looked at once.

In: a column of texts and their kinds. Out: the rules that fire on each. Lines of a log differ most in their numbers:
patterns are looked for in the kinds of lines, whose digits have all become 0; rules that ask for certain digits are
tried anew on the lines that may have them. Exact: no hit is lost or added (`digits`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.arrays import Rows
from forewarn.rules.language.normalise import folded
from forewarn.rules.language.rule import TEXT, All, Any, Atom, Leaf, Node, Not, Pattern, Rule, escape
from forewarn.rules.matching.digits import Kinds, blinded, digits_alike
from forewarn.rules.matching.evaluation import Block, Field, Selection, Verdict
from forewarn.rules.matching.expressions import Expressions
from forewarn.rules.matching.fired import Fired, of_classes
from forewarn.rules.matching.nearby import cues

_NOWHERE: Rows = np.empty(0, dtype=np.int64)
Closeness = Callable[[Atom, list[str]], NDArray[np.bool_]]
"""Which of n texts are close in meaning to an atom's examples."""


class TextMatcher:
    """The compiled patterns of rules about texts: `rules` by their number in the rule set.

    It remembers which rules fire on which of `kinds`, from one block to the next.
    """

    def __init__(self, rules: Mapping[int, Rule], kinds: Kinds, state: Mapping[str, bytes]) -> None:
        patterns = [p for rule in rules.values() for atom in rule.atoms if atom.field == TEXT for p in atom.patterns]
        words = [_literal(word) for word in cues().words] if rules else []
        self._blind = _field((blinded(p)[0] for p in [*patterns, *words]), state.get("blind"))
        self._sharp = _field((p for p in patterns if blinded(p)[1]), state.get("sharp"))
        self._number = {p: self._blind.numbers[blinded(p)[0]] for p in [*patterns, *words]}
        self._cues = [self._number[word] for word in words]
        self._by_meaning = {i: rule for i, rule in rules.items() if any(a.kind == "similar" for a in rule.atoms)}
        self._by_wording = {i: rule for i, rule in rules.items() if i not in self._by_meaning}
        self._without_a_hit = {i for i, rule in self._by_wording.items() if _holds_of_nothing(rule.condition)}
        self._asking = defaultdict[int, set[int]](set)
        for i, rule in self._by_wording.items():
            for pattern in (p for atom in rule.atoms if atom.field == TEXT for p in atom.patterns):
                self._asking[self._number[pattern]].add(i)
        self._kinds = kinds
        self._forget()

    def _forget(self) -> None:
        self._begun, self._met = self._kinds.begun, 0
        self._fired_on, self._undecided = of_classes(()), of_classes(())

    def compiled(self) -> dict[str, bytes]:
        """The compiled form, to be kept and given back as `state`."""
        return {"blind": self._blind.expressions.compiled(), "sharp": self._sharp.expressions.compiled()}

    def match(self, texts: pl.Series, kind: pl.Series, holds: Verdict, similar: Closeness) -> Fired:
        """The rules that fire on n texts of the kinds `kind`; `holds`, `similar` take a closer look."""
        self._meet(holds, similar)
        fired = Fired(kind, len(self._kinds.alike), self._fired_on)
        doubtful = np.zeros(fired.classes, dtype=np.bool_)
        doubtful[self._undecided["class"].to_numpy()] = True
        own = np.flatnonzero(doubtful[kind.to_numpy()])
        if len(own):
            lines = folded(texts.gather(own).fill_null(""))
            sharp = _Hits.of(self._sharp, lines)
            own, lines, sharp = own[sharp.rows], lines.gather(sharp.rows), sharp.alone()
        if len(own):
            of_kind = self._undecided.filter(pl.col("class").is_in(kind.gather(own).unique().implode()))
            rules = {i: self._by_wording[i] for i in of_kind["rule"].unique().sort()}
            decided = self._fired(rules, self._search(lines, sharp), holds, similar)
            fired = fired.with_changes([(own[rows], rule) for rows, rule in decided], [(own, rule) for rule in rules])
        if self._by_meaning:
            lines = folded(texts.fill_null(""))
            found = self._search(lines, _Hits.of(self._sharp, lines))
            fired = fired.with_changes(self._fired(self._by_meaning, found, holds, similar), ())
        return fired

    def _meet(self, holds: Verdict, similar: Closeness) -> None:
        """Decide on kinds of lines that are new, as if none held a pattern that asks for certain digits."""
        if self._begun != self._kinds.begun:
            self._forget()
        first, new = self._met, self._kinds.alike[self._met :]
        if new.is_empty():
            return
        self._met += len(new)
        found = self._search(folded(new), _Hits(_NOWHERE, _NOWHERE, len(self._sharp.numbers)))
        fired = self._fired(self._by_wording, found, holds, similar)
        doubtful = [
            (found.blind[self._number[p]], i) for p in self._sharp.numbers for i in self._asking[self._number[p]]
        ]
        self._fired_on = pl.concat([self._fired_on, of_classes(fired, first)], rechunk=True)
        self._undecided = pl.concat([self._undecided, of_classes(doubtful, first).unique()], rechunk=True)

    def _search(self, texts: pl.Series, sharp: _Hits) -> _Found:
        """Where each pattern is in n folded texts, if those that ask for certain digits are where `sharp` says."""
        blind = _Hits.of(self._blind, digits_alike(texts))
        return _Found(texts, blind, sharp, self._number, self._sharp.numbers)

    def _fired(
        self, rules: Mapping[int, Rule], found: _Found, holds: Verdict, similar: Closeness
    ) -> list[tuple[Rows, int]]:
        """The rows of n lines on which each rule fires."""
        cued = np.zeros(len(found.texts), dtype=bool)
        for number in self._cues:
            cued[found.blind[number]] = True
        block = Block(found.texts, found, cued, holds, similar)
        # Where none of its patterns is found, a condition is what it is of no text.
        may = self._without_a_hit.union(self._by_meaning, *(self._asking[number] for number in found.blind.present))
        fired = []
        for number in rules.keys() & may:
            rule = rules[number]
            selected = block.select(rule.condition, rule.atoms)
            if not selected.empty:
                everywhere = Selection(np.arange(len(found.texts)))
                fired.append(((selected & everywhere if selected.complement else selected).rows, number))
        return fired


class _Hits:
    """The rows of texts in which each of `patterns` patterns was found, given as by `Expressions.hits`.

    `rows` those in which one was, sorted; `present` the numbers of the patterns that were.
    """

    def __init__(self, rows: Rows, numbers: Rows, patterns: int) -> None:
        self._found, self._numbers, self._patterns = rows, numbers, patterns
        self._bounds = np.searchsorted(numbers, np.arange(patterns + 1))
        self.rows = np.unique(rows)
        self.present: list[int] = np.unique(numbers).tolist()

    @classmethod
    def of(cls, field: Field, texts: pl.Series) -> _Hits:
        """Where the patterns of a field are in texts."""
        return cls(*field.expressions.hits(texts), len(field.numbers))

    def alone(self) -> _Hits:
        """The same of the texts in which a pattern was found alone."""
        return _Hits(np.searchsorted(self.rows, self._found), self._numbers, self._patterns)

    def __getitem__(self, number: int) -> Rows:
        return self._found[self._bounds[number] : self._bounds[number + 1]]


@dataclass(frozen=True)
class _Found:
    """Where patterns were found in folded texts; a text has no other field."""

    texts: pl.Series
    blind: _Hits
    sharp: _Hits
    blind_numbers: Mapping[Pattern, int]
    sharp_numbers: Mapping[Pattern, int]

    def __call__(self, field: str, pattern: Pattern) -> Rows:
        if field != TEXT:
            return _NOWHERE
        if pattern in self.sharp_numbers:
            return self.sharp[self.sharp_numbers[pattern]]
        return self.blind[self.blind_numbers[pattern]]


def _holds_of_nothing(node: Node) -> bool:
    """Whether a condition holds where none of its atoms does."""
    match node:
        case Leaf():
            return False
        case Not():
            return not _holds_of_nothing(node.part)
        case All():
            return all(map(_holds_of_nothing, node.parts))
        case Any():
            return any(map(_holds_of_nothing, node.parts))


def _field(patterns: Iterable[Pattern], state: bytes | None) -> Field:
    numbered = {pattern: number for number, pattern in enumerate(dict.fromkeys(patterns))}
    return Field(Expressions(list(numbered), state, texts=True), numbered)


@lru_cache(maxsize=1024)
def _literal(word: str) -> Pattern:
    return Pattern(escape(word), caseless=False, literal=word)
