"""Sigma: the whole public rule library, loaded, matched against real Windows events, and timed.

In: `sigma/rules.tar.xz`, `sigma/regression_events.jsonl`. Out: rules loaded and refused, seconds from a cold and a warm
cache, records whose named rule fires, the other rules that fire; events a second on one core and on two, of a million
events that all differ, and memory.
"""

from __future__ import annotations

import json
import os
import random
import re
import resource
import statistics
import subprocess
import sys
import tarfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.benchmark import Benchmark, Context, Table
from benchmarks.processes import measure
from forewarn.rules import load_rules

_LOAD = "import sys; from forewarn.rules import load_rules; load_rules([sys.argv[1]])"
_MATCH = "import sys; from benchmarks.sigma import match_many; match_many(*sys.argv[1:])"
_BLOCK = 20_000
_EVENTS, _FEW_EVENTS = 1_000_000, 20_000
_SAME, _DIFFERENT = "the same events again and again", "all different"


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
    facts = [
        ["rules loaded", len(rules.rules)],
        ["rules refused", len(rules.problems)],
        ["load, cold cache, s", cold_load.seconds],
        ["load, warm cache, s", warm_load.seconds],
        ["peak memory of a cold load, MiB", round(cold_load.peak_bytes / 2**20)],
        ["records whose named rule fires", fired],
        ["records whose named rule does not", missed],
        ["different other rules that fire too", len(others)],
    ]
    named = [[title, count] for title, count in sorted(others.items(), key=lambda item: (-item[1], item[0]))]
    note = "Each was evaluated a second time by the tests' oracle, apart from the matcher, and fires there too."
    return [
        Table("SigmaHQ's rules", ["what", "figure"], facts),
        _many(context, folder, events, cold),
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


def _many(context: Context, folder: Path, events: list[str], environment: dict[str, str]) -> Table:
    """How fast all rules go over many events, on one core and on two."""
    file = context.scratch / "events.json"
    file.write_text(json.dumps(events))
    count = _FEW_EVENTS if context.quick else _EVENTS
    rows = []
    for way, cores, said in ((_SAME, 1, "one core"), (_DIFFERENT, 1, "one core"), (_DIFFERENT, 2, "two cores")):
        if cores <= len(os.sched_getaffinity(0)):
            command = [sys.executable, "-c", _MATCH, str(folder), str(file), str(count), way, str(cores)]
            own = {**os.environ, **environment, "POLARS_MAX_THREADS": str(cores)}
            runs = [
                json.loads(subprocess.run(command, env=own, capture_output=True, check=True).stdout)
                for _ in range(1 if context.quick else 3)
            ]
            rate, spent, peak = (statistics.median(run[name] for run in runs) for name in ("rate", "spent", "peak"))
            rows.append([way, count, said, round(rate), round(spent, 1), round(peak), runs[0]["hits"]])
    note = (
        "Reading the JSON included; 20,000 events at a time. Where all are different, each has its own time, numbers "
        "of record, process, logon, one of 200 computers; half of the command lines, file names and details are new."
    )
    columns = ["events", "number", "on", "events/s", "µs of CPU an event", "peak MiB", "rules fired"]
    return Table("All rules over many events", columns, rows, note, higher=["events/s"])


def match_many(folder: str, file: str, count: str, way: str, cores: str) -> None:
    """Match the rules against so many events on so many cores, and print what it took; making events is not timed."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(cores)])
    rules, events = load_rules([folder]), json.loads(Path(file).read_text())
    seconds, spent, hits = 0.0, 0.0, 0
    for texts in _blocks(events, int(count), way == _DIFFERENT):
        block = pl.DataFrame({"text": texts, "raw": texts})
        began, used = time.perf_counter(), time.process_time()
        hits += rules.match(block).height
        seconds += time.perf_counter() - began
        spent += time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"rate": int(count) / seconds, "spent": spent / int(count) * 1e6, "peak": peak, "hits": hits}))


def _blocks(events: list[str], count: int, different: bool) -> Iterator[list[str]]:
    chance = random.Random(0)
    templates = [_template(json.loads(event), longer) for event in events for longer in (False, True)]
    for first in range(0, count, _BLOCK):
        numbers = range(first, min(first + _BLOCK, count))
        if not different:
            yield [events[number % len(events)] for number in numbers]
            continue
        chosen = (templates[2 * (number % len(events)) + chance.randrange(2)] for number in numbers)
        yield [text % tuple(_NEW[kind](chance) for kind in kinds) for text, kinds in chosen]


_NEW = {
    "number": lambda chance: str(chance.randrange(1, 20_000)),
    "record": lambda chance: str(chance.randrange(10**7)),
    "logon": lambda chance: hex(chance.getrandbits(24)),
    "guid": lambda chance: str(uuid.UUID(int=chance.getrandbits(128))).upper(),
    "computer": lambda chance: f"host-{chance.randrange(200)}",
    "time": lambda chance: (
        f"2025-12-{chance.randrange(10, 29)} {chance.randrange(10, 24)}:{chance.uniform(10, 60):.6f}"
    ),
    "path": lambda chance: f" C:\\\\Users\\\\u{chance.randrange(500)}\\\\x{chance.getrandbits(40):x}.tmp",
}
"""What differs from one event to the next, as it stands in JSON."""


def _template(event: dict[str, Any], longer: bool) -> tuple[str, list[str]]:
    """An event with a place for all that differs from one event to the next, and what goes there."""
    system, data = event["Event"]["System"], event["Event"].get("EventData") or {}
    mark = "\ue000{}\ue001".format
    system["EventRecordID"], system["Computer"] = mark("record"), mark("computer")
    system["TimeCreated"]["#attributes"]["SystemTime"] = mark("time")
    for name, value in data.items():
        if name == "UtcTime":
            data[name] = mark("time")
        elif name.lower().endswith("guid"):
            data[name] = mark("guid")
        elif name.endswith("ProcessId"):
            data[name] = mark("number")
        elif name.endswith("LogonId"):
            data[name] = mark("logon")
        elif longer and name in ("CommandLine", "TargetFilename", "Details") and isinstance(value, str):
            data[name] = value + mark("path")
    text = json.dumps(event, ensure_ascii=False).replace("%", "%%")
    kinds = re.findall("\ue000(.*?)\ue001", text)
    return re.sub('"\ue000(?:number|record)\ue001"|\ue000.*?\ue001', "%s", text), kinds


BENCHMARK = Benchmark(
    "sigma",
    "The whole public rule library on real Windows events",
    ("sigma/rules.tar.xz", "sigma/regression_events.jsonl"),
    run,
)
