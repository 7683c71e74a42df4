"""The reading half of a scan: read → match → group, a block at a time.

In: blocks of records (`records.read`), compiled rules. Out: an `Intake`: the distinct texts, the sets of rules that
fired, and what each line leaves behind for line scores and early warning. Memory grows with distinct texts only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from forewarn.line_scores import LineScores
from forewarn.rule_sets import RuleSets
from forewarn.texts import TextTable, group, keyed
from forewarn.timeline import Timeline
from forewarn.timings import Stopwatch

if TYPE_CHECKING:
    from forewarn.rules import RuleSet

Progress = Callable[[str, int], None]
"""Called with the name of a stage and how many records or texts it has done."""


@dataclass
class Intake:
    """What has been read so far: `rows` records of `files`; `timeline` and `lines` where they are wanted."""

    rules: RuleSet
    timeline: Timeline | None = None
    lines: LineScores | None = None
    rule_sets: RuleSets = field(default_factory=RuleSets)
    table: TextTable = field(default_factory=TextTable)
    files: set[str] = field(default_factory=set)
    rows: int = 0

    def take_in(self, blocks: Iterable[pl.DataFrame], watch: Stopwatch, progress: Progress | None = None) -> None:
        """Read all blocks, in reading order."""
        for block in blocks:
            size = int(block["text"].str.len_bytes().sum())
            watch.lap("read", block.height, size)
            records = keyed(block, self.rule_sets.number(self.rules.match(block), block.height))
            watch.lap("match rules", block.height, size)
            self._group(records)
            watch.lap("group", block.height, size)
            if progress:
                progress("lines", self.rows)

    def _group(self, records: pl.DataFrame) -> None:
        self.table.add(group(records, self.rows))
        if self.lines:
            self.lines.add(records)
        if self.timeline:
            self.timeline.add(records)
        self.files.update(records["source"].unique())
        self.rows += records.height
