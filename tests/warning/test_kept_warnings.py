"""Warnings wait on disk in the order of time, each in its incident, however many there are."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from forewarn.alerting.incidents import incidents
from forewarn.errors import OutputError
from forewarn.findings import EarlyWarning, Place
from forewarn.runtime.chunked_frame import ChunkedFrame
from forewarn.warning.early_warnings import UnassignedWarning, Words
from forewarn.warning.kept_warnings import KeptWarnings

HOUR = 3_600_000_000
EAST, NORTH = np.eye(2, dtype=np.float32)


def lead(name: str, hour: float, centre: np.ndarray = EAST, text: str = "pool exhausted") -> UnassignedWarning:
    at = Place("a.log", 7, datetime(2024, 5, 1, tzinfo=UTC) + timedelta(hours=hour))
    curve = [(None, 0.5), (at.time, 2e5)]
    warning = EarlyWarning(
        f"fw-w{name}", "", "high", "source a.log", at, at, at, at, "1/100000", 2e5, 3, text, None, ["a.log"], [], [],
        [], [], curve,
    )  # fmt: skip
    return UnassignedWarning(warning, centre, 5, int(hour * HOUR))


def test_warnings_come_in_the_order_of_time_each_in_its_incident() -> None:
    kept = KeptWarnings([lead("c", 9), lead("a", 1), lead("b", 2, NORTH), lead("d", 3), lead("e", 1)])
    assert [one.id for one in kept] == ["fw-wa", "fw-we", "fw-wb", "fw-wd", "fw-wc"]
    # The last one comes six hours later, to the minute; north is another matter.
    assert [one.incident for one in kept] == ["fw-ia", "fw-ia", "fw-ib", "fw-ia", "fw-ia"]
    assert kept[-1].raised == lead("c", 9).warning.raised
    assert kept[0].curve == lead("a", 1).warning.curve
    assert [one.id for one in kept[3:]] == ["fw-wd", "fw-wc"]
    assert kept.central == dict.fromkeys(["fw-wc", "fw-wa", "fw-wb", "fw-wd", "fw-we"], 5)
    assert kept.texts == {5: "pool exhausted"}


def test_they_are_equal_to_a_list_of_the_same_warnings() -> None:
    kept = KeptWarnings([lead("a", 1), lead("b", 2)])
    assert kept == list(kept)
    assert kept != list(kept)[:1]
    assert kept != [kept[1], kept[0]]
    assert KeptWarnings() == []


def test_of_a_thousand_warnings_none_stays_in_memory() -> None:
    def many() -> Iterator[UnassignedWarning]:
        yield from (lead(f"{n:04}", n / 1_000) for n in range(1_000))

    def held() -> int:
        gc.collect()
        return sum(type(one) is EarlyWarning for one in gc.get_objects())

    before = held()
    kept = KeptWarnings(many())
    assert len(kept) == 1_000
    assert held() == before
    assert kept[999].id == "fw-w0999"


def test_a_full_disk_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> object:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(OutputError, match="No space left"):
        KeptWarnings([lead("a", 1)])


def test_an_incident_says_what_all_of_its_warnings_say() -> None:
    kept = KeptWarnings([lead("a", 1), lead("b", 4, text="pool exhausted, giving up"), lead("c", 2)])
    nearer = np.array([0.6, 0.8], dtype=np.float32)
    (one,) = incidents(kept, {"fw-wa": EAST, "fw-wc": EAST, "fw-wb": nearer}, [], np.zeros((0, 2)))
    assert one.warnings == ["fw-wa", "fw-wc", "fw-wb"]
    assert (one.title, one.size, one.speed, one.sources) == ("pool exhausted", 3, 1.0, ["a.log"])
    assert (one.first, one.last) == (kept[0].onset, kept[2].raised)


def test_words_that_were_forgotten_are_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    templates = pl.DataFrame(
        {"template": ["worker finished job", "pool exhausted", "", "disk failing", "no pool left"]}
    )
    words = Words(ChunkedFrame.of(templates))
    earlier = np.array([0] * 50 + [2, 3], dtype=np.uint32)
    found = words.new([1, 3, 4], earlier)
    assert found == ["pool"]
    monkeypatch.setattr("forewarn.warning.early_warnings._MOST_WORDS", 0)
    assert words.new([0], earlier[-2:]) == []
    assert words.new([1, 3, 4], earlier) == found
