"""A command as a whole process: its time and its peak memory, as the operating system accounts them.

In: a command line. Out: seconds and bytes, the median of several runs. Linux and macOS.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_LAUNCHER = """
import json, os, sys, time
started = time.perf_counter()
_, status, usage = os.wait4(os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ), 0)
took = [time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss]
with open(sys.argv[1], "w") as report:
    json.dump([os.waitstatus_to_exitcode(status), *took], report)
"""
"""A small process starts the command: Linux counts what the starting process holds as the started one's peak."""


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
    with tempfile.NamedTemporaryFile("r", suffix=".json") as report:
        launched = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _LAUNCHER, report.name, *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, **(environment or {})},
            check=False,
        )
        said = launched.stderr[-2000:].decode(errors="replace")
        if launched.returncode:
            raise RuntimeError(f"{command[0]} could not be started: {said}")
        status, seconds, cpu_seconds, peak = json.load(report)
    if status not in ok:
        raise RuntimeError(f"{' '.join(command)} ended with {status}: {said}")
    return Measured(seconds, cpu_seconds, peak * (1 if sys.platform == "darwin" else 1024))


def _median(runs: list[Measured]) -> Measured:
    return Measured(
        statistics.median(run.seconds for run in runs),
        statistics.median(run.cpu_seconds for run in runs),
        statistics.median(run.peak_bytes for run in runs),
    )
