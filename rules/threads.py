"""One piece of work in parts, several at a time.

In: work on a stretch of rows. Out: what each stretch gave, in their order, so that nothing depends on the number of
threads. Of use where the work leaves Python's lock alone: compiled loops, Hyperscan, polars.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

Given = TypeVar("Given")
_LEAST = 1000
"""Rows that are worth a thread."""


def cores() -> int:
    """How many cores this process may use, at most four."""
    return min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def in_parts(work: Callable[[int, int], Given], rows: int) -> list[Given]:
    """What `work(first, end)` gives for each stretch of the rows, of about the same length, one a core."""
    parts = max(1, min(cores(), rows // _LEAST))
    bounds = [rows * part // parts for part in range(parts + 1)]
    if parts == 1:
        return [work(0, rows)]
    return list(_pool().map(work, bounds[:-1], bounds[1:]))


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(cores(), thread_name_prefix="forewarn-rules")
