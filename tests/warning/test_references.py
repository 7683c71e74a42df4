"""What a text is compared with: the hours of the week once a stream has weeks, and the kinds of text that it had."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forewarn.options import Options, Promise
from forewarn.pipeline import scan
from forewarn.reading.records import read
from forewarn.warning import detector_kernel as kernel
from forewarn.warning.detector import Stream, run
from forewarn.watching.watcher import Watcher

MINUTE = 60_000_000
WEEK = 7 * 24 * 60


def week_stream(weeks: float, *, seed: int = 0, step: int = 2, loud: float = 4.0) -> pl.DataFrame:
    """A text every `step` minutes; from eight to six each day's scores are `loud` higher than by night."""
    chance = np.random.default_rng(seed)
    minutes = np.arange(0, int(weeks * WEEK), step)
    count = len(minutes)
    by_day = ((minutes // 60) % 24 >= 8) & ((minutes // 60) % 24 < 18)
    return pl.DataFrame(
        {
            "score": np.round(chance.normal(-6, 1, count) + loud * by_day, 3),
            "key": chance.integers(0, 2**63, count).astype(np.uint64),
            "kind": chance.integers(0, 40, count).astype(np.uint64),
            "clock": minutes * MINUTE,
        }
    )


def raised(records: pl.DataFrame, promise: float = 100_000) -> np.ndarray:
    return np.flatnonzero(run(Stream(), records, Promise(promise))[1] == kernel.RAISED)


def test_mornings_are_no_warning_once_there_are_weeks_of_them() -> None:
    records = week_stream(14)
    at = raised(records) * 2 / WEEK
    hourless = raised(records.with_columns(clock=pl.int_range(pl.len(), dtype=pl.Int64))) * 2 / WEEK
    # In the first week each morning is one, in the second the hours of the day begin to be known.
    assert 7 <= len(at) <= 14
    assert at.max() < 2
    assert all((hourless.astype(int) == week).sum() == 7 for week in range(14))


def test_a_weekend_is_no_working_day_once_there_are_weeks_of_both() -> None:
    records = week_stream(14)
    minutes = records["clock"].to_numpy() // MINUTE
    quieter = np.where((minutes // 1440) % 7 >= 5, 4.0, 0.0) * ((minutes // 60 % 24 >= 8) & (minutes // 60 % 24 < 18))
    at = raised(records.with_columns(pl.col("score") - quieter)) * 2 / WEEK
    assert (at < 7).sum() > 5
    assert (at > 8).sum() == 0


def test_a_crisis_by_night_is_seen_though_any_day_is_as_loud() -> None:
    records = week_stream(14)
    night = 13 * WEEK // 2 + 2 * 30
    scores = records["score"].to_numpy().copy()
    scores[night : night + 20] = -2.0
    late = raised(records.with_columns(score=pl.Series(scores)))
    assert late[-1] - night < 8


def test_a_stream_of_a_day_is_as_it_was_without_hours_of_the_week() -> None:
    records = week_stream(1 / 7, step=1)
    hourless = Stream()
    run(hourless, records, Promise())
    assert hourless.arrays["week"].size == 0
    assert not hourless.arrays["hours"].any()
    long = week_stream(3, step=1)
    short = run(Stream(), long.head(1440), Promise())
    for part, whole in zip(short, run(Stream(), long, Promise()), strict=True):
        assert part.tobytes() == whole[:1440].tobytes()


def test_a_stream_of_weeks_takes_no_more_memory_than_one_of_days() -> None:
    few, many = Stream(), Stream()
    run(few, week_stream(1, step=1), Promise())
    run(many, week_stream(10, step=1), Promise())
    assert {n: a.shape for n, a in few.arrays.items()} == {n: a.shape for n, a in many.arrays.items()}
    assert sum(array.nbytes for array in many.arrays.values()) < 400_000


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 1000), cuts=st.lists(st.integers(1, 29_999), max_size=8))
def test_pieces_of_weeks_are_the_same_as_the_whole_to_the_bit(seed: int, cuts: list[int]) -> None:
    records = week_stream(9, seed=seed, step=3).head(30_000)
    whole = run(Stream(), records, Promise(10_000))
    stream = Stream()
    edges = [0, *sorted(set(cuts)), records.height]
    pieces = [run(stream, records[a:b], Promise(10_000)) for a, b in itertools.pairwise(edges)]
    for number, expected in enumerate(whole):
        assert np.concatenate([piece[number] for piece in pieces]).tobytes() == expected.tobytes()


def test_a_week_that_has_come_to_stay_is_learnt_anew() -> None:
    records = week_stream(12)
    changed = 10 * WEEK // 2
    scores = records["score"].to_numpy().copy()
    scores[changed:] += 8.0
    records = records.with_columns(score=pl.Series(scores))
    codes = run(Stream(), records, Promise())[1]
    began = np.flatnonzero(codes == kernel.RAISED)
    first = int(began[began >= changed][0])
    assert first - changed < 10
    ended = np.flatnonzero(codes == kernel.ENDED)
    assert int(ended[ended > first][0]) - first < kernel.LASTING + kernel.WINDOW + 2 * kernel.GAP


def test_the_hour_that_is_looked_up_is_the_one_that_is_written_down() -> None:
    records = week_stream(20, step=5, loud=2.0)
    stream = Stream()
    values = run(stream, records[:-1], Promise(1e12))[0]
    before = stream.arrays["wealth"].copy()
    last = records[-1]
    run(stream, last, Promise(1e12))
    clock, score = int(last["clock"][0]), float(last["score"][0])
    hour = (clock // (60 * MINUTE)) % 168
    kept = records[: -1 - kernel.GAP]
    kept = kept.filter((pl.col("clock") // (60 * MINUTE)) % 168 == hour, pl.col("clock") >= 24 * 60 * MINUTE)
    reference = np.rint(kept["score"].to_numpy() * 500) / 500
    assert kernel.LEAST <= len(reference) <= kernel.KEPT
    assert stream.arrays["hours"][hour, 0] == len(reference)
    with np.errstate(over="ignore"):
        place = kernel.uniform(last["key"].to_numpy()[0], np.uint64(records.height))
    mine = np.rint(score * 500) / 500
    p = ((reference > mine).sum() + place * ((reference == mine).sum() + 1)) / (len(reference) + 1)
    assert stream.arrays["wealth"][0] == pytest.approx((before[0] + 1) * 0.3 * p**-0.7)
    assert values[-1] == pytest.approx(before.mean())


def log_stream(seed: int = 0, count: int = 3_000) -> pl.DataFrame:
    """Lines of forty kinds, none alarming."""
    chance = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "score": np.round(chance.normal(-6, 0.5, count), 3),
            "key": chance.integers(0, 2**63, count).astype(np.uint64),
            "kind": chance.integers(1, 41, count).astype(np.uint64),
            "clock": np.arange(count) * MINUTE,
        }
    )


def test_kinds_that_were_never_there_are_a_warning_of_their_own() -> None:
    records = log_stream()
    kinds = records["kind"].to_numpy().copy()
    kinds[2_500:2_520:2] = np.arange(1_000, 1_010)
    codes, onsets = run(Stream(), records.with_columns(kind=pl.Series(kinds)), Promise())[1:]
    at = np.flatnonzero(codes == kernel.RAISED)
    assert len(at) == 1
    assert 2_500 < at[0] < 2_512
    assert onsets[at[0], 3] == kernel.NEW
    assert at[0] - onsets[at[0], 0] == 2_500
    assert raised(records).size == 0


def test_where_every_text_is_new_the_second_score_is_the_first() -> None:
    records = log_stream().with_columns(kind=pl.col("key"))
    stream = Stream()
    run(stream, records, Promise())
    assert stream.arrays["wealth"][3:].tobytes() == stream.arrays["wealth"][:2].tobytes()


def test_a_kind_is_known_until_its_bucket_has_had_others() -> None:
    known = np.zeros((kernel.BUCKETS, kernel.KINDS), dtype=np.uint64)
    step = kernel.BUCKETS

    def new(kind: int) -> bool:
        return bool(kernel._is_new(known, np.uint64(kind)))

    assert [new(5), new(5), new(6), new(5)] == [True, False, True, False]
    others = [5 + step * n for n in range(1, kernel.KINDS)]
    assert all(new(kind) for kind in others)
    assert not new(5)
    assert new(5 + step * 100)
    assert new(others[0])
    assert not new(5)


def test_a_category_of_rules_can_be_a_stream_of_its_own(tmp_path: Path) -> None:
    log = tmp_path / "day.log"
    lines = []
    for minute in range(900):
        at = f"2024-05-01T{minute // 60:02}:{minute % 60:02}:00Z"
        lines.append(f"{at} INFO worker finished job {minute * 7919 % 1000}")
        if minute % 3 == 0 and minute < 870:
            lines.append(f"{at} WARN client: request to inventory {minute} timed out, retry 1 of 5")
        if minute >= 870:
            lines.append(f"{at} FATAL db {minute}: out of memory, killed process; data loss, disk failure, giving up")
    log.write_text("\n".join(lines) + "\n")
    options = Options(rules=("operations",), adapt=False)
    assert {warning.stream for warning in scan([log], options).warnings} == {f"source {log}"}
    found = scan([log], Options(rules=("operations",), adapt=False, by_category=True))
    assert {warning.stream for warning in found.warnings} == {f"source {log}", "category operations"}


def test_a_stream_goes_on_from_what_was_saved_and_refuses_what_is_none() -> None:
    records = week_stream(9, step=3)
    whole, first = Stream(), Stream()
    expected = run(whole, records, Promise(10_000))
    run(first, records[:20_000], Promise(10_000))
    again = Stream()
    again.restore({name: array.copy() for name, array in first.arrays.items()})
    values, codes, onsets = run(again, records[20_000:], Promise(10_000))
    assert values.tobytes() == expected[0][20_000:].tobytes()
    assert codes.tobytes() == expected[1][20_000:].tobytes()
    assert onsets.tobytes() == expected[2][20_000:].tobytes()
    for name, wrong in (
        ("week", np.zeros((5, kernel.KEPT), np.int16)),
        ("wealth", np.zeros(2)),
        ("hours", np.zeros(1)),
    ):
        with pytest.raises(ValueError, match=name):
            Stream().restore(first.arrays | {name: wrong})


def test_watch_keeps_the_hours_of_the_week_over_a_restart(tmp_path: Path) -> None:
    log, state = tmp_path / "days.log", tmp_path / "state.safetensors"
    start = datetime(2026, 3, 2, tzinfo=UTC)
    lines = [
        f"{start + timedelta(minutes=5 * n):%Y-%m-%dT%H:%M:%SZ} INFO job {n} of worker finished" for n in range(900)
    ]
    log.write_text("\n".join(lines) + "\n")
    blocks = pl.concat(read([log]))
    options = Options(rules=("operations",))
    one = Watcher(options)
    one.add(blocks[:600])
    one.save(state, {})
    two = Watcher(options)
    two.load(state)
    one.add(blocks[600:])
    two.add(blocks[600:])
    (whole,), (restarted,) = one.surge.streams.values(), two.surge.streams.values()
    assert len(whole.arrays["week"]) == kernel.HOURS
    assert whole.arrays["hours"][:, 0].sum() > 400
    assert {n: a.tobytes() for n, a in whole.arrays.items()} == {n: a.tobytes() for n, a in restarted.arrays.items()}
