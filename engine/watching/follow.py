"""Files that grow: what is new in them since the last look, in whole lines.

In: paths of files and folders. Out: pieces of bytes with the lines before them. A file that was rotated is read to its
end before the new one, as the same stream, whatever it is called now; one that was truncated or replaced begins anew;
one that is gone is waited for. How far each was read is a value that can be saved. Looks at no content beyond line
ends; memory is bounded by what is asked for, and a line without an end is cut where a scan cuts it.
"""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import msgspec

from forewarn.names import shown
from forewarn.reading.decoding import MAX_LINE, cut_line
from forewarn.reading.paths import files_in, reason
from forewarn.reading.problems import Problems

HEAD = 1 << 16
_KNOWN_BY = 512
_DROPPED = 1 << 26
"""Bytes of one endless line that are passed over at a look, so that other files are not held up (.02 s)."""
_REFUSED = {
    b"\xff\xfe": "is UTF-16, which cannot be followed line by line",
    b"\xfe\xff": "is UTF-16, which cannot be followed line by line",
    b"\x1f\x8b": "is compressed; it cannot be followed",
    b"\x28\xb5\x2f\xfd": "is compressed; it cannot be followed",
    b"\xfd7zXZ": "is compressed; it cannot be followed",
    b"BZh": "is compressed; it cannot be followed",
    b"PAR1": "is Parquet; it cannot be followed",
    b"PK\x03\x04": "is a ZIP archive; it cannot be followed",
    b"ElfFile\0": "is a Windows event log (EVTX); it cannot be followed",
}


class Position(msgspec.Struct):
    """How far a file was read: `offset` bytes, `lines` lines; `inode` and a checksum of its first `first` bytes tell
    whether it still is that file. `inside`: of a line that was cut the rest is passed over; `source` is what the file
    was called when it was begun, where it was renamed since."""

    inode: int
    offset: int = 0
    lines: int = 0
    first: int = 0
    checksum: int = 0
    inside: bool = False
    source: str = ""


@dataclass(frozen=True)
class Piece:
    """Whole lines of one file: `head` those from its beginning by which its format is known, `data` the new ones,
    `lines_before` how many lines the file has before them, `changed` when the file was."""

    source: str
    head: bytes
    data: bytes
    lines_before: int
    changed: datetime


class Follower:
    """Follows files; `positions` by name, which are all its state."""

    def __init__(self, paths: Sequence[str | Path], problems: Problems) -> None:
        self.paths = [str(path) for path in paths]
        self.positions: dict[str, Position] = {}
        self._real: dict[str, str] = {}
        self._problems = problems

    def new(self, most: int) -> list[Piece]:
        """What is new, at most about `most` bytes of it, in the order of the files' names."""
        pieces: list[Piece] = []
        left = most
        there = {shown(name): name for name in files_in(self.paths, self._problems)}
        for name in self._in_order(there):
            if left <= 0:
                break
            try:
                for piece in self._of(name, there[name], left):
                    pieces.append(piece)
                    left -= len(piece.data)
            except OSError as error:
                self._problems.note(name, reason(error), remedy="It is read on when it can be.")
        return pieces

    def behind(self) -> int:
        """Bytes that are not read yet, about."""
        total = 0
        for name, position in self.positions.items():
            try:
                total += max(0, os.stat(self._real.get(name, name)).st_size - position.offset)
            except OSError:
                continue
        return total

    def _in_order(self, there: dict[str, str]) -> list[str]:
        """The names of the files that are `there`, those that were renamed first; what is known of them goes along."""
        self._real = there
        inodes = {}
        for name, path in there.items():
            with suppress(OSError):
                inodes[name] = os.stat(path).st_ino
        left = {position.inode: name for name, position in self.positions.items() if position.first}
        for name, inode in inodes.items():
            if name in self.positions and self.positions[name].inode == inode:
                left.pop(inode, None)
        moved = {
            name: self.positions[left[inode]]
            for name, inode in inodes.items()
            if inode in left and left[inode] != name and _goes_on(there[name], self.positions[left[inode]])
        }
        for position in moved.values():
            old = left[position.inode]
            del self.positions[old]
            position.source = position.source or old
        self.positions |= moved
        for name in [name for name, position in self.positions.items() if position.source and name not in there]:
            # It was rotated away.
            del self.positions[name]
        return sorted(there, key=lambda name: not (name in self.positions and self.positions[name].source))

    def _of(self, name: str, path: str, most: int) -> list[Piece]:
        pieces = []
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            self._problems.note(name, "is no regular file; it cannot be followed")
            return []
        position = self.positions.get(name)
        if position and position.inode != found.st_ino:
            rotated = _with_inode(Path(path).parent, position.inode)
            if rotated is not None and (rest := self._read(name, str(rotated), position, most)):
                return [rest]
            position = None
        if position and (found.st_size < position.offset or not _same(path, position)):
            self._problems.note(name, "was truncated or written anew; it is read from its beginning")
            position = None
        if position is None:
            position = self.positions[name] = Position(found.st_ino)
        if piece := self._read(position.source or name, path, position, most):
            pieces.append(piece)
        return pieces

    def _read(self, source: str, path: str, position: Position, most: int) -> Piece | None:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size <= position.offset:
                return None
            changed = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
            start = file.read(min(HEAD, size))
            if refused := next((why for magic, why in _REFUSED.items() if start.startswith(magic)), None):
                self._problems.note(source, refused, remedy="Use `forewarn scan` on it.")
                position.offset = size
                return None
            # Line ends of old Macs are read as those of today: a file that has no others.
            returns = b"\n" not in start and b"\r" in start.rstrip(b"\r")
            head = start.replace(b"\r", b"\n")[: position.offset] if returns else start[: position.offset]
            head = head[: head.rfind(b"\n") + 1]
            file.seek(position.offset)
            if position.inside and not _past(file, position):
                return None
            data = file.read(max(most, HEAD))
            if b"\n" not in data and len(data) < MAX_LINE:
                data += file.read(MAX_LINE - len(data))
            if returns:
                data = data.replace(b"\r", b"\n")
        whole = data[: data.rfind(b"\n") + 1]
        if not whole and len(data) >= MAX_LINE:
            position.inside = True
            position.offset += len(data)
            data = cut_line(data) + b"\n"
        else:
            data = whole
            position.offset += len(data)
        if not data:
            return None
        piece = Piece(source, head, data, position.lines, changed)
        position.lines += data.count(b"\n")
        position.first = min(_KNOWN_BY, position.offset, len(start))
        position.checksum = zlib.crc32(start[: position.first])
        return piece


def _past(file: BinaryIO, position: Position) -> bool:
    """Pass over the rest of a line that was cut: whether its end has come."""
    for _ in range(_DROPPED // MAX_LINE):
        data = file.read(MAX_LINE)
        end = data.find(b"\n") + 1
        position.offset += end or len(data)
        if end or not data:
            position.inside = not end
            file.seek(position.offset)
            return bool(end)
    return False


def _goes_on(path: str, position: Position) -> bool:
    """Whether a file of that inode is the one that was read so far: inodes are given to new files again."""
    try:
        return os.stat(path).st_size >= position.offset and _same(path, position)
    except OSError:
        return False


def _same(name: str, position: Position) -> bool:
    with open(name, "rb") as file:
        return zlib.crc32(file.read(position.first)) == position.checksum


def _with_inode(folder: Path, inode: int) -> Path | None:
    """The file that a rotated one has become."""
    with os.scandir(folder) as entries:
        return next((Path(entry.path) for entry in entries if entry.inode() == inode and entry.is_file()), None)
