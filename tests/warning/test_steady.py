"""A new error that keeps coming, or comes in a storm, is a warning.

What is nowhere alarming is none of alarming texts.
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forewarn.grouping.templates import mask, plain_words
from forewarn.options import DEFAULT_PROMISE, Promise, parse_promise
from forewarn.warning import detector_kernel as kernel
from forewarn.warning import steady_kernel as steady
from forewarn.warning.detector import RAISED_BY, ChangeDetector, Raised, Stream, run
from tests.warning.test_early_warning import timeline

FLOOR = -4.0
ROUTINE = np.array([-7.0, -6.5, -6.0, -5.5, -5.0, -4.5, -4.2, -4.1])
"""Scores of the eight kinds of lines that an ordinary service writes."""


def log(seed: int, errors: np.ndarray, *, error_score: float = -1.0, same_error: bool = False) -> pl.DataFrame:
    """Lines of eight kinds, but where there are `errors`: those are of one kind more."""
    chance = np.random.default_rng(seed)
    kinds = chance.integers(0, len(ROUTINE), len(errors))
    keys = chance.integers(1, 2**62, len(errors))
    scores = np.where(errors, error_score, ROUTINE[kinds])
    records = timeline(scores, np.where(errors & same_error, 7, keys))
    return records.with_columns(kind=pl.Series(np.where(errors, 99, kinds)).cast(pl.UInt64))


def warnings(records: pl.DataFrame, promise: Promise = DEFAULT_PROMISE) -> list[Raised]:
    return [event for event in ChangeDetector(promise, floor=FLOOR).advance(records) if isinstance(event, Raised)]


def keeps_coming_plainly(kinds: list[int], limit: float) -> list[tuple[int, int]]:
    """`steady_kernel.keeps_coming` as it is written down: (place, how many texts ago) of each warning."""
    found, places, warned = [], dict[int, list[int]](), set[int]()
    for place, kind in enumerate(kinds, 1):
        seen = places.setdefault(kind, [])
        seen.append(place)
        count, span = len(seen), place - seen[0] + 1
        chance = (span / place) ** (count - 1) * count * (count + 1)
        if count >= 3 and seen[0] > 200 and kind not in warned and chance < 1 / limit:
            warned.add(kind)
            found.append((place, span))
    return found


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), rate=st.sampled_from([0.02, 0.1, 0.4]), limit=st.sampled_from([1e3, 1e6, 1e9]))
def test_kinds_that_keep_coming_are_found_as_it_is_written_down(seed: int, rate: float, limit: float) -> None:
    chance = np.random.default_rng(seed)
    late = chance.random(900) < rate
    late[: chance.integers(250, 850)] = False
    kinds = np.where(late, 17, chance.integers(1, 6, 900))
    names = np.zeros((steady.BUCKETS, steady.WAYS), dtype=np.uint64)
    facts = np.zeros((steady.BUCKETS, steady.WAYS, steady.FACTS), dtype=np.int64)
    found, known = [], set[int]()
    for place, kind in enumerate(kinds.tolist(), 1):
        begun, _ = steady.keeps_coming(names, facts, np.uint64(kind), kind not in known, place, limit)
        known.add(kind)
        if begun:
            found.append((place, begun))
    assert found == keeps_coming_plainly(kinds.tolist(), limit)


@pytest.mark.parametrize("one_in", [8, 15, 30, 60])
def test_a_new_error_that_comes_steadily_is_warned_of_however_rare(one_in: int) -> None:
    for seed in range(4):
        errors = (np.random.default_rng(seed + 100).random(6_000) < 1 / one_in) & (np.arange(6_000) >= 3_000)
        first = warnings(log(seed, errors))[0]
        assert 3_000 < first.at["line"] < 4_700
        assert first.in_log
        assert first.raised_by in (RAISED_BY[kernel.ALARMING], RAISED_BY[kernel.STEADY])
        assert first.onset["line"] > 2_990


def test_an_ordinary_log_has_no_warning() -> None:
    assert not [event for seed in range(6) for event in warnings(log(seed, np.zeros(6_000, dtype=bool)))]


def test_a_storm_of_one_identical_error_is_warned_of_at_its_tenth_line_at_most() -> None:
    for seed in range(4):
        errors = (np.random.default_rng(seed).random(2_000) < 0.33) & (np.arange(2_000) >= 1_900)
        (first, *_) = warnings(log(seed, errors, same_error=True))
        assert errors[: first.at["line"]].sum() <= 10


def test_in_a_feed_what_is_said_again_stays_one_voice() -> None:
    chance = np.random.default_rng(5)
    keys = np.where(np.arange(1_000) % 3 == 0, 7, chance.integers(1, 2**62, 1_000))
    keys[:700] = chance.integers(1, 2**62, 700)
    scores = np.where(keys == 7, 2.0, -6 + chance.random(1_000))
    assert warnings(timeline(scores, keys)) == []


def test_louder_texts_none_of_which_is_alarming_are_no_warning_of_alarming_texts() -> None:
    scores = np.random.default_rng(1).normal(-8, 0.2, 1_000)
    scores[700:] += 3
    assert warnings(timeline(scores)) == []
    scores[700:] += 3
    assert [event.raised_by for event in warnings(timeline(scores))] == ["alarming texts"]


def test_a_kind_that_was_forgotten_and_comes_again_is_not_new() -> None:
    names = np.zeros((steady.BUCKETS, steady.WAYS), dtype=np.uint64)
    facts = np.zeros((steady.BUCKETS, steady.WAYS, steady.FACTS), dtype=np.int64)
    for place in range(5_000, 5_050):
        assert steady.keeps_coming(names, facts, np.uint64(3), False, place, 1e3) == (0, 0)


def test_a_log_is_promised_thirty_days_and_a_feed_a_hundred_thousand_texts() -> None:
    assert parse_promise("auto") == DEFAULT_PROMISE
    assert DEFAULT_PROMISE.said(in_log=True) == "1/30d"
    assert DEFAULT_PROMISE.said(in_log=False) == "1/100000"
    assert Promise().said(in_log=True) == "1/100000"
    # At a thousand lines a second thirty days are far more than a hundred thousand texts: a small change has to wait.
    errors = (np.random.default_rng(3).random(4_000) < 1 / 40) & (np.arange(4_000) >= 3_000)
    slow = log(3, errors)
    fast = slow.with_columns(clock=pl.col("clock") // 60_000)
    values = [run(Stream(), some, DEFAULT_PROMISE, floor=FLOOR)[1] for some in (slow, fast)]
    first = [int(np.flatnonzero(codes == kernel.RAISED)[0]) for codes in values]
    assert first[0] < first[1]
    assert DEFAULT_PROMISE.log_period == timedelta(days=30)


def test_names_that_were_never_there_make_no_new_kind_of_line_other_words_do() -> None:
    lines = [
        "status installed libfoo:amd64 1.2-3",
        "status installed bar-utils:all 9.1",
        "status removed bar-utils:all 9.1",
        "worker[12] finished job user=anna",
        "worker[13] finished job user=boris",
        "worker[13] lost connection",
        "订单123已创建",
        "订单456已创建",
        "订单456支付失败",
    ]
    kinds = pl.DataFrame({"text": lines}).select(plain_words(mask(pl.col("text"))).alias("kind"))["kind"].to_list()
    assert kinds[0] == kinds[1] != kinds[2]
    assert kinds[3] == kinds[4] != kinds[5]
    assert kinds[6] == kinds[7] != kinds[8]
