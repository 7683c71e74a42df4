"""Who did what: a log that is only added to, each line chained to the one before by its hash.

In: what was done. Out: JSON lines. A line that was changed, taken out or put in breaks the chain from there on, which
`verify` finds; what it cannot find is that the last lines are missing, so their hash is worth keeping elsewhere.
"""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path
from typing import Any

import msgspec

from forewarn.errors import InputError, OutputError
from forewarn.findings import now
from forewarn.text_gate import json_line

_FIRST = "0" * 64


class Entry(msgspec.Struct, frozen=True):
    """A line: when, who, from where, what, and with what outcome; `chain` the hash of the line before."""

    time: str
    who: str
    address: str
    action: str
    outcome: str
    detail: dict[str, Any]
    chain: str


class AuditLog:
    """A file that is added to. Raises InputError where its chain is broken, OutputError where it cannot be used."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._path = path
        _, self._last = verify(path) if path.exists() else (0, _FIRST)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise OutputError(f"cannot be written: {error.strerror}", path=path) from None

    def add(self, who: str, address: str, action: str, outcome: str, **detail: object) -> None:
        """Add a line, which is on disk when this returns. Raises OutputError."""
        with self._lock:
            entry = Entry(now().isoformat(), who, address, action, outcome, detail, self._last)
            line = json_line(entry)
            try:
                os.write(self._file, line)
                os.fsync(self._file)
            except OSError as error:
                raise OutputError(f"cannot be written: {error.strerror}", path=self._path) from None
            self._last = hashlib.sha256(line).hexdigest()

    def close(self) -> None:
        """No more lines."""
        os.close(self._file)


def verify(path: Path) -> tuple[int, str]:
    """How many lines there are, and the hash of the last. Raises InputError at the first that breaks the chain."""
    expected, number = _FIRST, 0
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    entry = msgspec.json.decode(line, type=Entry)
                except (msgspec.DecodeError, UnicodeDecodeError):
                    raise InputError("is no line of an audit log", path=path, line=number, remedy=_REMEDY) from None
                if entry.chain != expected:
                    raise InputError("does not follow the line before", path=path, line=number, remedy=_REMEDY)
                expected = hashlib.sha256(line).hexdigest()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", path=path) from None
    return number, expected


_REMEDY = "Lines were changed, taken out or put in here: keep the file as evidence, and begin another."
