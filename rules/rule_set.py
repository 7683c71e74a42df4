"""A compiled set of rules: which rules fire on which records, and why.

In: records (a frame with `text` and, for events, `raw`). Out: hits, one row for each record and rule that fires; for
alerts, the exact places of what matched. Strings are matched by Hyperscan over whole columns; the condition of a rule
is evaluated as set algebra over rows, and only where something of it was hit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.errors import RuleError
from forewarn.rules.expressions import Expressions, compiled
from forewarn.rules.nearby import affirmed, cues, near
from forewarn.rules.normalise import fold_with_places, folded
from forewarn.rules.rule import TEXT, All, Any, Atom, Leaf, Node, Not, Pattern, Rule

Rows = NDArray[np.int64]
Similarity = Callable[[list[str], list[str]], NDArray[np.float64]]
"""Texts (n) and examples (m) to cosines, shape (n, m)."""
SIMILAR = 0.6
"""Cosine from which `|similar` holds, on the bundled encoder."""
_HITS: dict[str, pl.DataType] = {"row": pl.UInt32(), "rule": pl.UInt32()}


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


_NONE = Selection(np.empty(0, np.int64))


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

    `rules` the rules, in the order of their files; `problems` what is wrong with rules that could not be used.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        problems: Sequence[RuleError] = (),
        *,
        state: dict[str, bytes] | None = None,
        similarity: Similarity | None = None,
    ) -> None:
        self.rules = list(rules)
        self.problems = list(problems)
        self._similarity = similarity
        self._text_rules = [i for i, rule in enumerate(self.rules) if rule.logsource.get("category") == TEXT]
        patterns: dict[Pattern, int] = {}
        for i in self._text_rules:
            for atom in self.rules[i].atoms:
                for pattern in atom.patterns:
                    patterns.setdefault(pattern, len(patterns))
        self._pattern_ids = patterns
        cue_patterns = [Pattern(word, caseless=False, literal=word) for word in map(_plain, cues().words)]
        self._cue_ids = [patterns.setdefault(pattern, len(patterns)) for pattern in cue_patterns]
        self._text = Expressions(list(patterns), (state or {}).get(TEXT))

    def compiled(self) -> dict[str, bytes]:
        """The compiled form of each field, to be kept and given back as `state`."""
        return {TEXT: self._text.compiled()}

    def match(self, records: pl.DataFrame) -> pl.DataFrame:
        """Which rules fire on which records.

        `records` is a records frame of n rows. The result has the columns `row` (UInt32, into `records`) and `rule`
        (UInt32, into `rules`), sorted by row, then rule.
        """
        texts = folded(records["text"].fill_null(""))
        block = _Block(self, texts)
        rows, rules = [], []
        for i in self._text_rules:
            selected = block.select(self.rules[i])
            if selected.complement:
                selected = Selection(np.setdiff1d(np.arange(len(texts)), selected.rows))
            rows.append(selected.rows)
            rules.append(np.full(len(selected.rows), i))
        if not rows:
            return pl.DataFrame(schema=_HITS)
        return (
            pl.DataFrame({"row": np.concatenate(rows), "rule": np.concatenate(rules)})
            .cast(pl.Schema(_HITS))
            .sort("row", "rule")
        )

    def spans(self, rule: int, text: str) -> list[tuple[int, int]]:
        """Where in the original text what made the rule fire stands: [start, end) in characters, sorted."""
        return sorted(set(_spans(self.explain(rule, text), True)))

    def explain(self, rule: int, text: str) -> Explained:
        """The rule's condition on one text: each part with its truth and its places in the original text."""
        line, places = fold_with_places(text.replace("\n", "\r"))
        chosen = self.rules[rule]
        return self._explain(chosen.condition, chosen.atoms, line, places)

    def _explain(self, node: Node, atoms: Sequence[Atom], line: str, places: list[int]) -> Explained:
        match node:
            case Leaf():
                atom = atoms[node.atom]
                found = self._occurrences(atom, line)
                spans = [
                    (places[start], places[max(start, end - 1)] + 1 if end > start else places[start])
                    for start, end in found or []
                ]
                return Explained(atom.kind, atom.label, found is not None, spans)
            case Not():
                part = self._explain(node.part, atoms, line, places)
                return Explained("not", "", not part.holds, parts=[part])
            case All():
                parts = [self._explain(part, atoms, line, places) for part in node.parts]
                return Explained("all", "", all(part.holds for part in parts), parts=parts)
            case Any():
                parts = [self._explain(part, atoms, line, places) for part in node.parts]
                return Explained("any", "", any(part.holds for part in parts), parts=parts)

    def _occurrences(self, atom: Atom, line: str) -> list[tuple[int, int]] | None:
        """Where an atom holds in a folded line; None where it does not."""
        if atom.kind == "similar":
            return [] if self._similar(atom, [line])[0] else None
        found = [[m.span() for m in compiled(pattern).finditer(line)] for pattern in atom.patterns]
        if atom.kind == "near":
            return near(line, found, atom.window)
        counting = affirmed(line, found[0]) if atom.kind == "affirmed" else found[0]
        return counting or None

    def _similar(self, atom: Atom, texts: list[str]) -> NDArray[np.bool_]:
        if self._similarity is None or not texts:
            return np.zeros(len(texts), dtype=bool)
        return np.asarray(self._similarity(texts, list(atom.arguments)).max(axis=1) >= SIMILAR)


def _plain(word: str) -> str:
    return "".join(f"\\{char}" if char in "\\.^$|()[]{}*+?" else char for char in word)


def _spans(explained: Explained, positive: bool) -> list[tuple[int, int]]:
    """The places of the leaves that hold, less those under a `not`."""
    if explained.kind == "not":
        return [span for part in explained.parts for span in _spans(part, not positive)]
    if not explained.parts:
        return explained.spans if positive and explained.holds else []
    return [span for part in explained.parts if part.holds for span in _spans(part, positive)]


class _Block:
    """One block of texts while its rules are evaluated: each atom is decided once."""

    def __init__(self, rule_set: RuleSet, texts: pl.Series) -> None:
        self._set = rule_set
        self._texts = texts
        rows, ids = rule_set._text.hits(texts)
        count = len(rule_set._pattern_ids)
        bounds = np.searchsorted(ids, np.arange(count + 1))
        self._rows = [rows[bounds[i] : bounds[i + 1]] for i in range(count)]
        cue_rows = [self._rows[i] for i in set(rule_set._cue_ids)]
        self._cued = np.unique(np.concatenate(cue_rows)) if cue_rows else np.empty(0, np.int64)
        self._atoms: dict[Atom, Selection] = {}

    def select(self, rule: Rule) -> Selection:
        """The rows on which a rule fires."""
        return self._node(rule.condition, rule.atoms)

    def _node(self, node: Node, atoms: Sequence[Atom]) -> Selection:
        match node:
            case Leaf():
                atom = atoms[node.atom]
                if atom not in self._atoms:
                    self._atoms[atom] = self._atom(atom)
                return self._atoms[atom]
            case Not():
                return ~self._node(node.part, atoms)
            case All():
                chosen = Selection(np.empty(0, np.int64), True)
                for part in node.parts:
                    chosen = chosen & self._node(part, atoms)
                    if chosen.empty:
                        return chosen
                return chosen
            case Any():
                parts = [self._node(part, atoms) for part in node.parts]
                plain = [part.rows for part in parts if not part.complement and len(part.rows)]
                united = Selection(np.unique(np.concatenate(plain))) if plain else _NONE
                for other in (part for part in parts if part.complement):
                    united = united | other
                return united

    def _atom(self, atom: Atom) -> Selection:
        found = [self._rows[self._set._pattern_ids[pattern]] for pattern in atom.patterns]
        match atom.kind:
            case "find":
                return Selection(found[0])
            case "affirmed":
                doubtful = np.intersect1d(found[0], self._cued, assume_unique=True)
                return Selection(np.setdiff1d(found[0], self._failing(atom, doubtful), assume_unique=True))
            case "near":
                together = found[0]
                for rows in found[1:]:
                    together = np.intersect1d(together, rows, assume_unique=True)
                return Selection(np.setdiff1d(together, self._failing(atom, together), assume_unique=True))
            case "similar":
                distinct = self._texts.unique(maintain_order=True)
                close = distinct.filter(pl.Series(self._set._similar(atom, distinct.to_list())))
                return Selection(np.flatnonzero(self._texts.is_in(close.implode()).to_numpy())) if len(close) else _NONE
        return _NONE

    def _failing(self, atom: Atom, rows: Rows) -> Rows:
        """Those of the rows on which a closer look says no; numbers do not matter to it, so texts are judged once."""
        if not len(rows):
            return rows
        texts = self._texts.gather(rows)
        alike = texts.str.replace_all("[0-9]+", "0")
        frame = pl.DataFrame({"text": texts, "alike": alike})
        distinct = frame.unique("alike", keep="first", maintain_order=True)
        verdicts = pl.Series(
            [self._set._occurrences(atom, text) is None for text in distinct["text"]], dtype=pl.Boolean
        )
        judged = frame.join(distinct.select("alike", fails=verdicts), on="alike", how="left", maintain_order="left")
        failing: Rows = rows[judged["fails"].to_numpy()]
        return failing
