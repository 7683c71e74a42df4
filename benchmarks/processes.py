"""A command as a whole process: its time and its peak memory, as the operating system accounts them.

In: a command line. Out: seconds and bytes, the median of several runs. Linux and macOS.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Measured:
    """Medians over the runs: `seconds` wall clock, `cpu_seconds` user and system, `peak_bytes` resident."""

    seconds: float
    cpu_seconds: float
    peak_bytes: float


def measure(
    command: Sequence[str | Path],
    *,
    runs: int = 3,
    ok: tuple[int, ...] = (0,),
    environment: dict[str, str] | None = None,
) -> Measured:
    """Run `command` `runs` times. Raises RuntimeError with its last words where its status is not in `ok`."""
    return _median([_once([str(part) for part in command], ok, environment) for _ in range(runs)])


def _once(command: list[str], ok: tuple[int, ...], environment: dict[str, str] | None) -> Measured:
    started = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**os.environ, **(environment or {})}
    ) as process:
        said = process.stderr.read() if process.stderr else b""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    if process.returncode not in ok:
        raise RuntimeError(
            f"{' '.join(command)} ended with {process.returncode}: {said[-2000:].decode(errors='replace')}"
        )
    unit = 1 if sys.platform == "darwin" else 1024
    return Measured(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit)


def _median(runs: list[Measured]) -> Measured:
    return Measured(
        statistics.median(run.seconds for run in runs),
        statistics.median(run.cpu_seconds for run in runs),
        statistics.median(run.peak_bytes for run in runs),
    )
