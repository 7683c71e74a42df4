"""Rules about events: their compiled patterns, and which fire on which events.

In: a column of events as JSON. Out: rows and rules. Every event is decoded; each distinct value of a field is looked at
once in a block, and each atom is decided once for all events of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.arrays import Rows
from forewarn.rules.events.census import Census
from forewarn.rules.events.fields import Column, Events
from forewarn.rules.events.origins import PROGRAM, Origins, origins_of
from forewarn.rules.language.normalise import folded
from forewarn.rules.language.rule import TEXT, All, Atom, Leaf, Node, Not, Pattern, Rule
from forewarn.rules.language.rule import Any as AnyOf
from forewarn.rules.matching.evaluation import Block, Field, Selection, Verdict
from forewarn.rules.matching.expressions import Expressions

Similar = Callable[[Atom, list[str]], NDArray[np.bool_]]
_Scope = tuple[tuple[tuple[str, str], ...], tuple[str, ...]]
RowsAndRules = tuple[Rows, Rows]
"""Rows and rules, each of shape (k,)."""
_NOWHERE: Rows = np.empty(0, dtype=np.int64)


class EventMatcher:
    """The compiled patterns of rules about events: `rules` by their number in the rule set.

    `holds`, `similar` take a closer look. `tried` are the rules that an event was for so far, `census` what events
    there were; `asked` the patterns of each field, `fields` their compiled form; `keywords` that of each product's
    keywords, `searching` its rules that have any; `logsource` what the user says that all records are of.
    """

    def __init__(
        self,
        rules: Mapping[int, Rule],
        holds: Verdict,
        similar: Similar,
        state: Mapping[str, bytes],
        logsource: Mapping[str, str],
    ) -> None:
        self.rules, self._verdict, self._similar, self._logsource = rules, holds, similar, logsource
        self.tried: set[int] = set()
        self.census = Census()
        self.asked = _fields(rules.values())
        self.asked.pop(TEXT, None)
        # Keywords of web servers would be found all over Windows events: each product's are looked for in its own.
        self.by_product: dict[str, list[int]] = defaultdict(list)
        for number, rule in rules.items():
            self.by_product[rule.logsource.get("product", "")].append(number)
        keywords = {
            product: _fields(rules[number] for number in own).get(TEXT, {}) for product, own in self.by_product.items()
        }
        self.fields = {
            name: Field(Expressions(list(patterns), state.get(f"event:{name}"), apart=True), patterns)
            for name, patterns in self.asked.items()
        }
        self.keywords = {
            product: Field(Expressions(list(patterns), state.get(f"keywords:{product}"), apart=True), patterns)
            for product, patterns in keywords.items()
        }
        # Rules of one log source, and where that is not Windows of the same fields, are for the same events.
        self._scopes: dict[str, dict[_Scope, list[int]]] = {product: defaultdict(list) for product in self.by_product}
        for number, rule in rules.items():
            product = rule.logsource.get("product", "")
            asked = () if product == "windows" else sorted({atom.field for atom in rule.atoms})
            self._scopes[product][tuple(sorted(rule.logsource.items())), tuple(asked)].append(number)
        self.searching = {
            product: [i for i in own if any(atom.field == TEXT for atom in rules[i].atoms)]
            for product, own in self.by_product.items()
        }
        # The rules that cannot do without a pattern, by its field and number; and those that may do without any.
        self._asking: dict[tuple[str, int], list[int]] = defaultdict(list)
        self._without: list[int] = []
        for number, rule in rules.items():
            needed = _needed(rule.condition, rule.atoms)
            if needed is None or any(atom.field == TEXT for atom in needed):
                self._without.append(number)
                continue
            for atom in needed:
                self._asking[atom.field, self.asked[atom.field][atom.patterns[0]]].append(number)
        # Values that no field of a rule has are read only where keywords are looked for in them.
        self._read = [*self.asked, *([TEXT, *PROGRAM] if any(self.searching.values()) else ())]

    def compiled(self) -> dict[str, bytes]:
        """The compiled form of each field, to be kept and given back as `state`."""
        both = {"event": self.fields, "keywords": self.keywords}
        return {
            f"{kind}:{name}": part.expressions.compiled()
            for kind, fields in both.items()
            for name, part in fields.items()
        }

    def match(self, raw: pl.Series, texts: pl.Series) -> RowsAndRules:
        """The rules that fire on n events (String, no null): rows and rules, in no order; `texts` what each says."""
        if not self.rules:
            self.census.add_fieldless(raw)
            return _NOWHERE, _NOWHERE
        events = Events(raw, self._read)
        origins = origins_of(events, texts, self._logsource)
        rows, numbers, hits = [_NOWHERE], [_NOWHERE], self._hits_of(events)
        may_fire = self._may_fire(events, hits)
        unjudged = self.census.add(events)
        for product, scopes in self._scopes.items():
            if product not in ("", "windows") and not len(events.others):
                continue
            block = self._block_of(raw, events, hits, product, self._searched_in(events, origins, product))
            for (source, fields), own in scopes.items():
                chosen = may_fire.intersection(own)
                covered = _NOWHERE
                if chosen or unjudged or not self.tried.issuperset(own):
                    covered = _covered(events, origins, dict(source), fields)
                if len(covered):
                    unjudged = unjudged and self.census.mark(events, covered)
                    self.tried.update(own)
                    for number in chosen:
                        selected = block.select(self.rules[number].condition, self.rules[number].atoms) & Selection(
                            covered
                        )
                        rows.append(selected.rows)
                        numbers.append(np.full(len(selected.rows), number))
        return np.concatenate(rows), np.concatenate(numbers)

    def _may_fire(self, events: Events, hits: Callable[[str], dict[int, Rows]]) -> set[int]:
        """The rules of which a pattern that they cannot do without occurs, and those that may do without any."""
        found = set(self._without)
        for name in events.columns.keys() & self.fields.keys():
            for number in hits(name):
                found.update(self._asking.get((name, number), ()))
        return found

    def holds(self, rule: Rule, raw: str) -> Callable[[Leaf], bool]:
        """Whether the atoms of a rule hold in one event."""
        alone, texts = Selection(np.zeros(1, dtype=np.int64)), pl.Series([raw])
        events = Events(texts, self._read)
        block = self._block_of(texts, events, self._hits_of(events), rule.logsource.get("product", ""), alone.rows)
        return lambda leaf: bool(len((block.select(leaf, rule.atoms) & alone).rows))

    def fields_of_hits(self, raw: pl.Series, hits: Sequence[tuple[int, int]]) -> list[dict[str, list[str]]]:
        """For each hit, a place in `raw` and a rule: the fields by which the rule holds, each with its values.

        Keywords have no field: what was found of them is under the name of none.
        """
        events = Events(raw, self._read)
        patterns, everywhere = self._hits_of(events), np.arange(len(raw))
        by_rule: dict[int, list[int]] = defaultdict(list)
        for at, (_, number) in enumerate(hits):
            by_rule[number].append(at)
        blocks: dict[str, Block] = {}
        said: list[dict[str, list[str]]] = [{} for _ in hits]
        for number, places in by_rule.items():
            rule = self.rules[number]
            product = rule.logsource.get("product", "")
            if product not in blocks:
                blocks[product] = self._block_of(raw, events, patterns, product, everywhere)
            for leaf in _affirming(rule.condition):
                atom = rule.atoms[leaf.atom]
                holds = set((blocks[product].select(leaf, rule.atoms) & Selection(everywhere)).rows.tolist())
                for at in places:
                    if (row := hits[at][0]) in holds:
                        of_it = [atom.label] if atom.field == TEXT else events.column(atom.field).at(row)
                        known = said[at].setdefault("" if atom.field == TEXT else atom.field, [])
                        known += [value for value in of_it if value not in known]
        return said

    def _searched_in(self, events: Events, origins: Origins, product: str) -> Rows:
        """The events in which keywords of a product's rules are looked for."""
        with_keywords = [self.rules[number] for number in self.searching[product]]
        covered = [
            _covered(events, origins, rule.logsource, [atom.field for atom in rule.atoms]) for rule in with_keywords
        ]
        return np.unique(np.concatenate([_NOWHERE, *covered]))

    def _hits_of(self, events: Events) -> Callable[[str], dict[int, Rows]]:
        @cache
        def hits(name: str) -> dict[int, Rows]:
            return self.fields[name].hits_in(events.column(name))

        return hits

    def _block_of(
        self, raw: pl.Series, events: Events, hits: Callable[[str], dict[int, Rows]], product: str, searched: Rows
    ) -> Block:
        """The block that a product's rules are evaluated on; keywords are looked for in the rows `searched`."""
        keywords = self.keywords[product]

        @cache
        def keyword_hits() -> dict[int, Rows]:
            values = events.column(TEXT).of(searched)
            return keywords.hits_in(Column(values.rows, values.codes, folded(values.distinct)))

        def found(name: str, pattern: Pattern) -> Rows:
            if name == TEXT:
                return keyword_hits().get(keywords.numbers[pattern], _NOWHERE)
            return hits(name).get(self.fields[name].numbers[pattern], _NOWHERE)

        return Block(raw, found, np.ones(len(raw), dtype=bool), self._verdict, self._similar, events)


def _covered(events: Events, origins: Origins, logsource: Mapping[str, str], fields: Sequence[str]) -> Rows:
    """The events that a rule is for: those with its channel or its fields, and those known to be of its log source."""
    covered = events.covered(logsource, fields)
    if logsource.get("product") == "windows":
        return covered
    known = origins(logsource, TEXT in fields)
    return np.union1d(covered, known) if len(known) else covered


def _affirming(node: Node) -> Iterator[Leaf]:
    """The atoms of a condition that speak for it: none below a `not`."""
    match node:
        case Leaf():
            yield node
        case All() | AnyOf():
            for part in node.parts:
                yield from _affirming(part)


def _needed(node: Node, atoms: Sequence[Atom]) -> list[Atom] | None:
    """Atoms of which one at least holds wherever the condition does, as few as can be; None = it can do without any."""
    match node:
        case Leaf():
            return [atoms[node.atom]] if atoms[node.atom].kind in ("find", "affirmed", "near") else None
        case Not():
            return None
    parts = [_needed(part, atoms) for part in node.parts]
    known = [part for part in parts if part is not None]
    if isinstance(node, All):
        return min(known, key=len, default=None)
    return [atom for part in known for atom in part] if len(known) == len(parts) else None


def _fields(rules: Iterable[Rule]) -> dict[str, dict[Pattern, int]]:
    """The patterns of each field, numbered."""
    fields: dict[str, dict[Pattern, int]] = defaultdict(dict)
    for rule in rules:
        for atom in rule.atoms:
            patterns = fields[atom.field]
            if atom.kind == "same":
                fields[atom.arguments[0]]
            for pattern in atom.patterns:
                patterns.setdefault(pattern, len(patterns))
    return fields
