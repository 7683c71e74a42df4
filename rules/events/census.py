"""Which events there were, by shape, and for which of them no rule was: cannot judge is not "nothing wrong".

In: the events of one block after another, and which of them a rule was for. Out: one sentence. Where no rule looks at
fields at all, every event is counted and only some of each block are decoded for their shape.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import polars as pl

from forewarn.arrays import Rows
from forewarn.field_names import BODY, TITLE, plain
from forewarn.rules.events.dresses import NOTHING
from forewarn.rules.events.fields import Events

_MOST_NAMED = 3
_MOST_SHAPES = 10_000
_DECODED = 1_000
"""Events of a block whose shape is looked at where no rule looks at fields: 5 ms a block, whatever its size."""
_SPEAKING = {*BODY, *TITLE}
_OTHERS = "of yet other keys"


class Census:
    """Counts events by shape.

    `counts` how many of each there were, `matched` the shapes that a rule was for; `fieldless` the events for which
    there was no rule that looks at fields, `looked_like` the shapes of some of them.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.matched: set[str] = set()
        self.fieldless = 0
        self.looked_like: Counter[str] = Counter()

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

    def add_fieldless(self, raw: pl.Series) -> None:
        """Count the events of a block (String, JSON, no null) where no rule looks at fields."""
        self.fieldless += len(raw)
        if len(raw) and len(self.looked_like) < _MOST_SHAPES:
            some = Events(raw.gather_every(-(-len(raw) // _DECODED)), ())
            self.looked_like.update(some.sources[number].shape for number in some.source.tolist())

    def said(self) -> str | None:
        """What there was, and what no rule was for; None where there was no event."""
        matched = [(shape, count) for shape, count in self.counts.most_common() if shape in self.matched]
        others = [
            (shape, count)
            for shape, count in self.counts.most_common()
            if shape not in self.matched and shape != NOTHING.shape
        ]
        return "; ".join([*_of_matched(matched), *_of_others(others), *self._of_fieldless()]) or None

    def _of_fieldless(self) -> Iterator[str]:
        shapes = [
            shape for shape, _ in self.looked_like.most_common() if shape != NOTHING.shape and not _says_a_text(shape)
        ]
        if shapes:
            yield f"{self.fieldless:,} {_events(self.fieldless)} and no rule that looks at fields ({_list(shapes)})"


def _of_matched(shapes: list[tuple[str, int]]) -> Iterator[str]:
    if shapes:
        named = [f"{count:,} {_events(count)} {_named(shape)}" for shape, count in shapes[:_MOST_NAMED]]
        more = f", {sum(count for _, count in shapes[_MOST_NAMED:]):,} of other shapes" if shapes[_MOST_NAMED:] else ""
        yield ", ".join(named) + more


def _of_others(shapes: list[tuple[str, int]]) -> Iterator[str]:
    if shapes:
        count = sum(number for _, number in shapes)
        which = "1 shape" if len(shapes) == 1 else f"{len(shapes):,} shapes"
        named = _list([shape for shape, _ in shapes])
        yield f"{count:,} {_events(count)} of {which} for which no rule has a field ({named})"


def _list(shapes: list[str]) -> str:
    """The first few shapes."""
    return "; ".join([*map(_named, shapes[:_MOST_NAMED]), *(["…"] if len(shapes) > _MOST_NAMED else [])])


def _says_a_text(shape: str) -> bool:
    """Whether events are known to have a text of their own, which rules about texts have looked at."""
    return shape.startswith("with ") and not _SPEAKING.isdisjoint(map(plain, shape.removeprefix("with ").split(", ")))


def _events(count: int) -> str:
    return "event" if count == 1 else "events"


def _named(shape: str) -> str:
    return shape if shape.startswith(("with ", "of ")) else f"of shape {shape}"
