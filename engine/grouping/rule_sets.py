"""Which set of rules fired on each record, as one small number.

In: what the matcher found (`rules.fired`). Out: the number of a set for each record. Set 0
is the empty set. Numbers are given to sets as they are met.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from forewarn.rules import Rule, RuleSet
    from forewarn.rules.language.rule import Correlation
    from forewarn.rules.matching.fired import Fired


class RuleSets:
    """The distinct sets of rules met so far; `sets[i]` is a tuple of indices into `RuleSet.known`."""

    def __init__(self) -> None:
        self.sets: list[tuple[int, ...]] = [()]
        self._numbers: dict[str, int] = {}

    def number(self, fired: Fired) -> pl.Series:
        """The set of each of n records: UInt32, shape (n,)."""
        numbers = np.zeros(fired.classes, dtype=np.uint32)
        hits = fired.of_present()
        if hits.height:
            keyed = hits.group_by("class", maintain_order=True).agg(
                pl.col("rule").cast(pl.String).str.join(",").alias("key")
            )
            for key in keyed["key"].unique(maintain_order=True):
                if key not in self._numbers:
                    self._numbers[key] = len(self.sets)
                    self.sets.append(tuple(int(rule) for rule in key.split(",")))
            numbers[keyed["class"].to_numpy()] = keyed["key"].replace_strict(self._numbers, return_dtype=pl.UInt32)
        return pl.Series("rule_set", numbers).gather(fired.of)

    def restore(self, sets: list[tuple[int, ...]]) -> None:
        """Take over sets that were numbered before, the empty one first."""
        self.sets = list(sets)
        self._numbers = {",".join(map(str, members)): index for index, members in enumerate(sets) if members}

    def members(self, index: int, rules: RuleSet) -> list[Rule | Correlation]:
        """The rules of one set."""
        return [rules.known[rule] for rule in self.sets[index]]

    def categories(self, rules: RuleSet) -> pl.Series:
        """The category that most rules of each set are of, the first of equals: String, null = none."""
        most = []
        for members in self.sets:
            counted = Counter(category for rule in members if (category := rules.known[rule].category))
            most.append(max(counted, key=lambda name: counted[name]) if counted else None)
        return pl.Series("category", most, dtype=pl.String)

    def last_words(self, rules: RuleSet) -> list[bool | None]:
        """What each set's rules decide by themselves: always true, never false, null where no rule has a last word.

        `never` prevails: an expert who silences a text means it.
        """
        decisions = [{rules.known[rule].decision for rule in members} for members in self.sets]
        return [False if "never" in said else True if "always" in said else None for said in decisions]
