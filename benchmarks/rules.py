"""The shipped packs: attacks in HTTP parameters, Chinese finance news, Chinese emergencies, tweets, lines a second.

In: `http_params/`, `fin_news_zh/`, `cec/`, `crisislex_t6/`, `loghub/`. Out: recall and false-positive rate by attack
type, precision and recall of each pack, AUROC on tweets, the rate of the matcher. The packs were written without
looking at the test halves.
"""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import polars as pl

from benchmarks.benchmark import Benchmark, Context, Table, Value
from benchmarks.measures import auroc
from benchmarks.scale import make_log
from forewarn.rules import load_rules
from forewarn.rules.loading import packs
from forewarn.scoring.fusion import prior

_RATE = """
import sys, time, polars as pl
from forewarn.rules import load_rules
lines = pl.read_csv(
    sys.argv[1], has_header=False, separator="\\x01", quote_char=None, new_columns=["text"], encoding="utf8-lossy"
).with_columns(raw=pl.lit(None, pl.String))
rules = load_rules()
started = time.perf_counter()
for at in range(0, lines.height, 100_000):
    rules.match(lines[at : at + 100_000])
print(lines.height / (time.perf_counter() - started))
"""


def run(context: Context) -> list[Table]:
    """Measure the packs."""
    return [_http(context), _packs(context), _tweets(context), _rate(context)]


def _fires(names: list[str] | None, texts: pl.Series) -> pl.Series:
    frame = pl.DataFrame({"text": texts, "raw": pl.Series([None], dtype=pl.String).new_from_index(0, len(texts))})
    hit = load_rules(names).match(frame)["row"].unique()
    return pl.Series(range(len(texts)), dtype=pl.UInt32).is_in(hit.implode())


def _http(context: Context) -> Table:
    rows: list[list[Value]] = []
    for half in ("train", "test"):
        table = pl.read_csv(context.need(f"http_params/payload_{half}.csv"), infer_schema=False)
        fires = _fires(["web_attacks"], table["payload"].fill_null(""))
        normal = table["label"] == "norm"
        rate = float((fires & normal).sum()) / int(normal.sum())
        for kind in ["all attacks", *sorted(set(table.filter(~normal)["attack_type"]))]:
            chosen = ~normal if kind == "all attacks" else table["attack_type"] == kind
            count = int(chosen.sum())
            rows.append(
                [half, kind, count, float((fires & chosen).sum()) / count, rate if kind == "all attacks" else None]
            )
    return Table(
        "Pack web_attacks alone on HTTP parameters", ["half", "attacks", "count", "recall", "false-positive rate"], rows
    )


def _packs(context: Context) -> Table:
    news = pl.read_csv(context.need("fin_news_zh/news.csv"), infer_schema=False)
    texts = news["标题"].fill_null("") + "\n" + news["正文"].fill_null("")
    negative = news["正负面"] == "0"
    cases = pl.read_ndjson(context.need("cec/cases.jsonl"))
    rows: list[list[Value]] = []
    for name in packs():
        fires = _fires([name], texts)
        hits, right = int(fires.sum()), int((fires & negative).sum())
        emergencies = _fires([name], cases["title"] + "\n" + cases["text"])
        precision = right / hits if hits else None
        rows.append([name, hits, precision, right / int(negative.sum()), float(emergencies.sum()) / cases.height])
    columns = ["pack", "news: hits", "news: precision", "news: recall", "emergencies: share hit"]
    return Table("Packs on Chinese finance news (bad news = crisis) and emergencies", columns, rows)


def _tweets(context: Context) -> Table:
    """Nothing is fitted: the score of a tweet is what its rules add before any label (`engine/scoring/prior.json`)."""
    rules, fusion = load_rules(), prior()
    every = fusion.rule_weights([rule.weight for rule in rules.rules], [rule.level for rule in rules.rules])
    rows: list[list[Value]] = []
    for file in sorted(context.need("crisislex_t6").glob("*.csv")):
        table = pl.read_csv(file, infer_schema=False)
        table = table.rename({name: name.strip() for name in table.columns})
        labels = (table["label"].str.strip_chars() == "on-topic").to_numpy()
        texts = table["tweet"].fill_null("")
        frame = pl.DataFrame({"text": texts, "raw": pl.Series([None], dtype=pl.String).new_from_index(0, len(texts))})
        scores = np.zeros(len(texts))
        for (row,), hits in rules.match(frame).group_by("row"):
            fired = hits["rule"].to_numpy()
            categories = [rules.rules[rule].category for rule in fired]
            scores[row] = fusion.rule_set_parts(every[fired], categories).sum()
        fires = scores > 0
        event = file.stem.removesuffix("-ontopic_offtopic")
        rows.append([event, auroc(labels, scores), float(fires[labels].mean()), float(fires[~labels].mean())])
    columns = ["event", "AUROC", "on-topic tweets hit", "off-topic tweets hit"]
    rows.append(["mean", *(float(np.mean([row[at] for row in rows])) for at in (1, 2, 3))])
    return Table("All packs alone on tweets, no labels", columns, rows)


def _rate(context: Context) -> Table:
    log = make_log(
        context.need("loghub"), context.scratch / "log", 100_000 if context.quick else 1_000_000, context.seed
    )
    one = {**os.environ, "POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}
    runs = [
        float(subprocess.run([sys.executable, "-c", _RATE, log], env=one, capture_output=True, check=True).stdout)
        for _ in range(3)
    ]
    return Table("All packs on log lines, one core", ["what", "figure"], [["lines/s", sorted(runs)[1]]])


BENCHMARK = Benchmark(
    "rules", "The shipped packs", ("http_params", "fin_news_zh", "cec", "crisislex_t6", "loghub"), run
)
