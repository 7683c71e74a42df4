"""Files and folders that are whole or not there.

In: a path. Out: a temporary one beside it, renamed when all is written. Every part of the program may use this module.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from forewarn.errors import OutputError


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it when the block ends well and removed when it does not.

    Raises OutputError where the folder is missing, not writable, or the disk is full.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise not_written(path, error) from None
    part = Path(name)
    try:
        yield part
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.chmod(0o666 & ~_umask())
        part.replace(path)
    except OSError as error:
        raise not_written(path, error) from None
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def one_writer(path: Path) -> Iterator[None]:
    """The right to change a file, held by one process at a time; others wait. Raises OutputError."""
    from filelock import FileLock

    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire()
    except OSError as error:
        raise not_written(path, error) from None
    try:
        yield
    finally:
        lock.release()


def forget_parts(path: Path) -> None:
    """Remove what killed runs left half-written beside `path`; for those who know that no other run is writing it."""
    for part in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        with contextlib.suppress(OSError):
            part.unlink()


@contextlib.contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder beside `folder`, which it replaces when the block ends well. Raises OutputError."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
    except OSError as error:
        raise not_written(folder, error) from None
    try:
        yield part
        part.chmod(0o777 & ~_umask())
        if folder.exists():
            old = part.with_suffix(".old")
            folder.rename(old)
            part.rename(folder)
            shutil.rmtree(old)
        else:
            part.rename(folder)
    except OSError as error:
        raise not_written(folder, error) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextlib.contextmanager
def work_folder(output: Path, *, needed: bool) -> Iterator[Path | None]:
    """Where a long piece of work keeps what it needs to be taken up again: beside `output`, gone when it is done."""
    if not needed:
        yield None
        return
    work = output.with_name(f".{output.name}.work")
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise not_written(work, error) from None
    yield work
    shutil.rmtree(work, ignore_errors=True)


def checksum(file: Path) -> str:
    """SHA-256 of a file."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def not_written(path: Path, error: OSError) -> OutputError:
    """The error of a file or folder that the system did not write."""
    return OutputError(
        f"cannot be written: {error.strerror or error}",
        path=path,
        remedy="Free space or name another place with -o; nothing was left half-written.",
    )
