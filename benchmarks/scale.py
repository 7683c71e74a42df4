"""Scale: a whole `forewarn scan` of one and of ten million log lines, beside the least that polars alone needs.

In: `loghub/*.log`, repeated with fresh numbers. Out: seconds, lines per second and peak memory of whole processes.
"""

from __future__ import annotations

import random
import re
import sys
from pathlib import Path

from benchmarks.benchmark import Benchmark, Context, Table, Value
from benchmarks.processes import Measured, measure

_NUMBER = re.compile(rb"[0-9]{3,9}")

_FLOOR = """
import sys, polars as pl
from forewarn.texts import mask
lines = pl.read_csv(
    sys.argv[1], has_header=False, separator="\\x01", quote_char=None, new_columns=["text"], encoding="utf8-lossy"
)
print(lines.select(mask(pl.col("text"))).group_by("text").len().height)
"""


def make_log(originals: Path, file: Path, lines: int, seed: int) -> Path:
    """Write a log of `lines` lines: loghub's, over and over, every number of 3 to 9 digits replaced by a fresh one."""
    numbers = random.Random(seed)
    source = [line for log in sorted(originals.glob("*.log")) for line in log.read_bytes().splitlines() if line.strip()]

    def fresh(found: re.Match[bytes]) -> bytes:
        return b"%0*d" % (len(found[0]), numbers.randrange(10 ** len(found[0])))

    with file.open("wb") as made:
        for start in range(0, lines, len(source)):
            made.write(_NUMBER.sub(fresh, b"\n".join(source[: lines - start]) + b"\n"))
    return file


def run(context: Context) -> list[Table]:
    """Measure the floor and the scan at two sizes."""
    logs = context.need("loghub")
    sizes = (20_000, 200_000) if context.quick else (1_000_000, 10_000_000)
    rows: list[list[Value]] = []
    for lines in sizes:
        log = make_log(logs, context.scratch / f"{lines}.log", lines, context.seed)
        runs = 3 if lines == sizes[0] else 1
        floor = measure([sys.executable, "-c", _FLOOR, log], runs=runs)
        scan = measure(
            [sys.executable, "-m", "forewarn", "scan", log, "--budget", "20", "--no-cache"], runs=runs, ok=(0, 1)
        )
        rows += [_row("polars: read, mask, group", lines, log, floor), _row("forewarn scan", lines, log, scan)]
        log.unlink()
    return [Table("Whole processes", ["what", "lines", "MB", "s", "CPU s", "lines/s", "peak MiB"], rows)]


def _row(what: str, lines: int, log: Path, took: Measured) -> list[Value]:
    size = log.stat().st_size / 1e6
    return [
        what,
        lines,
        round(size),
        took.seconds,
        took.cpu_seconds,
        round(lines / took.seconds),
        round(took.peak_bytes / 2**20),
    ]


BENCHMARK = Benchmark("scale", "A million and ten million log lines, whole processes", ("loghub",), run)
