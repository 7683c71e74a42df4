"""Whatever a user feeds or does gets a clear message, and what can go on goes on."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from forewarn.errors import OutputError
from forewarn.findings import Alert, Place
from forewarn.output.writers import write_findings
from forewarn.runtime.atomic import atomic_write
from forewarn.text_gate import printable

Run = Callable[..., object]

GOOD = "2024-05-01 09:04:10 ERROR settle: connection pool exhausted, 0 of 64 free\n"


@pytest.fixture
def good(tmp_path: Path) -> Path:
    file = tmp_path / "good.log"
    file.write_text(GOOD)
    return file


def test_a_missing_path_is_named(forewarn: Run, tmp_path: Path) -> None:
    ran = forewarn("scan", tmp_path / "nowhere.log")
    assert ran.status == 2
    assert str(tmp_path / "nowhere.log") in ran.err
    assert "Traceback" not in ran.err


def test_a_missing_path_does_not_stop_the_others(forewarn: Run, good: Path, tmp_path: Path) -> None:
    ran = forewarn("scan", tmp_path / "nowhere.log", good, "--budget", "1")
    assert ran.status == 1
    assert "nowhere.log" in ran.err
    assert "pool exhausted" in ran.out


@pytest.mark.parametrize("content", [b"", b"\n\n\n"])
def test_an_empty_file_is_named(forewarn: Run, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "empty.log"
    file.write_bytes(content)
    ran = forewarn("scan", file)
    assert ran.status == 2
    assert "empty.log" in ran.err


def test_a_folder_without_a_readable_file_is_named(forewarn: Run, tmp_path: Path) -> None:
    (tmp_path / "void").mkdir()
    ran = forewarn("scan", tmp_path / "void")
    assert ran.status == 2
    assert "void" in ran.err


def test_a_binary_file_is_named_and_the_rest_goes_on(forewarn: Run, good: Path) -> None:
    (good.parent / "image.bin").write_bytes(bytes(range(256)) * 64)
    ran = forewarn("scan", good.parent, "--budget", "1")
    assert ran.status == 1
    assert "image.bin" in ran.err
    assert "pool exhausted" in ran.out


def test_a_broken_gzip_file_gives_what_was_read_before_the_break(forewarn: Run, tmp_path: Path) -> None:
    whole = gzip.compress((GOOD * 5000).encode(), mtime=0)
    (tmp_path / "cut.log.gz").write_bytes(whole[: len(whole) // 2])
    ran = forewarn("scan", tmp_path / "cut.log.gz", "--budget", "1")
    assert ran.status == 1
    assert "cut.log.gz" in ran.err


def test_invalid_utf8_is_named_with_its_line(forewarn: Run, tmp_path: Path) -> None:
    (tmp_path / "odd.log").write_bytes(GOOD.encode() + b"broken \xff\xfe\xfa bytes\n" + GOOD.encode())
    ran = forewarn("scan", tmp_path / "odd.log", "--budget", "1")
    assert ran.status == 1
    assert "odd.log:2" in ran.err


def test_a_line_of_fifty_megabytes_is_cut_and_named(forewarn: Run, tmp_path: Path) -> None:
    with (tmp_path / "long.log").open("wb") as file:
        file.write(GOOD.encode())
        file.write(b"x" * 50_000_000 + b"\n")
        file.write(GOOD.encode())
    ran = forewarn("scan", tmp_path / "long.log", "--budget", "1")
    assert ran.status == 1
    assert "long.log:2" in ran.err


def test_a_missing_column_is_named_with_those_there_are(forewarn: Run, tmp_path: Path) -> None:
    (tmp_path / "feed.csv").write_text("when,message\n2024-05-01,hello\n")
    ran = forewarn("scan", tmp_path / "feed.csv", "--text-column", "body")
    assert ran.status == 2
    assert "body" in ran.err
    assert "message" in ran.err


def test_half_a_json_line_is_named_and_the_rest_goes_on(forewarn: Run, tmp_path: Path) -> None:
    lines = [json.dumps({"text": GOOD.strip()}), '{"text": "half', json.dumps({"text": "all is well"})]
    (tmp_path / "feed.jsonl").write_text("\n".join(lines) + "\n")
    ran = forewarn("scan", tmp_path / "feed.jsonl", "--budget", "1")
    assert ran.status == 1
    assert "feed.jsonl:2" in ran.err


def test_escape_codes_of_the_input_never_reach_the_terminal(forewarn: Run, tmp_path: Path) -> None:
    evil = "\x1b[2J\x1b]0;owned\x07 FATAL connection pool exhausted \x9b31m \u202egnp.exe [bold]not markup[/bold]"
    (tmp_path / "evil.log").write_text(evil + "\n")
    ran = forewarn("scan", tmp_path / "evil.log", "--budget", "1")
    assert ran.status == 1
    for character in ("\x1b[2J", "\x1b]0", "\x07", "\x9b", "\u202e"):
        assert character not in ran.out
    assert "[bold]not markup[/bold]" in ran.out


def test_printable_keeps_chinese_and_emoji() -> None:
    assert printable("银行挤兑 🚨 ok") == "银行挤兑 🚨 ok"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_named(forewarn: Run, good: Path) -> None:
    good.chmod(0)
    ran = forewarn("scan", good)
    assert ran.status == 2
    assert "good.log" in ran.err


def test_a_reader_without_permission_is_named(forewarn: Run, good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.open

    def refuse(path: Path, *arguments: object, **named: object) -> object:
        if path.name == "good.log":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *arguments, **named)

    monkeypatch.setattr(Path, "open", refuse)
    ran = forewarn("scan", good)
    assert ran.status == 2
    assert "Permission denied" in ran.err


def test_a_full_disk_leaves_the_old_file_and_says_so(forewarn: Run, good: Path, tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    alert = Alert("fw-1", 0.9, None, None, None, 2.2, "high", None, "t", 1, Place("a", 1), Place("a", 1), [], "a test")
    target = tmp_path / "alerts.jsonl"
    target.write_text("old\n")

    def write_to_full_disk() -> None:
        with atomic_write(target) as part:
            part.unlink()
            part.symlink_to(full)
            part.write_bytes(b"x" * 100_000)

    with pytest.raises(OutputError, match="No space left"):
        write_to_full_disk()
    assert target.read_text() == "old\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alerts.jsonl", "good.log"]
    write_findings([alert], target)
    assert json.loads(target.read_text())["id"] == "fw-1"


def test_an_output_folder_that_is_not_there_is_named_before_the_work(forewarn: Run, good: Path, tmp_path: Path) -> None:
    ran = forewarn("scan", good, "-o", tmp_path / "nowhere" / "alerts.jsonl")
    assert ran.status == 2
    assert "nowhere" in ran.err
    assert ran.out == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--rules", "nosuchpack"], "nosuchpack"),
        (["--encoder", "/no/such/folder"], "/no/such/folder"),
        (["--cases", "/no/such/cases"], "/no/such/cases"),
        (["--detectors", "KNNN"], "KNN"),
        (["--budget", "lots"], "--budget"),
        (["--fdr", "7"], "--fdr"),
        (["--nonsense"], "nonsense"),
        (["--scores", "/no/such/folder/s.parquet"], "/no/such/folder"),
    ],
)
def test_a_wrong_option_is_one_sentence_and_status_2(
    forewarn: Run, good: Path, arguments: list[str], said: str
) -> None:
    ran = forewarn("scan", good, *arguments)
    assert ran.status == 2
    assert said in ran.err
    assert "Traceback" not in ran.err


def test_a_reader_that_leaves_early_is_no_error(good: Path) -> None:
    command = f"{sys.executable} -m forewarn scan {good} --budget 5 --format jsonl | true"
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert "Traceback" not in ran.stderr
    assert "Error" not in ran.stderr
