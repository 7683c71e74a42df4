"""How a command ends says what came of it: 0 nothing alarming, 1 alarming, 2 it could not look everywhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
CALM = "the weekly newsletter is out\n"
ALARMING = "terrorist attack: bomb explosion, many people killed\n"
RULE = """
title: Bomb
id: 5f0a2c1e-0000-4000-8000-000000000001
logsource: {category: text}
detection: {words: ['bomb explosion'], condition: words}
level: high
"""


@pytest.fixture
def calm(tmp_path: Path) -> Path:
    file = tmp_path / "calm.log"
    file.write_text(CALM)
    return file


@pytest.mark.parametrize("command", [["scan"], ["rules", "match"]])
def test_a_named_file_that_was_not_read_is_never_all_quiet(
    forewarn: Run, calm: Path, tmp_path: Path, command: list[str]
) -> None:
    evtx, empty, gone = tmp_path / "System.evtx", tmp_path / "empty", tmp_path / "gone.log"
    evtx.write_bytes(b"ElfFile\0" + bytes(100))
    empty.mkdir()
    assert forewarn(*command, calm).status == 0
    for unread in (evtx, empty, gone):
        assert forewarn(*command, unread).status == 2
        assert forewarn(*command, calm, unread).status == 2
    calm.write_text(ALARMING)
    assert forewarn(*command, calm, gone).status == 1


def test_what_cannot_be_read_in_a_folder_is_named_and_the_rest_goes_on(forewarn: Run, calm: Path) -> None:
    (calm.parent / "picture.log").write_bytes(b"\x89PNG" + bytes(50))
    ran = forewarn("rules", "match", calm.parent)
    assert (ran.status, "picture.log" in ran.err) == (0, True)


@pytest.mark.parametrize("command", [["scan"], ["rules", "match"], ["watch"]])
@pytest.mark.parametrize("content", ["title: [", "# nothing\n", "title: No condition\n"])
def test_a_rule_file_of_which_nothing_loaded_is_never_all_quiet(
    forewarn: Run, calm: Path, tmp_path: Path, command: list[str], content: str
) -> None:
    rules = tmp_path / "mine.yaml"
    rules.write_text(content)
    ran = forewarn(*command, calm, "--rules", rules)
    assert (ran.status, "mine.yaml" in ran.err) == (2, True)


def test_a_rule_file_of_which_some_loaded_is_used(forewarn: Run, calm: Path, tmp_path: Path) -> None:
    rules = tmp_path / "mine.yaml"
    rules.write_text(RULE + "---\ntitle: Broken\n")
    assert forewarn("rules", "match", calm, "--rules", rules).status == 0
    calm.write_text(ALARMING)
    assert forewarn("rules", "match", calm, "--rules", rules).status == 1


def test_a_scan_that_is_ended_leaves_nothing_behind(tmp_path: Path) -> None:
    temporary, pipe = tmp_path / "tmp", tmp_path / "pipe"
    temporary.mkdir()
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "forewarn", "scan", pipe, "--no-cache"]
    running = subprocess.Popen(command, env={**os.environ, "TMPDIR": str(temporary)})
    with pipe.open("w") as writer:
        for number in range(2_000):
            writer.write(f"2026-01-01T00:{number % 60:02}:00Z {CALM}" * 200)
            if any(temporary.iterdir()):
                break
        assert list(temporary.iterdir()) != []
        time.sleep(0.2)
        running.send_signal(signal.SIGTERM)
        assert running.wait(20) == 143
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("command", [["doctor"], ["cases", "list"], ["similar", "bank run"]])
def test_a_reader_that_goes_away_is_no_alert(command: list[str]) -> None:
    ran = subprocess.Popen(
        [sys.executable, "-m", "forewarn", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert ran.stdout
    ran.stdout.close()
    assert ran.communicate()[1] == ""
    assert ran.returncode == 0
