"""Correlations are part of what a scan and a watch go by, and say which records they rest on."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from forewarn.findings import Alert, Place, Reason
from forewarn.options import Options
from forewarn.pipeline import scan
from forewarn.reading.records import read
from forewarn.scan_result import Scan
from forewarn.watching.watcher import Watcher

RULES = r"""
title: Badge refused
name: refused
id: 6c1d3e0a-0000-4000-8000-000000000001
logsource: {category: text}
detection:
  said:
    text|re: 'badge (?P<badge>\w+) was refused'
  condition: said
---
title: One badge again and again
id: 6c1d3e0a-0000-4000-8000-000000000002
level: critical
weight: 9.0
tags: [forewarn.security]
playbook: Ask who has the badge.
correlation:
  type: event_count
  rules: [refused]
  group-by: [badge]
  timespan: 10m
  condition: {gte: 4}
"""


def _log(folder: Path, refused: list[str]) -> Path:
    """A line a minute; from the first hour on a badge is refused every minute, whose it is as given."""
    lines = [f"2026-01-05T{n // 60:02}:{n % 60:02}:00Z door {n % 7} opened for badge q{n % 50}" for n in range(60)]
    lines += [f"2026-01-05T01:{n:02}:00Z door 4: badge {badge} was refused" for n, badge in enumerate(refused)]
    (folder / "door.log").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return folder / "door.log"


@pytest.fixture
def options(tmp_path: Path) -> Options:
    (tmp_path / "own.yaml").write_text(RULES, "utf-8")
    return Options(rules=(str(tmp_path / "own.yaml"),), adapt=False)


def _why(alert: Alert) -> list[Reason]:
    return [reason for item in alert.evidence if item.signal == "rules" for reason in item.why]


def _alerts(found: Scan) -> list[Alert]:
    return [alert for alert in found.alerts if _why(alert)]


def test_a_scan_raises_the_records_that_complete_a_correlation_and_says_what_it_rests_on(
    tmp_path: Path, options: Options
) -> None:
    log = _log(tmp_path, ["k1", "k2", "k1", "k1", "k3", "k1"])
    (alert,) = _alerts(scan(log, options))
    assert alert.text.endswith("door 4: badge k1 was refused")
    assert (alert.count, alert.first.line, alert.last.line) == (1, 66, 66)
    (reason,) = _why(alert)
    assert (reason.title, reason.level, reason.category) == ("One badge again and again", "critical", "security")
    assert reason.note == (f"4 records of badge k1 in 0:05:00, the last {log}:63, {log}:64, {log}:66")
    assert reason.records == [Place(str(log), line) for line in (61, 63, 64, 66)]
    assert alert.category == "security"


def test_members_that_do_not_stand_alone_say_nothing(tmp_path: Path, options: Options) -> None:
    found = scan(_log(tmp_path, ["k1", "k2", "k3", "k4", "k5"]), options)
    assert _alerts(found) == []
    assert found.scores.array("rules_log_odds").tolist() == [0.0] * found.scores.height


def test_records_without_a_time_are_named(tmp_path: Path, options: Options) -> None:
    (tmp_path / "door.log").write_text("door 4: badge k1 was refused\n" * 5, "utf-8")
    found = scan(tmp_path / "door.log", options)
    assert "no time is known of 5 records on which rules of correlations fire: they take no part" in [
        problem.message for problem in found.problems
    ]


@pytest.mark.parametrize("cut", [61, 63, 64])
def test_a_watch_completes_what_it_saved_in_the_middle(tmp_path: Path, options: Options, cut: int) -> None:
    (records,) = read([str(_log(tmp_path, ["k1", "k2", "k1", "k1", "k3", "k1"]))])
    first, second = Watcher(options), Watcher(options)
    first.add(records[:cut])
    first.save(tmp_path / "state", {})
    second.load(tmp_path / "state")
    second.add(records[cut:])
    whole = Watcher(options)
    whole.add(records)
    (hit,) = second._keying.completed.values()
    assert [line for _, line in hit.records] == [61, 63, 64, 66]
    assert [one.records for one in whole._keying.completed.values()] == [hit.records]
    scored = [watcher._texts.filter(pl.col("score") > 0)["example"].to_list() for watcher in (second, whole)]
    assert scored[0] == scored[1] != []


def test_a_state_of_other_correlations_is_not_gone_on_with(tmp_path: Path, options: Options) -> None:
    before = Watcher(options)
    before.save(tmp_path / "state", {})
    (tmp_path / "own.yaml").write_text(RULES.replace("gte: 4", "gte: 5"), "utf-8")
    with pytest.raises(Exception, match="was made with other rules"):
        Watcher(options).load(tmp_path / "state")


def test_what_many_texts_rest_on_is_remembered_of_the_last_ones(tmp_path: Path, options: Options) -> None:
    from forewarn.grouping import templates

    words = ["".join(chr(97 + (n // 26**place) % 26) for place in range(4)) for n in range(300)]
    lines = [f"2026-01-05T01:00:00Z door {word}: badge k1 was refused" for word in words]
    (tmp_path / "door.log").write_text("\n".join(lines) + "\n", "utf-8")
    (records,) = read([str(tmp_path / "door.log")])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(templates, "MOST_COMPLETED", 20)
        watcher = Watcher(options)
        for at in range(0, 300, 30):
            watcher.add(records[at : at + 30])
    kept = [hit.records[-1][1] for hit in watcher._keying.completed.values()]
    assert len(kept) <= 40
    assert kept[-20:] == list(range(281, 301))
