"""`forewarn watch` at a given pace: how far behind it is.

In: a log of HDFS (`loghub/HDFS*.log`), repeated with fresh numbers, each line with its time. Out: the lag, from the
moment at which a line was written to that at which it was scored, while so many lines a second are written. The watch
has one core, once to itself and once with another process that never rests; what else runs there counts too.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.benchmark import Benchmark, Context, Table, Value
from benchmarks.scale import make_log

_WATCH = """
import os, sys, threading, time
os.sched_setaffinity(0, {int(sys.argv[3])})
from pathlib import Path
from forewarn.options import Options
from forewarn.watching.watch import Receivers, watch
watch([Path(sys.argv[1])], Options(), Path(sys.argv[2]), Receivers(lambda told: None), threading.Event(),
      status=lambda status: print(status.lines, time.monotonic(), time.process_time(), flush=True))
"""
_BUSY = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])})\nwhile True: pass"
_TICK = 0.05
"""Seconds between two writes."""
_SETTLED = 10.0
"""Seconds after which the lag is measured: by then the templates are known."""


def run(context: Context) -> list[Table]:
    """Measure at three paces, alone and under load."""
    logs = context.need("loghub")
    seconds = 20 if context.quick else 60
    originals = context.scratch / "originals"
    originals.mkdir()
    for log in logs.glob("HDFS*.log"):
        (originals / log.name).symlink_to(log)
    lines = make_log(originals, context.scratch / "lines", 40_000 * seconds, context.seed)
    rows: list[list[Value]] = []
    for pace, busy in ((20_000, False), (20_000, True), (40_000, False)):
        rows.append(_measured(lines, context.scratch / f"{pace}-{busy}", pace, seconds, busy))
    columns = [
        "lines/s written",
        "core",
        "lines/s scored",
        "lag, mean s",
        "lag, 95 % s",
        "lag, most s",
        "CPU µs a line",
    ]
    return [Table("How far behind `forewarn watch` is", columns, rows)]


def _measured(lines: Path, folder: Path, pace: int, seconds: int, busy: bool) -> list[Value]:
    folder.mkdir()
    log = folder / "app.log"
    log.write_text("")
    core = str(max(os.sched_getaffinity(0)))
    command = [sys.executable, "-c", _WATCH, str(log), str(folder / "state"), core]
    watching = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    other = subprocess.Popen([sys.executable, "-c", _BUSY, core]) if busy else None
    told: list[tuple[int, float, float]] = []

    def listen() -> None:
        assert watching.stdout
        for line in watching.stdout:
            count, at, cpu = line.split()
            told.append((int(count), float(at), float(cpu)))

    listening = threading.Thread(target=listen)
    listening.start()
    try:
        while not told:
            time.sleep(0.1)
        began = _write(lines, log, pace, seconds)
        time.sleep(1)
    finally:
        for process in (watching, other):
            if process:
                process.terminate()
                process.wait()
        listening.join()
    lags, seen = [], 0
    for count, at, _ in told:
        if count > seen and at > began + _SETTLED:
            # Of the oldest line of the round.
            lags.append(at - (began + seen / pace))
        seen = max(seen, count)
    settled = next((one for one in told if one[1] > began + _SETTLED), told[0])
    cpu = (told[-1][2] - settled[2]) / max(told[-1][0] - settled[0], 1)
    scored = seen / (told[-1][1] - began)
    ordered = sorted(lags)
    return [
        pace,
        "shared with a busy process" if busy else "its own",
        round(scored),
        statistics.mean(lags),
        ordered[int(0.95 * len(ordered))],
        ordered[-1],
        cpu * 1e6,
    ]


def _write(lines: Path, log: Path, pace: int, seconds: int) -> float:
    """Write lines at a pace; returns when it began (monotonic)."""
    began, written = time.monotonic(), 0
    with lines.open("rb") as source, log.open("ab", buffering=0) as out:
        while (passed := time.monotonic() - began) < seconds:
            due = int(passed * pace)
            stamp = datetime.now(UTC).isoformat(timespec="milliseconds").encode()
            out.write(b"".join(stamp + b" " + next(source) for _ in range(due - written)))
            written = due
            time.sleep(_TICK)
    return began


BENCHMARK = Benchmark("watch", "The lag of a watch at 20,000 lines a second", ("loghub",), run)
