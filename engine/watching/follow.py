"""Files that grow: what is new in them since the last look, in whole lines.

In: paths of files and folders. Out: pieces of bytes with the lines before them. A file that was rotated is read to its
end before the new one; one that was truncated or replaced begins anew; one that is gone is waited for. How far each
was read is a value that can be saved. Looks at no content beyond line ends; memory is bounded by what is asked for.
"""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from forewarn.reading.paths import files_in, reason
from forewarn.reading.problems import Problems

HEAD = 1 << 16
_KNOWN_BY = 512
_REFUSED = {
    b"\xff\xfe": "is UTF-16, which cannot be followed line by line",
    b"\xfe\xff": "is UTF-16, which cannot be followed line by line",
    b"\x1f\x8b": "is compressed; it cannot be followed",
    b"\x28\xb5\x2f\xfd": "is compressed; it cannot be followed",
    b"\xfd7zXZ": "is compressed; it cannot be followed",
    b"BZh": "is compressed; it cannot be followed",
    b"PAR1": "is Parquet; it cannot be followed",
}


class Position(msgspec.Struct):
    """How far a file was read: `offset` bytes, `lines` lines; `inode` and a checksum of its first `first` bytes tell
    whether it still is that file."""

    inode: int
    offset: int = 0
    lines: int = 0
    first: int = 0
    checksum: int = 0


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
        self._problems = problems
        self._finished: set[tuple[str, int]] = set()

    def new(self, most: int) -> list[Piece]:
        """What is new, at most about `most` bytes of it, in the order of the files' names."""
        pieces: list[Piece] = []
        left = most
        for name in list(files_in(self.paths, self._problems)):
            if left <= 0:
                break
            try:
                for piece in self._of(name, left):
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
                total += max(0, os.stat(name).st_size - position.offset)
            except OSError:
                continue
        return total

    def _of(self, name: str, most: int) -> list[Piece]:
        pieces = []
        found = os.stat(name)
        if not stat.S_ISREG(found.st_mode):
            self._problems.note(name, "is no regular file; it cannot be followed")
            return []
        position = self.positions.get(name)
        if position and position.inode != found.st_ino:
            rotated = _with_inode(Path(name).parent, position.inode)
            if rotated is not None and (rest := self._read(name, str(rotated), position, most)):
                return [rest]
            position = None
        if position and (found.st_size < position.offset or not _same(name, position)):
            self._problems.note(name, "was truncated or written anew; it is read from its beginning")
            position = None
        if position is None:
            position = self.positions[name] = Position(found.st_ino)
        if piece := self._read(name, name, position, most):
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
            file.seek(position.offset)
            data = file.read(max(most, HEAD))
            # A line longer than all that is read at once would never end: it is read to its end.
            while b"\n" not in data and position.offset + len(data) < size:
                data += file.read(HEAD)
        data = data[: data.rfind(b"\n") + 1]
        if not data:
            return None
        head = start[: position.offset]
        head = head[: head.rfind(b"\n") + 1]
        piece = Piece(source, head, data, position.lines, changed)
        position.offset += len(data)
        position.lines += data.count(b"\n")
        position.first = min(_KNOWN_BY, position.offset, len(start))
        position.checksum = zlib.crc32(start[: position.first])
        return piece


def _same(name: str, position: Position) -> bool:
    with open(name, "rb") as file:
        return zlib.crc32(file.read(position.first)) == position.checksum


def _with_inode(folder: Path, inode: int) -> Path | None:
    """The file that a rotated one has become."""
    with os.scandir(folder) as entries:
        return next((Path(entry.path) for entry in entries if entry.inode() == inode and entry.is_file()), None)
