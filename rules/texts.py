"""Rules about texts, matched on every line of a block while most lines are looked at once.

In: a column of texts. Out: the rows on which each rule fires. Lines of a log differ most in their numbers: patterns are
looked for in the distinct lines whose digits have all become 0; those that ask for certain digits are looked for again,
in the lines that they may be in. Exact: no hit is lost or added (`digits`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.rules.digits import blinded, digits_alike
from forewarn.rules.evaluation import Block, Field, Rows, Selection, Verdict
from forewarn.rules.expressions import Expressions
from forewarn.rules.nearby import cues
from forewarn.rules.normalise import folded
from forewarn.rules.rule import TEXT, Atom, Pattern, Rule, escape

_NOWHERE: Rows = np.empty(0, dtype=np.int64)


class TextMatcher:
    """The compiled patterns of rules about texts: `rules` by their number in the rule set."""

    def __init__(self, rules: Mapping[int, Rule], state: Mapping[str, bytes]) -> None:
        self._rules = rules
        asked = [p for rule in rules.values() for atom in rule.atoms if atom.field == TEXT for p in atom.patterns]
        words = [_literal(word) for word in cues().words] if rules else []
        sharp = dict.fromkeys(pattern for pattern in asked if blinded(pattern)[1])
        # A bare number may be in any line that holds one as long: it is not worth asking where.
        numbers = [p for p in sharp if p.literal is not None and p.literal.isdigit()]
        self._fields = {
            "blind": _field((blinded(p)[0] for p in [*asked, *words]), state.get("blind")),
            "sharp": _field((p for p in sharp if p not in set(numbers)), state.get("sharp")),
            "numbers": _field(numbers, state.get("numbers")),
        }
        self._blind_rules = {
            number
            for number, rule in rules.items()
            if all(atom.kind != "similar" and not any(p in sharp for p in atom.patterns) for atom in rule.atoms)
        }

    def compiled(self) -> dict[str, bytes]:
        """The compiled form, to be kept and given back as `state`."""
        return {name: field.expressions.compiled() for name, field in self._fields.items()}

    def match(
        self, text: pl.Series, holds: Verdict, similar: Callable[[Atom, list[str]], NDArray[np.bool_]]
    ) -> list[tuple[Rows, int]]:
        """The rows of n texts on which each rule fires, and the rule; `holds`, `similar` take a closer look."""
        texts = folded(text.fill_null("")).str.replace_all("\n", "\r", literal=True)
        lines = pl.DataFrame({"alike": digits_alike(texts)})
        alike = lines.unique(maintain_order=True).with_row_index("code")
        codes = lines.join(alike, on="alike", how="left", maintain_order="left")["code"].to_numpy()
        blind, sharp, numbers = (self._fields[name] for name in ("blind", "sharp", "numbers"))
        in_alike = _Hits(blind, blind.hits(alike["alike"]))

        def everywhere(rows: Rows) -> Rows:
            if not len(rows):
                return rows
            chosen = np.zeros(alike.height, dtype=bool)
            chosen[rows] = True
            return np.flatnonzero(chosen[codes])

        may = [in_alike(TEXT, blinded(pattern)[0]) for pattern in sharp.numbers]
        likely = everywhere(np.concatenate(may)) if may else _NOWHERE
        exact = [
            _Hits(sharp, [likely[rows] for rows in sharp.hits(texts.gather(likely))]),
            _Hits(numbers, numbers.hits(texts)),
        ]

        def in_line(field: str, pattern: Pattern) -> Rows:
            for hits in exact:
                if pattern in hits.field.numbers:
                    return hits(field, pattern)
            return everywhere(in_alike(field, pattern))

        cued = np.zeros(alike.height, dtype=bool)
        cued[np.concatenate([in_alike(TEXT, _literal(word)) for word in cues().words])] = True
        of_alike = Block(alike["alike"], in_alike, cued, holds, similar)
        of_line = Block(texts, in_line, cued[codes], holds, similar)
        found = []
        for number, rule in self._rules.items():
            block, height = (of_alike, alike.height) if number in self._blind_rules else (of_line, len(texts))
            selected = block.select(rule.condition, rule.atoms)
            if not selected.empty:
                rows = (selected & Selection(np.arange(height)) if selected.complement else selected).rows
                found.append((everywhere(rows) if block is of_alike else rows, number))
        return found


class _Hits:
    """Where the patterns of a field were found; a text has no other field."""

    def __init__(self, field: Field, rows: Sequence[Rows]) -> None:
        self.field = field
        self._rows = rows

    def __call__(self, field: str, pattern: Pattern) -> Rows:
        return self._rows[self.field.numbers[pattern]] if field == TEXT else _NOWHERE


def _field(patterns: Iterable[Pattern], state: bytes | None) -> Field:
    numbered = {pattern: number for number, pattern in enumerate(dict.fromkeys(patterns))}
    return Field(Expressions(list(numbered), state), numbered)


@lru_cache(maxsize=1024)
def _literal(word: str) -> Pattern:
    return Pattern(escape(word), caseless=False, literal=word)
