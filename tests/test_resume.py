"""A scan that is killed goes on with --resume, and its output is the one of a scan that was not."""

from __future__ import annotations

import gzip
import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NoReturn

import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forewarn import checkpoint, intake
from forewarn.errors import ForewarnError
from forewarn.reading.prefetch import read_ahead
from forewarn.reading.problems import Noted, Problems
from forewarn.reading.records import Reached, read

Run = Callable[..., object]

RULE = """
title: Pool exhausted
id: 5f1d3e0a-0000-4000-8000-000000000001
logsource: {category: text}
detection:
  phrase: [pool exhausted, kernel panic]
  condition: phrase
level: high
---
title: Pool exhausted again and again
id: 5f1d3e0a-0000-4000-8000-000000000002
level: critical
correlation:
  type: event_count
  rules: [5f1d3e0a-0000-4000-8000-000000000001]
  timespan: 10s
  condition: {gte: 8}
  generate: true
"""


def inputs(folder: Path) -> Path:
    """Files of several kinds, with times, in several blocks each; one has lines that cannot be read."""
    logs = folder / "logs"
    logs.mkdir(parents=True)
    words = ["backup", "settle", "login", "queue", "cache", "index", "mirror", "probe"]
    lines = [
        f"2024-05-01 {9 + n // 3600:02}:{n // 60 % 60:02}:{n % 60:02} INFO {words[n % 8]}-{words[n // 8 % 8]} "
        f"{words[n // 64 % 8]} finished job {n}"
        for n in range(600)
    ]
    lines[400:440] = [f"2024-05-01 09:06:{n:02} ERROR settle: pool exhausted, {n} of 64 free" for n in range(40)]
    (logs / "app.log").write_text("\n".join(lines) + "\n")
    events = [
        json.dumps(
            {
                "time": f"2024-05-01T10:{n // 60:02}:{n % 60:02}Z",
                "message": f"user {words[n % 8]} of {words[n // 8 % 8]} logged in",
            }
        )
        for n in range(200)
    ]
    events[150] = '{"time": "2024-05-01T10'
    (logs / "events.jsonl").write_text("\n".join(events) + "\n")
    rows = [f'2024-05-01 11:{n // 60:02}:{n % 60:02},"{words[n % 8]}, again {words[n // 8 % 8]}"' for n in range(200)]
    rows[120] = "a row of one cell"
    (logs / "social.csv").write_text("time,text\n" + "\n".join(rows) + "\n")
    return logs


@pytest.mark.parametrize(("kills", "held"), [(20, 0), (10, 320)])
def test_a_killed_scan_writes_the_same_bytes(tmp_path: Path, kills: int, held: int) -> None:
    rule = tmp_path / "rule.yml"
    rule.write_text(RULE)
    script = Path(__file__).with_name("killed_scans.py")
    out, scores = tmp_path / "alerts.jsonl", tmp_path / "scores.parquet"
    arguments = [inputs(tmp_path), "--rules", rule, "--budget", "20", "--false-warnings", "1/200"]
    ran = subprocess.run(
        [sys.executable, script, str(kills), str(held), out, scores, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    result = json.loads(ran.stdout.splitlines()[-1])
    assert len(result["killed"]) == kills
    assert any(result["taken_up"])
    assert set(result["same"]) == {True}


@pytest.fixture
def cut_short(tmp_path: Path, forewarn: Run, monkeypatch: pytest.MonkeyPatch) -> list[str | Path]:
    """The arguments of a scan that ended before its distinct texts were scored, its work kept."""
    rule = tmp_path / "rule.yml"
    rule.write_text(RULE)
    arguments = [inputs(tmp_path), "--rules", rule, "-o", tmp_path / "alerts.jsonl", "--budget", "5"]
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "EVERY", 0.0)
        patch.setattr(intake, "BLOCK_BYTES", 8_000)
        patch.setattr("forewarn.scoring.scorer.embed", _raising)
        assert forewarn("scan", *arguments).status == 2
    assert (tmp_path / ".alerts.jsonl.work" / "checkpoint.json").exists()
    return arguments


def _raising(*_: object) -> NoReturn:
    raise RuntimeError("cut short")


def test_changed_input_options_and_rules_are_named(cut_short: list[str | Path], forewarn: Run, tmp_path: Path) -> None:
    (tmp_path / "logs" / "app.log").write_text("2024-05-01 09:00:00 INFO another day\n")
    (tmp_path / "logs" / "new.log").write_text("new\n")
    (tmp_path / "rule.yml").write_text(RULE.replace("kernel panic", "disk full"))
    ran = forewarn("scan", *cut_short, "--resume", "--seed", "1")
    assert ran.status == 2
    for said in ("--seed was 0, is 1", "the rules have changed", "new.log is new", "app.log has changed", "--resume"):
        assert said in ran.err
    assert "events.jsonl" not in ran.err
    assert (tmp_path / ".alerts.jsonl.work").exists(), "the work is still there for those who name the right input"


@pytest.mark.parametrize("how", ["cut", "bit", "gone", "checkpoint"])
def test_damaged_work_is_named_and_the_scan_starts_anew(
    cut_short: list[str | Path], forewarn: Run, tmp_path: Path, how: str
) -> None:
    work = tmp_path / ".alerts.jsonl.work"
    file = work / "checkpoint.json" if how == "checkpoint" else sorted((work / "texts").iterdir())[1]
    content = bytearray(file.read_bytes())
    if how == "gone":
        file.unlink()
    else:
        content[len(content) // 2] ^= 1
        file.write_bytes(content[:-9] if how == "cut" else content)
    ran = forewarn("scan", *cut_short, "--resume")
    assert ran.status == 1
    assert str(file) in ran.err.replace("\n", "")
    assert "starts from the beginning" in " ".join(ran.err.split())
    resumed = (tmp_path / "alerts.jsonl").read_bytes()
    forewarn("scan", *cut_short)
    assert resumed == (tmp_path / "alerts.jsonl").read_bytes()
    assert not work.exists()


def test_without_resume_the_work_of_a_dead_scan_is_named_and_dropped(
    cut_short: list[str | Path], forewarn: Run, tmp_path: Path
) -> None:
    ran = forewarn("scan", *cut_short)
    assert ran.status == 1
    assert "cut short" in ran.err
    assert not (tmp_path / ".alerts.jsonl.work").exists()
    assert "no work to take up" in forewarn("scan", *cut_short, "--resume").err


def test_a_scan_that_fails_early_leaves_nothing(forewarn: Run, tmp_path: Path) -> None:
    assert forewarn("scan", inputs(tmp_path), "--rules", "nosuch", "-o", tmp_path / "alerts.jsonl").status == 2
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]


def test_two_scans_do_not_write_one_output(forewarn: Run, tmp_path: Path) -> None:
    out = tmp_path / "alerts.jsonl"
    with checkpoint.checkpoint_of([out], [tmp_path], resume=False, note=print):
        ran = forewarn("scan", inputs(tmp_path), "-o", out)
    assert ran.status == 2
    assert "another scan" in ran.err


@pytest.mark.parametrize("arguments", [["-", "-o", "out.jsonl"], ["/dev/null", "-o", "out.jsonl"], ["."]])
def test_what_cannot_be_resumed_says_so(forewarn: Run, arguments: list[str]) -> None:
    ran = forewarn("scan", *arguments, "--resume")
    assert ran.status == 2
    assert "--resume" in ran.err


@pytest.fixture(scope="module")
def every_kind(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of every kind that is read in a way of its own."""
    logs = inputs(tmp_path_factory.mktemp("kinds"))
    (logs / "packed.log.gz").write_bytes(gzip.compress((logs / "app.log").read_bytes()))
    (logs / "bad.log").write_bytes(b"2024-05-01 09:00:00 caf\xc3 closed\n" * 200)
    pl.DataFrame(
        {"time": ["2024-05-01 09:00:00"] * 900, "text": [f"row {n} is said" for n in range(900)]}
    ).write_parquet(logs / "rows.parquet", row_group_size=100)
    (logs / "list.json").write_text(json.dumps([{"message": f"entry {n} of a list"} for n in range(300)]))
    return logs


@settings(deadline=None, max_examples=25)
@given(block=st.integers(500, 20_000), after=st.integers(0, 40))
def test_reading_goes_on_after_any_block(every_kind: Path, block: int, after: int) -> None:
    whole_problems, first_problems, rest_problems = list[ForewarnError](), Problems([]), list[ForewarnError]()
    whole = list(read(every_kind, block_bytes=block, problems=whole_problems))
    reached = Reached()
    columns = {"text_column": None, "time_column": None}
    begun = read_ahead([every_kind], **columns, block_bytes=block, problems=first_problems, reached=Reached())
    first = list[pl.DataFrame]()
    with closing(begun):
        for records, place in itertools.islice(begun, after):
            first.append(records)
            reached = place
    stored = msgspec.json.encode((reached, first_problems.noted()))
    left, noted = msgspec.json.decode(stored, type=tuple[Reached, list[Noted]])
    problems = Problems(rest_problems)
    problems.restore(noted)
    rest = list(read(every_kind, block_bytes=block, problems=problems, reached=left))
    assert pl.concat([*first, *rest]).equals(pl.concat(whole))
    assert [str(problem) for problem in rest_problems] == [str(problem) for problem in whole_problems]
