"""What is wrapped is opened: the message, its time and its level are the same in every envelope."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from forewarn.errors import ForewarnError
from forewarn.grouping.speech import said
from forewarn.reading.explained import explain_reading
from forewarn.reading.problems import Problems
from forewarn.reading.records import Wanted, read, read_piece

EIGHT = datetime(2026, 11, 29, 8, 4, tzinfo=UTC)


def table(path: Path, content: str | list[str], **options: str) -> pl.DataFrame:
    path.write_text(content if isinstance(content, str) else "".join(line + "\n" for line in content))
    os.utime(path, (EIGHT.timestamp(), EIGHT.timestamp()))
    problems: list[ForewarnError] = []
    records = pl.concat(list(read(path, problems=problems, **options)))  # type: ignore[arg-type]
    assert problems == []
    return records


def payload(level: str, text: str) -> str:
    return json.dumps({"level": level, "msg": text})


ENVELOPES = {
    "text": lambda level, text: f"2026-11-29T08:04:00Z {level.upper()} pump: {text}",
    "colours": lambda level, text: f"\x1b[90m2026-11-29T08:04:00Z\x1b[0m \x1b[31m{level.upper()}\x1b[0m pump: {text}",
    "json": lambda level, text: json.dumps({"time": "2026-11-29T08:04:00Z", "level": level, "msg": text}),
    "logfmt": lambda level, text: f'time=2026-11-29T08:04:00Z level={level} msg="{text}"',
    "cri": lambda level, text: f"2026-11-29T08:04:00.1Z stdout F {payload(level, text)}",
    "compose": lambda level, text: f'pump-1  | {{"ts": 1795939440, {payload(level, text)[1:]}',
    "syslog": lambda level, text: f"Nov 29 08:04:00 gate pump[7]: {payload(level, text)}",
    "priority": lambda level, text: f"<{26 if level == 'fatal' else 30}>1 2026-11-29T08:04:00Z gate pump 7 - - {text}",
    "docker": lambda level, text: json.dumps({"log": payload(level, text) + "\n", "time": "2026-11-29T08:04:00.1Z"}),
    "journald": lambda level, text: json.dumps(
        {"__REALTIME_TIMESTAMP": "1795939440000000", "PRIORITY": "2" if level == "fatal" else "6", "MESSAGE": text}
    ),
    "bytes": lambda level, text: json.dumps(
        {
            "__REALTIME_TIMESTAMP": "1795939440000000",
            "PRIORITY": "2" if level == "fatal" else "6",
            "MESSAGE": list(text.encode()),
        }
    ),
    "cef": lambda level, text: f"Nov 29 08:04:00 gate CEF:0|V|P|1|7|{text}|{9 if level == 'fatal' else 2}|a=b",
    "gcp": lambda level, text: json.dumps(
        {
            "timestamp": "2026-11-29T08:04:00Z",
            "severity": "CRITICAL" if level == "fatal" else "INFO",
            "jsonPayload": {"message": text},
        }
    ),
    "chinese": lambda level, text: f"2026/11/29 上午 08:04:00 [{'致命' if level == 'fatal' else '信息'}] {text}",
}


@pytest.mark.parametrize("envelope", ENVELOPES)
def test_a_fact_is_the_same_text_and_time_in_every_envelope(envelope: str, tmp_path: Path) -> None:
    wrap = ENVELOPES[envelope]
    lines = [wrap("info", f"valve number {number} of the works opened") for number in range(20)]
    records = table(tmp_path / "a.log", [*lines, wrap("fatal", "the last pump of the works stopped")])
    spoken = said(records["text"])
    assert spoken[20].replace("[crit]", "[fatal]") == "[fatal] the last pump of the works stopped"
    assert spoken[0] == "valve number 0 of the works opened"
    assert {time.replace(microsecond=0) for time in records["time"]} == {EIGHT}


def test_parts_of_a_line_of_a_container_are_one_record(tmp_path: Path) -> None:
    head = "2026-11-29T08:04:00.1Z stdout"
    records = table(
        tmp_path / "a.log", [f"{head} P the pump ", f"{head} P has ", f"{head} F stopped", f"{head} F next"]
    )
    assert records.select("line", "text").rows() == [(1, "the pump has stopped"), (4, "next")]


def test_a_trace_in_a_container_is_one_record(tmp_path: Path) -> None:
    head = "2026-11-29T08:04:00.1Z stderr F"
    lines = ["2026 ERROR stopped", "java.io.IOException: dry", "\tat works.Pump.run(Pump.java:7)", "2026 INFO next"]
    records = table(tmp_path / "a.log", [f"{head} {line}" for line in lines])
    assert records["text"].to_list() == [
        "2026 ERROR stopped\njava.io.IOException: dry\n\tat works.Pump.run(Pump.java:7)",
        "2026 INFO next",
    ]


def test_a_reason_stands_after_the_message_unless_it_is_in_it(tmp_path: Path) -> None:
    events = [
        {"msg": "request failed", "error": "connection refused"},
        {"msg": "connection refused", "error": "connection refused"},
        {"msg": "all is well", "error": None},
        {"msg": "request failed", "error": {"code": 7}},
    ]
    records = table(tmp_path / "a.json", [json.dumps(event) for event in events])
    assert records["text"].to_list() == [
        "request failed: connection refused",
        "connection refused",
        "all is well",
        "request failed",
    ]


def test_an_event_without_a_message_tells_its_states(tmp_path: Path) -> None:
    records = table(tmp_path / "a.json", ['{"node": "n7", "state": 3, "healthy": false, "size": 12, "exit_code": 137}'])
    assert records["text"].to_list() == ["node: n7; state: 3; healthy: false; exit_code: 137"]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("way", ["items", "hits.hits", "data.result", "meta.page.events"])
def test_a_document_is_as_many_records_as_its_longest_list(way: str, indent: int | None, tmp_path: Path) -> None:
    events: object = [{"message": f"pump {number} stopped", "tags": [{"a": 1}, {"a": 2}]} for number in range(4)]
    for name in reversed(way.split(".")):
        events = {"apiVersion": "v1", "total": {"n": 4}, name: events, "after": [{"x": 1}]}
    records = table(tmp_path / "a.json", json.dumps(events, indent=indent))
    assert records["text"].to_list() == [f"pump {number} stopped" for number in range(4)]
    if indent:
        lines = (tmp_path / "a.json").read_text().splitlines()
        assert all(lines[line - 1].strip() == "{" for line in records["line"])


def test_a_batch_of_telemetry_is_a_record_for_each_log_record(tmp_path: Path) -> None:
    def batch(*texts: str) -> dict[str, object]:
        made = [
            {"timeUnixNano": "1795939440000000000", "severityNumber": 21, "body": {"stringValue": text}}
            for text in texts
        ]
        scopes = [{"scope": {"name": "a"}, "logRecords": made}, {"scope": {"name": "b"}, "logRecords": made[:1]}]
        resource = {"attributes": [{"key": str(number), "value": {"stringValue": "x"}} for number in range(9)]}
        return {"resourceLogs": [{"resource": resource, "scopeLogs": scopes}]}

    records = table(tmp_path / "a.json", [json.dumps(batch("pump stopped", "valve shut")), json.dumps(batch("dry"))])
    assert records.select("line", "text").rows() == [
        (1, "[fatal] pump stopped"),
        (1, "[fatal] valve shut"),
        (1, "[fatal] pump stopped"),
        (2, "[fatal] dry"),
        (2, "[fatal] dry"),
    ]
    assert set(records["time"]) == {EIGHT}


def test_logfmt_with_odd_escapes_is_whole_json(tmp_path: Path) -> None:
    line = r'time=2026-11-29T08:04:00Z level=warn msg="a \"b\" \x1b c" path="C:\\temp" empty= n=7'
    records = table(tmp_path / "a.log", [line] * 3)
    assert json.loads(records["raw"][0]) == {
        "time": "2026-11-29T08:04:00Z",
        "level": "warn",
        "msg": 'a "b" x1b c',
        "path": r"C:\temp",
        "empty": "",
        "n": "7",
    }


def test_a_log_of_postgres_without_a_header_is_a_table(tmp_path: Path) -> None:
    row = (
        '2026-11-29 08:04:00.123 UTC,"shop","shop",7,"[local]",65.7,1,"SELECT",2026-11-29 08:00:00 UTC,3/4,0,'
        'FATAL,42P01,"relation ""orders"" does not exist",,,,,,"SELECT 1",15,,"psql","client backend",,0'
    )
    records = table(tmp_path / "postgresql.csv", [row, row.replace("FATAL", "LOG")])
    assert records["text"].to_list() == [
        '[fatal] relation "orders" does not exist',
        'relation "orders" does not exist',
    ]
    assert records["time"][0] == EIGHT.replace(microsecond=123000)
    assert json.loads(records["raw"][0])["sql_state_code"] == "42P01"


def test_prose_and_tables_are_in_no_envelope(tmp_path: Path) -> None:
    for lines in (
        ["a | b | c", "1 | 2 | 3"],
        ["Pump | shut", "Valve | open"],
        ["x=1 is less than y=2, as the teacher says in the first lesson of the year"] * 3,
        ["Dear all: here is what was said in the meeting"] * 3,
    ):
        records = table(tmp_path / "a.txt", lines)
        assert records["text"].to_list()[-1] == lines[-1]
        assert records["raw"].null_count() == records.height


def test_a_trace_does_not_join_what_is_watched_with_what_was_read(tmp_path: Path) -> None:
    head = b"2026-11-29 08:04:00 ERROR stopped\n"
    piece = b"\tat works.Pump.run(Pump.java:7)\n\tat works.Pump.go(Pump.java:9)\n2026-11-29 08:04:00 INFO next\n"
    records = read_piece("a.log", head, piece, 1, EIGHT, Wanted(None, None, 1 << 20, Problems([])))
    assert records["line"].to_list() == [2, 4]
    assert records["time"].to_list()[-1] == EIGHT


def test_the_form_of_a_time_can_be_said(tmp_path: Path) -> None:
    lines = ["#7 at 4/8h, day 29 of 11 in 2026: pump stopped", "nothing here"]
    records = table(tmp_path / "a.log", lines, time_format="at %M/%Hh, day %d of %m in %Y")
    assert records["time"].to_list() == [EIGHT, None]
    assert "given" in explain_reading(tmp_path / "a.log", time_format="at %M/%Hh, day %d of %m in %Y").time
    rows = table(tmp_path / "a.csv", ["when,message", "29_11_2026_0804,shut"], time_format="%d_%m_%Y_%H%M")
    assert rows["time"].null_count() == 1


@pytest.mark.parametrize(
    ("form", "why"), [("%H:%M", "no day"), ("%Q %d %m", "none of its letters"), ("%d %d %m", "says")]
)
def test_a_form_that_spells_no_time_is_refused(form: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(ForewarnError, match=why):
        list(read(tmp_path, time_format=form))


def test_how_a_file_is_read_can_be_asked(tmp_path: Path) -> None:
    line = '2026-11-29T08:04:00.1+08:00 stdout F {"lvl": "fatal", "msg": "pump stopped"}'
    table(tmp_path / "a.log", [line] * 5)
    reading = explain_reading(tmp_path / "a.log")
    assert (reading.format, reading.timed, reading.looked_at, reading.remedy) == ("cri", 5, 5, "")
    assert "lvl" in reading.level
    assert "msg" in reading.text
    assert "+08:00" in reading.zone
    assert reading.records[0]["text"] == "[fatal] pump stopped"
    (tmp_path / "b.log").write_text("pump stopped\n" * 5)
    assert "--time-format" in explain_reading(tmp_path / "b.log").remedy
    assert explain_reading(tmp_path / "nowhere").problems
