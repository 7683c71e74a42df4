"""Scores over time to warnings: the e-detector over streams.

In: records in the order of their clocks, each with a score that knew only the past. Out: the moments at which a stream
changed, since when, and how the detector rose. State lives in `Surge`; a million records at once or one at a time give
the same warnings to the bit, and nothing that comes later changes one.

In each stream a score becomes a conformal p-value against a sliding reference of the same stream (the 1,000 texts
before the last 60), ties broken by a hash of the text. Bets against chance, `e p^(e-1)` for e = .3 and .5 (Vovk & Wang
2021) and one on the odds themselves (a conformal e-value, Balinsky & Balinsky 2024, at a discount), each feed a
Shiryaev-Roberts e-detector, `M = (M + 1) e` (Shin, Ramdas & Rinaldo 2023); their mean above A is a warning, and such a
warning comes by chance at most once in A texts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.errors import ForewarnError

EVERYTHING = "everything"
TIMELINE: dict[str, pl.DataType] = {
    "source": pl.String(),
    "line": pl.UInt64(),
    "time": pl.Datetime("us", "UTC"),
    "clock": pl.Int64(),
    "key": pl.UInt64(),
    "text": pl.UInt32(),
    "by": pl.String(),
    "score": pl.Float64(),
}
"""One row for each record with a time, in the order in which the clocks of the sources passed it.

`clock` the newest time of its source so far, microseconds since 1970; `key` a hash of the text; `text` the number of
its distinct text; `by` the value that `--stream-by` parts the input by, null = none; `score` log-odds that knew
only the past.
"""
_UNITS = {"h": 1, "d": 24, "w": 168}
_CURVE = 60
"""Texts before a warning whose values it shows."""


@dataclass(frozen=True)
class Promise:
    """At most one false warning in `texts` texts or, where `period` is given, in `texts` such periods."""

    texts: float = 100_000.0
    period: timedelta | None = None
    said: str = "1/100000"


def parse_promise(said: str) -> Promise:
    """The promise of `--false-warnings`: `1/100000` (texts) or `1/30d` (also h, w). Raises ForewarnError."""
    found = re.fullmatch(r"(\d{1,6})/(\d{1,12})([hdw]?)", said.strip())
    if not found or int(found[1]) == 0 or int(found[2]) < 1:
        raise ForewarnError(
            f"--false-warnings {said!r} is not understood",
            remedy="Write 1/100000 for one in so many texts, or 1/30d for one in thirty days.",
        )
    often, unit = int(found[1]), found[3]
    if unit:
        return Promise(1.0 / often, timedelta(hours=int(found[2]) * _UNITS[unit]), said.strip())
    if int(found[2]) / often < 100:
        raise ForewarnError(
            f"--false-warnings {said!r} is too often to tell a change from chance",
            remedy="Write one in a hundred texts or more, such as 1/10000.",
        )
    return Promise(int(found[2]) / often, None, said.strip())


def parse_late(said: str) -> timedelta:
    """The time of `--late`, such as `5m`, `30s`, `2h`. Raises ForewarnError."""
    found = re.fullmatch(r"(\d{1,6})([smh])", said.strip())
    if not found:
        raise ForewarnError(f"--late {said!r} is not understood", remedy="Write 30s, 5m or 2h.")
    return timedelta(seconds=int(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]])


class Stream:
    """The detector of one stream: the arrays of `surge_kernel.advance`, and the stream's last records.

    `recent` a timeline frame with the detector's `value`: the texts that count, newest last, at most as many as a
    beginning is looked for in.
    """

    def __init__(self) -> None:
        from forewarn import surge_kernel as kernel

        self.arrays: dict[str, NDArray[Any]] = {
            "window": np.zeros(kernel.WINDOW),
            "ordered": np.zeros(kernel.WINDOW),
            "waiting": np.zeros(kernel.GAP),
            "heard": np.zeros(kernel.HISTORY, dtype=np.uint64),
            "sums": np.zeros(1),
            "wealth": np.zeros(kernel.BETS),
            "growth": np.zeros(kernel.HISTORY),
            "counters": np.zeros(kernel.COUNTERS, dtype=np.int64),
        }
        self.recent = pl.DataFrame(schema=TIMELINE | {"value": pl.Float64()})


@dataclass(frozen=True)
class Raised:
    """A stream has changed.

    `at` the record that raised it, `onset`, `low`, `high` the most likely first record of the change and the bounds of
    its 95 % interval, each a row of the timeline; `since` the texts from `low` on (timeline and `value`), `earlier`
    those before it, as far back as a beginning is looked for; `curve` (time, value) of the detector before.
    """

    stream: str
    at: dict[str, Any]
    onset: dict[str, Any]
    low: dict[str, Any]
    high: dict[str, Any]
    since: pl.DataFrame
    earlier: pl.DataFrame
    curve: list[tuple[datetime | None, float]]


@dataclass(frozen=True)
class Ended:
    """A warning's stream is ordinary again at the record `at`."""

    stream: str
    at: dict[str, Any]


@dataclass
class Surge:
    """Every stream of an input, and the promise that they share.

    `families` are ways to part the records: `everything`, `source`, or any column of the timeline; a record is in one
    stream of each, so that one false warning in A texts for all together asks for one in A times the number of
    families in each stream. `voices`: a text that is said again soon (a retweet) counts once. `by` what the
    family `by` is called. `streams` by name.
    """

    promise: Promise = field(default_factory=Promise)
    families: Sequence[str] = (EVERYTHING,)
    voices: bool = True
    by: str = "by"
    streams: dict[str, Stream] = field(default_factory=dict)

    def advance(self, records: pl.DataFrame) -> list[Raised | Ended]:
        """Take in n records of a timeline, and say what they changed, in the order in which it happened."""
        if records.is_empty():
            return []
        found: list[tuple[int, Raised | Ended]] = []
        rows = records.with_row_index("row")
        for family in self.families:
            if family == EVERYTHING:
                found += self._one(EVERYTHING, rows)
                continue
            for (name,), part in rows.group_by(family, maintain_order=True):
                if name is not None:
                    found += self._one(f"{self.by if family == 'by' else family} {name}", part)
        return [event for _, event in sorted(found, key=lambda item: item[0])]

    def young(self) -> list[str]:
        """The streams that have no reference yet: nothing can be said of them."""
        from forewarn import surge_kernel as kernel

        return [name for name, stream in self.streams.items() if stream.arrays["counters"][0] < kernel.LEAST]

    def _one(self, name: str, part: pl.DataFrame) -> list[tuple[int, Raised | Ended]]:
        from forewarn import surge_kernel as kernel

        stream = self.streams.setdefault(name, Stream())
        values, codes, onsets = run(stream, part, self.promise, len(self.families), self.voices)
        counts = (codes != kernel.REPEATED) & part["score"].is_not_nan().to_numpy()
        known = len(stream.recent)
        columns = [*TIMELINE, "value"]
        texts = pl.concat(
            [stream.recent, part.with_columns(value=pl.Series(values)).filter(pl.Series(counts)).select(columns)]
        )
        place = np.cumsum(counts) - 1 + known
        found: list[tuple[int, Raised | Ended]] = []
        for at in np.flatnonzero((codes == kernel.RAISED) | (codes == kernel.ENDED)).tolist():
            here = int(place[at])
            event = _raised(name, texts, here, onsets[at]) if codes[at] == kernel.RAISED else _ended(name, texts, here)
            found.append((part["row"][at], event))
        stream.recent = texts.tail(kernel.HISTORY)
        return found


def run(
    stream: Stream, records: pl.DataFrame, promise: Promise, shared: int = 1, voices: bool = True
) -> tuple[NDArray[np.float64], NDArray[np.int8], NDArray[np.int64]]:
    """The detector of one stream over n records: `values`, `codes`, `onsets` of `surge_kernel.advance`.

    `records` has `score`, `key`, `clock`; `shared` among how many families the promise is shared.
    """
    from forewarn.surge_kernel import advance

    count = records.height
    values, codes, onsets = np.empty(count), np.empty(count, dtype=np.int8), np.zeros((count, 3), dtype=np.int64)
    period = 0.0 if promise.period is None else promise.period / timedelta(microseconds=1)
    advance(
        records["score"].fill_null(np.nan).to_numpy(),
        records["key"].to_numpy(),
        records["clock"].to_numpy(),
        promise.texts * shared,
        period,
        voices,
        *stream.arrays.values(),
        values,
        codes,
        onsets,
    )
    return values, codes, onsets


def _raised(name: str, texts: pl.DataFrame, here: int, onset: NDArray[np.int64]) -> Raised:
    from forewarn.surge_kernel import HISTORY

    likely, low, high = (max(0, here - int(back)) for back in onset)
    shown = texts[max(0, here - _CURVE) : here + 1]
    return Raised(
        name,
        texts.row(here, named=True),
        texts.row(likely, named=True),
        texts.row(low, named=True),
        texts.row(high, named=True),
        texts[low : here + 1],
        # What one record at a time would still hold: a warning must not hang on the size of the blocks.
        texts[max(0, here - HISTORY) : low],
        list(zip(shown["time"].to_list(), shown["value"].to_list(), strict=True)),
    )


def _ended(name: str, texts: pl.DataFrame, here: int) -> Ended:
    return Ended(name, texts.row(here, named=True))
