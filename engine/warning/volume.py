"""How many records a stream has: more than usual, or fewer, down to silence.

In: the records of one stream, and how far time has gone on without any. Out: where a warning began or ended. Records
are counted in spans of a minute or, where that holds too few, of up to a day. A span is judged once its end has passed,
against the last 200 before the last 8 and, once there are days and weeks, against the same hours of those: never
against what came later.

A count is ranked among those of the reference, which gives a p-value for any distribution of counts that are
exchangeable, not for Poisson's alone; what is between a quarter and four times the usual ranks as equal and bets on
nothing. Bets on small p-values, upwards and downwards, feed Shiryaev-Roberts e-detectors as in `detector`. Every record
counts, one that repeats another too: a source that says the same every minute is not silent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.findings import Volume
from forewarn.reading.timestamps import UTC_TIME

if TYPE_CHECKING:
    from forewarn.options import Promise

MORE, FEWER = "more records than usual", "fewer records than usual"
SHARE = 0.02
"""Of the promised false warnings: one in fifty may be of volume, the others are the texts' (docs/decisions.md)."""
_CURVE = 60


@dataclass(frozen=True)
class VolumeChange:
    """What became known before record number `before` of those given (their number: after all of them).

    `raised_by` None = a warning ended; `at` the end of the span that told, `onset`, `low`, `high` the most likely
    beginning of the change and the bounds of its 95 % interval: `source`, `line` of the last record before, `time`,
    `clock`; `size` the records since the onset; `curve` (time, value).
    """

    before: int
    raised_by: str | None
    at: dict[str, Any]
    onset: dict[str, Any]
    low: dict[str, Any]
    high: dict[str, Any]
    size: int
    volume: Volume
    curve: list[tuple[Any, float]]


class Counts:
    """The counts of one stream: their state (`volume_kernel.STATE`) and its parts by name; its sources' names."""

    def __init__(self) -> None:
        from forewarn.warning import volume_kernel as kernel

        self.state = np.zeros(1, dtype=kernel.STATE)
        self.arrays: dict[str, NDArray[Any]] = {name: self.state[name][0] for name in kernel.STATE.fields or ()}
        self.arrays["delayed"][:] = -1.0
        self.sources: list[str] = []

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over the arrays of saved counts. Raises ValueError where they are not those of counts."""
        for name, fresh in self.arrays.items():
            array = arrays[name]
            if array.shape != fresh.shape or array.dtype != fresh.dtype:
                raise ValueError(f"{name} is {array.dtype} {array.shape}")
            fresh[:] = array

    def due(self, until: int) -> bool:
        """Whether a span has passed at `until` (microseconds)."""
        from forewarn.warning import volume_kernel as kernel

        counters = self.arrays["counters"]
        return bool(counters[kernel.WIDTH] > 0 and until >= counters[kernel.START] + counters[kernel.WIDTH])

    def advance(self, records: pl.DataFrame, promise: Promise, shared: float, until: int = 0) -> Iterator[VolumeChange]:
        """Count n records (`source`, `line`, `clock`), let time go on to `until` (microseconds), and say what changed.

        `shared` among how many the promise is shared. The state is at each change while that is handed over.
        """
        from forewarn.warning import volume_kernel as kernel
        from forewarn.warning.detector_kernel import NOTHING, RAISED

        clocks, lines = records["clock"].to_numpy(), records["line"].cast(pl.Int64).to_numpy()
        self.sources += [name for name in records["source"].unique(maintain_order=True) if name not in self.sources]
        numbers = pl.Series(range(len(self.sources)), dtype=pl.Int64)
        sources = records["source"].replace_strict(self.sources, numbers, return_dtype=pl.Int64).to_numpy()
        period = 0.0 if promise.period is None else promise.period / timedelta(microseconds=1)
        place = np.zeros(2, dtype=np.int64)
        texts = promise.texts * shared / SHARE
        while True:
            kernel.advance(len(clocks), clocks, lines, sources, until, texts, period, self.state, place)
            if place[1] == NOTHING:
                return
            yield self._change(int(place[0]), place[1] == RAISED)

    def _change(self, before: int, raised: bool) -> VolumeChange:
        from forewarn.warning import volume_kernel as kernel
        from forewarn.warning.detector_kernel import HISTORY

        counters = self.arrays["counters"]
        spans, width = int(counters[kernel.SPANS]), int(counters[kernel.WIDTH])
        ring = (np.arange(max(0, spans - HISTORY), spans)) % HISTORY
        starts, counted, values = (self.arrays[name][ring] for name in ("starts", "counted", "values"))
        lines, sources = self.arrays["last"][:, ring]

        def end_of(span: int) -> dict[str, Any]:
            """The end of one of the last spans (-1 = the last)."""
            clock = int(starts[span]) + width
            place = {"source": self.sources[sources[span]], "line": int(lines[span]), "value": float(values[span])}
            return place | {"clock": clock, "time": _time(clock)}

        # A change began where the span before its first one ended.
        onset, low, high = (end_of(max(-len(ring), -2 - int(back))) for back in self.arrays["onset"])
        known = self.arrays["window"][: int(counters[kernel.WINDOWED])]
        times = pl.Series(starts[-_CURVE:] + width).cast(UTC_TIME).to_list()
        return VolumeChange(
            before,
            (MORE if counters[kernel.DIRECTION] == kernel.MORE else FEWER) if raised else None,
            end_of(-1),
            onset,
            low,
            high,
            int(counted[starts >= onset["clock"]].sum()),
            Volume(int(counted[-1]), float(np.median(known)), width // 1_000_000),
            list(zip(times, values[-_CURVE:].tolist(), strict=True)),
        )


def _time(clock: int) -> Any:
    return pl.Series([clock]).cast(UTC_TIME)[0]
