"""Where a scan spends its time and memory.

In: laps of a stopwatch. Out: one row for each stage.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable

import msgspec

Progress = Callable[[str, int], None]
"""Called with the name of a stage and how many records or texts it has done."""


class Stage(msgspec.Struct):
    """One stage of a scan.

    `seconds` of wall clock; `rows` what it worked on, records or distinct texts; `bytes` of their text, where it works
    on records; `peak_bytes` the most memory that the process had held by its end.
    """

    stage: str
    seconds: float = 0.0
    rows: int = 0
    bytes: int = 0
    peak_bytes: int = 0

    @property
    def rows_per_second(self) -> float:
        """Rows in a second of this stage alone."""
        return self.rows / self.seconds if self.seconds else 0.0


class Stopwatch:
    """Books the time between laps to stages; a stage may have many laps."""

    def __init__(self) -> None:
        self._stages: dict[str, Stage] = {}
        self._since = time.perf_counter()

    def lap(self, stage: str, rows: int = 0, size: int = 0) -> None:
        """Book the time since the last lap, and what was done in it, to `stage`."""
        now = time.perf_counter()
        booked = self._stages.setdefault(stage, Stage(stage))
        booked.seconds += now - self._since
        booked.rows += rows
        booked.bytes += size
        booked.peak_bytes = _peak()
        self._since = now

    @property
    def stages(self) -> list[Stage]:
        """The stages, in the order in which they began."""
        return list(self._stages.values())


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
