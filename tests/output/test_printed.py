"""Scores and times as a person reads them: none is certain, none without its zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forewarn.output.printed import begins_with_time, printed_score, printed_time


@pytest.mark.parametrize(
    ("score", "printed"),
    [(0.5, ".50"), (0.974, ".97"), (0.99, ".99"), (0.9901, ">.99"), (1.0, ">.99"), (0.004, "<.01"), (0.0, "<.01")],
)
def test_a_score_is_never_printed_as_certain(score: float, printed: str) -> None:
    assert printed_score(score) == printed


@given(score=st.floats(0, 1), digits=st.integers(1, 6))
def test_what_is_printed_is_no_further_off_than_its_last_digit(score: float, digits: int) -> None:
    printed = printed_score(score, digits)
    value = float(printed.lstrip("<>"))
    assert 0 < value < 1
    assert abs(value - score) <= 10.0**-digits + 1e-12


def test_a_time_is_utc_and_says_so() -> None:
    moment = datetime(2026, 3, 11, 9, 15, tzinfo=timezone(timedelta(hours=8)))
    assert printed_time(moment) == "2026-03-11 01:15Z"
    assert printed_time(moment.astimezone(UTC)) == "2026-03-11 01:15Z"
    assert printed_time(None) == "–"


@pytest.mark.parametrize(
    ("text", "begins"),
    [
        ("2026-03-12T09:17:28.609Z WARN gateway: timed out", True),
        ("Nov 29 08:16:40 web1 sshd[77]: Failed password", True),
        ("[2026-03-12 09:17:28] timed out", True),
        ("2026年3月12日 9时17分 储户排队", True),
        ("gateway timed out at 2026-03-12T09:17:28Z", False),
        ("1773307048 gateway timed out", False),
        ("river is rising quickly", False),
        ("", False),
    ],
)
def test_a_text_that_begins_with_its_time_is_known(text: str, begins: bool) -> None:
    assert begins_with_time(text) is begins
