"""The report: one file that fetches nothing, in which no text from outside is markup, and which stays small."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest

from forewarn.findings import Alert, EarlyWarning, Evidence, Incident, Place, Reason
from forewarn.output.report.facts import Facts, facts_of_file, head_of
from forewarn.output.report.page import report_of
from forewarn.output.report.timeline import WIDTH, curve, timeline
from forewarn.reading.surroundings import Surroundings, surroundings
from tests.output.test_hostile_text import hostile

Run = Callable[..., Any]
NINE = datetime(2024, 5, 1, 9, tzinfo=UTC)
MARKUP = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'><b>{{ 7*7 }}"


def alert(number: int = 1, text: str = "pool exhausted on db-3", score: float = 0.9, hour: float = 0.0) -> Alert:
    """An alert of a log, some hours after nine."""
    why = [Reason(id="r", title="Pool exhausted", playbook="Look at the pool.", spans=[(0, 4)], level="high")]
    place = Place("app.log", number, NINE + timedelta(hours=hour))
    evidence = [Evidence("prior", -4.0), Evidence("rules", 6.2, 1.0, why)]
    level = "critical" if score > 0.97 else "high"
    return Alert(
        f"fw-{number:06}", score, None, None, 0.01, 2.2, level, "operations", text, 1, place, place, evidence, "a test"
    )


class Page(HTMLParser):
    """What a parser of HTML finds: its elements, and the attributes of each."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)


def packed(page: str) -> dict[str, Any]:
    found = re.search(r'id="data">([^<]*)</script>', page)
    assert found
    data: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(found[1])))
    return data


def test_the_page_lets_run_its_own_script_and_fetches_nothing() -> None:
    page = report_of([alert()], facts_of_file("alerts.jsonl"))
    (policy,) = [a["content"] or "" for tag, a in Page(page).found if a.get("http-equiv")]
    script, style = re.findall(r"<script>(.*?)</script>", page, re.S), re.findall(r"<style>(.*?)</style>", page, re.S)
    for part in (*script, *style):
        digest = base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.findall(r"https?://", page)
    assert not [a for _, a in Page(page).found if "src" in a or any(name.startswith("on") for name in a)]


@pytest.mark.parametrize("kind", [Alert, EarlyWarning, Incident])
def test_no_text_from_outside_is_markup(kind: type[Any]) -> None:
    plain, odd = hostile(kind), hostile(kind, text=MARKUP + "\udcd6\x00\u202e")
    facts = Facts(
        made=NINE, title=MARKUP, problems=[MARKUP], young=[MARKUP], new_words=[MARKUP], events_seen=MARKUP,
        settings={MARKUP: MARKUP}, origin=MARKUP,
    )  # fmt: skip
    expected = Page(report_of([plain], facts_of_file("x"))).found
    found = Page(report_of([odd], facts)).found
    assert {tag for tag, _ in found} <= {tag for tag, _ in expected} | {"ul", "li", "a", "dt", "dd", "code"}
    assert [tag for tag, _ in found].count("script") == 2
    assert not [a for _, a in found if "src" in a or "onerror" in a]


def test_what_the_script_shows_is_the_whole_finding() -> None:
    found = alert(7, text="pool exhausted \udcd6 </script>")
    near = {("app.log", 7): Surroundings(["before it"], ["after it"])}
    (row,) = packed(report_of([found], facts_of_file("x"), near))["alerts"]
    assert row["text"] == found.text
    assert row["evidence"][1]["why"][0]["spans"] == [[0, 4]]
    assert (row["before"], row["after"], row["shown"], row["at"]) == (["before it"], ["after it"], ".90", "app.log:7")


def test_many_alerts_stay_small() -> None:
    lines = [
        f"{n} worker {n * 7919 % 10_007} lost its connection to db-{n % 31}: {hash((n, 1))}" for n in range(10_000)
    ]
    found = [alert(n, text, hour=n / 100) for n, text in enumerate(lines)]
    assert len(report_of(found[:1000], facts_of_file("x"))) <= 1_500_000
    assert len(report_of(found, facts_of_file("x"))) <= 8_000_000


def test_the_first_lines_say_how_many_since_when_how_sure_and_what_to_do() -> None:
    head = head_of([alert(1, hour=2), alert(2, score=0.98, hour=5)])
    assert (head.alerts, head.levels, head.surest) == (2, {"critical": 1, "high": 1}, 0.98)
    assert (head.since, head.until) == (NINE + timedelta(hours=2), NINE + timedelta(hours=5))
    assert head.first_steps == ["Look at the pool."]


def test_a_report_without_alerts_says_what_came_nearest() -> None:
    facts = Facts(made=NINE, title="quiet", nearest=alert(3, "nearest of all", score=0.3), origin="prior")
    page = report_of([], facts)
    assert "nearest of all" in page
    assert "No alert was raised" in page
    assert "Nothing alarming was found" in report_of([], Facts(made=NINE, title="quiet", origin="prior"))


def test_bars_count_the_alerts_of_their_span() -> None:
    found = timeline([alert(1), alert(2, hour=0.01), alert(3, score=0.98, hour=10)])
    assert found is not None
    assert sum(int(bar.said.split(": ")[1].split()[0]) for bar in found.bars) == 3
    assert found.most == 2
    assert all(0 <= bar.x <= WIDTH and bar.height > 0 for bar in found.bars)
    assert {bar.level for bar in found.bars} == {"high", "critical"}
    assert timeline([alert(1), alert(2)]) is None


def test_a_curve_ends_above_its_limit() -> None:
    at = Place("app.log", 9, NINE)
    rise = [(NINE, 1.0), (NINE, 50.0), (NINE, 4_000.0)]
    warning = EarlyWarning(
        id="fw-w1", incident="fw-i1", level="high", stream="source app.log", raised=at, onset=at, onset_low=at,
        onset_high=at, false_warnings="1/10000", value=20_000.0, size=9, text="t", category=None, sources=[], moved=[],
        new_words=[], similar=[], playbook=[], curve=rise,
    )  # fmt: skip
    drawn = curve(warning)
    assert drawn is not None
    heights = [float(point.split(",")[1]) for point in drawn.points.split()]
    assert heights == sorted(heights, reverse=True)
    assert drawn.limit is not None
    assert heights[-1] < drawn.limit < heights[-2]
    unknown = curve(msgspec.structs.replace(warning, false_warnings="1/30d"))
    assert unknown is not None
    assert unknown.limit is None


def test_lines_around_are_those_of_the_file(tmp_path: Path) -> None:
    log, old = tmp_path / "app.log", tmp_path / "old.log.gz"
    log.write_text("".join(f"line {n}\n" for n in range(1, 200_001)), "utf-8")
    old.write_bytes(gzip.compress(b"one\ntwo\nthree\n"))
    binary = tmp_path / "image.png"
    binary.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    places = [(log, 1), (log, 150_000), (log, 200_000), (old, 2), (binary, 1), (tmp_path / "gone.log", 4)]
    found = surroundings(Place(str(path), line) for path, line in places)
    assert found[str(log), 1] == Surroundings([], ["line 2", "line 3", "line 4"])
    assert found[str(log), 150_000].before == ["line 149997", "line 149998", "line 149999"]
    assert found[str(log), 200_000].after == []
    assert found[str(old), 2] == Surroundings(["one"], ["three"])
    assert len(found) == 4


def test_scan_writes_a_report_beside_its_output(forewarn: Run, tmp_path: Path) -> None:
    log, report = tmp_path / "app.log", tmp_path / "report.html"
    log.write_text(
        "2024-05-01 09:00:00 INFO started\n2024-05-01 09:00:01 ERROR out of memory: killed process 12 (postgres)\n"
        "2024-05-01 09:00:02 INFO stopped\n",
        "utf-8",
    )
    ran = forewarn("scan", log, "--report", report, "--budget", "1", "--no-cache")
    assert ran.status == 1
    page = report.read_text("utf-8")
    (row,) = packed(page)["alerts"]
    assert "out of memory" in row["text"]
    assert row["before"] == ["2024-05-01 09:00:00 INFO started"]
    assert "<code>--budget</code>" in page
    assert report.stat().st_mode & 0o077 == 0
    refused = forewarn("scan", log, "--report", log)
    assert refused.status == 2
    assert "out of memory" in log.read_text("utf-8")
