"""Blocks of lines in which no record is torn.

In: blocks of whole lines, and a reader that says which lines belong to the one before. Out: the same lines in blocks of
which each begins with the beginning of a record. No more than one block and `_MOST` bytes are held.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from forewarn.reading.decoding import MAX_LINE, TextBlock
from forewarn.reading.formats.line_reader import LineReader

_ABOVE = 40
"""Lines at a block's end by which it is known whether the next one goes on with them."""
_LEAST = 1 << 10
"""Bytes of a block at least: some lines belong to the one before for what comes after them."""
_AT_ONCE = 1 << 14
"""Bytes of the next block that are looked at first."""


def with_their_rest(blocks: Iterator[TextBlock], reader: LineReader) -> Iterator[TextBlock]:
    """The blocks, each with the lines of the next one that belong to its last record."""
    held: TextBlock | None = None
    for block in blocks:
        if held is None:
            held = block
            continue
        size = _rest(held.data, block.data, reader) if len(held.data) >= _LEAST else len(block.data)
        if size:
            moved = block.data.count(b"\n", 0, size)
            held = TextBlock(held.first_line, held.data + block.data[:size], held.height + moved)
            block = TextBlock(block.first_line + moved, block.data[size:], block.height - moved)
        if not block.data:
            continue
        yield held
        held = block
    if held is not None:
        yield held


def _rest(before: bytes, after: bytes, reader: LineReader) -> int:
    """How many bytes of the lines `after` belong to the last record of those `before`."""
    above = _last_lines(before)
    looked = _AT_ONCE
    while True:
        # A record is cut where a line would be: else one without an end would be held whole.
        end = after.find(b"\n", min(looked, MAX_LINE, len(after) - 1)) + 1
        lines = after[:end].decode("utf-8", "replace").split("\n")[:-1]
        filled = [number for number, line in enumerate(lines) if line.strip()]
        sample = pl.Series([*above, *(lines[number] for number in filled)], dtype=pl.String)
        belongs = reader.belongs(sample)[len(above) :].to_list()
        own = next((number for number, goes_on in zip(filled, belongs, strict=True) if not goes_on), None)
        if own is not None:
            return sum(len(line.encode()) + 1 for line in lines[:own]) if above else 0
        if end == len(after) or end > MAX_LINE:
            return end if above else 0
        looked *= 8


def _last_lines(data: bytes) -> list[str]:
    lines = data[-_AT_ONCE:].decode("utf-8", "replace").split("\n")
    lines = lines[:-1] if len(data) <= _AT_ONCE else lines[1:-1]
    return [line for line in lines if line.strip()][-_ABOVE:]
