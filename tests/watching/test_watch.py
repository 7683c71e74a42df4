"""`forewarn watch`: the warnings of `scan`, each once, whatever happens to the files, the disk, the process."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import msgspec
import polars as pl
import pytest

from forewarn.errors import ForewarnError, InputError, OutputError
from forewarn.findings import EarlyWarning, Incident, Place
from forewarn.options import Options
from forewarn.pipeline import scan
from forewarn.reading.problems import Problems
from forewarn.reading.records import Wanted, read_piece
from forewarn.runtime.atomic import atomic_write
from forewarn.warning.clock_kernel import STEPPED
from forewarn.watching.delivery import Delivery, WarningLog, to_address, to_command
from forewarn.watching.follow import Follower
from forewarn.watching.watch import Receivers, watch
from forewarn.watching.watcher import Watcher

OPTIONS = Options(rules=("operations",), adapt=False)
LOG = [f"2024-05-01T{9 + n // 60:02}:{n % 60:02}:00Z INFO worker finished job {n * 7919 % 1000}" for n in range(400)]
FAILING = [
    f"2024-05-01T{15 + (40 + n) // 60:02}:{(40 + n) % 60:02}:30Z ERROR settle: connection pool exhausted, 0 of {n} free"
    for n in range(20)
]
LINES = [*LOG, *FAILING]


def put(path: Path, lines: list[str], mode: str = "a") -> None:
    with path.open(mode) as file:
        file.write("".join(f"{line}\n" for line in lines))


class Watch:
    """A watch in a thread: `warnings` so far, `problems` told."""

    def __init__(self, path: Path, state: Path, options: Options = OPTIONS, **more: object) -> None:
        self.warnings: list[EarlyWarning | Incident] = []
        self.problems: list[ForewarnError] = []
        self.lines = 0
        self._stop = threading.Event()
        receivers = Receivers(self.warnings.append, more.get("command"), more.get("address"))
        self._thread = threading.Thread(
            target=watch,
            args=([path], options, state, receivers, self._stop),
            kwargs={"status": self._told, "problem": self.problems.append},
        )
        self._thread.start()

    def _told(self, status: object) -> None:
        self.lines = status.lines

    def until(self, lines: int) -> Watch:
        limit = time.monotonic() + 60
        while self.lines < lines:
            assert time.monotonic() < limit, f"{self.lines} of {lines} lines"
            assert self._thread.is_alive()
            time.sleep(0.02)
        return self

    def end(self) -> list[EarlyWarning | Incident]:
        self._stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive()
        return self.warnings


def logged(state: Path) -> list[EarlyWarning | Incident]:
    return WarningLog(state / "warnings.jsonl").read()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], list[EarlyWarning]]:
    """What a scan of LINES warns of, at the place that is asked for."""

    def at(path: Path) -> list[EarlyWarning]:
        folder = tmp_path_factory.mktemp("scanned")
        before = path.read_bytes() if path.exists() else None
        put(path, LINES, "w")
        found = scan([path], OPTIONS).warnings
        path.unlink()
        if before is not None:
            path.write_bytes(before)
        folder.rmdir()
        return found

    return at


def test_lines_that_arrive_in_pieces_over_restarts_warn_as_a_scan_does(
    log: Path, tmp_path: Path, expected: Callable[[Path], list[EarlyWarning]]
) -> None:
    whole = expected(log)
    assert len(whole) == 1
    put(log, LINES[:100])
    first = Watch(log, tmp_path / "state").until(100)
    put(log, LINES[100:250])
    assert first.until(250).end() == []
    put(log, LINES[250:402])
    second = Watch(log, tmp_path / "state").until(402)
    for line in LINES[402:]:
        put(log, [line])
    assert second.until(420).end() == whole
    assert Watch(log, tmp_path / "state").until(420).end() == []
    assert logged(tmp_path / "state") == whole


KILLED = """
import sys, threading
from pathlib import Path
from forewarn.options import Options
from forewarn.watching.watch import Receivers, watch
import forewarn.watching.watch
forewarn.watching.watch._SAVE_EVERY = 0.0
watch([Path(sys.argv[1])], Options(rules=("operations",), adapt=False), Path(sys.argv[2]),
      Receivers(lambda warning: None), threading.Event(),
      status=lambda status: print(status.lines, flush=True))
"""


def test_a_watch_that_is_killed_at_any_time_loses_nothing_and_says_nothing_twice(
    log: Path, tmp_path: Path, expected: Callable[[Path], list[EarlyWarning]]
) -> None:
    whole = expected(log)
    put(log, LINES[:50])
    command = [sys.executable, "-c", KILLED, str(log), str(tmp_path / "state")]
    for at in (150, 401, 405):
        running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert running.stdout
        running.stdout.readline()
        written = log.read_text().count("\n")
        for line in LINES[written:at]:
            put(log, [line])
        while int(running.stdout.readline() or at) < at:
            pass
        running.send_signal(signal.SIGKILL)
        running.communicate()
    put(log, LINES[405:])
    Watch(log, tmp_path / "state").until(420).end()
    assert logged(tmp_path / "state") == whole


def mended(name: str) -> list[str]:
    """A day that fails at twenty to four, in words of its own, and is mended."""
    day = [*LOG, *(line.replace("settle", name) for line in FAILING)]
    begin = 16 * 60
    after = [
        f"2024-05-01T{(begin + n) // 60:02}:{(begin + n) % 60:02}:00Z INFO worker finished job {n}" for n in range(400)
    ]
    return [*day, *after]


def said(found: EarlyWarning | Incident) -> tuple[object, ...]:
    if isinstance(found, EarlyWarning):
        return ("warning", found.stream.rsplit("/")[-1])
    return ("incident", found.state, len(found.warnings))


JOINED = [
    ("warning", "a.log"),
    ("warning", "b.log"),
    ("incident", "open", 2),
    ("incident", "closed", 2),
]


def test_a_warning_of_one_file_shows_no_line_of_another(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    # The other file had the same failure first, once, under another name.
    put(logs / "old.log", [*LOG[:100], FAILING[0].replace("settle", "archive-9"), *LOG[100:]])
    put(logs / "pay.log", LOG)
    running = Watch(logs, tmp_path / "state").until(801)
    put(logs / "pay.log", FAILING)
    warnings = [one for one in running.until(821).end() if isinstance(one, EarlyWarning)]
    assert warnings
    for warning in warnings:
        assert warning.sources == [str(logs / "pay.log")]
        for moved in warning.moved:
            assert moved.text == LINES[moved.at.line - 1]
        assert warning.text in FAILING


def test_an_incident_is_written_when_a_warning_joins_it_and_when_the_last_one_has_ended(tmp_path: Path) -> None:
    logs, state = tmp_path / "logs", tmp_path / "state"
    logs.mkdir()
    first, second = mended("settle"), mended("transfer")
    for file, lines in ((logs / "a.log", first), (logs / "b.log", second)):
        put(file, lines[:415])
    running = Watch(logs, state).until(830)
    for file, lines in ((logs / "a.log", first), (logs / "b.log", second)):
        put(file, lines[415:])
    found = running.until(2 * len(first)).end()
    assert [said(one) for one in found] == JOINED
    warnings, incidents = found[:2], found[2:]
    assert [one.id for one in incidents] == [one.incident for one in warnings]
    assert incidents[0].warnings == [one.id for one in warnings]
    assert incidents[1].last.time > incidents[0].last.time
    assert logged(state) == found
    assert Watch(logs, state).until(2 * len(first)).end() == []


def test_incidents_of_a_watch_that_is_killed_are_neither_lost_nor_written_twice(tmp_path: Path) -> None:
    logs, state = tmp_path / "logs", tmp_path / "state"
    logs.mkdir()
    both = [(logs / "a.log", mended("settle")), (logs / "b.log", mended("transfer"))]
    command = [sys.executable, "-c", KILLED, str(logs), str(state)]
    for begin, end in ((0, 405), (405, 410), (410, 700)):
        for file, lines in both:
            put(file, lines[begin:end])
        running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert running.stdout
        while int(running.stdout.readline()) < 2 * end:
            pass
        running.send_signal(signal.SIGKILL)
        running.communicate()
    for file, lines in both:
        put(file, lines[700:])
    got = tmp_path / "got"
    Watch(logs, state, command=f"tee -a {got}").until(2 * len(both[0][1])).end()
    assert [said(one) for one in logged(state)] == JOINED
    assert got.read_bytes() == b"".join(msgspec.json.encode(one) + b"\n" for one in logged(state))


def test_sigterm_ends_a_watch_cleanly(log: Path, tmp_path: Path) -> None:
    put(log, LINES)
    state = tmp_path / "state"
    command = [sys.executable, "-m", "forewarn", "watch", str(log), "--state", str(state), "--rules", "operations"]
    running = subprocess.Popen([*command, "--format", "jsonl"], stdout=subprocess.PIPE, text=True)
    assert running.stdout
    warning = json.loads(running.stdout.readline())
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=60)
    assert running.returncode == 0
    assert warning["kind"] == "warning"
    assert (state / "state.safetensors").exists()


def test_standard_input_is_watched_to_its_end(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "forewarn", "watch", "-", "--state", str(tmp_path / "state"), "--format", "jsonl"]
    ran = subprocess.run(
        [*command, "--rules", "operations"], input="\n".join(LINES), capture_output=True, text=True, check=False
    )
    assert (ran.returncode, json.loads(ran.stdout)["raised"]["source"]) == (1, "-")


def test_a_damaged_state_is_named_moved_aside_and_begun_anew(log: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    put(log, LINES[:300])
    Watch(log, state).until(300).end()
    saved = state / "state.safetensors"
    saved.write_bytes(saved.read_bytes()[:1000])
    again = Watch(log, state).until(300)
    again.end()
    assert [str(saved) in str(problem) for problem in again.problems] == [True]
    assert len(list(state.glob("*.unused"))) == 1


def test_a_state_of_other_options_is_not_gone_on_with(log: Path, tmp_path: Path) -> None:
    put(log, LINES[:300])
    Watch(log, tmp_path / "state").until(300).end()
    other = Watch(log, tmp_path / "state", Options(rules=("operations",), voices=False)).until(300)
    other.end()
    assert "other rules, options" in str(other.problems[0])


def test_a_full_disk_is_named_and_the_warning_is_kept(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    put(log, LINES)
    running = None
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        running = Watch(log, tmp_path / "state").until(420)
        time.sleep(0.2)
        assert running.warnings == []
        assert any("No space left" in str(problem) for problem in running.problems)
    assert len(running.end()) == 1
    assert len(logged(tmp_path / "state")) == 1


def test_a_full_disk_under_the_log_alone_does_not_let_the_state_run_ahead(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    put(log, LINES)
    with monkeypatch.context() as patch:
        patch.setattr("forewarn.watching.delivery.os", SimpleNamespace(**{**vars(os), "fsync": full}))
        assert Watch(log, tmp_path / "state").until(420).end() == []
    assert len(Watch(log, tmp_path / "state").until(420).end()) == 1


@pytest.mark.parametrize("part", range(8))
def test_a_state_damaged_anywhere_is_gone_on_with_or_named(log: Path, tmp_path: Path, part: int) -> None:
    watcher = Watcher(OPTIONS)
    watcher.add(records(LINES))
    saved = tmp_path / "state.safetensors"
    watcher.save(saved, {})
    content = bytearray(saved.read_bytes())
    begin = part * len(content) // 8
    content[begin : begin + 200] = bytes(byte ^ 0x5A for byte in content[begin : begin + 200])
    saved.write_bytes(content)
    again = Watcher(OPTIONS)
    with contextlib.suppress(InputError):
        again.load(saved)
        again.add(records(LINES))


def records(lines: list[str], source: str = "app.log") -> pl.DataFrame:
    data = "".join(f"{line}\n" for line in lines).encode()
    return read_piece(source, b"", data, 0, datetime.now(UTC), Wanted(None, None, 1 << 20, Problems(None)))


def test_one_record_from_the_future_silences_nothing_and_spoils_no_clock() -> None:
    future = "2099-01-01T00:00:00Z INFO worker finished job 1"
    watcher = Watcher(OPTIONS)
    found = watcher.add(records([*LOG[:300], future, *LOG[300:], *FAILING]))
    other = Watcher(OPTIONS)
    expected = other.add(records([*LOG[:300], LOG[299], *LOG[300:], *FAILING]))
    assert [one.raised for one in found] == [one.raised for one in expected]
    assert len(found) == 1
    assert watcher.left_out == 0
    # Nor do the others fall silent by it, whoever waits.
    assert watcher.add(records(LOG, "other.log")) == []
    assert watcher.wait(time.time_ns() // 1_000) == []


def test_a_source_whose_clock_was_wrong_for_a_while_is_heard_again() -> None:
    wrong = [f"2099-01-01T00:00:{n:02}Z INFO worker finished job {n}" for n in range(5)]
    watcher = Watcher(OPTIONS)
    assert watcher.add(records([*LOG[:300], *wrong, *LOG[300:]])) == []
    assert watcher.left_out == STEPPED
    assert [one.raised_by for one in watcher.add(records(FAILING))] == ["alarming texts"]


def test_equal_times_are_a_stream_of_texts_and_none_of_volume() -> None:
    at = LOG[0][:20]
    found = Watcher(OPTIONS).add(records([at + line[20:] for line in [*LOG, *FAILING]]))
    assert [(one.raised_by, one.raised.time) for one in found] == [
        ("alarming texts", datetime(2024, 5, 1, 9, tzinfo=UTC))
    ]


def test_lines_without_times_are_no_stream_in_a_watch_either() -> None:
    watcher = Watcher(OPTIONS)
    assert watcher.add(records([line[21:] for line in [*LOG, *FAILING]])) == []
    assert watcher.surge.streams == {}


def test_a_watched_file_may_vanish_and_be_a_folder_meanwhile(log: Path, tmp_path: Path) -> None:
    put(log, LINES[:300])
    running = Watch(log, tmp_path / "state").until(300)
    log.rename(tmp_path / "kept")
    log.mkdir()
    time.sleep(1)
    log.rmdir()
    (tmp_path / "kept").rename(log)
    put(log, LINES[300:])
    assert len(running.until(420).end()) == 1


def test_two_watches_do_not_share_a_state(log: Path, tmp_path: Path) -> None:
    put(log, LINES[:10])
    running = Watch(log, tmp_path / "state").until(10)
    with pytest.raises(InputError, match="in use"):
        watch([log], OPTIONS, tmp_path / "state", Receivers(print), threading.Event())
    running.end()


def texts(follower: Follower, most: int = 1 << 20) -> list[str]:
    return [line for piece in follower.new(most) for line in piece.data.decode().splitlines()]


@pytest.fixture
def problems() -> list[ForewarnError]:
    return []


@pytest.fixture
def follower(tmp_path: Path, problems: list[ForewarnError]) -> Follower:
    return Follower([tmp_path], Problems(problems))


def test_only_whole_new_lines_are_read(log: Path, follower: Follower) -> None:
    log.write_text("a\nb")
    assert texts(follower) == ["a"]
    with log.open("a") as file:
        file.write("c\nd\n")
    assert texts(follower) == ["bc", "d"]
    assert texts(follower) == []


def test_a_rotated_file_is_read_to_its_end_and_the_new_one_from_its_beginning(log: Path, follower: Follower) -> None:
    log.write_text("a\n")
    assert texts(follower) == ["a"]
    put(log, ["b"])
    # Hidden, so that it is found by what it is, not read as a file of its own.
    log.rename(log.with_name(".app.log.1"))
    log.write_text("c\n")
    assert texts(follower) + texts(follower) == ["b", "c"]


def test_a_truncated_or_rewritten_file_is_read_anew(
    log: Path, follower: Follower, problems: list[ForewarnError]
) -> None:
    log.write_text("a\nb\n")
    assert texts(follower) == ["a", "b"]
    log.write_text("c\n")
    assert texts(follower) == ["c"]
    log.write_text("longer than before\n")
    assert texts(follower) == ["longer than before"]
    assert "truncated" in str(problems[0])


def test_a_file_that_vanishes_comes_back_and_may_be_a_folder_meanwhile(log: Path, follower: Follower) -> None:
    log.write_text("a\n")
    assert texts(follower) == ["a"]
    log.unlink()
    assert texts(follower) == []
    log.mkdir()
    (log / "below.log").write_text("b\n")
    assert texts(follower) == ["b"]
    (log / "below.log").unlink()
    log.rmdir()
    log.write_text("c\n")
    assert texts(follower) == ["c"]


def test_what_cannot_be_followed_is_named(tmp_path: Path, follower: Follower, problems: list[ForewarnError]) -> None:
    (tmp_path / "a.gz").write_bytes(b"\x1f\x8b\x08\x00\n\n")
    (tmp_path / "b.log").write_bytes("a\n".encode("utf-16"))
    assert texts(follower) == []
    assert ["compressed" in str(problem) or "UTF-16" in str(problem) for problem in problems] == [True, True]


def test_no_more_is_read_than_is_asked_for(log: Path, follower: Follower) -> None:
    put(log, ["x" * 99] * 3_000)
    first = follower.new(70_000)
    assert 60_000 < sum(len(piece.data) for piece in first) <= 70_000
    assert follower.behind() == 300_000 - sum(len(piece.data) for piece in first)


def warning(name: str = "fw-w1") -> EarlyWarning:
    at = Place("a.log", 1)
    return EarlyWarning(
        name, "fw-i1", "high", "everything", at, at, at, at, "1/100000", 1.0, 1, "text", None, [], [], [], [], [], []
    )


def test_a_log_cut_by_a_crash_is_mended_and_holds_each_warning_once(tmp_path: Path) -> None:
    path = tmp_path / "warnings.jsonl"
    WarningLog(path).add([warning("fw-w1"), warning("fw-w2")])
    path.write_bytes(path.read_bytes()[:-5])
    again = WarningLog(path)
    assert [one.id for one in again.add([warning("fw-w1"), warning("fw-w2")])] == ["fw-w2"]
    assert [one.id for one in again.read()] == ["fw-w1", "fw-w2"]


def test_a_command_gets_the_warning_on_its_standard_input(tmp_path: Path) -> None:
    problems: list[ForewarnError] = []
    delivery = Delivery(to_command(f"tee -a {tmp_path / 'got'}"), tmp_path / "done", problems.append)
    delivery.give(warning())
    delivery.give(warning())
    delivery.close(20)
    assert (tmp_path / "got").read_bytes() == msgspec.json.encode(warning()) + b"\n"
    assert (tmp_path / "done").read_text() == "fw-w1\n"
    assert problems == []


def test_a_command_that_does_not_exist_is_named(tmp_path: Path) -> None:
    problems: list[ForewarnError] = []
    delivery = Delivery(to_command("/no/such/command"), tmp_path / "done", problems.append)
    delivery.give(warning())
    delivery.close(20)
    assert "/no/such/command" in str(problems[0])


@pytest.fixture
def hanging() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def test_an_address_that_hangs_stops_nothing(log: Path, tmp_path: Path, hanging: int) -> None:
    put(log, LINES)
    running = Watch(log, tmp_path / "state", address=f"http://127.0.0.1:{hanging}/").until(420)
    began = time.monotonic()
    assert len(running.end()) == 1
    assert time.monotonic() - began < 20
    assert not (tmp_path / "state" / "notified").exists()


@pytest.mark.parametrize("make", [lambda: to_command("'"), lambda: to_command(""), lambda: to_address("ftp://a")])
def test_a_receiver_that_is_none_says_what_to_write(make: Callable[[], object]) -> None:
    with pytest.raises(ForewarnError):
        make()


def test_a_state_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        watch([tmp_path], OPTIONS, tmp_path / "file", Receivers(print), threading.Event())
    with pytest.raises(OutputError), atomic_write(tmp_path / "file" / "state"):
        pass


def test_a_fault_between_the_detector_and_the_log_loses_no_warning(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(log, LOG)
    Watch(log, tmp_path / "state", OPTIONS).until(len(LOG)).end()
    put(log, FAILING)

    def fails(*_: object) -> None:
        raise MemoryError("the encoder has no room")

    with monkeypatch.context() as broken:
        broken.setattr(Watcher, "_explained", fails)
        with pytest.raises(MemoryError):
            watch([log], OPTIONS, tmp_path / "state", Receivers(print), threading.Event())
    found = Watch(log, tmp_path / "state").until(len(LINES)).end()
    assert [one.raised.line for one in found if isinstance(one, EarlyWarning)]
    assert logged(tmp_path / "state") == found


def test_what_cannot_be_written_is_said_once(log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(log, LINES)

    def full(self: WarningLog, notification: list[EarlyWarning]) -> None:
        self.waiting += notification
        raise OutputError("a warning cannot be written: No space left on device", path=tmp_path)

    with monkeypatch.context() as broken:
        broken.setattr(WarningLog, "add", full)
        running = Watch(log, tmp_path / "state").until(len(LINES))
        for n in range(6):
            put(log, [LOG[n]])
            running.until(len(LINES) + n + 1)
        running.end()
    assert [str(problem).count("No space left") for problem in running.problems] == [1]
