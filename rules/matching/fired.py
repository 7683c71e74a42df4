"""Which rules fire on which records, where most records are like others.

In: records by class, and the rules that fire on a class. Out: the same of each record. A block of a log has some
thousand classes: what is worked out for a class is not worked out for its records.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.arrays import Rows

Hits = Sequence[tuple[Rows, int]]
"""For each of some rules, the rows in question, sorted and distinct."""
_OF_CLASSES = pl.Schema({"class": pl.UInt32(), "rule": pl.UInt32()})


@dataclass(frozen=True)
class Fired:
    """What fires on n records.

    `of` UInt32 (n,) the class of each, below `classes`; `hits` a frame of `class` and `rule` (UInt32), distinct and
    sorted: all records of the class, if there are any, have that hit.
    """

    of: pl.Series
    classes: int
    hits: pl.DataFrame

    @classmethod
    def nothing(cls, records: int) -> Fired:
        """No rule fires on any of so many records."""
        return cls(pl.repeat(0, records, dtype=pl.UInt32, eager=True), 1, pl.DataFrame(schema=_OF_CLASSES))

    def rows_of(self, rule: int) -> Rows:
        """The rows on which a rule fires, sorted."""
        chosen = np.zeros(self.classes, dtype=np.bool_)
        chosen[self.hits.filter(pl.col("rule") == rule)["class"].to_numpy()] = True
        return np.flatnonzero(chosen[self.of.to_numpy()])

    def of_rules(self, rules: Sequence[int]) -> Fired:
        """The hits of some rules alone."""
        return Fired(self.of, self.classes, self.hits.filter(pl.col("rule").is_in(rules)))

    def without(self, rules: Sequence[int]) -> Fired:
        """The hits of all other rules."""
        return Fired(self.of, self.classes, self.hits.filter(~pl.col("rule").is_in(rules))) if rules else self

    def with_changes(self, more: Hits, less: Hits) -> Fired:
        """The same less some hits and with others; their rows become classes of their own."""
        touched = [rows for rows, _ in (*more, *less) if len(rows)]
        if not touched:
            return self
        rows = np.unique(np.concatenate(touched))
        of = self.of.to_numpy().copy()
        own = np.arange(self.classes, self.classes + len(rows))
        before = pl.DataFrame({"class": of[rows], "own": own}, schema={"class": pl.UInt32, "own": pl.UInt32})
        of[rows] = own
        kept = before.join(self.hits, on="class").select(pl.col("own").alias("class"), "rule")
        kept = kept.join(_frame((of[rows], rule) for rows, rule in less), on=["class", "rule"], how="anti")
        hits = pl.concat([self.hits, kept, _frame((of[rows], rule) for rows, rule in more)]).sort("class", "rule")
        return Fired(pl.Series(of), self.classes + len(rows), hits)

    def of_present(self) -> pl.DataFrame:
        """The hits of those classes that a record has."""
        present = np.bincount(self.of.to_numpy(), minlength=self.classes) > 0
        return self.hits.filter(pl.Series(present).gather(self.hits["class"]))

    def by_row(self) -> pl.DataFrame:
        """The hits of each record: `row` and `rule` (UInt32), sorted by row, then rule."""
        records = pl.DataFrame({"class": self.of}).with_row_index("row")
        return records.join(self.hits, on="class").select("row", "rule").sort("row", "rule")


def of_classes(hits: Hits, first: int = 0) -> pl.DataFrame:
    """Hits in classes, numbered from `first` on, as `Fired.hits` holds them."""
    return _frame((first + rows, rule) for rows, rule in hits).sort("class", "rule")


def _frame(hits: Iterable[tuple[NDArray[Any], int]]) -> pl.DataFrame:
    pairs = [(rows, rule) for rows, rule in hits if len(rows)]
    if not pairs:
        return pl.DataFrame(schema=_OF_CLASSES)
    rules = np.repeat([rule for _, rule in pairs], [len(rows) for rows, _ in pairs])
    return pl.DataFrame({"class": np.concatenate([rows for rows, _ in pairs]), "rule": rules}).cast(_OF_CLASSES)
