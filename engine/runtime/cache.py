"""The user's cache: files that are made anew where they are missing, damaged or not the user's own.

In: what is dear to make. Out: the same the next time. Every file has a checksum (SHA-256) before its content, and is
read only where it and its folders are the user's (or the system's own), no links, and nobody else may write to them:
rules, vectors and machine code come from here. A cache that cannot be written is no error.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from platformdirs import user_cache_path

from forewarn.errors import ForewarnError

_CHECKSUM = 32
_NAME = "FOREWARN_CACHE"


def cache_folder() -> Path:
    """Where it is: `FOREWARN_CACHE`, or what the system keeps for such files.

    Raises ForewarnError where `FOREWARN_CACHE` names a folder that is not the user's alone.
    """
    folder = os.environ.get(_NAME)
    if not folder:
        return user_cache_path("forewarn")
    why = _not_own(Path(folder))
    if why:
        raise ForewarnError(
            f"{_NAME} names a folder that {why}: what is kept there could be another's",
            path=folder,
            remedy="Name a folder of your own, such as one inside it that is not there yet.",
        )
    return Path(folder)


def is_own(file: Path) -> bool:
    """Whether a file of the cache is there and the user's own; one that is not is taken away."""
    try:
        found = file.lstat()
    except OSError:
        return False
    if not _own_folders(file.parent):
        return False
    if stat.S_ISREG(found.st_mode) and _is_users(found):
        return True
    with suppress(OSError):
        file.unlink()
    return False


def keep(file: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Let `write` fill a file that is renamed to `file` when it is whole and on the disk, its owner's alone."""
    with suppress(OSError):
        _make(file.parent)
        if not _own_folders(file.parent):
            return
        with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as part:
            try:
                write(part)
                part.flush()
                os.fsync(part.fileno())
                Path(part.name).replace(file)
            except OSError:
                Path(part.name).unlink()


def keep_checked(file: Path, content: bytes) -> None:
    """Keep bytes with their checksum."""
    keep(file, lambda part: part.write(hashlib.sha256(content).digest() + content))


def checked(file: Path) -> bytes | None:
    """The bytes that `keep_checked` wrote; None where there are none, or not the user's own, or not as written."""
    if not is_own(file):
        return None
    with suppress(OSError):
        stored = file.read_bytes()
        content = stored[_CHECKSUM:]
        if hashlib.sha256(content).digest() == stored[:_CHECKSUM]:
            return content
    return None


def keep_array(file: Path, array: NDArray[Any]) -> None:
    """Keep an array with its checksum."""

    def write(part: IO[bytes]) -> None:
        part.write(bytes(_CHECKSUM))
        np.save(part, array)
        part.seek(_CHECKSUM)
        digest = hashlib.file_digest(_After(part), "sha256").digest()  # type: ignore[arg-type]
        part.seek(0)
        part.write(digest)

    keep(file, write)


def checked_array(file: Path, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any] | None:
    """The array that `keep_array` wrote, mapped into memory; None where `checked` would give none, or it is another."""
    if not is_own(file):
        return None
    with suppress(OSError, ValueError), file.open("rb") as stored:
        expected = stored.read(_CHECKSUM)
        if hashlib.file_digest(_After(stored), "sha256").digest() != expected:  # type: ignore[arg-type]
            return None
        stored.seek(_CHECKSUM)
        np.lib.format.read_magic(stored)
        found, fortran, kind = np.lib.format.read_array_header_1_0(stored)
        if (found, fortran, kind) == (shape, False, np.dtype(dtype)):
            return np.memmap(file, kind, "r", stored.tell(), shape)
    return None


class _After:
    """The rest of an opened file, for `hashlib.file_digest`, which wants no file that it could go around."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readinto(self, buffer: memoryview) -> int:
        return self._file.readinto(buffer)  # type: ignore[attr-defined, no-any-return]

    def readable(self) -> bool:
        return True


def _make(folder: Path) -> None:
    """Make a folder of the cache, the user's alone from the cache's own folder on."""
    root = cache_folder()
    root.parent.mkdir(parents=True, exist_ok=True)
    for one in (root, *reversed([folder, *folder.parents][: len(folder.parts) - len(root.parts)])):
        with suppress(FileExistsError):
            one.mkdir(mode=0o700)


def _own_folders(folder: Path) -> bool:
    """Whether a folder and the cache's own above it are the user's alone."""
    root = cache_folder()
    above = [folder, *folder.parents]
    ours = above[: above.index(root) + 1] if root in above else [folder]
    for one in ours:
        # A umask that lets the group write made it so.
        with suppress(OSError):
            found = one.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not _is_users(found):
                one.chmod(stat.S_IMODE(found.st_mode) & ~0o022)
    return not any(map(_not_own, ours))


def _not_own(folder: Path) -> str | None:
    """Why a folder is not the user's alone; None where it is, or is not there."""
    try:
        found = folder.lstat()
    except OSError:
        return None
    if stat.S_ISLNK(found.st_mode):
        return "is a link" if not _is_users(folder.lstat()) else _not_own(folder.resolve())
    if not stat.S_ISDIR(found.st_mode):
        return "is no folder"
    if found.st_uid not in (os.geteuid(), 0):
        return "belongs to someone else"
    return None if _is_users(found) else "others may write to"


def _is_users(found: os.stat_result) -> bool:
    loose = stat.S_IWGRP | stat.S_IWOTH
    return found.st_uid in (os.geteuid(), 0) and (stat.S_ISLNK(found.st_mode) or not found.st_mode & loose)
