"""Which events there were, by shape, and for which of them no rule was: cannot judge is not "nothing wrong".

In: the events of one block after another, and which of them a rule was for. Out: one sentence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from forewarn.arrays import Rows
from forewarn.rules.events.dresses import NOTHING
from forewarn.rules.events.fields import Events

_MOST_NAMED = 3
_MOST_SHAPES = 10_000
_OTHERS = "of yet other keys"


class Census:
    """Counts events by shape; `counts` how many of each there were, `matched` the shapes that a rule was for."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.matched: set[str] = set()

    def add(self, events: Events) -> bool:
        """Count the events of a block; whether a shape is among them that no rule was for so far."""
        numbers = np.bincount(events.source, minlength=len(events.sources)).tolist()
        for source, number in zip(events.sources, numbers, strict=True):
            known = source.shape in self.counts or len(self.counts) < _MOST_SHAPES
            self.counts[source.shape if known else _OTHERS] += number
        return any(source.shape not in self.matched for source in events.sources)

    def mark(self, events: Events, rows: Rows) -> bool:
        """Note that a rule was for some events of a block; whether a shape of it is left that none was for."""
        self.matched.update(events.sources[number].shape for number in np.unique(events.source[rows]))
        return any(source.shape not in self.matched for source in events.sources)

    def said(self) -> str | None:
        """What there was, and what no rule was for; None where there was no event."""
        matched = [(shape, count) for shape, count in self.counts.most_common() if shape in self.matched]
        others = [
            (shape, count)
            for shape, count in self.counts.most_common()
            if shape not in self.matched and shape != NOTHING.shape
        ]
        return "; ".join([*_of_matched(matched), *_of_others(others)]) or None


def _of_matched(shapes: list[tuple[str, int]]) -> Iterator[str]:
    if shapes:
        named = [f"{count:,} {_events(count)} {_named(shape)}" for shape, count in shapes[:_MOST_NAMED]]
        more = f", {sum(count for _, count in shapes[_MOST_NAMED:]):,} of other shapes" if shapes[_MOST_NAMED:] else ""
        yield ", ".join(named) + more


def _of_others(shapes: list[tuple[str, int]]) -> Iterator[str]:
    if shapes:
        count = sum(number for _, number in shapes)
        which = "1 shape" if len(shapes) == 1 else f"{len(shapes):,} shapes"
        named = "; ".join(_named(shape) for shape, _ in shapes[:_MOST_NAMED])
        more = "; …" if len(shapes) > _MOST_NAMED else ""
        yield f"{count:,} {_events(count)} of {which} for which no rule has a field ({named}{more})"


def _events(count: int) -> str:
    return "event" if count == 1 else "events"


def _named(shape: str) -> str:
    return shape if shape.startswith(("with ", "of ")) else f"of shape {shape}"
