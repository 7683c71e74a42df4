"""Forty things typed wrongly: each is answered in one line that says what is wrong, and one that says what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from forewarn.cli import cli

CALLS = {
    "scna": "did you mean scan?",
    "frobnicate": "there are scan, watch",
    "rules tset": "did you mean test?",
    "cases ad": "did you mean add?",
    "scan": "missing argument 'PATH",
    "scan --bugdet 3 app.log": "did you mean --budget?",
    "scan --budget": "--budget' requires an argument",
    "scan app.log --budget many": "many",
    "scan app.log --budget -3": "-3",
    "scan app.log --budget 5/week": "5/week",
    "scan app.log --fdr 7": "7",
    "scan app.log --fdr x": "'x' is not a valid float",
    "scan app.log --threshold 1.5": "1.5",
    "scan app.log --cost 20": "20",
    "scan app.log --budget 3 --fdr 0.1": "--fdr",
    "scan app.log --prior 2": "2",
    "scan app.log --false-warnings often": "often",
    "scan app.log --late soon": "soon",
    "scan app.log --logsource linux": "linux",
    "scan app.log --format xml": "'xml' is not one of",
    "scan app.log --resume": "--resume needs the name of the output",
    "scan app.log --seed x": "'x' is not a valid integer",
    "scan app.log --rules finanse": "finance",
    "scan app.log -o nowhere/out.jsonl": "no such file",
    "scan app.log --model nowhere": "nowhere",
    "scan missing.log": "missing.log",
    "scan - --resume -o out.jsonl": "only once",
    "watch": "missing argument 'PATH",
    "watch - app.log": "alone",
    "watch app.log --false-warnings 0": "0",
    "explain 1 missing.jsonl": "missing.jsonl",
    "explain 1 app.log": "is not an alert",
    "explain 9 empty.jsonl": "9",
    "feedback 1 maybe empty.jsonl": "'maybe' is not one of",
    "feedback 1 yes empty.jsonl": "empty.jsonl",
    "similar": "say TEXT",
    "similar queue --cases nowhere": "nowhere",
    "similar queue -k many": "'many' is not a valid integer",
    "cases build missing.csv -o cases": "missing.csv",
    "cases add missing.csv --cases nowhere": "missing.csv",
    "cases list --cases nowhere": "nowhere",
    "cases merge nowhere": "missing option '-o'",
    "fit -o model": "name labelled files",
    "fit missing.csv -o model": "missing.csv",
    "fit table.csv -o model --label-column nope": "nope",
    "update nowhere table.csv -o model": "nowhere",
    "drift nowhere app.log": "nowhere",
    "label app.log -n 0": "x>=1",
    "rules test finanse": "finance",
    "rules explain Nothing text --rules finance": "Nothing",
    "rules backtest finance missing.csv": "missing.csv",
    "doctor --format xml": "'xml' is not one of",
}


@pytest.fixture
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.log").write_text("2024-05-01 09:00:00 INFO job done\n")
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "table.csv").write_text("text,label\nfine,0\nkernel panic,1\n")


@pytest.mark.usefixtures("_files")
@pytest.mark.parametrize(("typed", "answer"), CALLS.items())
def test_a_wrong_call_is_answered_in_one_line_with_a_remedy(typed: str, answer: str) -> None:
    ran = CliRunner().invoke(cli, typed.split(), prog_name="forewarn")
    assert ran.exit_code == 2, ran.output
    assert ran.stdout == ""
    errors = [line for line in ran.stderr.splitlines() if not line.startswith(("warning: ", "note: "))]
    assert len(errors) == 2, ran.stderr
    assert errors[0].startswith("error: ")
    assert answer.casefold() in ran.stderr.casefold()
    assert re.fullmatch(r"  \S.*", errors[1])
    assert "Traceback" not in ran.output
    assert "fault of forewarn" not in ran.output


def test_short_memory_is_said_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ImportError("libfaiss.so: failed to map segment from shared object")

    monkeypatch.setattr("forewarn.pipeline.scan", fails)
    ran = CliRunner().invoke(cli, ["scan", "examples/logs/app.log"])
    assert (ran.exit_code, "not memory enough" in ran.stderr, "fault" in ran.stderr) == (2, True, False)


def test_what_was_typed_does_not_steer_the_terminal() -> None:
    ran = CliRunner().invoke(cli, ["scan", "a.log", "--budget", "\x1b[31mred"])
    assert "\x1b[31m" not in ran.stderr + ran.stdout
    assert "red" in ran.stderr
