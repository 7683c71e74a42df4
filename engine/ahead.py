"""The input of a scan, read in a thread of its own: one block ahead of what works on it.

In: what `records.read` takes. Out: its blocks, each with how far the input was read by its end. What could not be read
is noted when the block comes that it was met in, so that whoever stops after a block knows what that block's end knew.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl

from forewarn.paths import can_be_read_again
from forewarn.problems import Noted, Problems
from forewarn.records import Reached, read


def read_ahead(
    paths: Sequence[str | Path],
    *,
    text_column: str | None,
    time_column: str | None,
    block_bytes: int,
    problems: Problems,
    reached: Reached,
) -> Generator[tuple[pl.DataFrame, Reached]]:
    """The blocks of records after those that were `reached`, each with what is reached then. To be closed after use."""
    met = Problems([])
    blocks = read(
        paths,
        text_column=text_column,
        time_column=time_column,
        block_bytes=block_bytes,
        problems=met,
        reached=reached,
    )

    def one() -> tuple[pl.DataFrame | None, Reached, list[Noted]]:
        block = next(blocks, None)
        return block, Reached(reached.file, reached.items), met.taken()

    with ThreadPoolExecutor(1, "forewarn-read") as reader:
        # A pipe may keep a thread waiting for ever, and the program with it: it is read by who waits for it.
        ahead = all(map(can_be_read_again, paths))
        coming = reader.submit(one) if ahead else None
        while True:
            block, place, noted = coming.result() if coming else one()
            problems.restore(noted)
            if block is None:
                return
            coming = reader.submit(one) if ahead else None
            yield block, place
