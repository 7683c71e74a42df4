"""Scale: a whole `forewarn scan` of one and of ten million log lines, beside the least that such a scan can take.

In: `loghub/*.log`, repeated with fresh numbers; tweets of `crisislex_t6`, their halves joined anew. Out: seconds, lines
per second and peak memory of whole processes; the stages of the scan; how long a small scan takes to start.
"""

from __future__ import annotations

import json
import random
import re
import sys
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks import charts
from benchmarks.benchmark import Benchmark, Context, Table, Value
from benchmarks.processes import Measured, measure

_NUMBER = re.compile(rb"[0-9]{3,9}")

_FLOOR = """
import sys, polars as pl
from forewarn.grouping.templates import mask
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


_ENCODER = """
import sys, polars as pl
from forewarn.embeddings import load_encoder
from forewarn.grouping.templates import mask
lines = pl.read_csv(
    sys.argv[1], has_header=False, separator="\\x01", quote_char=None, new_columns=["text"], encoding="utf8-lossy"
)
load_encoder("bundled", device="cpu").encode(
    lines.unique(mask(pl.col("text")), keep="first", maintain_order=True)["text"].to_list()
)
"""


def make_tweets(originals: Path, file: Path, count: int, seed: int) -> Path:
    """Write `count` different texts, a line each: the first half of one tweet and the second half of another."""
    tweets = pl.concat(pl.read_csv(csv).select(pl.nth(1).alias("text")) for csv in sorted(originals.glob("*.csv")))
    texts = tweets["text"].drop_nulls().str.replace_all(r"\s+", " ").unique().sort().to_list()
    chance, made = random.Random(seed), dict[str, None]()
    while len(made) < count:
        one, other = chance.choice(texts).split(" "), chance.choice(texts).split(" ")
        made[" ".join([*one[: len(one) // 2], *other[len(other) // 2 :]])] = None
    file.write_text("\n".join(made) + "\n")
    return file


def run(context: Context) -> list[Table]:
    """Measure the floors and the scan at two sizes, different tweets at three, and small starts."""
    logs, tweets = context.need("loghub"), context.need("crisislex_t6")
    sizes = (20_000, 200_000) if context.quick else (1_000_000, 10_000_000)
    summary = context.scratch / "summary.json"
    rows: list[list[Value]] = []
    stages: list[list[Value]] = []
    scans: list[Measured] = []
    for lines in sizes:
        log = make_log(logs, context.scratch / f"{lines}.log", lines, context.seed)
        runs = 3 if lines == sizes[0] else 1
        floor = measure([sys.executable, "-c", _FLOOR, log], runs=runs)
        rows.append(_row("polars: read, mask, group", lines, log, floor))
        if lines == sizes[0]:
            encoded = measure([sys.executable, "-c", _ENCODER, log], runs=1)
            rows.append(_row("the same and the encoder, distinct texts", lines, log, encoded))
        scans.append(_scan(log, summary, runs))
        rows.append(_row("forewarn scan", lines, log, scans[-1]))
        stages += _stages(lines, summary)
        log.unlink()
    several = (1_000, 2_000, 4_000) if context.quick else (100_000, 200_000, 400_000)
    for texts in several:
        file = make_tweets(tweets, context.scratch / "tweets.txt", texts, context.seed)
        scans.append(_scan(file, summary, 1))
        rows.append(_row("forewarn scan, different tweets", texts, file, scans[-1]))
    few = make_log(logs, context.scratch / "few.log", 100, context.seed)
    warm = [sys.executable, "-m", "forewarn", "scan", few]
    measure(warm, runs=1, ok=(0, 1))
    starts = [
        ["forewarn scan, 100 lines, warm caches", measure(warm, ok=(0, 1))],
        ["forewarn --help", measure([sys.executable, "-m", "forewarn", "--help"])],
    ]
    small, large, fewest, _, most = scans
    ratios: list[list[Value]] = [
        ["ten times the lines: seconds", large.seconds / small.seconds],
        ["ten times the lines: peak", large.peak_bytes / small.peak_bytes],
        ["the scan to polars and the encoder: seconds", small.seconds / encoded.seconds],
        ["four times the different tweets: peak", most.peak_bytes / fewest.peak_bytes],
    ]
    return [
        Table("Whole processes", ["what", "lines", "MB", "s", "CPU s", "lines/s", "peak MiB"], rows),
        Table("Ratios", ["what", "ratio"], ratios),
        Table("Stages of the scan", ["lines", "stage", "s", "peak MiB"], stages, "Peak: by the end of the stage."),
        Table(
            "To start",
            ["what", "s", "CPU s", "peak MiB"],
            [[what, took.seconds, took.cpu_seconds, round(took.peak_bytes / 2**20)] for what, took in starts],
        ),
    ]


def _scan(file: Path, summary: Path, runs: int) -> Measured:
    command = [sys.executable, "-m", "forewarn", "scan", file, "--budget", "20", "--no-cache", "--summary", summary]
    return measure(command, runs=runs, ok=(0, 1))


def _stages(lines: int, summary: Path) -> list[list[Value]]:
    taken = json.loads(summary.read_bytes())["stages"]
    return [[lines, one["stage"], one["seconds"], round(one["peak_bytes"] / 2**20)] for one in taken]


def _charts(tables: list[Table]) -> dict[str, Any]:
    stages = next(table for table in tables if table.title == "Stages of the scan")
    return {"stages": charts.bars(stages, across="s", name="stage", parts="lines")}


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


BENCHMARK = Benchmark(
    "scale", "A million and ten million log lines, whole processes", ("loghub", "crisislex_t6"), run, _charts
)
