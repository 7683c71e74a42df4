"""Log sources: keyword rules of a named source look at the lines that are of it, and at no others."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from forewarn.errors import RuleError
from forewarn.rules import RuleSet, load_rules
from forewarn.rules.language.sources import fits, look_of, parse_logsource


def _rules(folder: Path, logsource: dict[str, str], known: str | None = None, detection: object = None) -> RuleSet:
    rule = {
        "title": "Root by password",
        "id": "6f2a5c1e-6a1b-4a55-9a6e-0b0f8d9f0a11",
        "logsource": logsource,
        "detection": detection or {"words": ["Accepted password for root"], "condition": "words"},
        "level": "high",
    }
    (folder / "rule.yml").write_text(json.dumps(rule), "utf-8")
    return load_rules([folder], logsource=parse_logsource(known), cache=False)


def _fires(rules: RuleSet, *lines: str) -> list[bool]:
    frame = pl.DataFrame({"text": lines, "raw": [None] * len(lines)}, schema={"text": pl.String, "raw": pl.String})
    rows = set(rules.match(frame)["row"].to_list())
    return [row in rows for row in range(len(lines))]


SSH = "Mar  3 10:01:22 host sshd[311]: Accepted password for root from 10.0.0.5"
BARE = "Accepted password for root from 10.0.0.5"


def test_lines_are_recognised_by_their_look(tmp_path: Path) -> None:
    assert _fires(_rules(tmp_path, {"product": "linux", "service": "sshd"}), SSH, BARE) == [True, False]
    assert _fires(_rules(tmp_path, {"product": "linux"}), SSH, BARE) == [True, False]


def test_what_the_user_names_needs_no_look(tmp_path: Path) -> None:
    known = "product=linux,service=sshd"
    assert _fires(_rules(tmp_path, {"product": "linux", "service": "sshd"}, known), SSH, BARE) == [True, True]
    assert _fires(_rules(tmp_path, {"product": "linux"}, known), BARE) == [True]
    assert _fires(_rules(tmp_path, {"product": "cisco", "service": "aaa"}, known), BARE) == [False]


def test_the_cache_knows_what_was_named(tmp_path: Path) -> None:
    source = {"product": "linux", "service": "sshd"}
    _rules(tmp_path, source)
    for known, expected in ((None, False), ("product=linux,service=sshd", True), (None, False)):
        assert _fires(load_rules([tmp_path], logsource=parse_logsource(known)), BARE) == [expected]


def test_a_rule_says_why_it_was_not_tried(tmp_path: Path) -> None:
    rules = _rules(tmp_path, {"product": "cisco", "service": "aaa"})
    _fires(rules, SSH)
    assert rules.untried() == [
        (0, "keywords of product=cisco,service=aaa: name it with --logsource where the files are of it")
    ]
    rules = _rules(tmp_path, {"category": "proxy"}, detection={"a": {"c-uri|contains": "x"}, "condition": "a"})
    _fires(rules, SSH)
    assert rules.untried() == [(0, "no event with a field of it (c-uri)")]
    assert _rules(tmp_path, {"category": "text"}).untried() == []


@pytest.mark.parametrize("text", ["linux", "products=linux", "product=", "=x", "product=linux;service=x=", ","])
def test_a_log_source_that_is_not_understood_is_an_error(text: str) -> None:
    if text == "product=linux;service=x=":
        assert parse_logsource(text) == {"product": "linux;service=x="}
        return
    with pytest.raises(RuleError, match="not understood"):
        parse_logsource(text)


def test_a_source_fits_where_nothing_more_is_asked() -> None:
    assert fits({"product": "linux"}, {"product": "linux", "service": "sshd"})
    assert not fits({"product": "linux", "service": "cron"}, {"product": "linux", "service": "sshd"})
    assert not fits({"product": "linux"}, {})
    assert look_of({"product": "no-such"}) is None


def test_similar_asks_the_function_that_it_is_handed(tmp_path: Path) -> None:
    detection = {"meant": {"|similar": ["people queue at the bank"]}, "condition": "meant"}
    rule = {"title": "T", "logsource": {"category": "text"}, "detection": detection, "level": "low"}
    (tmp_path / "rule.yml").write_text(json.dumps(rule), "utf-8")
    asked: list[list[str]] = []

    def similarity(texts: list[str], examples: list[str]) -> np.ndarray:
        asked.append(examples)
        return np.array([[0.9 if "queue" in text else 0.1] for text in texts])

    rules = load_rules([tmp_path], similarity=similarity, cache=False)
    assert _fires(rules, "a long queue", "a quiet day", "a long queue") == [True, False, True]
    assert asked == [["people queue at the bank"]]
    assert _fires(load_rules([tmp_path], cache=False), "a long queue") == [False]


def test_the_command_names_what_was_not_tried(tmp_path: Path, forewarn: Callable[..., Any]) -> None:
    _rules(tmp_path, {"product": "linux", "service": "sshd"})
    rule, log = tmp_path / "rule.yml", tmp_path / "auth.txt"
    log.write_text(f"{BARE}\n", "utf-8")
    said = forewarn("rules", "match", "--rules", rule, log, "--explain-skipped")
    assert (said.status, said.out) == (0, "")
    assert "1 rule not tried" in said.err
    said = forewarn("rules", "match", "--rules", rule, log, "--logsource", "product=linux,service=sshd")
    assert said.status == 1
    assert "Root by password" in said.out
    said = forewarn("scan", log, "--logsource", "nonsense")
    assert said.status == 2
    assert "not understood" in said.err


# ----- events


def _fires_on(rules: RuleSet, *events: dict[str, Any]) -> list[bool]:
    """Events as JSON; what one says is its `message`, `log` or `MESSAGE`."""
    texts = [next((str(e[key]) for key in ("message", "log", "MESSAGE") if key in e), "") for e in events]
    frame = pl.DataFrame({"text": texts, "raw": [json.dumps(event) for event in events]})
    rows = set(rules.match(frame)["row"].to_list())
    return [row in rows for row in range(len(events))]


SSHD = {"product": "linux", "service": "sshd"}
EVENTS = (
    {"SYSLOG_IDENTIFIER": "sshd", "MESSAGE": BARE},
    {"log": SSH, "stream": "stdout"},
    {"SYSLOG_IDENTIFIER": "cron", "MESSAGE": BARE},
    {"message": BARE, "service": "shop"},
    {"SYSLOG_IDENTIFIER": "sshd", "MESSAGE": "Connection closed"},
    {"Event": {"System": {"EventID": 1, "Channel": "Application"}, "EventData": {"Data": BARE}}},
)


def test_keyword_rules_are_tried_on_events_that_look_like_their_log_source(tmp_path: Path) -> None:
    assert _fires_on(_rules(tmp_path, SSHD), *EVENTS) == [True, True, False, False, False, False]


def test_keyword_rules_are_tried_on_every_event_that_the_user_names_but_windows_ones(tmp_path: Path) -> None:
    rules = _rules(tmp_path, SSHD, "product=linux,service=sshd")
    assert _fires_on(rules, *EVENTS) == [True, True, True, True, False, False]
    assert _fires_on(_rules(tmp_path, {"product": "cisco"}, "product=linux"), *EVENTS) == [False] * 6


def test_a_keyword_is_looked_for_in_every_value_of_a_named_event(tmp_path: Path) -> None:
    rules = _rules(tmp_path, {"product": "linux"}, "product=linux")
    assert _fires_on(rules, {"message": "x", "data": {"lines": ["a", BARE]}}, {BARE: "x"}) == [True, False]


def test_keywords_beside_fields_do_without_the_field(tmp_path: Path) -> None:
    search = {"words": ["Accepted password for root"], "s": {"uid": 0}, "condition": "words or s"}
    rules = _rules(tmp_path, SSHD, detection=search)
    assert _fires_on(rules, EVENTS[0], {"uid": 0}, EVENTS[3]) == [True, True, False]


@pytest.mark.parametrize(
    ("logsource", "event"),
    [
        ({"category": "webserver"}, {"log": f'10.0.0.1 - - [x] "GET /?q={BARE} HTTP/1.1" 200 5'}),
        ({"product": "python", "category": "application"}, {"message": f"Traceback (most recent call last) {BARE}"}),
        ({"product": "jvm", "category": "application"}, {"log": f"Exception in thread main {BARE}"}),
        ({"product": "linux"}, {"_COMM": "sudo", "MESSAGE": BARE}),
    ],
)
def test_every_product_has_its_look_in_events_too(
    logsource: dict[str, str], event: dict[str, Any], tmp_path: Path
) -> None:
    assert _fires_on(_rules(tmp_path, logsource), event, {"message": BARE}) == [True, False]
