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
_MOST_KNOWN = 1 << 16
"""Kinds of lines whose rules are remembered."""
_KNOWN = {"alike": pl.String(), "kind": pl.UInt32(), "sharp": pl.Boolean()}
_FIRED_ON = {"kind": pl.UInt32(), "rule": pl.UInt32()}


class TextMatcher:
    """The compiled patterns of rules about texts: `rules` by their number in the rule set.

    It remembers which rules fire on lines that differ in their digits only, from one block to the next.
    """

    def __init__(self, rules: Mapping[int, Rule], state: Mapping[str, bytes]) -> None:
        asked = [p for rule in rules.values() for atom in rule.atoms if atom.field == TEXT for p in atom.patterns]
        words = [_literal(word) for word in cues().words] if rules else []
        self._blind = _field((blinded(p)[0] for p in [*asked, *words]), state.get("blind"))
        self._sharp = _field((p for p in asked if blinded(p)[1]), state.get("sharp"))
        self._by_meaning = {i: rule for i, rule in rules.items() if any(a.kind == "similar" for a in rule.atoms)}
        self._by_wording = {i: rule for i, rule in rules.items() if i not in self._by_meaning}
        self._forget()

    def _forget(self) -> None:
        self._known = pl.DataFrame(schema=_KNOWN)
        self._fired_on = pl.DataFrame(schema=_FIRED_ON)

    def compiled(self) -> dict[str, bytes]:
        """The compiled form, to be kept and given back as `state`."""
        return {"blind": self._blind.expressions.compiled(), "sharp": self._sharp.expressions.compiled()}

    def match(
        self, text: pl.Series, holds: Verdict, similar: Callable[[Atom, list[str]], NDArray[np.bool_]]
    ) -> list[tuple[Rows, int]]:
        """The rows of n texts on which each rule fires, and the rule; `holds`, `similar` take a closer look."""
        texts = text.fill_null("").str.replace_all("\n", "\r", literal=True)
        lines = pl.DataFrame({"alike": digits_alike(texts)})
        self._meet(lines.unique(maintain_order=True), holds, similar)
        kind = lines.join(self._known, on="alike", how="left", maintain_order="left").select("kind", "sharp")
        # Lines that hold a pattern that asks for certain digits are looked at each; the others as one of their kind.
        own = np.flatnonzero(kind["sharp"].to_numpy())
        if len(own):
            own = own[np.unique(self._sharp.expressions.hits(folded(texts.gather(own)))[0])]
        alike = kind.select("kind").with_row_index("row")
        if len(own):
            alike = alike.filter(~pl.Series(np.bincount(own, minlength=len(texts)).astype(np.bool_)))
        hits = alike.join(self._fired_on, on="kind").select("row", "rule").sort("rule", "row")
        rules, first = np.unique(hits["rule"].to_numpy(), return_index=True)
        rows = np.split(hits["row"].to_numpy().astype(np.int64), first[1:])
        found = list(zip(rows, rules.tolist(), strict=False))
        if len(own):
            found += [
                (own[rows], rule) for rows, rule in self._fired(self._by_wording, texts.gather(own), holds, similar)
            ]
        return found + self._fired(self._by_meaning, texts, holds, similar)

    def _meet(
        self, alike: pl.DataFrame, holds: Verdict, similar: Callable[[Atom, list[str]], NDArray[np.bool_]]
    ) -> None:
        """Decide on lines whose digits are all 0 as if none held a pattern that asks for certain digits."""
        new = alike.join(self._known, on="alike", how="anti", maintain_order="left")["alike"]
        if self._known.height + len(new) > _MOST_KNOWN:
            self._forget()
            new = alike["alike"]
        if new.is_empty():
            return
        first = self._known.height
        sharp = np.zeros(len(new), dtype=np.bool_)
        fired = self._fired(self._by_wording, new, holds, similar, sharp)
        known = pl.DataFrame({"alike": new, "kind": np.arange(first, first + len(new)), "sharp": sharp})
        self._known = pl.concat([self._known, known.cast(_KNOWN)], rechunk=True)  # type: ignore[arg-type]
        on = [pl.DataFrame({"kind": first + rows, "rule": np.full(len(rows), rule)}) for rows, rule in fired]
        self._fired_on = pl.concat([self._fired_on, *(one.cast(_FIRED_ON) for one in on)], rechunk=True)  # type: ignore[arg-type]

    def _fired(
        self,
        rules: Mapping[int, Rule],
        lines: pl.Series,
        holds: Verdict,
        similar: Callable[[Atom, list[str]], NDArray[np.bool_]],
        sharp: NDArray[np.bool_] | None = None,
    ) -> list[tuple[Rows, int]]:
        """The rows of n lines (no line feed in them) on which each rule fires.

        Where `sharp` bool (n,) is given, no pattern that asks for certain digits is looked for: it says where one may
        be.
        """
        if not rules:
            return []
        texts = folded(lines)
        blind = _Hits(self._blind, self._blind.hits(digits_alike(texts)))
        exact = _Hits(self._sharp, self._sharp.hits(texts if sharp is None else texts.clear()))
        if sharp is not None:
            for pattern in self._sharp.numbers:
                sharp[blind(TEXT, blinded(pattern)[0])] = True

        def found(field: str, pattern: Pattern) -> Rows:
            return (exact if pattern in self._sharp.numbers else blind)(field, pattern)

        cued = np.zeros(len(texts), dtype=bool)
        for word in cues().words:
            cued[blind(TEXT, _literal(word))] = True
        block = Block(texts, found, cued, holds, similar)
        fired = []
        for number, rule in rules.items():
            selected = block.select(rule.condition, rule.atoms)
            if not selected.empty:
                everywhere = Selection(np.arange(len(texts)))
                fired.append(((selected & everywhere if selected.complement else selected).rows, number))
        return fired


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
