"""What is printed: a finding a line into a pipe, an incident once on a terminal, lines that their schema describes."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from forewarn.findings import Alert, Evidence, Incident, Place, Reason, dated, json_schema, now
from forewarn.output import compact, rendering
from forewarn.output.printed import printed_score
from forewarn.output.rule_views import backtest, tree
from forewarn.output.terminal import Terminal
from forewarn.rules.rule_set import Explained

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., object]
NINE = datetime(2024, 5, 1, 9, tzinfo=UTC)


def alert(text: str, spans: list[tuple[int, int]] | None = None, score: float = 0.9) -> Alert:
    """An alert on line 7 of a log."""
    why = [Reason(id="r", title="Pool exhausted", playbook="Look at the pool.", spans=spans or [])]
    evidence = [Evidence("prior", -4.0), Evidence("rules", 6.2, 1.0, why)]
    place = Place("app.log", 7, NINE)
    return Alert("fw-1", score, None, None, None, 2.2, "high", "operations", text, 1, place, place, evidence, "a test")


def incident_of(*alerts: Alert) -> Incident:
    """An incident of alerts."""
    return Incident(
        id="fw-i1",
        title=alerts[0].text,
        level="high",
        category="operations",
        first=alerts[0].first,
        last=alerts[-1].last,
        size=len(alerts),
        speed=None,
        sources=["app.log"],
        new_words=[],
        similar=[],
        playbook=["Look at the pool."],
        warnings=[],
        alerts=[one.id for one in alerts],
    )


@given(st.text())
def test_a_finding_is_one_line_whatever_its_text(text: str) -> None:
    line = compact.line(alert(text))
    assert line.startswith("app.log:7: high .90 ")
    assert len(f"{line}\n".splitlines()) == 1


@given(st.text(max_size=400), st.integers(0, 390), st.integers(1, 40))
def test_the_marked_words_are_those_that_the_rule_found(text: str, start: int, length: int) -> None:
    end = min(start + length, len(text))
    shown = rendering.marked(alert(text, [(start, end)] if start < end else []), 10_000)
    marked = "".join(shown.plain[span.start : span.end] for span in shown.spans if span.style == "underline")
    assert marked == (rendering.printable(text[start:end]) if start < end else "")


def test_a_long_text_is_shown_where_the_rule_found_something() -> None:
    text = "x " * 300 + "pool exhausted"
    assert "pool exhausted" in rendering.marked(alert(text, [(600, 614)]), 150).plain


def test_an_ideograph_takes_two_columns() -> None:
    assert rendering.fitting("储户排队取款", 6) == 3
    assert rendering.fitting("queue", 6) == 6


def test_an_opinion_is_never_certain() -> None:
    assert printed_score(0.9999) == ">.99"


@pytest.mark.parametrize(
    ("number", "noun", "shown"), [(1, "rule", "1 rule"), (0, "file", "0 files"), (2425, "line", "2,425 lines")]
)
def test_nouns_agree_with_their_numbers(number: int, noun: str, shown: str) -> None:
    assert rendering.counted(number, noun) == shown


def screen(width: int = 80) -> tuple[Terminal, io.StringIO]:
    """A terminal of eighty columns, and what is drawn on it."""
    drawn = io.StringIO()
    console = Console(file=drawn, width=width, force_terminal=True, color_system="standard", highlight=False)
    return Terminal(console, console), drawn


def test_no_colour_that_is_unreadable_on_black_or_on_white() -> None:
    terminal, drawn = screen()
    for one in (alert("pool exhausted", [(0, 4)]), alert("other")):
        terminal.explain(one)
    for line in drawn.getvalue().splitlines():
        # 2 is dim, 33 and 34 are yellow and blue.
        for code in re.findall(r"\x1b\[([\d;]*)m", line):
            assert not {"2", "33", "34"} & set(code.split(";")), line


def test_a_wrapped_text_never_falls_back_to_the_margin() -> None:
    terminal, drawn = screen(40)
    terminal.explain(alert("word " * 60))
    text = re.sub(r"\x1b\[[\d;]*m", "", drawn.getvalue())
    assert all(line.startswith("  ") for line in text.splitlines() if line.strip().startswith("word"))


def test_into_a_pipe_each_finding_is_one_line(forewarn: Run, tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("".join(f"2024-05-01 09:{n:02}:00 INFO job {n} done\n" for n in range(50)) + "kernel panic " * 40)
    ran = forewarn("scan", log, "--threshold", "0.5", "--false-warnings", "none")
    assert [re.match(rf"{log}:\d+: \w+ ", line) is not None for line in ran.out.splitlines()] == [True]
    assert "1 file · 51 lines" in ran.err
    quiet = forewarn("scan", log, "--threshold", "0.5", "--false-warnings", "none", "-q")
    assert (quiet.out, quiet.err) == (ran.out, "")


def test_json_is_short_for_its_format(forewarn: Run, tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("kernel panic\nfine\n")
    assert forewarn("scan", log, "--json").out == forewarn("scan", log, "--format", "jsonl").out


def test_a_line_says_when_it_happened_and_when_it_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    line = json.loads(msgspec.json.encode(dated(alert("a"), now())))
    assert (line["schema_version"], line["time"], line["detected_at"]) == (
        1,
        "2024-05-01T09:00:00Z",
        "2023-11-14T22:13:20Z",
    )


def test_every_line_of_the_examples_is_as_the_schema_says(forewarn: Run) -> None:
    schema = json.loads(forewarn("schema").out)
    lines = [json.loads(line) for line in forewarn("scan", ROOT / "examples/logs", "--json").out.splitlines()]
    assert {line["kind"] for line in lines} == {"alert", "warning", "incident"}
    for line in lines:
        jsonschema.validate(line, schema, format_checker=jsonschema.FormatChecker())
        assert line["detected_at"] == "2023-11-14T22:13:20Z"


def test_every_field_is_documented_and_no_other() -> None:
    page = (ROOT / "docs/output.md").read_text("utf-8")
    for name, title in (("Alert", "alert"), ("EarlyWarning", "warning"), ("Incident", "incident")):
        section = page.split(f"### `{title}`")[1].split("###")[0]
        documented = {
            field for row in re.findall(r"^\| (`.*?) \|", section, re.M) for field in re.findall(r"`(\w+)`", row)
        }
        assert documented == set(json_schema()["$defs"][name]["properties"]), name


def test_of_many_phrases_only_those_that_hold_are_shown() -> None:
    class Rule:
        title, level = "Bank run", "critical"

    phrases = [Explained("contains", f"phrase {n}", n == 1, [(0, 4)] if n == 1 else []) for n in range(9)]
    any_of = Explained("any", "", True, parts=phrases)

    def drawn(everything: bool) -> str:
        terminal, out = screen()
        terminal.out.print(tree(Rule(), "bank run", any_of, everything=everything))  # type: ignore[arg-type]
        return re.sub(r"\x1b\[[\d;]*m", "", out.getvalue())

    assert "any of: 1 of 9  “bank”" in drawn(False)
    assert "phrase 8" not in drawn(False)
    assert "phrase 8" in drawn(True)


def test_a_backtest_begins_with_the_rule_of_most_hits_and_folds_the_dead() -> None:
    row = {"rule": "id", "right": 1, "wrong": 0, "precision": 1.0, "recall": 1.0, "only": 0, "verdict": ""}
    shown, dead = backtest([row | {"title": name, "hits": hits} for name, hits in (("a", 1), ("b", 0), ("c", 5))])
    assert [one["title"] for one in shown] == ["c", "a"]
    assert dead.startswith("1 rule without a hit")


def test_alerts_stand_beneath_their_incident_and_what_to_do_is_said_once() -> None:
    from forewarn.output.overview import stories, story_lines

    first, second = alert("pool exhausted"), msgspec.structs.replace(alert("pool exhausted again"), id="fw-2")
    other = msgspec.structs.replace(alert("flood"), id="fw-3")
    found, alone = stories([], [incident_of(first, second)], [first, other, second])
    assert alone == [other]
    terminal, out = screen()
    for one in story_lines(found[0], verbose=False):
        terminal.out.print(one)
    text = re.sub(r"\x1b\[[\d;]*m", "", out.getvalue())
    assert text.startswith("incident high")
    assert text.count("Look at the pool.") == 1
    assert text.count("pool exhausted again") == 1
