"""The user's cache: files that are made anew where they are missing or damaged.

In: what is dear to make. Out: the same the next time. A cache that cannot be written is no error.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from platformdirs import user_cache_path

_CHECKSUM = 32


def cache_folder() -> Path:
    """Where it is: `FOREWARN_CACHE`, or what the system keeps for such files."""
    folder = os.environ.get("FOREWARN_CACHE")
    return Path(folder) if folder else user_cache_path("forewarn")


def keep(file: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Let `write` fill a file that is renamed to `file` when it is whole and on the disk, its owner's alone."""
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as part:
            try:
                write(part)
                part.flush()
                os.fsync(part.fileno())
                Path(part.name).replace(file)
            except OSError:
                Path(part.name).unlink()


def keep_checked(file: Path, content: bytes) -> None:
    """Keep bytes with their checksum (SHA-256)."""
    keep(file, lambda part: part.write(hashlib.sha256(content).digest() + content))


def checked(stored: bytes) -> bytes | None:
    """The bytes that `keep_checked` wrote, of a file's; None where they are not as they were written."""
    content = stored[_CHECKSUM:]
    return content if hashlib.sha256(content).digest() == stored[:_CHECKSUM] else None
