"""`watch`: files and standard input as they grow, to warnings as they arise.

In: paths, options, a state folder. Out: warnings, each once, handed to `warn` after it is in the log; the state is
saved as it goes on, whole or not at all, so that a killed watch goes on where it stood. Reads no faster than it scores.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from forewarn.errors import ForewarnError, InputError, OutputError
from forewarn.findings import EarlyWarning, dated, now
from forewarn.options import Options
from forewarn.reading.decoding import MAX_LINE, cut_line
from forewarn.reading.problems import Problems
from forewarn.reading.records import Wanted, read_piece
from forewarn.reading.time_option import form_of
from forewarn.runtime.atomic import is_written_through, one_writer
from forewarn.warning.timeline import GIVE_TIMES, NO_FEW_LINES, TIMELESS
from forewarn.watching.delivery import Delivery, Notification, WarningLog, to_address, to_command
from forewarn.watching.follow import HEAD, Follower, Piece
from forewarn.watching.watcher import Watcher

LOG = "warnings.jsonl"
"""Where a watch keeps its warnings, in its state folder, if no other file is named."""
_ROUND = 1 << 20
"""Bytes that are read in one round: a quarter of a second of scoring (benchmark watch)."""
_SAVE_EVERY = 2.0
"""Seconds."""
_LOOK_EVERY = 500
"""Milliseconds after which files are looked at even where the system tells of no change."""


@dataclass
class Status:
    """How it stands: lines so far, warnings, seconds that the last round took, bytes that wait, young streams.

    `events_seen` which events there were since it began, and for which no rule was: said when it has ended.
    """

    lines: int = 0
    warnings: int = 0
    lag: float = 0.0
    behind: int = 0
    young: list[str] = field(default_factory=list)
    left_out: int = 0
    events_seen: str | None = None


@dataclass(frozen=True)
class Receivers:
    """Who gets warnings and incidents: `warn` at once, in the log's order; a command and an address when they can."""

    warn: Callable[[Notification], None]
    command: str | None = None
    address: str | None = None


def watch(
    paths: str | Path | Sequence[str | Path],
    options: Options,
    state: str | Path,
    receivers: Receivers,
    stop: threading.Event,
    *,
    log: str | Path | None = None,
    arrival: bool = False,
    status: Callable[[Status], None] = lambda _: None,
    problem: Callable[[ForewarnError], None] = lambda _: None,
) -> Status:
    """Follow until `stop` is set or standard input ends; returns how it stood then.

    `log` is where warnings are kept (default: in the state folder); `arrival` gives every record the time of its
    arrival. Raises InputError where the state is in use, OutputError where it or the log cannot be written at first.
    """
    from filelock import FileLock, Timeout

    state, paths = Path(state), [paths] if isinstance(paths, str | Path) else paths
    try:
        state.mkdir(parents=True, exist_ok=True)
        held = FileLock(state / "lock", timeout=0).acquire()
    except Timeout:
        raise InputError(
            "is in use by another watch", path=state, remedy="Stop that one, or name another folder with --state."
        ) from None
    except OSError as error:
        raise OutputError(f"cannot be used for the state: {error.strerror}", path=state) from None
    log = Path(log) if log else None
    with held, _only_writer(log):
        following = _Following(paths, options, state, receivers, log, arrival, status, problem)
        return following.run(stop)


@contextmanager
def _only_writer(log: Path | None) -> Iterator[None]:
    """The right to write a log that is a file. Raises InputError where another watch has it, OutputError."""
    if log is None or is_written_through(log):
        yield
        return
    try:
        with one_writer(log, patience=0):
            yield
    except TimeoutError:
        raise InputError(
            "is written by another watch", path=log, remedy="Stop that one, or name another file with -o."
        ) from None


class _Following:
    def __init__(
        self,
        paths: Sequence[str | Path],
        options: Options,
        state: Path,
        receivers: Receivers,
        log: Path | None,
        arrival: bool,
        status: Callable[[Status], None],
        problem: Callable[[ForewarnError], None],
    ) -> None:
        self._paths, self._arrival, self._told, self._problem = [str(p) for p in paths], arrival, status, problem
        self._file = state / "state.safetensors"
        self._warn = receivers.warn
        self._log = WarningLog(log or state / LOG)
        self._deliveries = []
        if receivers.command:
            self._deliveries.append(Delivery(to_command(receivers.command), state / "executed", problem))
        if receivers.address:
            self._deliveries.append(Delivery(to_address(receivers.address), state / "notified", problem))
        self._watcher = Watcher(options)
        self._collected: list[ForewarnError] = list(self._watcher.problems)
        self._shown = 0
        noted = Problems(self._collected)
        self._follower = Follower([path for path in self._paths if path != "-"], noted)
        form = form_of(options.time_format) if options.time_format else None
        self._wanted = Wanted(options.text_column, options.time_column, 16 << 20, noted, form)
        self._status = Status()
        self._untimed: dict[str, int] = {}
        self._given_up = False
        self._saved = time.monotonic()
        self._changed = self._ahead = False
        self._said = ""
        self._restore()
        for notification in self._log.read():
            for delivery in self._deliveries:
                delivery.give(notification)

    def _restore(self) -> None:
        if not self._file.exists():
            return
        try:
            self._follower.positions = self._watcher.load(self._file)
        except InputError as error:
            aside = self._file.with_name(f"state.{datetime.now(UTC):%Y%m%dT%H%M%S%f}.unused")
            self._file.rename(aside)
            error.remedy = f"It was moved to {aside}; everything is read from the beginning."
            self._problem(error)

    def run(self, stop: threading.Event) -> Status:
        try:
            if "-" in self._paths:
                self._standard_input(stop)
            else:
                self._files(stop)
        finally:
            self._save(now=True)
            for delivery in self._deliveries:
                delivery.close(5.0)
            self._tell()
        self._status.events_seen = self._watcher.events_seen
        return self._status

    def _files(self, stop: threading.Event) -> None:
        for _ in _changes(self._paths, stop):
            while not stop.is_set() and (pieces := self._follower.new(_ROUND)):
                self._take(pieces)
            self._wait(stop)
            self._save()
            self._tell()

    def _standard_input(self, stop: threading.Event) -> None:
        head, lines = b"", 0
        for data in _chunks(stop):
            if not data:
                self._wait(stop)
                self._save()
                continue
            self._take([Piece("-", head, data, lines, datetime.now(UTC))])
            lines += data.count(b"\n")
            if len(head) < HEAD:
                head += data[: data.rfind(b"\n", 0, HEAD - len(head)) + 1]
            self._save()
            self._tell()

    def _take(self, pieces: list[Piece]) -> None:
        began = time.monotonic()
        blocks = [
            read_piece(piece.source, piece.head, piece.data, piece.lines_before, piece.changed, self._wanted)
            for piece in pieces
        ]
        records = pl.concat(blocks)
        if not self._arrival:
            self._name_timeless(records)
        if self._arrival:
            records = records.with_columns(time=pl.lit(datetime.now(UTC)).cast(records.schema["time"]))
        self._judge(lambda: self._watcher.add(records, _now()))
        self._changed = True
        self._status.lag = time.monotonic() - began
        self._tell()
        self._save()

    def _name_timeless(self, records: pl.DataFrame) -> None:
        """Name each source that has said enough to show a time and has none: it cannot be watched."""
        for name, lines, times in records.group_by("source").agg(pl.len(), pl.col("time").count()).iter_rows():
            before = self._untimed.get(name, 0)
            # A source that has shown a time once is watched.
            self._untimed[name] = -1 if times or before < 0 else before + lines
            if before < NO_FEW_LINES <= self._untimed[name]:
                self._wanted.problems.note(name, TIMELESS, remedy=GIVE_TIMES)

    def _wait(self, stop: threading.Event) -> None:
        """Everything is read: what did not come may be a warning."""
        if not stop.is_set():
            self._changed |= self._judge(lambda: self._watcher.wait(_now()))

    def _judge(self, judge: Callable[[], Sequence[Notification]]) -> bool:
        """Give on what the watcher says, and return whether it said anything.

        Where that fails, the watcher may know of a warning that the log lacks: such a state must not be saved.
        """
        self._ahead = True
        notification = judge()
        self._give(notification)
        self._ahead = False
        return bool(notification)

    def _give(self, notification: Sequence[Notification]) -> None:
        try:
            said = now()
            new = self._log.add([dated(one, said) for one in notification])
        except OutputError as error:
            self._report(error)
            return
        for one in new:
            self._status.warnings += isinstance(one, EarlyWarning)
            self._warn(one)
            for delivery in self._deliveries:
                delivery.give(one)

    def _save(self, *, now: bool = False) -> None:
        if self._ahead or not self._changed or (not now and time.monotonic() - self._saved < _SAVE_EVERY):
            return
        self._give([])
        if self._log.waiting:
            # A state that is further than the log would lose them.
            return
        try:
            self._watcher.save(self._file, self._follower.positions)
            self._changed, self._said = False, ""
        except OutputError as error:
            error.remedy = "Free space; watching goes on, and the state is written when it can be."
            self._report(error)
        self._saved = time.monotonic()

    def _report(self, error: OutputError) -> None:
        """Say that something cannot be written: once, until it can be again or the reason is another."""
        if str(error) != self._said:
            self._said = str(error)
            self._problem(error)

    def _tell(self) -> None:
        status = self._status
        status.lines, status.left_out = self._watcher.lines, self._watcher.left_out
        status.young = self._watcher.surge.young()
        status.behind = self._follower.behind()
        if not self._given_up and self._watcher.correlator.left_out:
            self._given_up = True
            self._collected += self._watcher.correlator.problems()
        for error in self._collected[self._shown :]:
            self._problem(error)
        self._shown = len(self._collected)
        self._told(status)


def _now() -> int:
    return time.time_ns() // 1_000


def _changes(paths: Sequence[str], stop: threading.Event) -> Iterator[None]:
    """Now, whenever the system tells of a change below the paths, and every half second."""
    from watchfiles import watch as changes

    yield None
    while not stop.is_set():
        folders = {path if os.path.isdir(path) else os.path.dirname(os.path.abspath(path)) for path in paths}
        there = [folder for folder in sorted(folders) if os.path.isdir(folder)]
        if not there:
            stop.wait(_LOOK_EVERY / 1000)
            yield None
            continue
        try:
            for _ in changes(
                *there,
                stop_event=stop,
                rust_timeout=_LOOK_EVERY,
                yield_on_timeout=True,
                debounce=50,
                step=20,
                raise_interrupt=False,
            ):
                yield None
                if not all(os.path.isdir(folder) for folder in there):
                    break
        except (OSError, RuntimeError):
            # RuntimeError: a name below that is no UTF-8, which the system's own notices cannot carry.
            stop.wait(_LOOK_EVERY / 1000)
            yield None


def _chunks(stop: threading.Event) -> Iterator[bytes]:
    """Standard input in whole lines, at most a few rounds of it ahead of what is scored; b"" where nothing waits.

    A line without an end is cut where a scan cuts it, and its rest is passed over.
    """
    waiting: queue.Queue[bytes] = queue.Queue(maxsize=16)

    def read() -> None:
        while data := os.read(sys.stdin.fileno(), 1 << 19):
            waiting.put(data)
        waiting.put(b"")

    threading.Thread(target=read, daemon=True).start()
    rest, inside = b"", False
    while not stop.is_set():
        try:
            data = waiting.get(timeout=0.2)
        except queue.Empty:
            yield b""
            continue
        ended = not data
        while not ended and len(rest) < _ROUND:
            rest += data
            try:
                data = waiting.get_nowait()
            except queue.Empty:
                data = b""
                break
            ended = not data
        rest += data
        if inside:
            end = rest.find(b"\n") + 1
            rest, inside = rest[end or len(rest) :], not end
        cut = len(rest) if ended else rest.rfind(b"\n") + 1
        if not cut and len(rest) >= MAX_LINE:
            yield cut_line(rest) + b"\n"
            rest, inside = b"", True
        elif cut:
            yield rest[:cut]
            rest = rest[cut:]
        if ended:
            return
