"""What a scan keeps on disk, so that it can be taken up where it was killed.

In: what has been read and embedded so far. Out: a hidden folder beside the output, `.NAME.work`, which goes when the
output is whole: blocks of frames (`blocks`) and `checkpoint.json`, which says how many of them count, how far the input
was read, and of which input, rules, options and versions all this is. It is written when a scan has taken some seconds,
and again every few seconds; what was written after it is written anew.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.metadata
import os
import shutil
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from filelock import FileLock, Timeout

from forewarn.errors import ForewarnError, OutputError
from forewarn.findings import now
from forewarn.names import shown
from forewarn.reading.paths import can_be_read_again, files_in
from forewarn.reading.problems import Noted, Problems
from forewarn.reading.records import Reached
from forewarn.rules.correlation.correlator import Hit
from forewarn.runtime.atomic import atomic_write, forget_parts, is_written_through, not_written, target_of, work_folder
from forewarn.runtime.spill import Kept, SpilledFrames, check, forget

if TYPE_CHECKING:
    from forewarn.rules.language.rule import Correlation, Rule

CHECKPOINT_SCHEMA = 3
EVERY = 10.0
"""Seconds between two checkpoints, and before the first: a scan that takes less leaves nothing behind."""
_ENDS = 4096
"""Bytes of the beginning and of the end of a file by which a changed one is known, beside its size and time."""
_NAME = "checkpoint.json"


class Reading(msgspec.Struct):
    """How far the input has been read, and what is known that is in no block.

    `reached` the place in the input, None = all is read; `rows` records of `files`; `rule_sets` the sets met so far;
    `tried` the rules that a record was for; `clocks` of each source, and how many records came too `late` for them;
    `problems` what could not be read; `correlations` the correlator's state, and `completed` its hits, each with the
    key of its text and its rule.
    """

    reached: Reached | None
    rows: int
    files: list[str]
    rule_sets: list[tuple[int, ...]]
    tried: list[int]
    clocks: dict[str, list[int]]
    late: int
    problems: list[Noted]
    correlations: bytes
    completed: list[tuple[int, int, Hit]]


class Identity(msgspec.Struct):
    """What a checkpoint is of: `input` each file's size, time and ends; `rules` and `versions`; `options` as said."""

    input: dict[str, tuple[int, int, int]]
    rules: str
    versions: dict[str, str]
    options: dict[str, str]


class _Checkpoint(msgspec.Struct):
    schema: int
    identity: Identity
    reading: Reading
    blocks: dict[str, list[Kept]]
    started: datetime


class Checkpoint:
    """The work folder of one scan.

    `note` is told what a person should know; `reading` how far the input has been read, None = not begun; `started`
    when the scan was begun, however often it was taken up. Made by `checkpoint_of`.
    """

    def __init__(self, folder: Path, *, resume: bool, note: Callable[[str], None]) -> None:
        self._folder, self._resume, self._note = folder, resume, note
        self._identity: Identity | None = None
        self._kept: dict[str, list[Kept]] = {}
        self._since = time.monotonic()
        self._blocks: dict[str, SpilledFrames] = {}
        self.same = True
        self.reading: Reading | None = None
        self.started = now()

    @property
    def resumable(self) -> bool:
        """Whether there is a checkpoint."""
        return (self._folder / _NAME).exists()

    def take_up(self, identity: Identity) -> None:
        """Read how far a scan of the same identity came before it was killed, if it may be taken up.

        Raises OutputError where what was scanned is not the same.
        """
        self._identity = identity
        if not self._resume:
            if self.resumable:
                self._note("a scan that was cut short left its work; it is dropped (--resume goes on with it)")
        elif not self.resumable:
            self._note("there is no work to take up: the scan starts from the beginning")
        else:
            try:
                found = _read(self._folder / _NAME)
                for name, kept in found.blocks.items():
                    check(self.place(name), kept)
            except OutputError as error:
                self._note(f"{error.place}: {error.message}; the scan starts from the beginning")
            else:
                if differences := _differences(found.identity, identity):
                    self.same = False
                    raise OutputError(
                        "what was scanned is not the same: " + "; ".join(differences),
                        path=self._folder,
                        remedy="Give the same input and options, or leave out --resume to scan from the beginning.",
                    )
                self.reading, self._kept, self.started = found.reading, found.blocks, found.started
                return
        self.forget()

    def forget(self) -> None:
        """Remove what was kept, the checkpoint first: without it nothing else counts."""
        self._kept = {}
        with suppress(FileNotFoundError):
            (self._folder / _NAME).unlink()
        for place in self._folder.iterdir():
            if place.is_dir():
                forget(place)

    def wait(self, name: str, blocks: SpilledFrames) -> None:
        """Frames that wait count from the next checkpoint on; `blocks` goes on after those that were kept before."""
        blocks.kept = list(self._kept.get(name, []))
        self._blocks[name] = blocks

    def place(self, name: str) -> Path:
        """The folder of the frames of that name."""
        return self._folder / name

    @property
    def due(self) -> bool:
        """Whether it is time for a checkpoint."""
        return time.monotonic() - self._since >= EVERY

    def write_if_due(self, reading: Reading) -> None:
        """Take note of how far the input has been read, and write a checkpoint if it is time. Raises OutputError."""
        self.reading = reading
        if self.due:
            self.write()

    def write(self) -> None:
        """Write a checkpoint, whole or not at all. Raises OutputError."""
        if self._identity is None or self.reading is None:
            raise RuntimeError("a scan says what it is of before it keeps anything")
        kept = {name: blocks.kept for name, blocks in self._blocks.items()}
        content = msgspec.json.encode(_Checkpoint(CHECKPOINT_SCHEMA, self._identity, self.reading, kept, self.started))
        with atomic_write(self._folder / _NAME) as part:
            part.write_bytes(_checksum(content) + b"\n" + content)
        self._since = time.monotonic()


@contextmanager
def checkpoint_of(
    outputs: Sequence[Path], paths: Sequence[str | Path], *, resume: bool, note: Callable[[str], None]
) -> Iterator[Checkpoint | None]:
    """The work folder beside the first of the outputs; None where there is none, or the input can be read only once.

    It goes when the block ends well, and where it failed before a checkpoint. Raises ForewarnError where `resume` is
    asked for and not possible, OutputError where an output cannot be written or another scan writes it.
    """
    outputs = [output for output in outputs if not is_written_through(output)]
    once = next((str(path) for path in paths if not can_be_read_again(path)), None)
    if resume and once:
        raise ForewarnError(
            f"{'standard input' if once == '-' else once} can be read only once: a scan of it cannot be resumed",
            remedy="Write it to a file first, or leave out --resume.",
        )
    if resume and not outputs:
        raise ForewarnError(
            "--resume needs the name of the output: the work that is taken up lies beside it",
            remedy="Give -o or --scores as before, or leave out --resume.",
        )
    for output in outputs:
        if not target_of(output).parent.is_dir():
            raise not_written(output, FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)))
    with work_folder(outputs[0] if outputs else Path(), needed=bool(outputs) and once is None) as folder:
        if folder is None:
            yield None
            return
        lock = FileLock(folder / "lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise OutputError(
                "another scan is writing it", path=outputs[0], remedy="Wait for that one, or name another file with -o."
            ) from None
        for output in outputs:
            forget_parts(output)
        work = Checkpoint(folder, resume=resume, note=note)
        try:
            yield work
            work.forget()
        except BaseException:
            if work.resumable and work.same:
                note("the work so far is kept: the same command with --resume goes on")
            elif not work.resumable:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            lock.release()


def identity_of(
    paths: Sequence[str | Path], rules: Sequence[Rule | Correlation], options: Mapping[str, object]
) -> Identity:
    """What a scan is of: what its files look like, and what else its result depends on."""
    content = hashlib.sha256(msgspec.msgpack.encode(rules)).hexdigest()
    versions = {name: importlib.metadata.version(name) for name in ("forewarn", "polars")}
    said = {name: str(value) for name, value in options.items()}
    return Identity({shown(name): _look(name) for name in files_in(paths, Problems([]))}, content, versions, said)


def _look(name: str) -> tuple[int, int, int]:
    """A file's size, its time in nanoseconds, and a checksum of its ends; zeros where it cannot be read."""
    try:
        with Path(name).open("rb") as file:
            found = os.fstat(file.fileno())
            ends = file.read(_ENDS)
            file.seek(max(found.st_size - _ENDS, 0))
            return found.st_size, found.st_mtime_ns, zlib.crc32(ends + file.read(_ENDS))
    except OSError:
        return 0, 0, 0


def _read(file: Path) -> _Checkpoint:
    try:
        checksum, content = file.read_bytes().split(b"\n", 1)
        if checksum != _checksum(content):
            raise ValueError
        if msgspec.json.decode(content, type=dict).get("schema") != CHECKPOINT_SCHEMA:
            raise OutputError("was written by another version", path=file)
        return msgspec.json.decode(content, type=_Checkpoint)
    except (OSError, ValueError):
        raise OutputError("is damaged: it is not as it was written", path=file) from None


def _checksum(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


def _differences(before: Identity, now: Identity) -> list[str]:
    found = [
        f"{name} was {was}, is {now.versions.get(name)}"
        for name, was in before.versions.items()
        if now.versions.get(name) != was
    ]
    found += [
        f"{name} was {was}, is {now.options.get(name)}"
        for name, was in before.options.items()
        if now.options.get(name) != was
    ]
    if before.rules != now.rules:
        found.append("the rules have changed")
    for names, what in (
        ([name for name in now.input if name not in before.input], "is new"),
        ([name for name in before.input if name not in now.input], "has gone"),
        ([name for name, look in before.input.items() if name in now.input and now.input[name] != look], "has changed"),
    ):
        if names:
            found.append(f"{names[0]} {what}" + (f" (and {len(names) - 1:,} more)" if len(names) > 1 else ""))
    return found
