"""Work in a thread of its own, one step ahead of what needs it; above all, reading the input of a scan.

In: what `records.read` takes. Out: its blocks, each with how far the input was read by its end. What could not be read
is noted when the block comes that it was met in, so that whoever stops after a block knows what that block's end knew.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from forewarn.reading.paths import can_be_read_again
from forewarn.reading.problems import Noted, Problems
from forewarn.reading.records import Reached, read

Item = TypeVar("Item")
_END: Any = object()


def read_ahead(
    paths: Sequence[str | Path],
    *,
    text_column: str | None,
    time_column: str | None,
    time_format: str | None = None,
    block_bytes: int,
    problems: Problems,
    reached: Reached,
) -> Generator[tuple[pl.DataFrame, Reached]]:
    """The blocks of records after those that were `reached`, each with what is reached then. To be closed after use."""
    found = Problems([])

    def reading() -> Generator[tuple[pl.DataFrame | None, Reached, list[Noted]]]:
        for block in read(
            paths,
            text_column=text_column,
            time_column=time_column,
            time_format=time_format,
            block_bytes=block_bytes,
            problems=found,
            reached=reached,
        ):
            yield block, Reached(reached.file, reached.items), found.taken()
        yield None, reached, found.taken()

    # A pipe may keep a thread waiting for ever, and the program with it: it is read by who waits for it.
    again = all(map(can_be_read_again, paths))
    with closing(one_ahead(reading()) if again else reading()) as blocks:
        for block, place, noted in blocks:
            problems.restore(noted)
            if block is not None:
                yield block, place


def one_ahead(items: Iterator[Item]) -> Generator[Item]:
    """The same items, the next of which is made by a thread of its own while one is worked on."""
    with ThreadPoolExecutor(1, "forewarn-ahead") as thread:
        coming = thread.submit(next, items, _END)
        while (item := coming.result()) is not _END:
            coming = thread.submit(next, items, _END)
            yield item
