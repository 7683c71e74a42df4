"""Frames that wait on disk, not in memory.

In: frames, one after another. Out: their files, in the same order, gone when the work is done.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import polars as pl


class WaitingBlocks:
    """A context manager: it owns a temporary folder."""

    def __init__(self) -> None:
        self._blocks = 0

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="forewarn-blocks-")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def keep(self, frame: pl.DataFrame) -> None:
        """Write one more frame."""
        frame.write_ipc(Path(self._folder.name) / f"{self._blocks:08}.arrow")
        self._blocks += 1

    def files(self) -> list[Path]:
        """The files of the frames kept so far."""
        return sorted(Path(self._folder.name).glob("*.arrow"))
