"""The bytes of a file, compressed or not → its content.

In: an open binary file. Out: its content in pieces, and the name of the compression. Content decides, never the name.
"""

from __future__ import annotations

import bz2
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, BinaryIO

import zstandard

READ = 1 << 20
"""Bytes that are read at once."""
# A compressed file is fed in small steps: 2 KiB of zstandard can unfold to 64 MiB at the very worst, and little is
# lost before a break.
_STEP = 1 << 11
_UNFOLD = 1 << 20

_COMPRESSIONS: tuple[tuple[str, bytes, Callable[[], Any]], ...] = (
    ("gzip", b"\x1f\x8b", lambda: zlib.decompressobj(wbits=31)),
    ("bzip2", b"BZh", bz2.BZ2Decompressor),
    ("xz", b"\xfd7zXZ\0", lzma.LZMADecompressor),
    ("zstandard", b"\x28\xb5\x2f\xfd", lambda: zstandard.ZstdDecompressor().decompressobj()),
)

# A stream of bzip2 goes on with a block or with its end; a text that begins `BZh9` does not.
_BZIP2 = re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90|.{0,5}\Z)", re.DOTALL)
_SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18", re.DOTALL)


class BrokenStream(Exception):
    """The stream ended before the file's own end: damaged, cut short or no longer readable."""


def bytes_of(file: BinaryIO, size: int = READ) -> tuple[Iterator[bytes], str | None]:
    """The content of `file` in pieces, decompressed where it is compressed, and the name of the compression.

    A piece has `size` bytes, or what so few unfold to. Raises `BrokenStream`, or the pieces do after the last one that
    could be read.
    """
    raw = _raw(file, size)
    start = next(raw, b"")
    while 0 < len(start) < 10 and (more := next(raw, b"")):
        start += more
    for name, magic, decompressor in _COMPRESSIONS:
        if start.startswith(magic) and (name != "bzip2" or _BZIP2.match(start)):
            return _unfolded(_steps(start, raw), name, decompressor), name
    if _SKIPPABLE.match(start):
        return _unfolded(_after_skippable(start, raw), *_COMPRESSIONS[-1][::2]), _COMPRESSIONS[-1][0]
    return chain([start], raw), None


def _after_skippable(start: bytes, raw: Iterator[bytes]) -> Iterator[bytes]:
    """What follows the skippable frames with which a zstandard file begins (RFC 8878, 3.1.2)."""
    held = start
    while _SKIPPABLE.match(held):
        left = 8 + int.from_bytes(held[4:8], "little")
        while len(held) < left + 8 and (more := next(raw, b"")):
            # No more of the frame is kept than the piece in which it ends.
            gone = min(left, len(held))
            held, left = held[gone:] + more, left - gone
        held = held[left:]
    yield from _steps(held, raw)


def _raw(file: BinaryIO, size: int) -> Iterator[bytes]:
    while True:
        try:
            piece = file.read(size)
        except OSError as error:
            raise BrokenStream(f"cannot be read any further: {error.strerror or error}") from error
        if not piece:
            return
        yield piece


def _steps(start: bytes, raw: Iterator[bytes]) -> Iterator[bytes]:
    piece: bytes | None = start
    while piece is not None:
        for at in range(0, len(piece), _STEP):
            yield piece[at : at + _STEP]
        piece = next(raw, None)


def _unfolded(steps: Iterator[bytes], name: str, decompressor: Callable[[], Any]) -> Iterator[bytes]:
    engine: Any = decompressor()
    try:
        for step in steps:
            while step:
                if engine.eof:
                    # Another member follows, or the zeros with which tapes and xz pad.
                    step = step.lstrip(b"\0")
                    if not step:
                        break
                    engine = decompressor()
                if hasattr(engine, "needs_input"):
                    yield engine.decompress(step, _UNFOLD)
                    while not (engine.needs_input or engine.eof):
                        yield engine.decompress(b"", _UNFOLD)
                else:
                    yield engine.decompress(step)
                step = engine.unused_data if engine.eof else b""
    except (zlib.error, lzma.LZMAError, zstandard.ZstdError, OSError, EOFError) as error:
        raise BrokenStream(f"the {name} data is damaged") from error
    if not engine.eof:
        raise BrokenStream(f"the {name} data ends before its end")
