"""The case base: does the right case come first, in either language, and how fast is a million of them?

In: `cec/cases.jsonl`, `who_don/outbreaks.csv`, `crisislex_t6/*.csv` (real vectors to make a million of), and 100 pairs
of our own. Out: precision among the nearest, how often the partner in the other language is first, recall and time of
the index, seconds to open a base and answer the first query.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.benchmark import ROOT, Benchmark, Context, Table, Value
from benchmarks.case_vectors import KINDS
from benchmarks.processes import measure
from forewarn.cases.importing import read_cases
from forewarn.embeddings import CaseBase, Encoder, load_encoder
from forewarn.embeddings.cases import complete

_REAL = 32_000


def run(context: Context) -> list[Table]:
    """Quality on three sets, then the index at size."""
    encoder = load_encoder("bundled")
    return [_quality(context, encoder), _size(context, encoder)]


def _quality(context: Context, encoder: Encoder) -> Table:
    rows: list[list[Value]] = [*_emergencies(context, encoder), *_outbreaks(context, encoder), *_pairs(encoder)]
    note = (
        "Each case is left out when it is looked up; outbreak notices are looked up among the earlier ones, those of a "
    )
    note += "disease that occurred before. Notices whose title is a year alone are left out."
    return Table("Is the right one found?", ["set", "measure", "asked", "reached"], rows, note)


def _emergencies(context: Context, encoder: Encoder) -> list[list[Value]]:
    """332 Chinese emergencies of five categories, each looked up by its title and text among the others."""
    cases = read_cases([context.need("cec/cases.jsonl")])
    base = CaseBase.of(cases, encoder)
    titles, texts = encoder.encode(cases["title"].to_list()), encoder.encode(cases["text"].to_list())
    category = cases["category"].to_numpy()
    hits = []
    for number in range(cases.height):
        others = np.arange(cases.height) != number
        _, found = base.look_up(np.stack([titles[number], texts[number]]), 5, keep=others)
        hits.append(category[found] == category[number])
    reached = np.array(hits)
    name = "cec: Chinese emergencies, right category"
    return [
        [name, "precision@1", cases.height, float(reached[:, 0].mean())],
        [name, "precision@5", cases.height, float(reached.mean())],
    ]


def _outbreaks(context: Context, encoder: Encoder) -> list[list[Value]]:
    """WHO's outbreak notices by date: is the same disease among the five nearest earlier notices?"""
    notices = pl.read_csv(context.need("who_don/outbreaks.csv"), infer_schema=False).with_columns(
        day=pl.col("Date").str.to_date("%d %B %Y"),
        # "Ebola virus disease – Uganda": the country stands in the title of some.
        disease=pl.col("Disease").str.split("–").list.first().str.strip_chars().str.to_lowercase(),
        text=pl.concat_str("Disease", pl.col("Country").replace("NA", None), separator=", ", ignore_nulls=True),
    )
    notices = notices.filter(~pl.col("Disease").str.contains(r"^[0-9]+$")).sort("day", maintain_order=True)
    cases = complete(
        notices.select(
            pl.col("day").cast(pl.String).alias("time"),
            "text",
            id=pl.format("who-{}", pl.int_range(pl.len())),
            category="disease",
        )
    )
    base, vectors = CaseBase.of(cases, encoder), encoder.encode(cases["text"].to_list())
    day, disease = notices["day"].to_numpy(), notices["disease"].to_numpy()
    first: list[bool] = []
    among: list[bool] = []
    for number in range(cases.height):
        earlier = day < day[number]
        if (disease[earlier] == disease[number]).any():
            _, found = base.look_up(vectors[number : number + 1], 5, keep=earlier)
            first.append(bool(disease[found[0]] == disease[number]))
            among.append(bool((disease[found] == disease[number]).any()))
    name = "who_don: outbreak notices, same disease"
    return [
        [name, "nearest", len(first), float(np.mean(first))],
        [name, "among the nearest 5", len(among), float(np.mean(among))],
    ]


def _pairs(encoder: Encoder) -> list[list[Value]]:
    """100 events, each told in English and in Chinese in different words."""
    pairs = pl.read_ndjson(ROOT / "data" / "pairs_en_zh.jsonl")
    rows: list[list[Value]] = []
    for asked, there in (("en", "zh"), ("zh", "en")):
        base = CaseBase.of(complete(pairs.select("id", pl.col(there).alias("text"))), encoder)
        _, found = base.search(encoder.encode(pairs[asked].to_list()), 1)
        first = float((found[:, 0] == np.arange(pairs.height)).mean())
        rows.append([f"100 pairs, asked in {asked}", "partner first", pairs.height, first])
    return rows


def _size(context: Context, encoder: Encoder) -> Table:
    real = context.scratch / "real.npy"
    np.save(real, _tweets(context, encoder))
    rows: list[list[Value]] = []
    for kind in KINDS:
        count = 1_000_000 if kind == "clustered" and not context.quick else 200_000
        folder, true = context.scratch / kind, context.scratch / f"{kind}.npy"
        step = [kind, str(real), str(count), str(folder), str(true)]
        _step("true", step)
        took = measure([sys.executable, "-m", "benchmarks.case_vectors", "build", *step], runs=1)
        asked = json.loads(_step("ask", step, threads="1"))
        size = sum(file.stat().st_size for file in folder.iterdir()) / 2**20
        rows += [
            [kind, "vectors of 512 dimensions", count],
            [kind, "recall@10 against brute force", asked["recall"]],
            [kind, "the same, real texts asked", asked["recall_real"]],
            [kind, "ms a query alone, one core, median", asked["ms"]],
            [kind, "CPU ms of it", asked["cpu_ms"]],
            [kind, "ms a query of fifty together, one core", asked["ms_together"]],
            [kind, "CPU ms of it", asked["cpu_ms_together"]],
            [kind, "MiB on disk, cases and all", round(size)],
            [kind, "s to build, without encoding", took.seconds],
            [kind, "peak MiB while building", round(took.peak_bytes / 2**20)],
            [kind, "s to open", asked["open"]],
            [kind, "s to open and answer the first query", asked["first"]],
        ]
        for file in folder.iterdir():
            file.unlink()
    note = "Made of the vectors of 28,800 tweets: `clustered` adds up to .7 of the difference of two others to each; "
    note += "`mixed` takes three in random shares, and noise. "
    note += "Half of the 500 queries are vectors of tweets that nothing was made of."
    return Table("A large base", ["made", "what", "reached"], rows, note)


def _tweets(context: Context, encoder: Encoder) -> NDArray[np.float32]:
    frames = []
    for file in sorted(context.need("crisislex_t6").glob("*.csv")):
        tweets = pl.read_csv(file, infer_schema=False)
        frames.append(tweets.rename({name: name.strip() for name in tweets.columns}).select("tweet"))
    texts = pl.concat(frames).unique(maintain_order=True).sample(_REAL, seed=context.seed, shuffle=True)
    return encoder.encode(texts["tweet"].to_list())


def _step(what: str, arguments: list[str], threads: str | None = None) -> str:
    """One step of `benchmarks/case_vectors.py` in a process of its own; what it printed."""
    environment = {**os.environ, **({"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads} if threads else {})}
    command = [sys.executable, "-m", "benchmarks.case_vectors", what, *arguments]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


BENCHMARK = Benchmark(
    "cases",
    "The case base: the right case first, in two languages, and a million of them",
    ("cec", "who_don", "crisislex_t6"),
    run,
)
