"""The members of an archive, each as a file of its own: `logs.zip!/a.log`.

In: an open ZIP or tar file, compressed as a whole or not. Out: the members that hold something, in their order, to be
read one after another. Nothing is unpacked to disk but an archive that cannot be read at any place. Bounds: a member
that cannot be read is named and the next one goes on; what unpacks to far more than it takes is left at that point; an
archive in an archive is not opened.
"""

from __future__ import annotations

import io
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import IO, BinaryIO, TypeVar, cast

from forewarn.names import shown
from forewarn.reading.decoding import TAR, ZIP, TextStream
from forewarn.reading.problems import Problems

ARCHIVES = (ZIP, TAR)
"""What `decoding.look_at` calls archives that are opened."""
_LEAST_ROOM = 1 << 30
_MOST_UNPACKED = 250
"""An archive may unpack to so many times its size, or a gigabyte: logs seldom shrink to less than a hundredth."""
_MOST_MEMBERS = 100_000
Listed = TypeVar("Listed")
_OFFICE = "[Content_Types].xml"
_BROKEN = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError),
    # A password that is missing, a compression that is not known, a name that cannot be.
    *(NotImplementedError, RuntimeError, OSError, ValueError),
)


class _Room:
    """How many more bytes may be unpacked."""

    def __init__(self, size: int) -> None:
        self.left = max(_LEAST_ROOM, _MOST_UNPACKED * size)


class _Member(io.RawIOBase):
    """A member that is read; whatever is wrong with it is an OSError."""

    def __init__(self, member: IO[bytes], room: _Room) -> None:
        self._member, self._room = member, room

    def readable(self) -> bool:
        """It can be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """The next bytes. Raises OSError where they are damaged, locked or too many."""
        try:
            data = self._member.read(size)
        except _BROKEN as error:
            raise OSError(0, str(error) or type(error).__name__) from error
        self._room.left -= len(data)
        if self._room.left < 0:
            raise OSError(0, "the archive unpacks to far more than it takes")
        return data


def members(
    stream: TextStream, file: BinaryIO, changed: datetime, problems: Problems
) -> Iterator[tuple[str, BinaryIO, datetime]]:
    """Name, content and time of change of each member. `file` is where `stream` comes from; `changed` when it was."""
    with ExitStack() as stack:
        try:
            if stream.look.binary == ZIP:
                yield from _of_zip(stream, _at_any_place(stream, file, stack), changed, problems)
            else:
                yield from _of_tar(stream, changed, problems)
        except _BROKEN as error:
            problems.note(
                stream.path,
                f"cannot be read any further as {stream.look.binary}: {str(error) or type(error).__name__}",
                remedy="Unpack it first, or fetch it again.",
                unread=True,
            )


def _at_any_place(stream: TextStream, file: BinaryIO, stack: ExitStack) -> BinaryIO:
    """The archive itself where it can be read at any place, else a copy."""
    if not stream.compressed and file.seekable():
        file.seek(0)
        return file
    copy = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - closed with the stack
    for piece in stream.content():
        copy.write(piece)
    copy.seek(0)
    return cast("BinaryIO", copy)


def _of_zip(
    stream: TextStream, file: BinaryIO, changed: datetime, problems: Problems
) -> Iterator[tuple[str, BinaryIO, datetime]]:
    with zipfile.ZipFile(file) as archive:
        listed = archive.infolist()
        if any(member.filename == _OFFICE for member in listed):
            problems.note(
                stream.path, "an Office document; skipped", remedy="Save it as CSV or plain text first.", unread=True
            )
            return
        room = _Room(sum(member.compress_size for member in listed[:_MOST_MEMBERS]))
        for member in _not_too_many(stream, listed, problems):
            if member.is_dir():
                continue
            try:
                opened = archive.open(member)
            except _BROKEN as error:
                problems.note(_name(stream, member.filename), f"cannot be read: {error}", unread=True)
                continue
            with opened:
                yield _name(stream, member.filename), cast("BinaryIO", _Member(opened, room)), changed


def _of_tar(stream: TextStream, changed: datetime, problems: Problems) -> Iterator[tuple[str, BinaryIO, datetime]]:
    room = _Room(_LEAST_ROOM)
    with tarfile.open(fileobj=cast("BinaryIO", _Content(stream)), mode="r|") as archive:
        for member in _not_too_many(stream, archive, problems):
            opened = archive.extractfile(member) if member.isfile() else None
            if opened is not None:
                when = datetime.fromtimestamp(member.mtime, UTC) if 0 < member.mtime < 2**33 else changed
                yield _name(stream, member.name), cast("BinaryIO", _Member(opened, room)), when


def _not_too_many(stream: TextStream, listed: Iterable[Listed], problems: Problems) -> Iterator[Listed]:
    for number, member in enumerate(listed):
        if number >= _MOST_MEMBERS:
            problems.note(stream.path, f"has more than {_MOST_MEMBERS:,} members; the others are not read")
            return
        yield member


def _name(stream: TextStream, member: str) -> str:
    return f"{stream.path}!/{shown(member)}"


class _Content(io.RawIOBase):
    """The content of a stream as an open file."""

    def __init__(self, stream: TextStream) -> None:
        self._pieces, self._rest = stream.content(), b""

    def read(self, size: int = -1) -> bytes:
        """The next `size` bytes, fewer only at the end."""
        held = [self._rest]
        length = len(self._rest)
        while length < size and (piece := next(self._pieces, None)) is not None:
            held.append(piece)
            length += len(piece)
        data = b"".join(held)
        self._rest = data[size:]
        return data[:size]
