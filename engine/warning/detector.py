"""Scores over time to warnings: the e-detector over streams.

In: records in the order of their clocks, each with a score that knew only the past. Out: the moments at which a stream
changed, since when, and how the detector rose. State lives in `ChangeDetector`: a million records at once or one at a
time give the same warnings to the bit, and nothing that comes later changes one.

In each stream a score becomes a conformal p-value against a reference of the same stream: the 1,000 texts before the
last 60 or, once there are weeks, those of the same hour of the week; ties are broken by a hash of the text. A second
score puts texts of a new kind first. Bets against chance, `e p^(e-1)` for e = .3 and .5 (Vovk & Wang 2021) on both and
one on the odds themselves (a conformal e-value, Balinsky & Balinsky 2024, at a discount), each feed a Shiryaev-Roberts
e-detector, `M = (M + 1) e` (Shin, Ramdas & Rinaldo 2023); their weighted mean above A is a warning, and such a warning
comes by chance at most once in A texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.findings import Volume
from forewarn.options import EVERYTHING, Promise
from forewarn.warning.volume import FEWER, SHARE, Counts, VolumeChange

TIMELINE: dict[str, pl.DataType] = {
    "source": pl.String(),
    "line": pl.UInt64(),
    "time": pl.Datetime("us", "UTC"),
    "clock": pl.Int64(),
    "key": pl.UInt64(),
    "kind": pl.UInt64(),
    "text": pl.UInt32(),
    "by": pl.String(),
    "category": pl.String(),
    "score": pl.Float64(),
    "record_text": pl.String(),
}
"""One row for each record with a time, in the order in which the clocks of the sources passed it.

`clock` the newest time of its source so far, microseconds since 1970; `key` a hash of the text, `kind` of its template;
`text` the number of its distinct text; `by` the value that `--stream-by` parts the input by, null = none; `category`
that of the rules that fired, null = none; `score` log-odds that knew only the past; `record_text` what this very record
says, which is what people are shown of it.
"""
STREAM_SCHEMA: dict[str, pl.DataType] = {
    name: TIMELINE[name] for name in ("source", "line", "time", "clock", "text", "score")
} | {"value": pl.Float64(), "record_text": pl.String()}
"""The last texts of a stream: what a warning says of them, and the detector's `value` after each."""
RAISED_BY = ("alarming texts", "new kinds", "a new alarming kind that keeps coming")
"""What raises a warning (`detector_kernel.ALARMING` and those after it) in a reader's words."""
_LAST = 30
"""Texts before a silence among which the loudest are shown."""
_CURVE = 60
"""Texts before a warning whose values it shows."""


class Stream:
    """The detectors of one stream: its state (`detector_kernel.STATE`), its counts, and its last records.

    `arrays` the parts of the state by name, and its `week`; `recent` a frame of HEARD: the texts that count, newest
    last, at most as many as a beginning is looked for in.
    """

    def __init__(self) -> None:
        from forewarn.warning import detector_kernel as kernel
        from forewarn.warning import week_kernel as week

        self.state = np.zeros(1, dtype=kernel.STATE)
        self.arrays: dict[str, NDArray[Any]] = {name: self.state[name][0] for name in kernel.STATE.fields or ()}
        self.arrays["week"] = np.zeros((0, week.KEPT), dtype=np.int16)
        self.counts = Counts()
        self.recent = pl.DataFrame(schema=STREAM_SCHEMA)

    def reach(self, first: int, last: int) -> None:
        """Make room for the hours of the week where records from `first` to `last` (microseconds) can fill them."""
        from forewarn.warning import detector_kernel as kernel
        from forewarn.warning import week_kernel as week

        begun = first if self.arrays["counters"][kernel.SEEN] == 0 else self.arrays["counters"][kernel.STARTED]
        if last - begun >= week.HOURLY and len(self.arrays["week"]) == 0:
            self.arrays["week"] = np.zeros((week.HOURS, week.KEPT), dtype=np.int16)

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over the arrays of a saved stream. Raises ValueError where they are not those of a stream."""
        for name, fresh in self.arrays.items():
            rows = (len(fresh), len(self.arrays["hours"])) if name == "week" else (len(fresh),)
            array = arrays[name]
            if array.dtype != fresh.dtype or array.shape[1:] != fresh.shape[1:] or len(array) not in rows:
                raise ValueError(f"{name} is {array.dtype} {array.shape}")
            if name == "week":
                self.arrays[name] = np.array(array)
            else:
                fresh[:] = array


@dataclass(frozen=True, eq=False)
class StreamRows:
    """Some texts of a stream, in order: the columns of HEARD as arrays (n,), which are parts of those of a block.

    `source` int64, numbers of `names`; `time` datetime64[us], UTC, NaT = none; `record_text` int64, rows of
    `record_texts`, those of the block.
    """

    names: list[str]
    record_texts: pl.Series
    source: NDArray[np.int64]
    line: NDArray[np.uint64]
    time: NDArray[np.datetime64]
    clock: NDArray[np.int64]
    text: NDArray[np.uint32]
    score: NDArray[np.float64]
    value: NDArray[np.float64]
    record_text: NDArray[np.int64]

    @classmethod
    def of(cls, frame: pl.DataFrame) -> StreamRows:
        """The n rows of a frame of HEARD."""
        names = frame["source"].unique(maintain_order=True)
        numbers = frame["source"].replace_strict(names, pl.Series(range(len(names))), return_dtype=pl.Int64)
        columns = [frame[name].to_numpy() for name in list(STREAM_SCHEMA)[1:-1]]
        arrays = [numbers.to_numpy(), *columns, np.arange(len(frame))]
        return cls(names.to_list(), frame["record_text"], *arrays)

    def __len__(self) -> int:
        return len(self.line)

    def __getitem__(self, part: slice | NDArray[Any]) -> StreamRows:
        return StreamRows(self.names, self.record_texts, *(getattr(self, name)[part] for name in STREAM_SCHEMA))

    def text_of(self, at: int) -> str:
        """What the record of one text says: its own words, addresses and numbers."""
        return str(self.record_texts[int(self.record_text[at])])

    def row(self, at: int) -> dict[str, Any]:
        """Where one text stands: `source`, `line`, `time`, `clock`, and the detector's `value` there."""
        place = {"source": self.names[self.source[at]], "line": int(self.line[at]), "time": _times(self.time[[at]])[0]}
        return place | {"clock": int(self.clock[at]), "value": float(self.value[at])}


def _times(times: NDArray[np.datetime64]) -> list[datetime | None]:
    return [None if time is None else time.replace(tzinfo=UTC) for time in times.tolist()]


@dataclass(frozen=True)
class Raised:
    """A stream has changed.

    `at` the record that raised it, `onset`, `low`, `high` the most likely first record of the change and the bounds of
    its 95 % interval, each where it stands (`StreamRows.row`); `since` the texts from `low` on, `earlier` those before,
    as far back as a beginning is looked for; `curve` (time, value) of the detector before; `raised_by`
    what changed, one of RAISED_BY or of `volume`; `size` records since the onset. Of a change in the number of records
    `at`, `onset`, `low` and `high` are moments between two records, each at the place of the last one before; `volume`
    says how many there were; `since` are the last texts before a silence. `in_log`: most texts of the stream were of
    kinds that it had before.
    """

    stream: str
    raised_by: str
    at: dict[str, Any]
    onset: dict[str, Any]
    low: dict[str, Any]
    high: dict[str, Any]
    since: StreamRows
    earlier: StreamRows
    curve: list[tuple[datetime | None, float]]
    size: int | None = None
    volume: Volume | None = None
    in_log: bool = False


@dataclass(frozen=True)
class Ended:
    """A warning's stream is ordinary again at the record `at`; `by_volume`: it was of the number of records."""

    stream: str
    at: dict[str, Any]
    by_volume: bool = False


@dataclass
class ChangeDetector:
    """Every stream of an input, and the promise that they share.

    `families` are ways to part the records: `everything`, `source`, or any column of the timeline; a record is in one
    stream of each, so that one false warning in A texts for all together asks for one in A times the number of
    families in each stream. One in fifty of them may be the volume's (`volume.SHARE`), the others are the texts'.
    `voices`: a text that is said again soon (a retweet) is one; it counts in the volume. `by` what the family `by` is
    called. A text is alarming by itself where its score is above `floor`. `streams` by name.
    """

    promise: Promise = field(default_factory=Promise)
    families: Sequence[str] = (EVERYTHING,)
    voices: bool = True
    by: str = "by"
    floor: float = -np.inf
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

    def wait(self, passed: Callable[[str | None], int]) -> list[Raised | Ended]:
        """Let time go on without records, and say what that changed.

        `passed` until when (microseconds) everything of a source, or of all of them (None), is known.
        """
        found: list[Raised | Ended] = []
        nothing = pl.DataFrame(schema=TIMELINE)
        for name, stream in self.streams.items():
            source = name.removeprefix("source ") if "source" in self.families and name.startswith("source ") else None
            if stream.counts.due(until := passed(source)):
                for change in stream.counts.advance(nothing, self.promise, len(self.families), until):
                    found += _changed(name, StreamRows.of(stream.recent), change)
        return found

    def young(self) -> list[str]:
        """The streams that have no reference yet: nothing can be said of them."""
        from forewarn.warning.week_kernel import LEAST

        return [name for name, stream in self.streams.items() if stream.arrays["counters"][0] < LEAST]

    def _one(self, name: str, part: pl.DataFrame) -> list[tuple[int, Raised | Ended]]:
        from forewarn.warning import detector_kernel as kernel

        stream = self.streams.setdefault(name, Stream())
        shared = len(self.families)
        values, codes, onsets = run(stream, part, self.promise, shared, self.voices, self.floor)
        counts = (codes != kernel.REPEATED) & part["score"].is_not_nan().to_numpy()
        known = len(stream.recent)
        new = part.with_columns(value=pl.Series(values)).filter(pl.Series(counts)).select(STREAM_SCHEMA.keys())
        texts = pl.concat([stream.recent, new])
        stream.recent = pl.concat([stream.recent, _alone(new.tail(kernel.HISTORY))]).tail(kernel.HISTORY)
        changes = list(stream.counts.advance(part, self.promise, shared))
        changed = np.flatnonzero((codes == kernel.RAISED) | (codes == kernel.ENDED)).tolist()
        if not changes and not changed:
            return []
        rows_so_far, rows = StreamRows.of(texts), part["row"]
        before = np.append(0, np.cumsum(counts)) + known
        found: list[tuple[int, Raised | Ended]] = []
        for change in changes:
            found += [
                (rows[change.before], one) for one in _changed(name, rows_so_far[: before[change.before]], change)
            ]
        for at in changed:
            here = int(before[at])
            event = (
                _raised(name, rows_so_far, here, onsets[at])
                if codes[at] == kernel.RAISED
                else _ended(name, rows_so_far, here)
            )
            found.append((rows[at], event))
        return found


def _alone(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with texts of their own: else one of them keeps those of its whole block in memory (a MiB a record)."""
    return rows.with_columns(record_text=pl.Series(rows["record_text"].to_list(), dtype=pl.String))


def prepare() -> None:
    """Load the kernels in a thread of their own: the first scan compiles them beside its rules."""

    def load() -> None:
        from forewarn.warning import clock_kernel, volume_kernel
        from forewarn.warning import detector_kernel as surge_kernel

        for kernel in (clock_kernel.clocks, surge_kernel.advance, volume_kernel.advance):
            # What is wrong with one is said where it is called.
            with suppress(Exception):
                kernel.load()

    Thread(target=load).start()


def run(
    stream: Stream,
    records: pl.DataFrame,
    promise: Promise,
    shared: int = 1,
    voices: bool = True,
    floor: float = -np.inf,
) -> tuple[NDArray[np.float64], NDArray[np.int8], NDArray[np.int64]]:
    """The detector of one stream over n records: `values`, `codes`, `onsets` of `detector_kernel.advance`.

    `records` has `score`, `key`, `kind`, `clock`; `shared` among how many families the promise is shared. What
    `volume.SHARE` leaves of it is the texts'. A text is alarming by itself where its score is above `floor`.
    """
    from forewarn.warning.detector_kernel import advance

    count = records.height
    values, codes, onsets = np.empty(count), np.empty(count, dtype=np.int8), np.zeros((count, 5), dtype=np.int64)
    if count:
        stream.reach(int(records["clock"].min()), int(records["clock"].max()))  # type: ignore[arg-type]
    period, log_period = (
        0.0 if some is None else some / timedelta(microseconds=1) for some in (promise.period, promise.log_period)
    )
    advance(
        count,
        records["score"].fill_null(np.nan).to_numpy(),
        records["key"].to_numpy(),
        records["kind"].to_numpy(),
        records["clock"].to_numpy(),
        promise.texts * shared / (1 - SHARE),
        period,
        log_period,
        floor,
        voices,
        stream.state,
        stream.arrays["week"],
        values,
        codes,
        onsets,
    )
    return values, codes, onsets


def _raised(name: str, rows_so_far: StreamRows, here: int, onset: NDArray[np.int64]) -> Raised:
    from forewarn.warning.detector_kernel import HISTORY

    likely, low, high = (max(0, here - int(back)) for back in onset[:3])
    shown = rows_so_far[max(0, here - _CURVE) : here + 1]
    return Raised(
        name,
        RAISED_BY[int(onset[3])],
        rows_so_far.row(here),
        rows_so_far.row(likely),
        rows_so_far.row(low),
        rows_so_far.row(high),
        rows_so_far[low : here + 1],
        # What one record at a time would still hold: a warning must not hang on the size of the blocks.
        rows_so_far[max(0, here - HISTORY) : low],
        list(zip(_times(shown.time), shown.value.tolist(), strict=True)),
        in_log=bool(onset[4]),
    )


def _ended(name: str, rows_so_far: StreamRows, here: int) -> Ended:
    return Ended(name, rows_so_far.row(here))


def _changed(name: str, rows_so_far: StreamRows, change: VolumeChange) -> list[Raised | Ended]:
    """What a change in the number of records is; `rows_so_far` the texts until then."""
    from forewarn.warning.detector_kernel import HISTORY

    if change.raised_by is None:
        return [Ended(name, change.at, by_volume=True)]
    rows_so_far = rows_so_far[-HISTORY:]
    if not len(rows_so_far):
        return []
    shown = slice(-_LAST, None) if change.raised_by == FEWER else rows_so_far.clock >= change.onset["clock"]
    since = rows_so_far[shown] if len(rows_so_far[shown]) else rows_so_far[-1:]
    onset = change.onset | {"clock": int(since.clock[0])}
    return [
        Raised(
            name,
            change.raised_by,
            change.at,
            onset,
            change.low,
            change.high,
            since,
            rows_so_far[: len(rows_so_far) - len(since)],
            change.curve,
            change.size,
            change.volume,
        )
    ]
