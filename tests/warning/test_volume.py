"""Volume: more records than usual and fewer, down to silence, are a warning; the pattern of a day is not."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forewarn.findings import dated, now
from forewarn.options import Options, Promise
from forewarn.pipeline import scan
from forewarn.warning import volume_kernel as kernel
from forewarn.warning.detector import TIMELINE, ChangeDetector, Raised
from forewarn.warning.timeline import Clocks
from forewarn.warning.volume import FEWER, MORE, SHARE, Counts, VolumeChange
from forewarn.watching.watcher import Watcher

MINUTE, HOUR = 60_000_000, 3_600_000_000
MONDAY = 1_714_953_600_000_000
DRAWN: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "Poisson": lambda chance, count: chance.poisson(20, count),
    "overdispersed": lambda chance, count: chance.poisson(20 * chance.gamma(0.5, 2, count)),
    "heavy": lambda chance, count: chance.poisson(20 * np.minimum(chance.pareto(1.5, count), 50)),
}


def spread(counts: np.ndarray, source: str = "a", begin: int = MONDAY) -> pl.DataFrame:
    """`counts[i]` records in minute i, evenly."""
    minute = np.repeat(np.arange(len(counts)), counts)
    first = np.repeat(np.cumsum(counts) - counts, counts)
    within = (np.arange(counts.sum()) - first) * MINUTE // np.repeat(np.maximum(counts, 1), counts)
    return pl.DataFrame(
        {
            "source": pl.repeat(source, len(minute), eager=True),
            "line": np.arange(1, len(minute) + 1),
            "clock": begin + minute * MINUTE + within,
        }
    )


def changes(counts: np.ndarray, promise: Promise | None = None, until: int = 0) -> list[VolumeChange]:
    return list(Counts().advance(spread(counts), promise or Promise(), 1, until))


def minute(change: VolumeChange, which: str = "at") -> int:
    """The number of the minute after the span."""
    return (getattr(change, which)["clock"] - MONDAY) // MINUTE


@pytest.mark.parametrize("name", DRAWN)
def test_counts_in_which_nothing_happens_keep_the_promise(name: str) -> None:
    chance = np.random.default_rng(20260314)
    false = promised = 0.0
    for _ in range(10):
        counts = DRAWN[name](chance, 10_000)
        # One in 100 spans in place of one in a million texts, so that there are some to count.
        every = Promise(100 * SHARE * counts.mean())
        false += sum(change.raised_by is not None for change in changes(counts, every))
        promised += len(counts) / 100
    assert false <= promised
    # Poisson's counts hardly ever leave the usual: nothing is bet on them.
    assert name == "Poisson" or false > 0


def quiet(minutes: int, seed: int = 0, mean: float = 20) -> np.ndarray:
    return np.random.default_rng(seed).poisson(mean, minutes)


def test_silence_is_a_warning_that_says_since_when_and_ends_when_records_come_again() -> None:
    counts = np.concatenate([quiet(300), np.zeros(60, int), quiet(120, 1)])
    raised, ended = changes(counts)
    assert (raised.raised_by, ended.raised_by) == (FEWER, None)
    assert 302 <= minute(raised) <= 306
    assert minute(raised, "onset") == 300
    assert (raised.volume.records, raised.volume.seconds) == (0, 60)
    assert 17 <= raised.volume.usual <= 23
    assert raised.at["line"] == raised.onset["line"] == quiet(300).sum()
    assert raised.before == quiet(300).sum()
    assert 360 < minute(ended) <= 400


def test_silence_that_lasts_is_seen_when_time_goes_on() -> None:
    counts = quiet(300)
    assert changes(counts) == []
    (raised,) = changes(counts, until=MONDAY + 310 * MINUTE)
    again = changes(np.concatenate([counts, np.zeros(60, int), [20]]))[0]
    assert raised.raised_by == FEWER
    assert (raised.at, raised.onset, raised.curve) == (again.at, again.onset, again.curve)


def test_a_burst_is_a_warning() -> None:
    counts = np.concatenate([quiet(300), quiet(30, 1, 200)])
    raised = changes(counts)[0]
    assert (raised.raised_by, minute(raised, "onset")) == (MORE, 300)
    assert 302 <= minute(raised) <= 306
    assert raised.size == counts[300 : minute(raised)].sum()


def test_the_pattern_of_a_day_is_no_warning() -> None:
    hours = np.arange(14 * 1440) / 60
    waves = np.random.default_rng(0).poisson(30 * np.exp(np.sin(2 * np.pi * hours / 24)))
    assert changes(waves) == []


def test_opening_hours_are_known_after_a_day_and_a_silence_in_them_is_still_a_warning() -> None:
    hours = np.arange(6 * 1440) / 60 % 24
    counts = np.random.default_rng(0).poisson(np.where((hours > 9) & (hours < 17), 160, 20))
    days = [minute(change) // 1440 for change in changes(counts) if change.raised_by]
    assert set(days) <= {0}
    counts[5 * 1440 + 720 : -1] = 0
    last = [change for change in changes(counts) if change.raised_by][-1]
    assert (last.raised_by, minute(last, "onset")) == (FEWER, 5 * 1440 + 720)


def test_a_weekend_is_known_after_a_week() -> None:
    hours = np.arange(21 * 1440) / 60
    working = (hours % 24 > 9) & (hours % 24 < 17) & (hours // 24 % 7 < 5)
    counts = np.random.default_rng(0).poisson(np.where(working, 160, 20))
    assert {minute(change) // 1440 for change in changes(counts) if change.raised_by} <= {0, 5, 6, 7}


def test_a_slow_stream_is_counted_in_wider_spans() -> None:
    counts = np.zeros(40 * 1440, dtype=int)
    counts[::6] = 1
    stopped = np.concatenate([counts, np.zeros(10 * 1440, dtype=int), [1]])
    raised = changes(stopped)[0]
    assert (raised.raised_by, raised.volume.seconds) == (FEWER, 3_600)
    assert minute(raised, "onset") == 40 * 1440
    assert changes(counts) == []


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), cuts=st.lists(st.integers(1, 20_000), max_size=6))
def test_counts_in_pieces_are_those_of_the_whole_to_the_bit(seed: int, cuts: list[int]) -> None:
    counts = np.concatenate([quiet(200, seed), np.zeros(20, int), quiet(200, seed + 1, 90), quiet(300, seed + 2)])
    records = spread(counts)
    whole, pieces = Counts(), Counts()
    expected = list(whole.advance(records, Promise(), 1))
    found = []
    edges = [0, *sorted({cut % records.height for cut in cuts}), records.height]
    for first, last in itertools.pairwise(edges):
        found += list(pieces.advance(records[first:last], Promise(), 1))
        # Time goes on between them, up to where the next piece begins.
        if last < records.height:
            found += list(pieces.advance(records[:0], Promise(), 1, records["clock"][last]))
    assert [(one.at, one.onset, one.low, one.high, one.curve) for one in found] == [
        (one.at, one.onset, one.low, one.high, one.curve) for one in expected
    ]
    for name, array in whole.arrays.items():
        assert array.tobytes() == pieces.arrays[name].tobytes()


def test_a_clock_from_the_future_that_is_set_back_silences_no_count() -> None:
    good = spread(quiet(300))
    wrong = good[-3:].with_columns(clock=pl.lit(MONDAY + 40_000 * 24 * HOUR))
    after = spread(np.concatenate([quiet(100, 1), np.zeros(30, int), [20]]), begin=MONDAY + 300 * MINUTE)
    counts = Counts()
    list(counts.advance(pl.concat([good, wrong.cast(good.schema)]), Promise(), 1))
    found = [change for change in counts.advance(after, Promise(), 1) if change.raised_by]
    assert [(change.raised_by, minute(change, "onset")) for change in found] == [(FEWER, 400)]


def test_a_promise_in_time_is_one_in_time() -> None:
    # At twenty records a minute, 1,000 texts are fifty minutes.
    counts = np.concatenate([np.full(300, 20), np.zeros(20, int), [20]])
    assert [minute(one) for one in changes(counts, Promise(2_000))] == [
        minute(one) for one in changes(counts, Promise(1.0, timedelta(minutes=100)))
    ]


@dataclass
class Source:
    """Lines of one file: a job every ten seconds, with a time."""

    begin: int
    minutes: int

    def lines(self) -> list[str]:
        stamps = pl.Series(self.begin + np.arange(self.minutes * 6) * 10_000_000).cast(pl.Datetime("us"))
        said = stamps.dt.strftime("%Y-%m-%dT%H:%M:%SZ").to_list()
        return [f"{at} INFO worker finished job {n * 7919 % 1000}" for n, at in enumerate(said)]

    def write(self, path: Path) -> Path:
        path.write_text("\n".join(self.lines()) + "\n")
        return path


OPTIONS = Options(rules=("operations",), adapt=False)


def test_a_file_that_falls_silent_while_others_go_on_is_named(tmp_path: Path) -> None:
    stopped = Source(MONDAY, 120).write(tmp_path / "a.log")
    going = Source(MONDAY, 180).write(tmp_path / "b.log")
    (warning,) = scan([stopped, going], OPTIONS).warnings
    assert (warning.raised_by, warning.stream, warning.size) == (FEWER, f"source {stopped}", 0)
    assert warning.raised.line == 720
    assert warning.raised.time is not None
    assert (warning.raised.time.timestamp() * 1e6 - MONDAY) / MINUTE == pytest.approx(124, abs=2)
    assert warning.volume is not None
    assert (warning.volume.records, warning.volume.usual, warning.new_words) == (0, 6, [])


def test_files_that_follow_each_other_are_not_silent(tmp_path: Path) -> None:
    Source(MONDAY, 120).write(tmp_path / "a-1.log")
    Source(MONDAY + 120 * MINUTE, 120).write(tmp_path / "a-2.log")
    Source(MONDAY, 240).write(tmp_path / "b.log")
    assert scan([tmp_path], OPTIONS).warnings == []


def test_a_burst_says_so_on_the_terminal(forewarn: Callable[..., object], tmp_path: Path) -> None:
    lines = Source(MONDAY, 120).lines()
    flood = pl.Series(MONDAY + 120 * MINUTE + np.arange(600) * 1_000_000).cast(pl.Datetime("us"))
    lines += [f"{at} INFO worker finished job 7" for at in flood.dt.strftime("%Y-%m-%dT%H:%M:%SZ")]
    log = tmp_path / "a.log"
    log.write_text("\n".join(lines) + "\n")
    out = " ".join(forewarn("scan", log, "--rules", "operations", "--format", "table").out.split())
    assert "more records than usual" in out
    assert "60 in a minute, usually 6" in out


def records(source: Source, path: str) -> pl.DataFrame:
    lines = source.lines()
    return pl.DataFrame(
        {
            "source": pl.repeat(path, len(lines), eager=True),
            "line": np.arange(1, len(lines) + 1, dtype=np.uint64),
            "time": pl.Series(source.begin + np.arange(len(lines)) * 10_000_000).cast(pl.Datetime("us", "UTC")),
            "text": lines,
            "raw": pl.repeat(None, len(lines), dtype=pl.String, eager=True),
            "level": pl.repeat(None, len(lines), dtype=pl.UInt8, eager=True),
            "status": pl.repeat(None, len(lines), dtype=pl.UInt16, eager=True),
        }
    )


def test_a_live_source_falls_silent_by_the_time_of_day_and_an_old_one_does_not() -> None:
    now = time.time_ns() // 1_000
    live, old = Source(now - 120 * MINUTE, 120), Source(now - 400 * MINUTE, 120)
    watcher = Watcher(OPTIONS)
    assert watcher.add(records(old, "old.log"), now) == []
    assert watcher.add(records(live, "live.log"), now) == []
    assert watcher.wait(now) == []
    assert watcher.wait(now + 6 * MINUTE) == []
    (warning,) = watcher.wait(now + 12 * MINUTE)
    assert (warning.stream, warning.raised_by) == ("source live.log", FEWER)
    assert watcher.wait(now + 30 * MINUTE) == []


def test_the_warnings_of_a_watch_are_those_of_a_scan_byte_for_byte(tmp_path: Path) -> None:
    lines = Source(MONDAY, 240).lines()
    del lines[900:1_020]
    log = tmp_path / "a.log"
    log.write_text("\n".join(lines) + "\n")
    expected = scan([log], OPTIONS).warnings
    assert [one.raised_by for one in expected] == [FEWER]
    whole = records(Source(MONDAY, 240), str(log))
    whole = whole.with_row_index("at").filter(~pl.col("at").is_between(900, 1_019)).drop("at")
    whole = whole.with_columns(line=pl.int_range(1, whole.height + 1, dtype=pl.UInt64))
    watcher, found = Watcher(OPTIONS), []
    for at in range(0, whole.height, 7):
        found += watcher.add(whole[at : at + 7])
    # The watcher's findings get the moment at which they are said when they are written down.
    assert [dated(one, now()) for one in found[:-1]] == list(expected)
    assert (found[-1].state, found[-1].warnings) == ("closed", [expected[0].id])


def test_a_source_goes_silent_by_its_own_name_only() -> None:
    clocks = Clocks()
    for name, first, last in (("a", 0, 100), ("b", 0, 200), ("c", 150, 160), ("d", 102, 103)):
        clocks.state[name] = np.array([last * MINUTE, 0, first * MINUTE, -1, 0])
    passed = clocks.passed()
    # d began as a ended; nobody that was there before b or c went on longer than they.
    assert [passed(name) // MINUTE for name in ("a", "c", None)] == [0, 195, 195]
    assert passed("b") <= 195 * MINUTE


def test_volume_takes_its_share_of_the_promise() -> None:
    counts = np.concatenate([np.full(300, 20), np.zeros(20, int), [20]])
    lines = spread(counts)
    alone = next(Counts().advance(lines, Promise(1_000), 1))
    timeline = lines.with_columns(
        time=pl.col("clock").cast(pl.Datetime("us", "UTC")),
        key=pl.int_range(pl.len(), dtype=pl.UInt64),
        text=pl.lit(0, pl.UInt32),
        kind=pl.lit(0, pl.UInt64),
        by=pl.lit(None, pl.String),
        category=pl.lit(None, pl.String),
        score=pl.lit(0.0),
        record_text=pl.lit("a line"),
    ).cast(dict(TIMELINE))
    events = ChangeDetector(Promise(1_000), families=("source",)).advance(timeline)
    raised = [event for event in events if isinstance(event, Raised) and event.volume]
    assert [event.at["clock"] for event in raised] == [alone.at["clock"]]
    assert alone.at["value"] > 1_000 / SHARE / 20
    assert kernel.LEAST < 300
