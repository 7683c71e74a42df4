"""Early warning: a stream that changes is a warning soon, one that does not hardly ever is, and nothing hangs on what
comes later."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.simulated_streams import DRAWN, TEXTS, false_warnings, quiet
from forewarn.errors import ForewarnError
from forewarn.grouping.templates import keyed
from forewarn.options import EVERYTHING, Options, Promise, parse_late, parse_promise
from forewarn.pipeline import scan
from forewarn.warning import detector_kernel as kernel
from forewarn.warning.clock_kernel import STEPPED
from forewarn.warning.detector import TIMELINE, ChangeDetector, Ended, Raised, Stream, StreamRows, run
from forewarn.warning.timeline import Clocks, scored
from tests.log_scenarios import BREWING, HOURS, SCENARIOS, START, log_of

Run = Callable[..., object]
Floats = np.ndarray


def timeline(scores: Floats, keys: Floats | None = None, source: str = "a") -> pl.DataFrame:
    """A record a minute."""
    count = len(scores)
    minute = np.arange(count) * 60_000_000
    keys = np.random.default_rng(7).integers(0, 2**63, count) if keys is None else keys
    return pl.DataFrame(
        {
            "source": pl.repeat(source, count, eager=True),
            "line": np.arange(1, count + 1),
            "time": pl.Series(minute).cast(pl.Datetime("us", "UTC")),
            "clock": minute,
            "key": keys,
            "kind": keys,
            "text": np.arange(count),
            "by": pl.repeat(None, count, dtype=pl.String, eager=True),
            "category": pl.repeat(None, count, dtype=pl.String, eager=True),
            "score": scores,
            "record_text": pl.Series([f"text {at}" for at in range(count)], dtype=pl.String),
        }
    ).cast(dict(TIMELINE))


def with_crisis(seed: int = 0, quiet: int = 600, crisis: int = 40, share: float = 0.5) -> Floats:
    """Ordinary scores, then a stretch of which a share is alarming."""
    chance = np.random.default_rng(seed)
    scores = chance.normal(-5, 1, quiet + crisis)
    loud = quiet + np.flatnonzero(chance.random(crisis) < share)
    scores[loud] = chance.normal(2, 1, len(loud))
    return scores


@pytest.mark.parametrize("name", DRAWN)
def test_streams_in_which_nothing_happens_keep_the_promise(name: str) -> None:
    chance = np.random.default_rng(20260314)
    streams, often = 50, 10_000
    found = [false_warnings(quiet(name, chance, working_hours=number % 2 == 1), often) for number in range(streams)]
    assert 0 < sum(found) <= streams * TEXTS / often


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), cuts=st.lists(st.integers(1, 899), max_size=6))
def test_one_at_a_time_in_pieces_and_at_once_are_the_same_to_the_bit(seed: int, cuts: list[int]) -> None:
    records = timeline(np.concatenate([with_crisis(seed), np.random.default_rng(seed).normal(-5, 1, 260)]))
    whole = run(Stream(), records, Promise(1_000))
    stream = Stream()
    edges = [0, *sorted(set(cuts)), 900]
    parts = [run(stream, records[a:b], Promise(1_000)) for a, b in itertools.pairwise(edges)]
    single = Stream()
    ones = [run(single, records[at], Promise(1_000)) for at in range(900)]
    for pieces in (parts, ones):
        for number, expected in enumerate(whole):
            assert np.concatenate([piece[number] for piece in pieces]).tobytes() == expected.tobytes()


def slow(scores: Floats, keys: Floats, kinds: Floats) -> list[float]:
    """The detector as it is written down, for streams without a warning and with few kinds."""
    wealth, found, both = np.zeros(len(kernel.BETS)), [], np.zeros(len(scores))
    for at, score in enumerate(scores):
        both[at] = score + 100 * (kinds[at] not in kinds[:at])
        last = max(0, at - kernel.GAP)
        earlier = slice(max(0, last - kernel.WINDOW), last)
        count = earlier.stop - earlier.start
        if count >= kernel.LEAST:
            place = kernel.uniform(np.uint64(keys[at]), np.uint64(at + 1))
            p = [
                ((row[earlier] > row[at]).sum() + place * ((row[earlier] == row[at]).sum() + 1)) / (count + 1)
                for row in (scores, both)
            ]
            odds, others = np.exp(np.clip(score, -8, 8)), np.exp(np.clip(scores[earlier], -8, 8)).sum()
            on_odds = kernel.DISCOUNT * (count + 1) * odds / (others + odds)
            bets = [power * p[kind] ** (power - 1) if power else on_odds for kind, power in kernel.BETS]
            wealth = (wealth + 1) * np.array(bets)
        found.append(float(wealth.mean()))
    return found


@pytest.mark.filterwarnings("ignore:overflow")
def test_the_fast_detector_is_the_one_that_is_written_down() -> None:
    chance = np.random.default_rng(3)
    for scores in (chance.normal(size=1_500), chance.integers(0, 4, 1_500).astype(float)):
        kinds = chance.zipf(1.5, 1_500).clip(max=3_000).astype(np.uint64)
        records = timeline(scores).with_columns(kind=pl.Series(kinds))
        values, codes, _ = run(Stream(), records, Promise(1e12))
        assert not (codes == kernel.RAISED).any()
        assert values == pytest.approx(slow(scores, records["key"].to_numpy(), kinds), rel=1e-9)


def test_a_crisis_is_a_warning_within_some_texts_that_says_since_when_and_ends() -> None:
    scores = np.concatenate([with_crisis(), np.random.default_rng(1).normal(-5, 1, 700)])
    events = ChangeDetector(Promise(100_000)).advance(timeline(scores))
    assert [type(event) for event in events] == [Raised, Ended]
    raised, ended = events
    assert isinstance(raised, Raised)
    assert 600 < raised.at["line"] <= 615
    assert abs(raised.onset["line"] - 601) <= 3
    assert raised.low["line"] <= raised.onset["line"] <= raised.high["line"] <= raised.at["line"]
    assert ended.at["line"] > 640
    assert raised.since.line[-1] == raised.at["line"]


def rows(heard: StreamRows) -> list[tuple[object, ...]]:
    """Texts of a stream, a tuple each."""
    where = [(*heard.row(at).values(), heard.text_of(at)) for at in range(len(heard))]
    return list(zip(where, heard.text.tolist(), heard.score.tolist(), strict=True))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), after=st.integers(0, 60))
def test_what_comes_later_changes_no_warning(seed: int, after: int) -> None:
    records = timeline(with_crisis(seed, share=0.6))
    first = next((event for event in ChangeDetector().advance(records) if isinstance(event, Raised)), None)
    if first is None:
        return
    cut = records.head(first.at["line"] + after)
    again = ChangeDetector().advance(cut)[0]
    assert isinstance(again, Raised)
    assert (again.at, again.onset, again.low, again.high, again.curve) == (
        first.at,
        first.onset,
        first.low,
        first.high,
        first.curve,
    )
    assert rows(again.since) == rows(first.since)


def test_what_a_warning_is_compared_with_does_not_hang_on_the_size_of_the_blocks() -> None:
    records = timeline(with_crisis(quiet=4_000))
    whole, pieces = ChangeDetector(), ChangeDetector()
    (raised,) = (event for event in whole.advance(records) if isinstance(event, Raised))
    again = [event for at in range(0, len(records), 50) for event in pieces.advance(records[at : at + 50])]
    (in_pieces,) = (event for event in again if isinstance(event, Raised))
    assert rows(raised.earlier) == rows(in_pieces.earlier)
    assert 900 < len(raised.earlier) < kernel.HISTORY


def test_a_text_said_a_hundred_times_is_one_voice() -> None:
    scores = np.concatenate([with_crisis(crisis=0), np.full(100, 3.0)])
    keys = np.arange(700, dtype=np.uint64)
    keys[600:] = 12345
    assert ChangeDetector().advance(timeline(scores, keys)) == []
    assert len(ChangeDetector(voices=False).advance(timeline(scores, keys))) == 1


def test_two_streams_do_not_see_each_other() -> None:
    calm, alarmed = timeline(with_crisis(crisis=0), source="a"), timeline(with_crisis(1), source="b")
    together = pl.concat([calm, alarmed]).sort("clock", maintain_order=True)
    events = ChangeDetector(Promise(10_000), families=("source",)).advance(together)
    assert [event.stream for event in events if isinstance(event, Raised)] == ["source b"]


def test_a_promise_shared_by_two_families_asks_for_twice_as_much() -> None:
    scores = with_crisis(2)
    alone = ChangeDetector(Promise(20_000)).advance(timeline(scores))[0]
    shared = ChangeDetector(Promise(10_000), families=(EVERYTHING, "by")).advance(timeline(scores))[0]
    assert alone.at == shared.at


def test_a_short_stream_says_so() -> None:
    surge = ChangeDetector()
    surge.advance(timeline(np.zeros(kernel.LEAST + kernel.GAP)))
    assert surge.young() == []
    short = ChangeDetector()
    short.advance(timeline(np.zeros(kernel.LEAST)))
    assert short.young() == [EVERYTHING]


def test_a_promise_in_time_counts_the_texts_of_the_stream() -> None:
    records = timeline(np.random.default_rng(0).normal(size=400))
    hourly, texts = Stream(), Stream()
    # A text a minute: 60 hours are 3,600 texts.
    found = run(hourly, records, Promise(1.0, timedelta(hours=60)))[0]
    assert found.tobytes() == run(texts, records, Promise(3_600))[0].tobytes()


@pytest.mark.parametrize(
    ("said", "texts", "period"),
    [("1/100000", 1e5, None), ("2/10000", 5e3, None), ("1/30d", 1.0, timedelta(days=30)), ("2/1w", 0.5, timedelta(7))],
)
def test_a_promise_is_read(said: str, texts: float, period: timedelta | None) -> None:
    assert parse_promise(said) == Promise(texts, period, said)


@pytest.mark.parametrize("said", ["", "1", "0/100", "1/0d", "1/50", "seldom", "1/30y"])
def test_a_promise_that_is_none_says_what_to_write(said: str) -> None:
    with pytest.raises(ForewarnError, match="Write"):
        parse_promise(said)


def test_late_is_read() -> None:
    assert parse_late("90s") == timedelta(seconds=90)
    with pytest.raises(ForewarnError, match="Write"):
        parse_late("soon")


def clocked(minutes: list[float | None], late: int = 5) -> tuple[list[int], list[float], int]:
    """Lines that are kept, their clocks in minutes, how many were left out."""
    times = pl.Series([None if at is None else int(at * 60e6) for at in minutes], dtype=pl.Int64)
    records = pl.DataFrame({"source": "a", "line": np.arange(len(minutes)), "text": "x", "raw": None})
    records = keyed(
        records.with_columns(time=times.cast(pl.Datetime("us", "UTC"))),
        pl.zeros(len(minutes), pl.UInt32, eager=True).alias("rule_set"),
    )
    clocks = Clocks(timedelta(minutes=late))
    kept = clocks.timed(records)
    return kept["line"].to_list(), (kept["clock"] / 60e6).to_list(), clocks.left_out


def test_records_somewhat_late_stay_and_much_later_ones_are_left_out() -> None:
    assert clocked([10, 12, 8, 1, 13]) == ([0, 1, 2, 4], [10, 12, 12, 13], 1)


def test_a_record_without_a_time_has_that_of_the_one_before() -> None:
    assert clocked([None, 10, None, 11]) == ([1, 2, 3], [10, 10, 11], 0)
    assert clocked([None, None])[0] == []


def test_one_time_from_the_future_costs_nothing() -> None:
    lines, clock, left_out = clocked([10, 99_999, *range(11, 51)])
    assert (lines, left_out) == (list(range(42)), 0)
    assert clock == [10, 10, *range(11, 51)]


def test_times_from_the_future_that_agree_cost_twenty_records_and_no_more() -> None:
    lines, clock, left_out = clocked([10, 99_999, 99_999, *range(11, 51)])
    assert left_out == STEPPED
    assert lines[3:] == list(range(3 + STEPPED, 43))
    assert clock[2:4] == [99_999, 31]


def test_after_days_without_a_record_the_second_one_sets_the_clock() -> None:
    assert clocked([10, 5_000, 5_001, 5_002]) == ([0, 1, 2, 3], [10, 10, 5_001, 5_002], 0)


LOG = [f"2024-05-01T{9 + n // 60:02}:{n % 60:02}:00Z INFO worker finished job {n * 7919 % 1000}" for n in range(400)]
FAILING = [
    f"2024-05-01T{15 + (40 + n) // 60:02}:{(40 + n) % 60:02}:30Z ERROR settle: connection pool exhausted, 0 of {n} free"
    for n in range(20)
]


def warnings_of(out: str) -> list[dict[str, object]]:
    return [found for found in map(json.loads, out.splitlines()) if found["kind"] == "warning"]


def test_scan_warns_of_a_log_that_begins_to_fail_and_no_later_line_changes_that(forewarn: Run, tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("\n".join([*LOG, *FAILING]) + "\n")
    warnings = warnings_of(forewarn("scan", log, "--format", "jsonl").out)
    assert len(warnings) == 1
    warning = warnings[0]
    assert warning["stream"] == f"source {log}"
    assert 400 < warning["raised"]["line"] <= 405
    assert abs(warning["onset"]["line"] - 401) <= 3
    assert "pool" in warning["new_words"]
    log.write_text("\n".join([*LOG, *FAILING][: warning["raised"]["line"]]) + "\n")
    assert warnings_of(forewarn("scan", log, "--format", "jsonl").out) == warnings


def test_a_warning_shows_the_records_that_moved_it_and_no_others_of_their_template(
    forewarn: Run, tmp_path: Path
) -> None:
    failed = "sshd[{}]: Failed password for root from {} port {} ssh2"
    lines = [f"2024-05-01T{9 + n // 60:02}:{n % 60:02}:00Z INFO worker finished job {n}" for n in range(400)]
    lines[50] = "2024-05-01T09:50:00Z " + failed.format(77, "192.0.2.1", 4000)
    lines += [f"2024-05-01T16:{n:02}:30Z " + failed.format(800 + n, f"203.0.113.{n}", 5000 + 7 * n) for n in range(30)]
    log = tmp_path / "auth.log"
    log.write_text("\n".join(lines) + "\n")
    ran = forewarn("scan", log, "--rules", "security", "--format", "jsonl")
    (warning,) = warnings_of(ran.out)
    assert warning["moved"]
    for moved in warning["moved"]:
        assert moved["text"] == lines[moved["at"]["line"] - 1]
        assert "203.0.113." in moved["text"]
    assert "203.0.113." in warning["text"]
    incident = next(one for one in map(json.loads, ran.out.splitlines()) if one["kind"] == "incident")
    assert incident["title"] in lines


def test_scan_joins_what_belongs_together(forewarn: Run, tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("\n".join([*LOG, *FAILING, "2024-05-01T16:10:00Z FATAL settle: pool exhausted, giving up"]) + "\n")
    found = [json.loads(line) for line in forewarn("scan", log, "--format", "jsonl").out.splitlines()]
    incident = next(one for one in found if one["kind"] == "incident")
    assert incident["warnings"] == [one["id"] for one in found if one["kind"] == "warning"]
    assert incident["id"] == next(one["incident"] for one in found if one["kind"] == "warning")
    assert incident["playbook"]


def test_a_log_in_which_nothing_happens_warns_of_nothing(forewarn: Run, tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("\n".join(LOG) + "\n")
    ran = forewarn("scan", log)
    assert (ran.status, "WARNING" in ran.out) == (0, False)


def test_lines_without_times_make_no_stream(forewarn: Run, tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("\n".join(line[21:] for line in [*LOG, *FAILING]) + "\n")
    assert warnings_of(forewarn("scan", log, "--format", "jsonl").out) == []


@pytest.mark.parametrize("name", SCENARIOS)
def test_failures_that_become_more_frequent_warn_before_the_outage_and_the_same_day_without_them_does_not(
    name: str, tmp_path: Path
) -> None:
    log = tmp_path / "day.log"
    for brewing in (True, False):
        lines, outage = log_of(name, brewing=brewing)
        log.write_text("\n".join(lines) + "\n")
        warnings = scan([log], Options(rules=("operations", "security"), adapt=False)).warnings
        if outage is None:
            assert warnings == []
        else:
            begun = START + timedelta(hours=BREWING)
            assert warnings[0].raised.line < outage
            assert warnings[0].raised.time is not None
            assert begun < warnings[0].raised.time < begun + timedelta(hours=HOURS - BREWING, minutes=-30)


def test_parts_of_one_stream_meet_in_the_order_of_their_clocks_and_each_keeps_its_own() -> None:
    rows = [("a", 1, 10), ("a", 2, 30), ("a", 3, 20), ("b", 1, 15), ("b", 2, 40)]
    timed = pl.DataFrame(rows, schema=["source", "line", "clock"], orient="row").with_columns(
        time=pl.lit(None, pl.Datetime("us", "UTC")),
        key=pl.lit(0),
        kind=pl.lit(0),
        text_key=pl.lit(1),
        by=pl.lit(None, pl.String),
        record_text=pl.lit("a line"),
    )
    texts = pl.DataFrame({"text_key": [1], "text": [0], "score": [0.5], "category": [None]})
    merged = scored(timed, texts, merge=True)
    assert list(zip(merged["source"], merged["line"], strict=True)) == [
        ("a", 1),
        ("b", 1),
        ("a", 2),
        ("a", 3),
        ("b", 2),
    ]
    assert scored(timed, texts, merge=False)["source"].to_list() == ["a", "a", "a", "b", "b"]


def test_the_values_of_a_field_are_streams_of_their_own(tmp_path: Path) -> None:
    log = tmp_path / "app.jsonl"
    rows = [{"time": line[:20], "service": "pay", "message": line[21:]} for line in [*LOG, *FAILING]]
    others = [{"time": line[:20], "service": "web", "message": f"GET /page {n}"} for n, line in enumerate(LOG)]
    log.write_text("".join(json.dumps(row) + "\n" for pair in zip(rows, others, strict=False) for row in pair))
    with log.open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows[400:])
    options = Options(rules=("operations",), adapt=False, stream_by="service")
    warnings = scan([log], options).warnings
    assert {warning.stream for warning in warnings} == {f"source {log}", "service pay"}
    assert len({warning.incident for warning in warnings}) == 1
    with pytest.raises(ForewarnError, match="a'b"):
        scan([log], replace(options, stream_by="a'b"))
