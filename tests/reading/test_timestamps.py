"""Times are found in whatever form a file writes them, by a vote of its lines, and never make reading fail."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forewarn.reading import time_forms, timestamps
from forewarn.reading.time_names import ZONES

LATEST = datetime(2024, 6, 15, 12, 0, tzinfo=UTC)


def latest(moment: datetime = LATEST) -> pl.Series:
    return pl.Series([moment], dtype=timestamps.UTC_TIME)


def times(lines: list[str], *, cells: bool = False, moment: datetime = LATEST) -> list[datetime | None]:
    texts = pl.Series(lines, dtype=pl.String)
    (formats,) = timestamps.recognise(texts, cells=cells)
    return timestamps.parse(texts, formats, latest(moment)).to_list()


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("line", "time"),
    [
        ("2024-03-09T07:05:03Z gate closed", utc(2024, 3, 9, 7, 5, 3)),
        ("2024-03-09T07:05:03.25+08:00 gate closed", utc(2024, 3, 8, 23, 5, 3, 250_000)),
        ("2024-03-09 07:05:03,123456789 -0330 gate closed", utc(2024, 3, 9, 10, 35, 3, 123_456)),
        ("2024-03-09 07:05:03.5+08 gate closed", utc(2024, 3, 8, 23, 5, 3, 500_000)),
        ("2024-03-09 07:05:03 -12 items left", utc(2024, 3, 9, 7, 5, 3)),
        ("2024-03-09 07:05:03,044 - WARN gate closed", utc(2024, 3, 9, 7, 5, 3, 44_000)),
        ("2024-03-09 07:05:03, Info  gate closed", utc(2024, 3, 9, 7, 5, 3)),
        ("[2024-03-09 07:05:03] gate closed", utc(2024, 3, 9, 7, 5, 3)),
        ("2024/03/09 07:05:03 [error] gate closed", utc(2024, 3, 9, 7, 5, 3)),
        ("2024-03-09-07.05.03.675872 gate closed", utc(2024, 3, 9, 7, 5, 3, 675_872)),
        ("2024-03-09 07:05 gate closed", utc(2024, 3, 9, 7, 5)),
        ("2024-03-09 gate closed", utc(2024, 3, 9)),
        ("20240309T070503Z gate closed", utc(2024, 3, 9, 7, 5, 3)),
        ("<34>1 2024-03-09T07:05:03.003Z host su - ID47 gate closed", utc(2024, 3, 9, 7, 5, 3, 3000)),
        ("<34>Mar  9 07:05:03 host su: gate closed", utc(2024, 3, 9, 7, 5, 3)),
        ("Mar  9 07:05:03 host gated[19]: closed", utc(2024, 3, 9, 7, 5, 3)),
        ("Mar 9 2024 07:05:03: %GATE-4-CLOSED", utc(2024, 3, 9, 7, 5, 3)),
        ("Mar 9, 2024 7:05:03 PM gate closed", utc(2024, 3, 9, 19, 5, 3)),
        ("[Sat Mar 09 07:05:03 2024] [notice] gate closed", utc(2024, 3, 9, 7, 5, 3)),
        ("[Sat Mar 09 07:05:03.123456 2024] [core:notice] gate closed", utc(2024, 3, 9, 7, 5, 3, 123_456)),
        ("Sat Mar  9 07:05:03 CET 2024 gate closed", utc(2024, 3, 9, 6, 5, 3)),
        ("Sat Mar 09 07:05:03 +0000 2024", utc(2024, 3, 9, 7, 5, 3)),
        ("Sat, 09 Mar 2024 07:05:03 +0100 gate closed", utc(2024, 3, 9, 6, 5, 3)),
        ("09-Mar-2024 07:05:03.250 INFO gate closed", utc(2024, 3, 9, 7, 5, 3, 250_000)),
        ('10.1.2.3 - ann [09/Mar/2024:07:05:03 +0100] "GET /gate HTTP/1.1" 503 12', utc(2024, 3, 9, 6, 5, 3)),
        ("1709967903 2024.03.09 R1 gate closed", utc(2024, 3, 9, 7, 5, 3)),
        ("- 1709967903 2024.03.09 R1 2024-03-09-03.05.03.000000 gate closed", utc(2024, 3, 9, 7, 5, 3)),
        ("1709967903.5 gate closed", utc(2024, 3, 9, 7, 5, 3, 500_000)),
        ("1709967903250 gate closed", utc(2024, 3, 9, 7, 5, 3, 250_000)),
        ("type=GATE msg=audit(1709967903.250:4): closed", utc(2024, 3, 9, 7, 5, 3, 250_000)),
        ("5071 node-7 gate.state closed 1709967903 1 gate closed", utc(2024, 3, 9, 7, 5, 3)),
        ("gate.log.1.2024-03-10_01:00:00 2024-03-09 07:05:03.008 731 INFO closed", utc(2024, 3, 9, 7, 5, 3, 8000)),
        ('level=warn time="2024-03-09T07:05:03Z" msg="gate closed"', utc(2024, 3, 9, 7, 5, 3)),
        ("240309 070503 148 INFO gate closed", utc(2024, 3, 9, 7, 5, 3)),
        ("240309  7:05:03 [Warning] gate closed", utc(2024, 3, 9, 7, 5, 3)),
        ("24/03/09 07:05:03 INFO gate closed", utc(2024, 3, 9, 7, 5, 3)),
        ("20240309-7:5:03:606|Gate|closed", utc(2024, 3, 9, 7, 5, 3, 606_000)),
        ("03-09 07:05:03.811  1702  2395 D Gate: closed", utc(2024, 3, 9, 7, 5, 3, 811_000)),
        ("[03.09 07:05:03] gate.exe - closed", utc(2024, 3, 9, 7, 5, 3)),
        ("W0309 07:05:03.250000    7 gate.go:12] closed", utc(2024, 3, 9, 7, 5, 3, 250_000)),
        ("03/09/2024 07:05:03 PM gate closed", utc(2024, 3, 9, 19, 5, 3)),
        ("29.03.2024 07:05:03 Tor zu", utc(2024, 3, 29, 7, 5, 3)),
        ("2024年3月9日 07:05 闸门关闭", utc(2024, 3, 9, 7, 5)),
        ("2024年3月9日下午7时05分 闸门关闭", utc(2024, 3, 9, 19, 5)),
        ("2024年03月09日（星期六）07:05:03 闸门关闭", utc(2024, 3, 9, 7, 5, 3)),
        ("2024年3月9日，闸门关闭", utc(2024, 3, 9)),
        ("3月9日 7时5分，闸门关闭", utc(2024, 3, 9, 7, 5)),
        ("2024/3/9 下午 7:05:03 闸门关闭", utc(2024, 3, 9, 19, 5, 3)),
        ("2024-03-09 上午12:05:03 闸门关闭", utc(2024, 3, 9, 0, 5, 3)),
        ("2024. 3. 9. 오후 7:05:03 수문", utc(2024, 3, 9, 19, 5, 3)),
        ("2024년 3월 9일 오전 7시 5분 3초 수문", utc(2024, 3, 9, 7, 5, 3)),
        ("2024年3月9日 午後7時5分3秒 水門", utc(2024, 3, 9, 19, 5, 3)),
        ("2024-03-09\t07:05:03\tgate\tclosed", utc(2024, 3, 9, 7, 5, 3)),
        ("03/09/2024-07:05:03.5 gate closed", utc(2024, 3, 9, 7, 5, 3, 500_000)),
        ("2024-03-09 07:05:03.25 EST [7] LOG: gate closed", utc(2024, 3, 9, 12, 5, 3, 250_000)),
        ("2024-03-09 07:05:03 JST gate closed", utc(2024, 3, 8, 22, 5, 3)),
        ("2024-03-09 07:05:03 Europe/Berlin gate closed", utc(2024, 3, 9, 6, 5, 3)),
        ("2024-03-09 07:05:03 GMT+8 gate closed", utc(2024, 3, 8, 23, 5, 3)),
        ("2024-03-09 07:05:03 (UTC-5) gate closed", utc(2024, 3, 9, 12, 5, 3)),
        ("Sat Mar  9 07:05:03 PST 2024 gate closed", utc(2024, 3, 9, 15, 5, 3)),
        ("Mar  9 07:05:03 2024 host gate closed", utc(2024, 3, 9, 7, 5, 3)),
        ("2024-03-09-07.05.03.500000-300 gate closed", utc(2024, 3, 9, 12, 5, 3, 500_000)),
        ("09 mars 2024 07:05:03 porte", utc(2024, 3, 9, 7, 5, 3)),
        ("févr. 9 07:05:03 hote porte[1]: fermée", utc(2024, 2, 9, 7, 5, 3)),
        ("9 dic 2023 07:05:03 puerta", utc(2023, 12, 9, 7, 5, 3)),
        ("9. März 2024 07:05:03 Tor zu", utc(2024, 3, 9, 7, 5, 3)),
        ("9 марта 2024 07:05:03 ворота", utc(2024, 3, 9, 7, 5, 3)),
        ("9 maggio 2024 07:05:03 porta", utc(2024, 5, 9, 7, 5, 3)),
        ("9 de fevereiro de 2024 07:05:03 porta", utc(2024, 2, 9, 7, 5, 3)),
        ("[worker] 9 Mar 2024 07:05:03 gate closed", utc(2024, 3, 9, 7, 5, 3)),
        ("77:S 9 Mar 2024 07:05:03.250 gate closed", utc(2024, 3, 9, 7, 5, 3, 250_000)),
        ("gate-1  | 2024-03-09 07:05:03 gate closed", utc(2024, 3, 9, 7, 5, 3)),
        ("[pid: 7] 10.0.0.1 {4 vars} [Sat Mar  9 07:05:03 2019] GET /gate", utc(2019, 3, 9, 7, 5, 3)),
        ("date=2024-03-09 time=07:05:03 gate=closed", utc(2024, 3, 9, 7, 5, 3)),
        ("ERROR:gate:2024-03-09 07:05:03,5 closed", utc(2024, 3, 9, 7, 5, 3, 500_000)),
        ("2024-069T07:05:03 gate closed", utc(2024, 3, 9, 7, 5, 3)),
        ("20240309.070503,5:DEBUG:gate closed", utc(2024, 3, 9, 7, 5, 3, 500_000)),
        ("@4000000065ec0a2920000000 gate closed", utc(2024, 3, 9, 7, 5, 3, 536_870)),
    ],
)
def test_a_time_is_read_in_each_form_that_logs_use(line: str, time: datetime) -> None:
    assert times([line]) == [time]


@pytest.mark.parametrize(
    ("cell", "time"),
    [
        ("2024-03-09", utc(2024, 3, 9)),
        ("20240309", utc(2024, 3, 9)),
        ("9 March 2024", utc(2024, 3, 9)),
        ("March 9, 2024", utc(2024, 3, 9)),
        ("2024年3月9日", utc(2024, 3, 9)),
        ("3/9/2024", utc(2024, 3, 9)),
        ("25/3/2024 7:05", utc(2024, 3, 25, 7, 5)),
        ("1709967903", utc(2024, 3, 9, 7, 5, 3)),
        ("946684800", utc(2000, 1, 1)),
        ("1709967903.25", utc(2024, 3, 9, 7, 5, 3, 250_000)),
        ("1709967903250", utc(2024, 3, 9, 7, 5, 3, 250_000)),
        ("1709967903250000", utc(2024, 3, 9, 7, 5, 3, 250_000)),
        ("1709967903250000000", utc(2024, 3, 9, 7, 5, 3, 250_000)),
    ],
)
def test_a_cell_may_hold_a_day_alone_or_a_bare_number(cell: str, time: datetime) -> None:
    assert times([cell], cells=True) == [time]


@pytest.mark.parametrize(
    "line",
    [
        "the gate is closed",
        "",
        "12 gates are closed",
        "2024-13-09 07:05:03 no such month",
        "2023-02-29 07:05:03 no such day",
        "2024-04-31 07:05:03 no such day",
        "Mar  9 25:05:03 no such hour",
        "0000-00-00 00:00:00 nothing",
        "99999999999999999999999 digits",
        "Feb 30 07:05:03 no such day",
        "10.2.3.4 is an address",
        "13800138000 is a telephone number",
        "银行今天关门",
    ],
)
def test_what_is_no_time_is_null_and_no_error(line: str) -> None:
    assert times([line]) == [None]


def test_a_time_without_a_year_gets_the_newest_year_that_is_not_in_the_future() -> None:
    lines = ["Jun 15 11:59:00 host a", "Jun 15 12:01:00 host b", "Dec 31 23:59:59 host c", "Jan  1 00:00:00 host d"]
    assert times(lines) == [
        utc(2024, 6, 15, 11, 59),
        utc(2023, 6, 15, 12, 1),
        utc(2023, 12, 31, 23, 59, 59),
        utc(2024, 1, 1),
    ]


def test_the_29th_of_february_without_a_year_falls_into_a_leap_year() -> None:
    line = "Feb 29 10:00:00 host a"
    assert times([line]) == [utc(2024, 2, 29, 10)]
    assert times([line], moment=utc(2024, 2, 1)) == [utc(2020, 2, 29, 10)]
    assert times([line], moment=utc(2023, 7, 1)) == [utc(2020, 2, 29, 10)]


def test_each_file_has_its_own_latest_time() -> None:
    texts = pl.Series(["Jun 20 10:00:00 host a"] * 2)
    (formats,) = timestamps.recognise(texts)
    moments = pl.Series([utc(2019, 7, 1), utc(2022, 6, 1)], dtype=timestamps.UTC_TIME)
    assert timestamps.parse(texts, formats, moments).to_list() == [utc(2019, 6, 20, 10), utc(2021, 6, 20, 10)]


def test_a_leap_second_counts_as_the_second_before() -> None:
    assert times(["2016-12-31T23:59:60Z tick"]) == [utc(2016, 12, 31, 23, 59, 59)]


def test_lines_without_a_time_among_others_are_null() -> None:
    lines = ["2024-03-09 07:05:03 ERROR failed", "  at Gate.close(Gate.java:7)", "Caused by: rust", ""]
    assert times(lines) == [utc(2024, 3, 9, 7, 5, 3), None, None, None]


def test_a_file_may_mix_forms() -> None:
    lines = ["2024-03-09 07:05:03 up", "Mar  9 07:05:04 host up", "[Sat Mar 09 07:05:05 2024] up"] * 10
    assert times(lines)[:3] == [utc(2024, 3, 9, 7, 5, second) for second in (3, 4, 5)]


def test_the_order_of_day_and_month_is_the_one_that_fits_all_lines() -> None:
    assert times(["03/04/2024 07:00:00 a", "25/04/2024 07:00:00 b"]) == [utc(2024, 4, 3, 7), utc(2024, 4, 25, 7)]
    assert times(["03/04/2024 07:00:00 a", "04/25/2024 07:00:00 b"]) == [utc(2024, 3, 4, 7), utc(2024, 4, 25, 7)]


def test_a_time_at_the_start_counts_before_one_that_the_line_talks_about() -> None:
    line = "2024-03-09 07:05:03 the meeting of 2019-01-01 10:00:00 was moved"
    assert times([line]) == [utc(2024, 3, 9, 7, 5, 3)]
    assert times([line.removeprefix("2024-03-09 07:05:03 "), "no time here", "nor here"]) == [None] * 3


def test_numbers_that_seldom_look_like_a_time_are_not_one() -> None:
    assert times(["1709967903 parcels"] + ["12 parcels"] * 9) == [None] * 10


def test_a_day_alone_is_no_time_where_a_clock_of_another_form_follows() -> None:
    assert times(["2024-03-09 at 07h05 the gate closed"]) == [None]


def test_lines_with_a_zone_and_without_are_each_read_as_written() -> None:
    lines = ["2024-03-09 07:05:03 CET a", "2024-03-09 07:05:03 b", "2024-03-09 07:05:03 c"]
    assert times(lines) == [utc(2024, 3, 9, 6, 5, 3), utc(2024, 3, 9, 7, 5, 3), utc(2024, 3, 9, 7, 5, 3)]


def test_a_zone_of_several_meanings_is_utc_and_named() -> None:
    texts = pl.Series(["2024-03-09 07:05:03 CST a", "2024-03-09 07:05:03 CET b"])
    (formats,) = timestamps.recognise(texts)
    assert timestamps.unsure_zones(texts, formats) == ["CST"]
    assert timestamps.parse(texts, formats, latest()).to_list() == [utc(2024, 3, 9, 7, 5, 3), utc(2024, 3, 9, 6, 5, 3)]


def test_each_group_votes_for_itself() -> None:
    texts = pl.Series(["2024-03-09 07:05:03 a", "no time", "Mar  9 07:05:03 h b", "no time either"])
    found = timestamps.recognise(texts, np.array([0, 1, 2, 1]), 3)
    assert [[form.name for form in formats] for formats in found] == [["iso"], [], ["month day"]]


def test_nothing_to_vote_on_gives_no_format() -> None:
    assert timestamps.recognise(pl.Series([], dtype=pl.String)) == [()]
    assert timestamps.recognise(pl.Series([None], dtype=pl.String)) == [()]


FORMS = (
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S.%f",
    "%Y/%m/%d %H:%M:%S,%f",
    "[%a %b %d %H:%M:%S %Y]",
    "%d-%b-%Y %H:%M:%S.%f",
    "%a, %d %b %Y %H:%M:%S",
    "%b %d, %Y %I:%M:%S %p",
    "%Y%m%dT%H%M%S",
    "%Y年%m月%d日 %H:%M:%S",
    "%Y年%m月%d日%H时%M分%S秒",
    "%m/%d/%Y-%H:%M:%S.%f",
    "%Y-%m-%d\t%H:%M:%S",
    "%b %d %H:%M:%S %Y",
    "%a %b %d %H:%M:%S UTC %Y",
    "%Y-%m-%d %H:%M:%S GMT+0",
    "[main] %d %b %Y %H:%M:%S,%f",
    "ERROR:gate:%Y-%m-%d %H:%M:%S,%f",
    "gate-1  | %Y-%m-%d %H:%M:%S",
    "date=%Y-%m-%d time=%H:%M:%S",
    "%Y%m%d.%H%M%S,%f",
    "%Y-%jT%H:%M:%S",
)


@settings(deadline=None)
@given(
    st.datetimes(datetime(1970, 1, 1), datetime(2090, 1, 1)),
    st.sampled_from([("上午", "下午"), ("午前", "午後"), ("오전", "오후"), ("AM", "PM")]),
    st.sampled_from(["{0:%Y/%m/%d} {1} {2}:{0:%M:%S}", "{0:%Y-%m-%d} {1}{2:02}:{0:%M:%S} rest"]),
)
def test_a_half_of_the_day_before_the_clock_is_read(moment: datetime, halves: tuple[str, str], form: str) -> None:
    line = form.format(moment, halves[moment.hour >= 12], moment.hour % 12 or 12)
    assert times([line]) == [moment.replace(microsecond=0, tzinfo=UTC)]


@settings(deadline=None)
@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)),
    st.sampled_from(sorted(name for name in ZONES if name.isalpha())),
    st.sampled_from(["%Y-%m-%d %H:%M:%S {0} x", "%a %b %d %H:%M:%S {0} %Y", "%d/%b/%Y:%H:%M:%S {0} x"]),
)
def test_a_named_zone_is_taken_off(moment: datetime, zone: str, form: str) -> None:
    local = moment.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=ZONES[zone])))
    assert times([local.strftime(form.format(zone))]) == [local.astimezone(UTC)]


@settings(deadline=None)
@given(st.datetimes(datetime(2010, 1, 1), datetime(2033, 1, 1)), st.sampled_from([1, 1000, 10**6, 10**9]))
def test_seconds_since_1970_are_read_in_any_unit(moment: datetime, unit: int) -> None:
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    seconds = int(moment.timestamp()) * unit
    assert times([f"{seconds} x"]) == times([str(seconds)], cells=True) == [moment]


def test_milliseconds_that_look_like_a_date_of_long_ago_are_milliseconds() -> None:
    assert times(["1904010120000 x"]) == [datetime(2030, 5, 3, 3, 42, tzinfo=UTC)]


@settings(deadline=None)
@given(
    st.lists(st.datetimes(datetime(1970, 1, 1), datetime(2090, 1, 1)), min_size=1, max_size=5),
    st.sampled_from(FORMS),
    st.sampled_from(["", " rest", " 17 left"]),
)
def test_what_the_standard_library_writes_is_read_back(moments: list[datetime], form: str, rest: str) -> None:
    whole = [moment if "%f" in form else moment.replace(microsecond=0) for moment in moments]
    assert times([moment.strftime(form) + rest for moment in whole]) == [moment.replace(tzinfo=UTC) for moment in whole]


@settings(deadline=None)
@given(
    st.datetimes(datetime(1970, 1, 1), datetime(2090, 1, 1)),
    st.integers(-14 * 4 + 1, 14 * 4).map(lambda quarters: timezone(timedelta(minutes=15 * quarters))),
)
def test_an_offset_is_taken_off(moment: datetime, zone: timezone) -> None:
    local = moment.replace(microsecond=0, tzinfo=zone)
    assert times([local.isoformat() + " a", local.strftime("%Y-%m-%d %H:%M:%S %z b")]) == [local.astimezone(UTC)] * 2


@settings(deadline=None)
@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 2, 28)), st.datetimes(datetime(2004, 3, 1), datetime(2099, 1, 1))
)
def test_the_inferred_year_is_the_newest_that_fits(moment: datetime, now: datetime) -> None:
    moment, now = moment.replace(second=0, microsecond=0), now.replace(second=0, microsecond=0)
    candidates = []
    for year in range(now.year, now.year - 9, -1):
        try:
            candidates.append(moment.replace(year=year))
        except ValueError:
            continue
    expected = next(candidate for candidate in candidates if candidate <= now)
    (found,) = times([moment.strftime("%b %d %H:%M:%S host x")], moment=now.replace(tzinfo=UTC))
    assert found == expected.replace(tzinfo=UTC)


@settings(deadline=None)
@given(st.lists(st.text(max_size=60), max_size=8), st.booleans())
def test_any_text_can_be_asked_for_its_time(lines: list[str], cells: bool) -> None:
    assert len(times(lines, cells=cells)) == len(lines)


@settings(deadline=None)
@given(st.lists(st.text(alphabet="0123456789-/: .,TZ+[]年月日时分<>", max_size=30), max_size=8), st.booleans())
def test_any_digits_and_separators_can_be_asked_for_their_time(lines: list[str], cells: bool) -> None:
    assert len(times(lines, cells=cells)) == len(lines)


@given(st.lists(st.sampled_from(["2024-03-09 07:05:03", "Mar  9 07:05:03", "x", None]), max_size=12), st.booleans())
def test_runs_of_equal_stamps_are_parsed_as_they_are_alone(stamps: list[str | None], several: bool) -> None:
    written = pl.Series(stamps, dtype=pl.String)
    formats = [form for form in time_forms.FORMATS if form.name in ("iso", "month day")]
    days = [utc(2024, 3, 1 + number // 2 * 4) for number in range(len(stamps))] if several else [utc(2024, 4, 1)]
    latest = pl.Series(days[: max(len(stamps), 1)], dtype=pl.Datetime("us", "UTC"))
    assert timestamps.parse_runs(written, formats, latest).equals(
        timestamps.parse(written, formats, latest), null_equal=True
    )
