"""The reading half of a scan: read → match → group, a block at a time.

In: files, compiled rules, what a killed scan kept. Out: an `Intake`: the distinct texts, the sets of rules that fired,
and what each line leaves behind for line scores and early warning. Memory grows with distinct texts only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from forewarn.checkpoint import Checkpoint, Reading
from forewarn.errors import ForewarnError
from forewarn.grouping.rule_sets import RuleSets
from forewarn.grouping.templates import Keying, group
from forewarn.grouping.text_table import TextTable
from forewarn.reading.prefetch import read_ahead
from forewarn.reading.problems import Problems
from forewarn.reading.records import BLOCK_BYTES, Reached
from forewarn.reading.texts_in_memory import TextsInMemory
from forewarn.runtime.spill import SpilledFrames
from forewarn.runtime.timings import Progress, Stopwatch
from forewarn.scoring.line_scores import LineScores
from forewarn.warning.timeline import GIVE_TIMES, NO_FEW_LINES, TIMELESS, Timeline

if TYPE_CHECKING:
    from forewarn.rules import RuleSet


class Intake:
    """What has been read so far: `rows` records of `files`; `timeline` and `lines` where they are wanted.

    `problems` is given what cannot be read; `work` where a scan that may be taken up again keeps what it has.
    """

    def __init__(
        self,
        rules: RuleSet,
        table: TextTable,
        problems: list[ForewarnError],
        timeline: Timeline | None = None,
        lines: LineScores | None = None,
        work: Checkpoint | None = None,
    ) -> None:
        self._rules, self._problems, self._work = rules, Problems(problems), work
        self._collected = problems
        self.timeline, self.lines = timeline, lines
        self.rule_sets, self.table = RuleSets(), table
        self.keying = Keying(rules, self.rule_sets)
        self.files: set[str] = set()
        self._sizes: Counter[str] = Counter()
        self.rows = 0

    def take_in(
        self,
        paths: Sequence[str | Path] | TextsInMemory,
        text_column: str | None,
        time_column: str | None,
        watch: Stopwatch,
        progress: Progress | None = None,
    ) -> None:
        """Read all of the input that was not read before it was killed."""
        if isinstance(paths, TextsInMemory):
            for block in paths.blocks(text_column, time_column, BLOCK_BYTES, self._problems):
                watch.lap("read", block.height)
                self._group(self.keying.keyed(block), None)
                watch.lap("match rules", block.height)
                if progress:
                    progress("lines", self.rows)
            self._collected += self.keying.correlator.problems()
            return
        with ExitStack() as stack:
            partial = stack.enter_context(SpilledFrames(self._work.place("texts"))) if self._work else None
            reached = self._take_up(partial)
            if reached is None:
                return
            blocks = read_ahead(
                paths,
                text_column=text_column,
                time_column=time_column,
                block_bytes=BLOCK_BYTES,
                problems=self._problems,
                reached=reached,
            )
            for block, reached in stack.enter_context(closing(blocks)):
                size = int(block["text"].str.len_bytes().sum())
                watch.lap("read", block.height, size)
                records = self.keying.keyed(block)
                watch.lap("match rules", block.height, size)
                self._group(records, partial)
                watch.lap("group", block.height, size)
                if self._work:
                    self._work.write_if_due(self._reading(reached))
                    watch.lap("keep work")
                if progress:
                    progress("lines", self.rows)
        self._name_timeless()
        self._collected += self.keying.correlator.problems()
        if self._work:
            self._work.write_if_due(self._reading(None))

    def _name_timeless(self) -> None:
        """Name the files that early warning could not judge: nothing wrong was not found in them."""
        if self.timeline is None:
            return
        timeless = [
            name
            for name, size in sorted(self._sizes.items())
            if size >= NO_FEW_LINES and not self.timeline.clocks.has_shown(name)
        ]
        if timeless:
            others = f" and {len(timeless) - 1:,} more files" if len(timeless) > 1 else ""
            self._problems.note(timeless[0], TIMELESS + others, remedy=GIVE_TIMES)

    def _group(self, records: pl.DataFrame, partial: SpilledFrames | None) -> None:
        texts = group(records, self.rows)
        self.table.add(texts)
        if partial:
            partial.keep(texts)
        if self.lines:
            self.lines.add(records)
        if self.timeline:
            self.timeline.add(records)
        sizes = records.group_by("source").len()
        self.files.update(sizes["source"])
        self._sizes.update(dict(sizes.iter_rows()))
        self.rows += records.height

    def _reading(self, reached: Reached | None) -> Reading:
        clocks = self.timeline.clocks if self.timeline else None
        return Reading(
            reached,
            self.rows,
            sorted(self.files),
            self.rule_sets.sets,
            sorted(self._rules.tried),
            {name: state.tolist() for name, state in clocks.state.items()} if clocks else {},
            clocks.left_out if clocks else 0,
            self._problems.noted(),
            self.keying.correlator.packed(),
            [(*text, hit) for text, hit in self.keying.completed.items()],
        )

    def _take_up(self, partial: SpilledFrames | None) -> Reached | None:
        """Go on from what was kept: how far the input has been read, None = wholly."""
        if not self._work or partial is None:
            return Reached()
        for name, blocks in (("texts", partial), ("timeline", self.timeline), ("lines", self.lines)):
            if blocks is not None:
                self._work.wait(name, blocks)
        before = self._work.reading
        if before is None:
            return Reached()
        for file in partial.files():
            self.table.add(pl.read_ipc(file))
        self.rule_sets.restore(before.rule_sets)
        self._rules.tried.update(before.tried)
        self.keying.restore(before.correlations, before.completed)
        if self.timeline:
            self.timeline.clocks.state = {
                name: np.array(clock, dtype=np.int64) for name, clock in before.clocks.items()
            }
            self.timeline.clocks.left_out = before.late
        self._problems.restore(before.problems)
        self.files.update(before.files)
        self.rows = before.rows
        return before.reached
