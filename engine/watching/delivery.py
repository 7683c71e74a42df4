"""Warnings and incidents to where they are wanted: a log that is never written twice, a command, an address.

In: warnings, and incidents when they change. Out: one line each in the log, which is on disk before anything else
happens; then each is given to a command (on its standard input) and posted to an address, by a thread of its own, again
and again until it is taken. Nothing here keeps the scan waiting; what was not delivered is tried again after a restart.
"""

from __future__ import annotations

import os
import queue
import shlex
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from forewarn.errors import ForewarnError, OutputError
from forewarn.findings import EarlyWarning, Incident
from forewarn.text_gate import json_line

_TIMEOUT = 10.0
"""Seconds that an address may take to answer, and a command to end."""
_TRIES = 8


Notification = EarlyWarning | Incident
"""What a watch has to say, one line each."""


_BEGINNINGS = tuple(f'{{"kind":"{kind}","id":"'.encode() for kind in ("warning", "incident"))


class WarningLog:
    """A file of warnings and incidents as JSON lines; `keys` are those in it.

    A line of its own that was cut by a crash is taken away; whole lines of others stay, and are passed over. `waiting`
    are those that could not be written yet. Raises OutputError where the file cannot be used, or ends in half a line of
    others'.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.keys: set[str] = set()
        self.waiting: list[Notification] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            content = self._content()
            whole = content[: content.rfind(b"\n") + 1]
            if len(whole) < len(content):
                if not _is_own_beginning(content[len(whole) :]):
                    raise OutputError(
                        "ends in half a line that this program did not write", path=path, remedy="Name another file."
                    )
                os.truncate(path, len(whole))
        except OSError as error:
            raise OutputError(f"cannot be used: {error.strerror}", path=path) from None
        self.keys = {one.key for one in _own_lines(whole)}

    def add(self, notification: Sequence[Notification]) -> list[Notification]:
        """Write those that are new, and return them. Raises OutputError; they are then written by the next call."""
        seen = self.keys | {one.key for one in self.waiting}
        self.waiting += [one for one in notification if one.key not in seen]
        if not self.waiting:
            return []
        try:
            _append(self.path, b"".join(map(json_line, self.waiting)))
        except OSError as error:
            raise OutputError(
                f"a warning cannot be written: {error.strerror}",
                path=self.path,
                remedy="Free space; it is tried again with the next lines.",
            ) from None
        written, self.waiting = self.waiting, []
        self.keys |= {one.key for one in written}
        return written

    def read(self) -> list[Notification]:
        """Everything in the log that is its own."""
        return list(_own_lines(self._content()))

    def _content(self) -> bytes:
        """What the file holds; nothing where it is none that keeps what is written."""
        return self.path.read_bytes() if self.path.is_file() else b""


def _own_lines(content: bytes) -> Iterator[Notification]:
    for line in content.split(b"\n"):
        try:
            yield msgspec.json.decode(line, type=Notification)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue


def _is_own_beginning(line: bytes) -> bool:
    """Whether half a line is the beginning of one that this program writes."""
    return any(line.startswith(begin) or begin.startswith(line) for begin in _BEGINNINGS)


def _append(path: Path, content: bytes) -> None:
    """Add to a file, all of it or nothing; a new one is its owner's alone. Raises OSError."""
    log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        regular = stat.S_ISREG(os.fstat(log).st_mode)
        start = os.fstat(log).st_size
        try:
            left = memoryview(content)
            while left:
                left = left[os.write(log, left) :]
            if regular:
                os.fsync(log)
        except OSError:
            if regular:
                os.ftruncate(log, start)
            raise
    finally:
        os.close(log)


class Delivery:
    """One receiver and its thread; `done` is a file of the keys that it has taken."""

    def __init__(self, send: Callable[[bytes], None], done: Path, problem: Callable[[ForewarnError], None]) -> None:
        self._send, self._done, self._problem = send, done, problem
        self._queue: queue.Queue[Notification | None] = queue.Queue()
        self._ended = threading.Event()
        try:
            self.taken = set(done.read_text().split()) if done.exists() else set()
        except OSError as error:
            raise OutputError(f"cannot be read: {error.strerror}", path=done) from None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def give(self, notification: Notification) -> None:
        """Hand something over; returns at once."""
        if notification.key not in self.taken:
            self.taken.add(notification.key)
            self._queue.put(notification)

    def close(self, seconds: float) -> None:
        """Wait a little for what is under way."""
        self._queue.put(None)
        self._thread.join(seconds)
        self._ended.set()

    def _run(self) -> None:
        from tenacity import (
            RetryError,
            Retrying,
            retry_if_not_exception_type,
            stop_after_attempt,
            stop_when_event_set,
            wait_exponential_jitter,
        )

        while (notification := self._queue.get()) is not None:
            tries = Retrying(
                stop=stop_after_attempt(_TRIES) | stop_when_event_set(self._ended),
                wait=wait_exponential_jitter(multiplier=0.5, max=60),
                retry=retry_if_not_exception_type(_Refused),
                sleep=self._pause,
            )
            try:
                tries(self._send, json_line(notification))
                with self._done.open("a") as done:
                    done.write(f"{notification.key}\n")
            except (RetryError, _Refused, OSError) as error:
                last = error.last_attempt.exception() if isinstance(error, RetryError) else error
                self._problem(
                    ForewarnError(f"{notification.key} was not delivered: {last}", remedy="It stands in the log.")
                )

    def _pause(self, seconds: float) -> None:
        self._ended.wait(seconds)


class _Refused(Exception):
    """The receiver will never take it."""


def to_command(command: str) -> Callable[[bytes], None]:
    """A receiver that runs a command with each on its standard input. Raises ForewarnError."""
    try:
        arguments = shlex.split(command)
    except ValueError as error:
        raise ForewarnError(f"--exec {command!r}: {error}", remedy="Close the quotation marks.") from None
    if not arguments:
        raise ForewarnError("--exec is empty", remedy="Name a command.")

    def send(content: bytes) -> None:
        try:
            ran = subprocess.run(  # noqa: S603 - the user's own command, no shell
                arguments, input=content, timeout=_TIMEOUT, check=False, stdout=subprocess.DEVNULL
            )
        except FileNotFoundError:
            raise _Refused(f"there is no command {arguments[0]!r}") from None
        if ran.returncode:
            raise OSError(f"{arguments[0]} ended with {ran.returncode}")

    return send


def to_address(address: str) -> Callable[[bytes], None]:
    """A receiver that posts each as JSON. Raises ForewarnError where it is no http address."""
    if not address.startswith(("http://", "https://")):
        raise ForewarnError(f"--notify {address!r} is no address", remedy="Write http://… or https://….")

    def send(content: bytes) -> None:
        status = _posted(address, content)
        if 400 <= status < 500 and status not in (408, 429):
            raise _Refused(f"the address answered {status}")
        if not 200 <= status < 300:
            raise OSError(f"the address answered {status}")

    return send


def _posted(address: str, content: bytes) -> int:
    """The status of the answer; nothing else of it is read, and all of it is over in `_TIMEOUT`. Raises OSError."""
    import httpx

    answered: queue.Queue[int | Exception] = queue.Queue()
    client = httpx.Client(timeout=_TIMEOUT)

    def post() -> None:
        headers = {"Content-Type": "application/json"}
        try:
            with client.stream("POST", address, content=content, headers=headers) as answer:
                answered.put(answer.status_code)
        except Exception as error:
            answered.put(error)

    # The client's own limit is for each read: one byte a second would never end.
    threading.Thread(target=post, daemon=True).start()
    try:
        found = answered.get(timeout=_TIMEOUT)
    except queue.Empty:
        raise OSError(f"the address did not answer within {_TIMEOUT:g} seconds") from None
    finally:
        client.close()
    if isinstance(found, Exception):
        raise OSError(f"{type(found).__name__}: {found}") from found
    return found
