"""The guard against regressions: a minute of small texts written for it, every score, qualities only.

In: `fixtures/` of this folder. Out: AUROC and AP of each part on short messages (crisis or not) and on a shop's tickets
(odd or not). The tests compare its tables with those kept in `results/guard.json`; the figures mean nothing else.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from benchmarks.benchmark import ROOT, Benchmark, Context, Table, Value
from benchmarks.labelled import scored
from benchmarks.measures import auroc, average_precision
from benchmarks.perturbations import changed
from forewarn.detectors import fit_outliers
from forewarn.embeddings import load_encoder
from forewarn.options import Options
from forewarn.scoring.model_folder import save_model
from forewarn.training.fit_options import FitOptions
from forewarn.training.fitting import fit


def run(context: Context) -> list[Table]:
    """Messages without labels, as written and written differently; with labels; tickets."""
    messages, tickets = (
        pl.read_csv(ROOT / "fixtures" / f"{name}.csv", infer_schema=False) for name in ("messages", "tickets")
    )
    return [_messages(messages, context), _train_rows(messages, context), _tickets(tickets)]


def _messages(messages: pl.DataFrame, context: Context) -> Table:
    rows: list[list[Value]] = []
    crisis = (messages["label"] == "1").to_numpy()
    for way in ("", "typos", "homoglyphs", "zero-width characters"):
        texts = messages["text"].to_list()
        written = changed(texts, way, 1.0, seed=context.seed) if way else texts
        found = scored(pl.DataFrame({"text": written}), Options(text_column="text"), context.scratch)
        for name in ("rules", "cases", "log_odds"):
            values = found[name].fill_null(-9.0).to_numpy()
            rows.append([name, way or "as written", auroc(crisis, values), average_precision(crisis, values)])
    return Table("Messages, no labels", ["score", "written with", "AUROC", "AP"], rows)


def _train_rows(messages: pl.DataFrame, context: Context) -> Table:
    taught, asked = messages.gather_every(2), messages.gather_every(2, offset=1)
    folder = context.scratch / "model"
    save_model(fit(taught, FitOptions(test=0.0, seed=context.seed)), folder, "")
    found = scored(asked, Options(model=folder, text_column="text"), context.scratch)
    crisis = (asked["label"] == "1").to_numpy()
    rows: list[list[Value]] = [
        [name, auroc(crisis, found[name].to_numpy()), average_precision(crisis, found[name].to_numpy())]
        for name in ("classifier", "log_odds")
    ]
    return Table("Messages, taught by every other one", ["score", "AUROC", "AP"], rows)


def _tickets(tickets: pl.DataFrame) -> Table:
    vectors = load_encoder("bundled").encode(tickets["text"].to_list())
    outliers = fit_outliers(vectors, tickets["text"], np.ones(tickets.height, dtype=np.int64))
    odd = (tickets["label"] == "1").to_numpy()
    rows: list[list[Value]] = []
    for name, values in {
        "outliers": outliers.score(vectors, tickets["text"], in_sample=True),
        "outliers: meaning alone": -outliers.meaning(vectors, in_sample=True),
    }.items():
        rows.append([name, auroc(odd, values), average_precision(odd, values)])
    return Table("Odd tickets", ["score", "AUROC", "AP"], rows)


BENCHMARK = Benchmark("guard", "Small texts written for the tests, every score", (), run, beside=True)
