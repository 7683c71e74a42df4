"""`forewarn rules match`: hits that one can act on, as lines, rows, counts, and as they come."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import polars as pl
import pytest

from forewarn.findings import Hit
from forewarn.rules import RuleSet
from tests.event_dresses import winlogbeat
from tests.evtx_file import event, evtx_file

Run = Callable[..., Any]
RULES = """
title: Web page run by mshta
id: 5b6a8f3e-0000-4000-8000-000000000001
level: high
author: A. Writer
tags: [attack.execution, attack.t1218.005]
references: [https://example.test/mshta]
falsepositives: [Old intranets]
logsource: {product: windows, category: process_creation}
detection:
  program: {Image|endswith: '\\mshta.exe'}
  page: {CommandLine|contains: http}
  not_ours: {CommandLine|contains: intranet}
  condition: program and page and not not_ours
---
title: Any process
id: 5b6a8f3e-0000-4000-8000-000000000002
level: low
tags: [attack.t1204]
logsource: {product: windows, category: process_creation}
detection: {s: {EventID: 1}, condition: s}
---
title: Bank run
id: 5b6a8f3e-0000-4000-8000-000000000003
level: critical
logsource: {category: text}
detection: {s: ['queue outside the bank'], condition: s}
"""
COMMAND = "=mshta http://x.test/\x1b[2Ja"
EVENTS = [
    event(1, {"Image": "C:\\w\\mshta.exe", "CommandLine": COMMAND, "User": "LAB\\ines"}, record=71),
    event(1, {"Image": "C:\\w\\a.exe", "CommandLine": "a"}, record=72, computer="ws-08", time="2026-03-05T09:00:00Z"),
    event(5, {"Image": "C:\\w\\a.exe"}, record=73),
]


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    file = tmp_path / "rules" / "own.yml"
    file.write_text(RULES)
    return file


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "Sysmon.evtx"
    file.write_bytes(evtx_file([EVENTS]))
    return file


def test_a_hit_says_when_where_who_what_and_why(forewarn: Run, rules: Path, log: Path) -> None:
    ran = forewarn("rules", "match", "--rules", rules, log)
    first, second = map(json.loads, ran.out.splitlines())
    assert ran.status == 1
    assert {name: first[name] for name in first if name not in ("rules", "event")} == {
        "kind": "hit",
        "schema_version": 1,
        "source": str(log),
        "line": 1,
        "time": "2026-03-05T08:00:00.250000Z",
        "detected_at": "2023-11-14T22:13:20Z",
        "host": "ws-07.example.test",
        "channel": "Microsoft-Windows-Sysmon/Operational",
        "event_id": "1",
        "record_id": "71",
        "user": "LAB\\ines",
    }
    assert first["rules"][0] == {
        "id": "5b6a8f3e-0000-4000-8000-000000000001",
        "title": "Web page run by mshta",
        "level": "high",
        "tags": ["attack.execution", "attack.t1218.005"],
        "references": ["https://example.test/mshta"],
        "falsepositives": ["Old intranets"],
        "author": "A. Writer",
        "file": str(rules),
        "fields": {"Image": ["C:\\w\\mshta.exe"], "CommandLine": [COMMAND]},
    }
    assert first["event"]["Event"]["EventData"]["CommandLine"] == COMMAND
    assert [rule["title"] for rule in second["rules"]] == ["Any process"]
    assert "\x1b" not in ran.out


def test_lines_are_as_the_schema_says(forewarn: Run, rules: Path, log: Path, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("Depositors queue outside the bank\n")
    schema = json.loads(forewarn("schema").out)
    lines = forewarn("rules", "match", "--rules", rules, log, tmp_path / "a.log").out.splitlines()
    assert len(lines) == 3
    for line in lines:
        jsonschema.validate(json.loads(line), schema, format_checker=jsonschema.FormatChecker())
        assert set(json.loads(line)) - {"kind"} <= {field.name for field in msgspec.structs.fields(Hit)}
        assert isinstance(msgspec.json.decode(line, type=Hit), Hit)


def test_every_field_of_a_hit_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs/output.md").read_text("utf-8").split("### `hit`")[1].split("###")[0]
    for field in msgspec.structs.fields(Hit):
        assert f"`{field.name}`" in page


def test_a_text_rule_keeps_its_spans(forewarn: Run, rules: Path, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("Depositors queue outside the bank\n")
    hit = json.loads(forewarn("rules", "match", "--rules", rules, tmp_path / "a.log").out)
    ((start, end),) = hit["rules"][0]["spans"]
    assert hit["text"][start:end] == "queue outside the bank"
    assert "event" not in hit


def test_the_event_can_be_left_out(forewarn: Run, rules: Path, log: Path) -> None:
    assert "event" not in json.loads(
        forewarn("rules", "match", "--rules", rules, log, "--no-event").out.splitlines()[0]
    )


def test_lower_levels_can_be_left_out(forewarn: Run, rules: Path, log: Path) -> None:
    ran = forewarn("rules", "match", "--rules", rules, log, "--level", "high")
    (hit,) = map(json.loads, ran.out.splitlines())
    assert [rule["title"] for rule in hit["rules"]] == ["Web page run by mshta"]
    assert forewarn("rules", "match", "--rules", rules, log, "--level", "critical").status == 0


def test_a_table_of_csv_holds_no_formula_and_no_order_to_a_terminal(forewarn: Run, rules: Path, log: Path) -> None:
    hostile = rules.read_text().replace("title: Any process", "title: '=HYPERLINK(1)'")
    rules.write_text(hostile)
    ran = forewarn("rules", "match", "--rules", rules, log, "--format", "csv")
    first, second, third = csv.DictReader(io.StringIO(ran.out))
    assert (first["time"], first["level"], first["host"]) == ("2026-03-05T08:00:00.250Z", "high", "ws-07.example.test")
    assert first["matched"] == "Image=C:\\w\\mshta.exe; CommandLine==mshta http://x.test/\\x1b[2Ja"
    assert second["rule"] == third["rule"] == "'=HYPERLINK(1)"
    assert "\x1b" not in ran.out


def test_rows_for_timesketch_have_what_it_asks_for(forewarn: Run, rules: Path, log: Path) -> None:
    rows = list(
        map(json.loads, forewarn("rules", "match", "--rules", rules, log, "--format", "timesketch").out.splitlines())
    )
    assert len(rows) == 3
    for row in rows:
        assert {"message", "datetime", "timestamp_desc"} <= set(row)
    assert rows[0]["datetime"] == "2026-03-05T08:00:00.250Z"
    assert rows[0]["tag"] == ["attack.execution", "attack.t1218.005"]


def test_a_record_without_a_time_has_that_of_its_detection(forewarn: Run, rules: Path, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("Depositors queue outside the bank\n")
    row = json.loads(forewarn("rules", "match", "--rules", rules, tmp_path / "a.log", "--format", "timesketch").out)
    assert (row["datetime"], row["timestamp_desc"]) == ("2023-11-14T22:13:20.000Z", "Detection Time")


def test_a_table_is_for_people(forewarn: Run, rules: Path, log: Path) -> None:
    out = forewarn("rules", "match", "--rules", rules, log, "--format", "table").out
    assert "Web page run by mshta" in out
    assert "ws-08" in out
    assert "\x1b" not in out


def test_a_summary_counts_rules_hosts_and_techniques(forewarn: Run, rules: Path, log: Path) -> None:
    ran = forewarn("rules", "match", "--rules", rules, log, "--summary", "--format", "jsonl")
    rows = list(map(json.loads, ran.out.splitlines()))
    assert [(row["rule"], row["hits"], row["hosts"], row["first"], row["last"]) for row in rows[:2]] == [
        ("Web page run by mshta", 1, 1, "2026-03-05T08:00:00.250Z", "2026-03-05T08:00:00.250Z"),
        ("Any process", 2, 2, "2026-03-05T08:00:00.250Z", "2026-03-05T09:00:00.000Z"),
    ]
    assert {"tactic": "execution", "hits": 1} in rows
    assert [(row["technique"], row["hits"]) for row in rows if "technique" in row] == [("T1204", 2), ("T1218.005", 1)]
    assert "Any process" in forewarn("rules", "match", "--rules", rules, log, "--summary").out


def test_a_layer_for_the_navigator(forewarn: Run, rules: Path, log: Path, tmp_path: Path) -> None:
    layer = tmp_path / "layer.json"
    assert forewarn("rules", "match", "--rules", rules, log, "--navigator", layer).status == 1
    written = json.loads(layer.read_text())
    assert written["domain"] == "enterprise-attack"
    assert {one["techniqueID"]: one["score"] for one in written["techniques"]} == {"T1204": 2, "T1218.005": 1}
    assert forewarn("rules", "match", "--rules", rules, log, "--navigator", log).status == 2


def test_it_ends_with_what_it_could_not_match(forewarn: Run, rules: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    strange = [{"alpha": 1, "beta": 2}, {"gamma": 1}]
    file.write_text("".join(json.dumps(one) + "\n" for one in [winlogbeat(EVENTS[1]), winlogbeat(EVENTS[2]), *strange]))
    ran = forewarn("rules", "match", "--rules", rules, file)
    assert (
        "2 events of shape winlogbeat; 2 events of 2 shapes for which no rule has a field "
        "(with alpha, beta; with gamma)" in ran.err
    )
    assert "shape" not in forewarn("rules", "match", "--rules", rules, file, "-q").err
    assert "no rule has a field" in forewarn("scan", file, "--rules", rules).err


def test_where_no_rule_looks_at_fields_it_says_so(forewarn: Run, tmp_path: Path) -> None:
    file, own = tmp_path / "a.jsonl", tmp_path / "text.yml"
    file.write_text("".join(json.dumps(one) + "\n" for one in [winlogbeat(EVENTS[1]), winlogbeat(EVENTS[2]), {"x": 1}]))
    own.write_text("title: T\nlogsource: {category: text}\ndetection: {w: [never said], condition: w}\n")
    said = "3 events and no rule that looks at fields (of shape winlogbeat; with x)"
    for command in (["rules", "match"], ["scan"], ["scan", "--format", "jsonl"]):
        ran = forewarn(*command, "--rules", own, file)
        assert said in " ".join(ran.err.split()), command
        assert said not in ran.out


def test_a_feed_of_texts_needs_no_rule_about_fields(forewarn: Run, tmp_path: Path) -> None:
    file = tmp_path / "feed.jsonl"
    file.write_text(
        "".join(json.dumps({"time": "2024-05-01T09:00:00Z", "text": f"all is well {n}"}) + "\n" for n in range(9))
    )
    assert "no rule that looks at fields" not in forewarn("scan", file).err


def test_every_event_is_counted_where_only_some_are_decoded() -> None:
    rules = RuleSet([])
    raw = [json.dumps({"x": number}) for number in range(2_500)]
    rules.match(pl.DataFrame({"text": raw, "raw": raw}))
    assert rules.events_seen == "2,500 events and no rule that looks at fields (with x)"
    rules.match(pl.DataFrame({"text": ["[1]"], "raw": ["[1]"]}))
    assert rules.events_seen.startswith("2,501 events")


def test_nothing_is_said_of_events_where_there_are_none(forewarn: Run, rules: Path, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("all is well\n")
    assert forewarn("rules", "match", "--rules", rules, tmp_path / "a.log").err == ""


def test_many_events_that_say_the_same_are_one_alert(forewarn: Run, rules: Path, tmp_path: Path) -> None:
    same = [
        event(
            1,
            {
                "ProcessGuid": f"{{{n:08x}-0000-0000-0000-000000000000}}",
                "Image": "C:\\w\\mshta.exe",
                "CommandLine": "mshta http:",
            },
            record=n,
        )
        for n in range(1, 60)
    ]
    file = tmp_path / "a.evtx"
    file.write_bytes(evtx_file([same]))
    out = forewarn("scan", file, "--rules", rules, "--budget", "5", "--json").out
    alerts = [row for row in map(json.loads, out.splitlines()) if row["kind"] == "alert"]
    assert [alert["count"] for alert in alerts] == [59]
    assert alerts[0]["text"] == "Sysmon 1 process created; Image: C:\\w\\mshta.exe; CommandLine: mshta http:"


@pytest.mark.parametrize("kind", ["text", "events"])
def test_a_hit_is_printed_as_its_line_arrives(rules: Path, kind: str) -> None:
    if kind == "text":
        lines = ["all is well", "Depositors queue outside the bank"]
    else:
        lines = [json.dumps(EVENTS[2]), json.dumps(EVENTS[0])]
    command = [sys.executable, "-m", "forewarn", "rules", "match", "--rules", str(rules), "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(os.environ)) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        for number in range(1, 4):
            running.stdin.write("".join(f"{line}\n" for line in lines).encode())
            running.stdin.flush()
            assert json.loads(running.stdout.readline())["line"] == 2 * number
        running.stdin.write(lines[1].encode())
        running.stdin.close()
        assert json.loads(running.stdout.readline())["line"] == 7
    assert running.returncode == 1


@pytest.mark.parametrize("written", ["evtx", "array", "gzip", "xml", "nothing"])
def test_what_is_not_read_line_by_line_comes_through_a_pipe_too(rules: Path, log: Path, written: str) -> None:
    import gzip

    from tests.event_dresses import xml

    content = {
        "evtx": log.read_bytes(),
        "array": json.dumps(EVENTS, indent=1).encode(),
        "gzip": gzip.compress("".join(json.dumps(one) + "\n" for one in EVENTS).encode()),
        "xml": "\n".join(map(xml, EVENTS)).replace("\x1b", " ").encode(),
        "nothing": b"",
    }[written]
    command = [sys.executable, "-m", "forewarn", "rules", "match", "--rules", str(rules), "-", "--format", "csv"]
    ran = subprocess.run(command, input=content, capture_output=True, env=dict(os.environ), check=False)
    assert ran.stdout.decode().count("\n") == (1 if written == "nothing" else 4), ran.stderr


def test_values_keep_what_was_read(forewarn: Run, rules: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"Channel":"Microsoft-Windows-Sysmon/Operational","EventID":1,"x":NaN}\n')
    hit = json.loads(forewarn("rules", "match", "--rules", rules, tmp_path / "a.jsonl").out)
    assert hit["event"]["EventID"] == 1
