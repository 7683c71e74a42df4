"""The lines before and after those of interest, as they stand in their files.

In: places in files. Out: of each place a few lines before and after. Files are read again, once each, a block at a
time; one that is gone, that is no text, or that stands in an archive has none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from forewarn.findings import Place
from forewarn.reading.decoding import TextBlock, TextStream
from forewarn.reading.problems import Problems

_BLOCK = 1 << 20
_MOST_CHARACTERS = 400
_AROUND = 3


@dataclass(frozen=True)
class Surroundings:
    """Lines `before` a place and `after` it, the nearest at the end and at the beginning; of a long line its start."""

    before: Sequence[str]
    after: Sequence[str]


def surroundings(places: Iterable[Place], around: int = _AROUND) -> Mapping[tuple[str, int], Surroundings]:
    """At most `around` lines on either side, by source and line."""
    wanted: defaultdict[str, set[int]] = defaultdict(set)
    for place in places:
        wanted[place.source].add(place.line)
    found = {}
    for source, lines in wanted.items():
        known = _lines(source, {number for line in lines for number in range(line - around, line + around + 1)})
        for line in lines:
            before = [known[number] for number in range(line - around, line) if number in known]
            after = [known[number] for number in range(line + 1, line + around + 1) if number in known]
            if before or after:
                found[source, line] = Surroundings(before, after)
    return found


def _lines(source: str, wanted: set[int]) -> dict[int, str]:
    """These lines of a file, so far as it has them."""
    path = Path(source)
    found: dict[int, str] = {}
    last = max(wanted)
    try:
        if not path.is_file():
            return found
        with path.open("rb") as file:
            problems = Problems([])
            problems.muted = True
            stream = TextStream(source, file, _BLOCK, problems)
            if stream.look.binary:
                return found
            for block in stream.blocks(_BLOCK):
                found |= _of_block(block, wanted)
                if block.first_line + block.height > last:
                    break
    except (OSError, ValueError):
        return found
    return found


def _of_block(block: TextBlock, wanted: set[int]) -> dict[int, str]:
    here = [number for number in wanted if block.first_line <= number < block.first_line + block.height]
    if not here:
        return {}
    lines = block.data.decode("utf-8", "replace").split("\n")
    return {number: lines[number - block.first_line].rstrip("\r")[:_MOST_CHARACTERS] for number in here}
