"""Files and folders that are whole or not there.

In: a path. Out: a temporary one beside it, renamed when all is written. Links are followed and never replaced; what is
no regular file (a device, a pipe) is written through; the mode and the owner of what is replaced stay. A folder is
replaced only where it holds nothing that is not ours. Every part of the program may use this module.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import glob
import hashlib
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from forewarn.errors import OutputError

STANDARD_OUTPUT = Path("-")
_MARK = ".forewarn-work"
"""The file by which a work folder is known as ours."""
_NAME = 200
"""Bytes of a name that a temporary name begins with: names have 255 at most."""
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_OS_ERROR = re.compile(r"os error (\d+)")


def target_of(path: Path) -> Path:
    """Where what is written to a path goes: links are followed. Raises OutputError where no path can be meant."""
    name = str(path)
    if name in ("", ".", "..") or "\0" in name:
        raise OutputError(
            "is no name that could be written to",
            path=name.replace("\0", "\\0") or "''",
            remedy="Name a file or a folder of its own.",
        )
    return Path(os.path.realpath(path))


def is_standard_output(path: Path) -> bool:
    """Whether a path is `-`, or another name (`/dev/stdout`) of where standard output goes."""
    if path == STANDARD_OUTPUT:
        return True
    try:
        found, out = os.stat(path), os.fstat(1)
    except (OSError, ValueError):
        return False
    # Without a standard output, descriptor 1 is any file.
    if sys.stdout is None:
        return False
    return (found.st_dev, found.st_ino) == (out.st_dev, out.st_ino)


@contextlib.contextmanager
def atomic_write(path: Path, *, private: bool = False) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it when the block ends well and removed when it does not.

    `-` is standard output. A new file is its owner's alone where it is `private`, else what the umask says. Raises
    OutputError where the folder is missing, not writable, or the disk is full.
    """
    if is_standard_output(path):
        with _through(path, None) as part:
            yield part
        return
    target = target_of(path)
    before = _status(path, target)
    if before and not stat.S_ISREG(before.st_mode):
        with _through(path, target) as part:
            yield part
        return
    try:
        handle, name = tempfile.mkstemp(prefix=_beginning(target), suffix=".part", dir=target.parent)
        os.close(handle)
    except OSError as error:
        raise not_written(path, error) from None
    part = Path(name)
    try:
        yield part
        with part.open("rb") as written:
            os.fsync(written.fileno())
        _like(part, before, (0o600 if private else 0o666) & ~_umask())
        part.replace(target)
    except Exception as error:
        raise _as_output_error(path, error) from None
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def one_writer(path: Path, *, patience: float = -1) -> Iterator[None]:
    """The right to change a file, held by one process at a time; others wait, `patience` seconds (-1 = for ever).

    Raises OutputError, TimeoutError.
    """
    from filelock import FileLock

    target = target_of(path)
    lock = FileLock(target.with_name(f"{_beginning(target)}lock"))
    try:
        lock.acquire(timeout=patience)
    except TimeoutError:
        raise
    except OSError as error:
        raise not_written(path, error) from None
    try:
        yield
    finally:
        lock.release()


def forget_parts(path: Path) -> None:
    """Remove what killed runs left half-written beside `path`; for those who know that no other run is writing it."""
    target = target_of(path)
    for part in target.parent.glob(f"{glob.escape(_beginning(target))}*.part"):
        with contextlib.suppress(OSError):
            part.unlink()


@contextlib.contextmanager
def atomic_folder(folder: Path, strangers: Callable[[Path], list[str]]) -> Iterator[Path]:
    """A temporary folder beside `folder`, which it replaces when the block ends well. Raises OutputError.

    `strangers` names what a folder holds that is not of this kind: a folder with any is not replaced. The old folder
    stays until the new one is whole, and its mode and owner are those of the new.
    """
    target = replaceable(folder, strangers)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=_beginning(target), suffix=".part", dir=target.parent))
    except OSError as error:
        raise not_written(folder, error) from None
    try:
        yield part
        replaceable(folder, strangers)
        there = target.exists()
        _like(part, target.stat() if there else None, 0o777 & ~_umask())
        if there:
            _exchange(part, target)
        else:
            part.rename(target)
    except Exception as error:
        raise _as_output_error(folder, error) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def replaceable(folder: Path, strangers: Callable[[Path], list[str]]) -> Path:
    """Where a folder that is written goes. Raises OutputError where something of others' stands there."""
    target = target_of(folder)
    before = _status(folder, target, folder=True)
    if before is None:
        return target
    try:
        others = strangers(target) if any(target.iterdir()) else []
    except OSError as error:
        raise not_written(folder, error) from None
    if others:
        raise OutputError(
            f"holds other files ({', '.join(others[:3])}), which would be lost",
            path=folder,
            remedy="Name a folder of its own with -o.",
        )
    return target


def others_than(folder: Path, own: set[str]) -> list[str]:
    """What lies below a folder besides the files `own` (paths relative to it) and the folders they are in, sorted."""
    folders = {parent.as_posix() for name in own for parent in Path(name).parents}
    found = []
    for above, below, files in os.walk(folder):
        here = Path(above).relative_to(folder)
        links = [name for name in below if os.path.islink(os.path.join(above, name))]
        found += [name for name in ((here / file).as_posix() for file in files) if name not in own]
        found += [name for name in ((here / one).as_posix() for one in below) if name not in folders]
        found += [(here / name).as_posix() for name in links]
    return sorted(set(found))


@contextlib.contextmanager
def work_folder(output: Path, *, needed: bool) -> Iterator[Path | None]:
    """Where a long piece of work keeps what it needs to be taken up again: beside `output`, gone when it is done.

    Raises OutputError where something stands there that is not a work folder of ours.
    """
    if not needed:
        yield None
        return
    target = target_of(output)
    work = target.with_name(f"{_beginning(target)}work")
    try:
        _own(work)
    except OSError as error:
        raise not_written(work, error) from None
    yield work
    shutil.rmtree(work, ignore_errors=True)


def _own(work: Path) -> None:
    """Make a folder and mark it as ours, or be sure that the one that is there is. Raises OSError, OutputError."""
    work.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        work.mkdir(mode=0o700)
    found = work.lstat()
    real = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    names = os.listdir(work) if real else []
    if not real or (names and not _is_plain(work / _MARK)) or _links_below(work):
        raise OutputError(
            "is no work folder that this program made",
            path=work,
            remedy="Look at it and move it away, or name another output with -o.",
        )
    if not names:
        os.close(os.open(work / _MARK, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600))


def _is_plain(file: Path) -> bool:
    try:
        return stat.S_ISREG(file.lstat().st_mode)
    except OSError:
        return False


def _links_below(folder: Path) -> bool:
    return any(
        os.path.islink(os.path.join(above, name)) for above, below, files in os.walk(folder) for name in below + files
    )


def checksum(file: Path) -> str:
    """SHA-256 of a file."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def not_written(path: Path, error: OSError) -> OutputError:
    """The error of a file or folder that the system did not write."""
    return OutputError(
        f"cannot be written: {error.strerror or error}",
        path=path,
        remedy="Free space or name another place with -o; nothing was left half-written.",
    )


@contextlib.contextmanager
def _through(path: Path, file: Path | None) -> Iterator[Path]:
    """A temporary file that is copied into `file` (None = standard output) when the block ends well."""
    with tempfile.TemporaryDirectory(prefix="forewarn-out-") as folder:
        part = Path(folder) / "part"
        part.touch(mode=0o600)
        yield part
        try:
            with part.open("rb") as content, contextlib.ExitStack() as stack:
                out: IO[bytes] = sys.stdout.buffer if file is None else stack.enter_context(file.open("wb"))
                shutil.copyfileobj(content, out)
                out.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise not_written(path, error) from None


def is_written_through(path: Path) -> bool:
    """Whether what is written to a path is kept nowhere: standard output, a device, a pipe."""
    target = target_of(path)
    return is_standard_output(path) or (target.exists() and not (target.is_file() or target.is_dir()))


def _status(path: Path, target: Path, *, folder: bool = False) -> os.stat_result | None:
    """What stands where something is to be written; None where nothing does. Raises OutputError."""
    try:
        found = target.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise not_written(path, error) from None
    if stat.S_ISDIR(found.st_mode) != folder:
        raise OutputError("is no folder" if folder else "is a folder", path=path, remedy="Name another place with -o.")
    if not os.access(target, os.W_OK):
        raise not_written(path, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
    return found


def _like(part: Path, before: os.stat_result | None, mode: int) -> None:
    """Give a new file or folder the owner and the mode of the one that it replaces, else `mode`."""
    if before is not None:
        mode = stat.S_IMODE(before.st_mode)
        now = part.stat()
        if (now.st_uid, now.st_gid) != (before.st_uid, before.st_gid):
            try:
                os.chown(part, before.st_uid, before.st_gid)
            except PermissionError:
                # Another group shall not read what the old one could.
                mode &= ~0o070
    part.chmod(mode)


def _exchange(part: Path, folder: Path) -> None:
    """Put a folder in another's place and that one in its own, at once where the system can (renameat2)."""
    swap = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    names = (os.fsencode(part), os.fsencode(folder))
    if swap and swap(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
        return
    old = part.with_suffix(".old")
    folder.rename(old)
    try:
        part.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    old.rename(part)


def _beginning(target: Path) -> str:
    """What the names of everything that stands beside a file for its sake begin with."""
    name = os.fsencode(target.name)
    if len(name) > _NAME:
        name = name[: _NAME - 17] + b"-" + hashlib.sha256(name).hexdigest()[:16].encode()
    return f".{os.fsdecode(name)}."


def _as_output_error(path: Path, error: Exception) -> Exception:
    """An error of the system, also where a library tells it in a class of its own, as ours; any other as it is."""
    if isinstance(error, OSError):
        return not_written(path, error)
    told = _OS_ERROR.search(str(error))
    return not_written(path, OSError(int(told[1]), os.strerror(int(told[1])))) if told else error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
