"""A compiled set of rules: which rules fire on which records, and why.

In: records (a frame with `text` and, for events, `raw`). Out: hits, one row for each record and rule that fires; for
alerts, the exact places of what matched. Text rules look at every record's text; rules with fields look at events.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.arrays import Rows
from forewarn.errors import RuleError
from forewarn.rules.language.normalise import fold_with_places
from forewarn.rules.language.references import Names
from forewarn.rules.language.rule import TEXT, All, Any, Atom, Correlation, Leaf, Node, Not, Rule
from forewarn.rules.language.sources import fits, look_of, named
from forewarn.rules.matching.dialects import compiled
from forewarn.rules.matching.digits import Kinds
from forewarn.rules.matching.event_matcher import EventMatcher
from forewarn.rules.matching.fired import Fired
from forewarn.rules.matching.nearby import affirmed, near
from forewarn.rules.matching.text_matcher import TextMatcher

Similarity = Callable[[list[str], list[str]], NDArray[np.float64]]
"""Texts (n) and examples (m) to cosines, shape (n, m)."""
SIMILAR = 0.6
"""Cosine from which `|similar` holds, on the bundled encoder."""
_NOWHERE: Rows = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Explained:
    """A condition, or a part of one, on one text: `label`, whether it holds, where, and its parts."""

    kind: str
    label: str
    holds: bool
    spans: list[tuple[int, int]] = field(default_factory=list)
    parts: list[Explained] = field(default_factory=list)


class RuleSet:
    """Rules, compiled for matching.

    `rules` the rules, in the order of their files; `correlations` the rules about rules, inner ones first; `known` both
    together, rules first; `silent` those of them that do not stand alone, being there for a correlation only, sorted;
    `problems` what is wrong with rules that could not be used; `tried` which of the rules a record was for so far;
    `kinds` the kinds of lines that texts were of so far.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        problems: Sequence[RuleError] = (),
        *,
        correlations: Sequence[Correlation] = (),
        state: Mapping[str, bytes] | None = None,
        similarity: Similarity | None = None,
        logsource: Mapping[str, str] | None = None,
    ) -> None:
        self.rules = list(rules)
        self.problems = list(problems)
        self.correlations = list(correlations)
        self.known: list[Rule | Correlation] = [*self.rules, *self.correlations]
        self.silent = _silent(self.known, self.correlations)
        self._similarity = similarity
        self._text_rules = [i for i, rule in enumerate(self.rules) if rule.logsource.get("category") == TEXT]
        self._event_rules = [i for i, rule in enumerate(self.rules) if rule.logsource.get("category") != TEXT]
        # Keywords of a named log source, for lines that are known to be of it, or look like it ("" = all lines).
        self._looks: dict[int, str] = {}
        for i in self._event_rules:
            if self.rules[i].atoms and all(atom.field == TEXT for atom in self.rules[i].atoms):
                look = "" if fits(self.rules[i].logsource, logsource or {}) else look_of(self.rules[i].logsource)
                if look is not None:
                    self._looks[i] = look
        own = {name.removeprefix("text:"): part for name, part in (state or {}).items() if name.startswith("text:")}
        self.kinds = Kinds()
        self._texts = TextMatcher({i: self.rules[i] for i in [*self._text_rules, *self._looks]}, self.kinds, own)
        events = {i: self.rules[i] for i in self._event_rules}
        self._events = EventMatcher(events, self._holds, self._similar, state or {}, logsource or {})

    def compiled(self) -> dict[str, bytes]:
        """The compiled form of each field, to be kept and given back as `state`."""
        return self._events.compiled() | {f"text:{name}": part for name, part in self._texts.compiled().items()}

    @property
    def tried(self) -> set[int]:
        """Which of the rules an event was for so far; it may be added to."""
        return self._events.tried

    @property
    def events_seen(self) -> str | None:
        """Which events there were so far, and for which shapes of them no rule was; None where there was none."""
        return self._events.census.said()

    def match(self, records: pl.DataFrame) -> pl.DataFrame:
        """Which rules fire on which records.

        `records` is a records frame of n rows. The result has the columns `row` (UInt32, into `records`) and `rule`
        (UInt32, into `rules`), sorted by row, then rule.
        """
        return self.fired(records).by_row()

    def fired(self, records: pl.DataFrame, kind: pl.Series | None = None) -> Fired:
        """The same as `match`, said by class; `kind` the kind of each record's text where it is known, of `kinds`."""
        texts, fired = records["text"], Fired.nothing(records.height)
        events = "raw" in records.columns
        plain = records["raw"].is_null().to_numpy() if events else np.ones(records.height, dtype=bool)
        if self._text_rules or (self._looks and plain.any()):
            kind = self.kinds.of(texts) if kind is None else kind
            fired = self._texts.match(texts, kind, self._holds, self._similar)
            fired = fired.with_changes((), [(self._of_other_sources(texts, plain, fired, i), i) for i in self._looks])
        if not plain.all():
            structured = np.flatnonzero(~plain)
            rows, rules = self._events.match(records["raw"].gather(structured), texts.gather(structured))
            order = np.lexsort((rows, rules))
            numbers, first = np.unique(rules[order], return_index=True)
            parts = np.split(structured[rows[order]], first[1:])
            fired = fired.with_changes(list(zip(parts, numbers.tolist(), strict=False)), ())
        return fired

    def _of_other_sources(self, texts: pl.Series, plain: NDArray[np.bool_], fired: Fired, number: int) -> Rows:
        """Where a rule with a named log source fires on what is not of it: events have a channel, lines a look."""
        rows = fired.rows_of(number)
        its_own = plain[rows]
        if look := self._looks[number]:
            its_own &= texts.gather(rows).str.contains(look).to_numpy()
        return rows[~its_own]

    def untried(self) -> list[tuple[int, str]]:
        """The rules that no record so far was for, and why."""
        reasons = []
        for number in self._event_rules:
            rule = self.rules[number]
            if number in self.tried or self._looks.get(number) == "":
                continue
            fields = sorted({atom.field for atom in rule.atoms} - {TEXT})
            if rule.logsource.get("product") == "windows":
                reason = f"no Windows event of {named(rule.logsource)}"
            elif fields:
                reason = f"no event with a field of it ({', '.join(fields[:3])}{', …' if len(fields) > 3 else ''})"
            elif number in self._looks:
                reason = f"keywords of {named(rule.logsource)}: only lines that look like it"
            else:
                reason = f"keywords of {named(rule.logsource)}: name it with --logsource where the files are of it"
            reasons.append((number, reason))
        return reasons

    def fields_of_hits(self, raw: pl.Series, hits: Sequence[tuple[int, int]]) -> list[dict[str, list[str]]]:
        """For each hit of a rule about events, the fields by which the rule holds, each with its values.

        `hits` are places in `raw` (String, JSON of events) and rules (into `rules`). What keywords found is under "".
        """
        return self._events.fields_of_hits(raw, hits)

    def about_text(self, rule: int) -> bool:
        """Whether one of `known` looks at texts, so that `spans` says where; others look at events."""
        return rule < len(self.rules) and self.rules[rule].logsource.get("category") == TEXT

    def spans(self, rule: int, text: str) -> list[tuple[int, int]]:
        """Where in the original text what made the rule fire stands: [start, end) in characters, sorted.

        A rule about events, or about rules, has no places: what it is about does not stand in the text.
        """
        if not self.about_text(rule):
            return []
        return sorted(set(_spans(self.explain(rule, text), True)))

    def explain(self, rule: int, text: str) -> Explained:
        """The rule's condition on one text, or on one event as JSON: each part with its truth.

        The parts of a text rule come with their places in the original text.
        """
        chosen = self.rules[rule]
        if chosen.logsource.get("category") != TEXT:
            holds_in = self._events.holds(chosen, text)

            def on_event(leaf: Leaf) -> Explained:
                atom = chosen.atoms[leaf.atom]
                return Explained(atom.kind, f"{atom.field}: {atom.label}", holds_in(leaf))

            return _explained(chosen.condition, on_event)
        line, places = fold_with_places(text)

        def on_text(leaf: Leaf) -> Explained:
            atom = chosen.atoms[leaf.atom]
            found = self._occurrences(atom, line) if atom.field == TEXT else None
            spans = [(places[start], places[end]) for start, end in found or [] if end > start]
            return Explained(atom.kind, atom.label, found is not None, spans)

        return _explained(chosen.condition, on_text)

    def _holds(self, atom: Atom, line: str) -> bool:
        return self._occurrences(atom, line) is not None

    def _occurrences(self, atom: Atom, line: str) -> list[tuple[int, int]] | None:
        """Where an atom holds in a folded line; None where it does not."""
        if atom.kind == "similar":
            return [] if self._similar(atom, [line])[0] else None
        if not atom.patterns:
            return None
        found = [[m.span() for m in compiled(pattern).finditer(line)] for pattern in atom.patterns]
        if atom.kind == "near":
            return near(line, found, atom.window)
        counting = affirmed(line, found[0]) if atom.kind == "affirmed" else found[0]
        return counting or None

    def _similar(self, atom: Atom, texts: list[str]) -> NDArray[np.bool_]:
        if self._similarity is None or not texts:
            return np.zeros(len(texts), dtype=bool)
        return np.asarray(self._similarity(texts, list(atom.arguments)).max(axis=1) >= SIMILAR)


def _silent(known: Sequence[Rule | Correlation], correlations: Sequence[Correlation]) -> list[int]:
    """The members of correlations, but for those of one that says `generate`."""
    names = Names(known)
    inner, standing = set[int](), set[int]()
    for one in correlations:
        own = {place for of in names.members(one) for place in of}
        inner |= own
        standing |= own if one.generate else set()
    return sorted(inner - standing)


def _explained(node: Node, leaf: Callable[[Leaf], Explained]) -> Explained:
    match node:
        case Leaf():
            return leaf(node)
        case Not():
            part = _explained(node.part, leaf)
            return Explained("not", "", not part.holds, parts=[part])
        case All() | Any():
            parts = [_explained(part, leaf) for part in node.parts]
            kind, holds = ("all", all) if isinstance(node, All) else ("any", any)
            return Explained(kind, "", holds(part.holds for part in parts), parts=parts)


def _spans(explained: Explained, positive: bool) -> list[tuple[int, int]]:
    """The places of the leaves that hold, less those under a `not`."""
    if explained.kind == "not":
        return [span for part in explained.parts for span in _spans(part, not positive)]
    if not explained.parts:
        return explained.spans if positive and explained.holds else []
    return [span for part in explained.parts if part.holds for span in _spans(part, positive)]
