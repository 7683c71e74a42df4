"""Windows event logs: every expected pair of event and rule, in every dress, and what the command takes.

In: `evtx/evtx.tar.xz` with `evtx/expected_hits.tsv` (an independent evaluator's pairs), `sigma/rules.tar.xz`. Out:
pairs that are right, missed and false, from EVTX by the whole command and in each dress; CPU seconds and peak memory
of the command; CPU seconds of decoding beside the library's own iterator.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.benchmark import Benchmark, Context, Table
from benchmarks.processes import measure
from forewarn.reading.formats import evtx_log
from forewarn.reading.problems import Problems
from forewarn.rules import RuleSet, load_rules
from tests.event_dresses import DRESSES

Pair = tuple[str, int, str]
_RUNS = 5


def run(context: Context) -> list[Table]:
    """Match, compare, time."""
    logs, rules = context.scratch / "evtx", context.scratch / "rules"
    for name, folder in (("evtx/evtx.tar.xz", logs), ("sigma/rules.tar.xz", rules)):
        with tarfile.open(context.need(name)) as archive:
            archive.extractall(folder, filter="data")
    lines = context.need("evtx/expected_hits.tsv").read_text().splitlines()[1:]
    expected = Counter((name, int(record), rule) for name, record, rule in (line.split("\t") for line in lines))
    files = sorted(logs.glob("*.evtx"))
    command = [sys.executable, "-m", "forewarn", "rules", "match", "--rules", str(rules)]
    rows = [["EVTX, the command", *_compared(expected, _of_command([*command, str(logs)]))]]
    events = [(file.name, number, text) for file in files for number, text in enumerate(_texts(file), 1)]
    rule_set = load_rules([rules])
    rows.append(["evtx_dump", *_compared(expected, _of_events(rule_set, events, lambda event: event))])
    rows += [[name, *_compared(expected, _of_events(rule_set, events, made))] for name, made in DRESSES.items()]
    note = (
        f"{len(events):,} events of {len(files)} logs, {expected.total():,} pairs; other dresses are made of the first."
    )
    pairs = Table("Pairs of event and rule", ["events as", "right", "missed", "false"], rows, note, higher=["right"])
    took = measure([*command, str(logs)], ok=(1,), runs=1 if context.quick else 3)
    facts: list[list[Any]] = [
        ["rules match on EVTX, CPU s", round(took.cpu_seconds, 2)],
        ["rules match on EVTX, peak MiB", round(took.peak_bytes / 2**20)],
        ["decoding, CPU s", round(_least(lambda: sum(map(_decoded, files))), 3)],
        ["the iterator of the evtx library, CPU s", round(_least(lambda: sum(map(_iterated, files))), 3)],
    ]
    return [pairs, Table("Windows event logs: what it takes", ["what", "figure"], facts, "Rules compiled before.")]


def _of_command(command: list[str]) -> Counter[Pair]:
    out = subprocess.run(command, capture_output=True, check=False).stdout
    hits = map(json.loads, out.splitlines())
    return Counter((Path(hit["source"]).name, hit["line"], rule["id"]) for hit in hits for rule in hit["rules"])


def _of_events(
    rules: RuleSet, events: list[tuple[str, int, str]], dress: Callable[[dict[str, Any]], dict[str, Any]]
) -> Counter[Pair]:
    texts = [json.dumps(dress(json.loads(text)), ensure_ascii=False) for _, _, text in events]
    hits = rules.match(pl.DataFrame({"text": texts, "raw": texts}))
    return Counter((*events[row][:2], rules.rules[rule].id) for row, rule in hits.iter_rows())


def _compared(expected: Counter[Pair], found: Counter[Pair]) -> tuple[int, int, int]:
    return (expected & found).total(), (expected - found).total(), (found - expected).total()


def _blocks(file: Path) -> Iterator[tuple[range, bytes]]:
    with file.open("rb") as opened:
        yield from evtx_log.events(opened, 8 << 20, str(file), Problems([]))


def _texts(file: Path) -> list[str]:
    return [line.decode() for _, data in _blocks(file) for line in data.split(b"\n") if line]


def _decoded(file: Path) -> int:
    return sum(len(numbers) for numbers, _ in _blocks(file))


def _iterated(file: Path) -> int:
    from evtx import PyEvtxParser

    return sum(1 for _ in PyEvtxParser(str(file), number_of_threads=1).records_json())


def _least(work: Callable[[], int]) -> float:
    """The least CPU seconds of several runs."""
    took = []
    for _ in range(_RUNS):
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    return min(took)


BENCHMARK = Benchmark(
    "windows_events",
    "Windows event logs against an independent evaluator",
    ("evtx/evtx.tar.xz", "evtx/expected_hits.tsv", "sigma/rules.tar.xz"),
    run,
)
