"""Files that grow in ways that nobody planned: lines without an end, rotation in a folder, names that are no UTF-8."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from forewarn.errors import ForewarnError, OutputError
from forewarn.findings import EarlyWarning, Place
from forewarn.reading.decoding import MAX_LINE
from forewarn.reading.problems import Problems
from forewarn.watching.delivery import WarningLog
from forewarn.watching.follow import Follower, Position

Run = Callable[..., Any]


@pytest.fixture
def follower(tmp_path: Path) -> Follower:
    return Follower([tmp_path], Problems([]))


def lines(follower: Follower, most: int = 1 << 20) -> list[tuple[str, int, str]]:
    """File, number and first letters of each new line, over as many looks as bring something."""
    found = []
    while pieces := follower.new(most):
        for piece in pieces:
            for number, line in enumerate(piece.data.decode().splitlines(), piece.lines_before + 1):
                found.append((Path(piece.source).name, number, line[:4]))
    return found


def test_a_line_without_an_end_is_cut_once_and_its_rest_passed_over(tmp_path: Path, follower: Follower) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"one\n" + "雪".encode() * MAX_LINE)
    (tmp_path / "b.log").write_text("other\n")
    assert sorted(lines(follower)) == [("a.log", 1, "one"), ("a.log", 2, "雪雪雪雪"), ("b.log", 1, "othe")]
    assert lines(follower) == []
    saved = msgspec.json.decode(msgspec.json.encode(follower.positions), type=dict[str, Position])
    again = Follower([tmp_path], Problems([]))
    again.positions = saved
    with log.open("ab") as file:
        file.write(b" still the same line\nthree\n")
    assert lines(again) == [("a.log", 3, "thre")]


def test_a_look_at_an_endless_line_is_cheap(tmp_path: Path, follower: Follower) -> None:
    log = tmp_path / "a.log"
    log.touch()
    os.truncate(log, 150 << 20)
    follower.new(1 << 20)
    began = time.process_time()
    for _ in range(4):
        follower.new(1 << 20)
    assert time.process_time() - began < 2.0
    assert follower.behind() == 0


@pytest.mark.parametrize("name", ["app.log.1", "app-1.log", "app.log-20261130"])
def test_a_file_that_is_rotated_in_a_followed_folder_is_the_same_stream(
    tmp_path: Path, follower: Follower, name: str
) -> None:
    log = tmp_path / "app.log"
    log.write_text("one\ntwo\n")
    assert lines(follower) == [("app.log", 1, "one"), ("app.log", 2, "two")]
    with log.open("a") as file:
        file.write("three\n")
    log.rename(tmp_path / name)
    log.write_text("new\n")
    assert lines(follower) == [("app.log", 3, "thre"), ("app.log", 1, "new")]
    with (tmp_path / name).open("a") as file:
        file.write("late\n")
    assert lines(follower) == [("app.log", 4, "late")]


def test_a_chain_of_rotations_reads_each_line_once(tmp_path: Path, follower: Follower) -> None:
    log, seen = tmp_path / "app.log", []
    for turn in range(5):
        for number in (3, 2, 1):
            older = tmp_path / f"app.log.{number}"
            if older.exists():
                older.rename(tmp_path / f"app.log.{number + 1}")
        if log.exists():
            log.rename(tmp_path / "app.log.1")
        log.write_text(f"{turn}\n")
        (tmp_path / "app.log.4").unlink(missing_ok=True)
        seen += lines(follower)
    assert seen == [("app.log", 1, str(turn)) for turn in range(5)]
    assert len(follower.positions) == 4


def test_a_new_file_that_was_given_an_old_inode_is_read(tmp_path: Path, follower: Follower) -> None:
    log = tmp_path / "a.log"
    log.write_text("one\n")
    lines(follower)
    follower.positions["gone.log"] = Position(log.stat().st_ino, 4, 1, 4, follower.positions[str(log)].checksum ^ 1)
    (tmp_path / "gone.log").unlink(missing_ok=True)
    del follower.positions[str(log)]
    log.write_text("two\n")
    assert lines(follower) == [("a.log", 1, "two")]


def test_names_that_are_no_utf8_are_followed_and_scanned(tmp_path: Path, follower: Follower, forewarn: Run) -> None:
    odd = os.fsencode(tmp_path) + b"/\xd6\xd0.log"
    with open(odd, "wb") as file:
        file.write(b"bomb explosion, many dead\n")
    (tmp_path / "b.log").write_text("calm\n")
    assert lines(follower) == [("b.log", 1, "calm"), ("\\xd6\\xd0.log", 1, "bomb")]
    ran = forewarn("rules", "match", tmp_path)
    assert (ran.status, "xd6" in ran.out) == (1, True)
    summary = tmp_path / "s" / "summary.json"
    summary.parent.mkdir()
    assert forewarn("scan", tmp_path, "--summary", summary).status in (0, 1)
    assert msgspec.json.decode(summary.read_bytes())["lines"] == 2


@pytest.mark.parametrize("arguments", [["similar"], ["rules", "explain", "Bank run"], ["cases", "show"]])
def test_an_argument_that_is_no_utf8_is_no_fault(forewarn: Run, arguments: list[str]) -> None:
    ran = forewarn(*arguments, os.fsdecode(b"\xb1\xac\xd5\xa8"))
    assert "fault of forewarn" not in ran.err


def test_a_watch_of_a_folder_with_such_a_name_lives(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    command = [sys.executable, "-m", "forewarn", "watch", folder, "--state", tmp_path / "state", "--rules", "security"]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    state = tmp_path / "state" / "state.safetensors"
    try:
        for name in (b"\xd6\xd0.log", b"b.log"):
            state.unlink(missing_ok=True)
            with open(os.fsencode(folder) + b"/" + name, "wb") as file:
                file.write(b"2026-01-01T00:00:00Z one\n")
            for _ in range(300):
                if state.exists() or running.poll() is not None:
                    break
                time.sleep(0.1)
            assert state.exists()
    finally:
        running.terminate()
        _, said = running.communicate(timeout=60)
    assert (running.returncode, "fault" in said) == (0, False)


def warning(name: str) -> EarlyWarning:
    at = Place("a.log", 1)
    return EarlyWarning(
        name, "fw-i1", "high", "everything", at, at, at, at, "1/100000", 1.0, 1, "text", None, [], [], [], [], [], []
    )


def test_lines_of_others_in_a_log_of_warnings_stay_and_stop_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    foreign = b'{"kind":"alert","id":"fw-1"}\nnotes\n{"kind":"\xff"}\n'
    path.write_bytes(foreign)
    log = WarningLog(path)
    assert [one.key for one in log.add([warning("fw-w1")])] == [one.key for one in log.read()]
    assert path.read_bytes().startswith(foreign)
    assert len(WarningLog(path).keys) == 1


@pytest.mark.parametrize("notes", [b"buy milk", b'one\n{"kind":"alert","id":"fw', b"{", b'{"kind":"w'])
def test_only_half_a_line_of_its_own_is_cut(tmp_path: Path, notes: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(notes)
    if notes in (b"{", b'{"kind":"w'):
        WarningLog(path)
        assert path.read_bytes() == b""
        return
    with pytest.raises(OutputError, match="half a line that this program did not write"):
        WarningLog(path)
    assert path.read_bytes() == notes


def test_a_log_on_a_full_disk_is_never_torn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, whole = tmp_path / "log.jsonl", os.write
    log = WarningLog(path)
    log.add([warning("fw-w1")])
    before, room = path.read_bytes(), [100]

    def full(handle: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(28, "No space left on device")
        written = whole(handle, bytes(data)[: room[0]])
        room[0] -= written
        return written

    monkeypatch.setattr("forewarn.watching.delivery.os.write", full)
    with pytest.raises(OutputError, match="No space left"):
        log.add([warning("fw-w2")])
    assert path.read_bytes() == before
    monkeypatch.undo()
    log.add([])
    assert [one.id for one in log.read() if isinstance(one, EarlyWarning)] == ["fw-w1", "fw-w2"]


def test_two_watches_do_not_write_one_log(tmp_path: Path) -> None:
    from forewarn.watching.watch import _only_writer

    with (
        _only_writer(tmp_path / "log"),
        pytest.raises(ForewarnError, match="written by another watch"),
        _only_writer(tmp_path / "log"),
    ):
        pass
