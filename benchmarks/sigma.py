"""Sigma: the whole public rule library, loaded, matched against real Windows events, and timed.

In: `sigma/rules.tar.xz`, `sigma/regression_events.jsonl`. Out: rules loaded and refused, seconds from a cold and a warm
cache, records whose named rule fires, the other rules that fire, events a second on one core with decoding.
"""

from __future__ import annotations

import json
import os
import sys
import tarfile
from pathlib import Path

import polars as pl

from benchmarks.benchmark import Benchmark, Context, Table
from benchmarks.processes import measure
from forewarn.rules import load_rules

_LOAD = "import sys; from forewarn.rules import load_rules; load_rules([sys.argv[1]])"
_MATCH = """
import sys, time, polars as pl
from forewarn.rules import load_rules
rules, events = load_rules([sys.argv[1]]), pl.read_parquet(sys.argv[2])
started = time.perf_counter()
for at in range(0, events.height, 20_000):
    rules.match(events[at : at + 20_000])
print(events.height / (time.perf_counter() - started))
"""
_EVENTS = 100_000


def run(context: Context) -> list[Table]:
    """Load, match, time."""
    folder = context.scratch / "rules"
    with tarfile.open(context.need("sigma/rules.tar.xz")) as archive:
        archive.extractall(folder, filter="data")
    cold = {"FOREWARN_CACHE": str(context.scratch / "cold")}
    cold_load = measure([sys.executable, "-c", _LOAD, folder], runs=1, environment=cold)
    warm_load = measure([sys.executable, "-c", _LOAD, folder], environment=cold)
    rules = load_rules([folder])
    fired, missed, others, events = _regression(rules, context.need("sigma/regression_events.jsonl"))
    rate = _rate(folder, events, context.scratch, cold)
    facts = [
        ["rules loaded", len(rules.rules)],
        ["rules refused", len(rules.problems)],
        ["load, cold cache, s", cold_load.seconds],
        ["load, warm cache, s", warm_load.seconds],
        ["peak memory of a cold load, MiB", round(cold_load.peak_bytes / 2**20)],
        ["records whose named rule fires", fired],
        ["records whose named rule does not", missed],
        ["different other rules that fire too", len(others)],
        ["events/s, one core, decoding included", rate],
    ]
    named = [[title, count] for title, count in sorted(others.items(), key=lambda item: (-item[1], item[0]))]
    note = "Each was evaluated a second time by the tests' oracle, apart from the matcher, and fires there too."
    return [
        Table("SigmaHQ's rules", ["what", "figure"], facts),
        Table("Other rules that fire on the regression events", ["rule", "events"], named, note),
    ]


def _regression(rules: object, file: Path) -> tuple[int, int, dict[str, int], list[str]]:
    records = [json.loads(line) for line in file.read_text().splitlines()]
    events = [
        (at, json.dumps(event, ensure_ascii=False)) for at, record in enumerate(records) for event in record["events"]
    ]
    texts = [text for _, text in events]
    hits = rules.match(pl.DataFrame({"text": texts, "raw": texts}))  # type: ignore[attr-defined]
    found: set[int] = set()
    others: dict[str, int] = {}
    for row, number in hits.iter_rows():
        rule, record = rules.rules[number], events[row][0]  # type: ignore[attr-defined]
        if rule.id == records[record]["rule_id"]:
            found.add(record)
        else:
            others[rule.title] = others.get(rule.title, 0) + 1
    return len(found), len(records) - len(found), others, texts


def _rate(folder: Path, events: list[str], scratch: Path, environment: dict[str, str]) -> float:
    import subprocess

    file = scratch / "events.parquet"
    repeated = (events * (_EVENTS // len(events) + 1))[:_EVENTS]
    pl.DataFrame({"text": repeated, "raw": repeated}).write_parquet(file)
    one = {**os.environ, **environment, "POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}
    rates = [
        float(
            subprocess.run(
                [sys.executable, "-c", _MATCH, folder, file], env=one, capture_output=True, check=True
            ).stdout
        )
        for _ in range(3)
    ]
    return sorted(rates)[1]


BENCHMARK = Benchmark(
    "sigma",
    "The whole public rule library on real Windows events",
    ("sigma/rules.tar.xz", "sigma/regression_events.jsonl"),
    run,
)
