"""Frames that wait on disk, not in memory.

In: frames, one after another. Out: their files, in the same order, gone when the work is done. Where a folder is given
the files stay in it, each with its size and checksum, so that work that was killed can be taken up again.
"""

from __future__ import annotations

import io
import re
import tempfile
import zlib
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import polars as pl

from forewarn.errors import OutputError

_OWN = re.compile(r"[0-9]{8}[.]arrow")


class Kept(msgspec.Struct, frozen=True):
    """The file of one frame: `size` bytes with the CRC-32 `crc`."""

    size: int
    crc: int


class SpilledFrames:
    """A context manager: it owns a temporary folder, unless `folder` names one that is someone else's.

    `kept` the files of the frames so far, in order.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._given = folder
        self._owned = ExitStack()
        self.kept: list[Kept] = []

    def __enter__(self) -> Self:
        if self._given is None:
            temporary = tempfile.TemporaryDirectory(prefix="forewarn-blocks-")
            self._folder = Path(self._owned.enter_context(temporary))
        else:
            self._folder = self._given
            self._folder.mkdir(exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._owned.close()

    def keep(self, frame: pl.DataFrame, batch: int | None = None) -> None:
        """Write one more frame, in batches of so many rows that can be read alone. Raises OutputError."""
        written = io.BytesIO()
        frame.write_ipc(written, record_batch_size=batch)
        content = written.getbuffer()
        file = _file(self._folder, len(self.kept))
        try:
            file.write_bytes(content)
        except OSError as error:
            raise OutputError(
                f"cannot be written: {error.strerror or error}",
                path=file,
                remedy="Free space there, or name another folder for what is temporary with TMPDIR."
                if self._given is None
                else "Free space there; --resume goes on from what is kept.",
            ) from None
        self.kept.append(Kept(len(content), zlib.crc32(content)))

    def files(self) -> list[Path]:
        """The files of the frames kept so far."""
        return [_file(self._folder, number) for number in range(len(self.kept))]


def forget(folder: Path) -> None:
    """Remove the frames that were kept in `folder`, and it where nothing else is in it; a link is left as it is."""
    with suppress(OSError):
        if folder.is_symlink():
            return
        for file in folder.iterdir():
            if _OWN.fullmatch(file.name):
                file.unlink()
        folder.rmdir()


def check(folder: Path, kept: list[Kept]) -> None:
    """Raises OutputError where one of the files that were kept in `folder` is not as it was written."""
    for number, was in enumerate(kept):
        file = _file(folder, number)
        try:
            content = file.read_bytes()
        except OSError:
            content = b""
        if Kept(len(content), zlib.crc32(content)) != was:
            raise OutputError("is damaged: it is not as it was written", path=file)


def _file(folder: Path, number: int) -> Path:
    return folder / f"{number:08}.arrow"
