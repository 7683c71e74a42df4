"""Standard input that is still being written → records as they come.

In: lines from a pipe. Out: the records of whatever whole lines have come, without waiting for a block to fill, as
`records.read` gives them. What is not read line by line (compressed or binary input, a JSON document) is left to
`records.read`, from its first byte.
"""

from __future__ import annotations

import io
import os
import select
import stat
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, cast

import polars as pl

from forewarn.errors import ForewarnError
from forewarn.reading.compression import bytes_of
from forewarn.reading.decoding import HEAD, MAX_LINE, cut_line, look_at
from forewarn.reading.formats.registry import Document, Events, layout_of, start_of
from forewarn.reading.problems import Problems
from forewarn.reading.records import BLOCK_BYTES, Wanted, read_opened, read_piece

_PIECE = 1 << 16
_HEAD_KEPT = 1 << 12
"""Bytes of the first lines that are kept to know the format by; they are looked at with every piece."""


def is_live(paths: Sequence[str | Path]) -> bool:
    """Whether all that is to be read is standard input, and that is no file."""
    if [str(path) for path in paths] != ["-"]:
        return False
    try:
        return not stat.S_ISREG(os.fstat(sys.stdin.fileno()).st_mode)
    except (OSError, ValueError):
        return False


def read_live(text_column: str | None, problems: list[ForewarnError] | None) -> Iterator[pl.DataFrame]:
    """The records of standard input, a frame for each time that lines have come; see `records.read`."""
    wanted = Wanted(text_column, None, BLOCK_BYTES, Problems(problems))
    pieces = _pieces(sys.stdin.fileno())
    first = next(pieces, b"")
    while first and b"\n" not in first and len(first) < HEAD and (more := next(pieces, b"")):
        first += more
    if not _is_lines(first):
        yield from read_opened("-", cast(BinaryIO, _Replayed(first, pieces)), datetime.now(UTC), wanted)
        return
    head, lines = b"", 0
    for piece in _whole_lines(first, pieces):
        records = read_piece("-", head, piece, lines, datetime.now(UTC), wanted)
        lines += piece.count(b"\n")
        if not head:
            head = piece[: piece.rfind(b"\n", 0, _HEAD_KEPT) + 1] or piece[: piece.find(b"\n") + 1]
        if records.height:
            yield records


def _is_lines(first: bytes) -> bool:
    """Whether what begins like this is text that can be read line by line."""
    unfolded, compressed = bytes_of(io.BytesIO(first))
    if compressed:
        return False
    head = b"".join(unfolded)
    look = look_at(head[:HEAD], False)
    if look.binary or look.encoding != "utf-8" or not first:
        return False
    text = head[:HEAD].decode("utf-8", "replace")
    return not isinstance(layout_of(start_of(text, True, "-"))[1], Events | Document)


def _pieces(descriptor: int) -> Iterator[bytes]:
    """What has come: at least a byte, and what more there is at once, up to a block."""
    while piece := os.read(descriptor, _PIECE):
        parts = [piece]
        size = len(piece)
        while size < BLOCK_BYTES and select.select([descriptor], [], [], 0)[0]:
            more = os.read(descriptor, _PIECE)
            if not more:
                break
            parts.append(more)
            size += len(more)
        yield b"".join(parts)


def _whole_lines(first: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same in whole lines; the last one gets an end, a line without end is cut."""
    held = first
    while True:
        end = held.rfind(b"\n") + 1
        if end:
            yield held[:end]
            held = held[end:]
        elif len(held) > MAX_LINE:
            held = cut_line(held)
        more = next(pieces, None)
        if more is None:
            break
        held += more
    if held:
        yield held + b"\n"


class _Replayed(io.RawIOBase):
    """A stream of which the first bytes were read already."""

    def __init__(self, first: bytes, pieces: Iterator[bytes]) -> None:
        self._held, self._pieces = first, pieces

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        if not self._held:
            self._held = next(self._pieces, b"")
        wanted = len(self._held) if size is None or size < 0 else size
        given, self._held = self._held[:wanted], self._held[wanted:]
        return given
