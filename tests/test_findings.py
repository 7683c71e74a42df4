"""What one command writes, every command that reads such files takes: alerts, warnings and incidents in any order."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import msgspec
import polars as pl
import pytest

from forewarn.cases.importing import read_cases
from forewarn.embeddings.cases import whole
from forewarn.errors import InputError
from forewarn.findings import (
    Alert,
    EarlyWarning,
    Finding,
    Incident,
    Place,
    Volume,
    find,
    find_alert,
    holds_findings,
    read_findings,
)
from forewarn.options import Options
from forewarn.output.writers import jsonl
from forewarn.pipeline import scan
from forewarn.reading.labelled import read_labelled
from forewarn.training.feedback import keep_answer

Run = Callable[..., object]
QUIET = [f"2024-05-01T{9 + n // 60:02}:{n % 60:02}:00Z INFO worker finished job {n * 7919 % 1000}" for n in range(400)]
FAILING = [f"2024-05-01T15:{40 + n}:30Z ERROR settle: connection pool exhausted, 0 of {n} free" for n in range(19)]
LOUD = "2024-05-01T15:59:30Z FATAL settle: out of memory, process killed"


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> list[Finding]:
    """Of a log that fails: warnings first, then incidents, then alerts, as `scan -o` writes them."""
    log = tmp_path_factory.mktemp("logs") / "pay.log"
    log.write_text("\n".join([*QUIET, *FAILING, LOUD]) + "\n")
    from forewarn.options import Policy

    return list(scan([log], Options(rules=("operations",), policy=Policy(budget=3))).findings())


def write(path: Path, findings: list[Finding]) -> Path:
    path.write_bytes(b"".join(jsonl(findings)))
    return path


def of(kind: type, findings: list[Finding]) -> list[Finding]:
    return [one for one in findings if isinstance(one, kind)]


def test_the_scan_of_these_tests_writes_all_three_kinds_and_alerts_last(findings: list[Finding]) -> None:
    kinds = [type(one) for one in findings]
    assert {*kinds} == {EarlyWarning, Incident, Alert}
    assert kinds[0] is EarlyWarning
    assert kinds[-1] is Alert


@pytest.mark.parametrize("seed", range(4))
def test_cases_are_the_alerts_in_whatever_order_the_lines_stand(
    findings: list[Finding], tmp_path: Path, seed: int
) -> None:
    shuffled = random.Random(seed).sample(findings, len(findings))
    cases = read_cases([write(tmp_path / "alerts.jsonl", shuffled)])
    assert cases["id"].to_list() == [one.id for one in of(Alert, shuffled)]
    assert cases["text"].to_list() == [one.text for one in of(Alert, shuffled)]
    assert cases["time"].null_count() == 0


def test_only_takes_the_alerts_that_are_named_each_once(findings: list[Finding], tmp_path: Path) -> None:
    file, (first, *_) = write(tmp_path / "alerts.jsonl", findings), of(Alert, findings)
    assert read_cases([file], only=["1"])["id"].to_list() == [first.id]
    assert read_cases([file], only=[first.id[:8], "1"])["id"].to_list() == [first.id]
    (warning, *_), (incident, *_) = of(EarlyWarning, findings), of(Incident, findings)
    with pytest.raises(InputError, match="is a warning, not an alert"):
        read_cases([file], only=[warning.id])
    with pytest.raises(InputError, match="is an incident, not an alert") as refused:
        read_cases([file], only=[incident.id])
    assert incident.alerts[0] in str(refused.value)


def test_only_is_refused_where_there_are_no_alerts(findings: list[Finding], tmp_path: Path) -> None:
    log = write(tmp_path / "warnings.jsonl", of(EarlyWarning, findings))
    (tmp_path / "rows.jsonl").write_text('{"text": "the bank is closed", "kind": "warning"}\n')
    for file in (log, tmp_path / "rows.jsonl"):
        with pytest.raises(InputError, match="has no alerts"):
            read_cases([file], only=["1"])
    with pytest.raises(InputError, match="only warnings and incidents"):
        read_cases([log])
    assert read_cases([tmp_path / "rows.jsonl"])["category"].to_list() == ["warning"]


def test_a_file_of_findings_is_known_by_its_first_line(findings: list[Finding], tmp_path: Path) -> None:
    file = tmp_path / "one.jsonl"
    for one in findings:
        row = json.loads(msgspec.json.encode(one))
        file.write_text("\n" + json.dumps(dict(sorted(row.items()))) + "\n")
        assert holds_findings(file)
        assert read_findings(file) == [one]
    file.write_text('{"kind":"alert","id":"fw-1')
    assert holds_findings(file)
    for other in ("", "text\nfw-1\n", '{"kind": "similar", "id": "fw-1"}\n', "[1]\n", "\x00\xff"):
        file.write_text(other)
        assert not holds_findings(file)
    assert not holds_findings(tmp_path / "nothing")


def test_an_id_is_found_by_its_beginning_and_an_incident_as_it_stands_last(
    findings: list[Finding], tmp_path: Path
) -> None:
    file = tmp_path / "log.jsonl"
    incident = msgspec.structs.replace(of(Incident, findings)[0], state="open")
    closed = msgspec.structs.replace(incident, state="closed")
    read = read_findings(write(file, [incident, *findings, closed]))
    assert [one.id for one in read] == [*dict.fromkeys([incident.id, *(one.id for one in findings)])]
    assert find(read, incident.id[3:], file) == closed
    for one in of(Alert, findings):
        assert find(read, one.id[:9], file) == one
    assert find_alert(read, "1", file) == of(Alert, findings)[0]
    for wanted in ("fw-", "99", "fw-zz"):
        with pytest.raises(InputError):
            find(read, wanted, file)


def test_every_reader_takes_what_scan_writes(forewarn: Run, findings: list[Finding], tmp_path: Path) -> None:
    file = write(tmp_path / "alerts.jsonl", findings)
    rows = tmp_path / "old.jsonl"
    rows.write_text(json.dumps({"text": "The ferry sank in the harbour at night", "id": "ferry"}))
    base = tmp_path / "base"
    assert forewarn("cases", "build", rows, "-o", base, "--with", "nothing").status == 0
    alert = of(Alert, findings)[-1]
    ran = forewarn("cases", "add", file, "--only", alert.id, "--cases", base)
    assert ran.status == 0
    assert whole(base)["id"].to_list() == ["ferry", alert.id]

    for one in findings:
        ran = forewarn("explain", one.id, file, "--format", "jsonl")
        assert msgspec.json.decode(ran.out, type=Finding) == one
        ran = forewarn("explain", one.id, file)
        assert (ran.status, one.id in ran.out) == (0, True)
        answer = forewarn("feedback", one.id, "no", file, "-o", tmp_path / "feedback.csv")
        assert answer.status == (2 if isinstance(one, Incident) else 0)
    told = set(read_labelled([tmp_path / "feedback.csv"])["text"])
    assert told == {one.text for one in of(Alert, findings)} | {
        moved.text for one in of(EarlyWarning, findings) for moved in one.moved
    }


def test_what_is_explained_of_a_warning_is_what_moved_it(
    forewarn: Run, findings: list[Finding], tmp_path: Path
) -> None:
    file, warning = write(tmp_path / "alerts.jsonl", findings), of(EarlyWarning, findings)[0]
    shown = " ".join(forewarn("explain", warning.id, file).out.split())
    for moved in warning.moved:
        assert f"{moved.log_odds:+.2f}" in shown
        assert f":{moved.at.line}" in shown
    assert warning.false_warnings in shown
    assert all(word in shown for word in warning.new_words)


def test_an_incident_is_explained_by_its_records_each_at_its_place(
    forewarn: Run, findings: list[Finding], tmp_path: Path
) -> None:
    file, incident = write(tmp_path / "alerts.jsonl", findings), of(Incident, findings)[0]
    lines = [*QUIET, *FAILING, LOUD]
    shown = forewarn("explain", incident.id, file).out.splitlines()
    heads = [at for at, line in enumerate(shown) if line.endswith((*incident.warnings, *incident.alerts))]
    assert len(heads) == len(incident.warnings) + len(incident.alerts)
    for at in heads:
        number = int(shown[at].partition("pay.log:")[2].split()[0])
        assert shown[at + 1].strip() == lines[number - 1]


def test_an_answer_on_a_warning_is_about_the_texts_that_moved_it(findings: list[Finding], tmp_path: Path) -> None:
    file, warning = tmp_path / "feedback.csv", of(EarlyWarning, findings)[0]
    moved = [(one.text, "0") for one in warning.moved]
    assert keep_answer(warning, False, file).select("text", "label").rows() == moved
    assert keep_answer(warning, True, file).select("text", "label").rows() == [(moved[0][0], "1")]
    # An answer on an alert is about that text alone, and stays.
    alert = msgspec.structs.replace(of(Alert, findings)[0], text=moved[0][0])
    assert keep_answer(alert, False, file).select("text", "label").rows() == [(alert.text, "0")]
    assert keep_answer(warning, True, file).select("text", "label").rows() == [(alert.text, "0")]
    assert pl.read_csv(file).height == 1


def test_an_answer_that_teaches_nothing_is_refused_with_what_to_do(findings: list[Finding], tmp_path: Path) -> None:
    at = Place("a.log", 1)
    silent = msgspec.structs.replace(of(EarlyWarning, findings)[0], volume=Volume(0, 60.0, 3600), onset=at)
    with pytest.raises(InputError, match="how many records came") as refused:
        keep_answer(silent, False, tmp_path / "feedback.csv")
    assert "--false-warnings" in str(refused.value)
    incident = of(Incident, findings)[0]
    with pytest.raises(InputError, match="is an incident") as refused:
        keep_answer(incident, True, tmp_path / "feedback.csv")
    assert incident.warnings[0] in str(refused.value)
    assert not (tmp_path / "feedback.csv").exists()
