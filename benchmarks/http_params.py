"""HTTP parameters: attacks among ordinary values, with labels and with ordinary values alone.

In: `http_params/`. Out: AUROC, AP, recall at one false alarm in a thousand on the given test half.
"""

from __future__ import annotations

import polars as pl

from benchmarks.benchmark import Benchmark, Context, Table, Value
from benchmarks.labelled import halves, scored, tables
from benchmarks.measures import auroc, average_precision, recall_at
from forewarn.options import Options
from forewarn.scoring.model_folder import save_model
from forewarn.training.baseline import fit_baseline
from forewarn.training.fit_options import FitOptions
from forewarn.training.fitting import baseline_model

FILES = ("http_params/payload_train.csv", "http_params/payload_test.csv")


def run(context: Context) -> list[Table]:
    """Fit on the given training half, with and without its attacks; score the test half as a scan does."""
    parts = [
        pl.read_csv(context.need(name), infer_schema=False).select(
            text="payload", label=(pl.col("label") == "anom").cast(pl.Int8).cast(pl.String)
        )
        for name in FILES
    ]
    taught, asked = halves(*(part.filter(pl.col("text").str.strip_chars() != "") for part in parts), context)
    labelled = tables("HTTP parameters, the given halves", taught, asked, 0.001, context)
    return [*labelled, _normals_alone(taught, asked, context)]


def _normals_alone(taught: pl.DataFrame, asked: pl.DataFrame, context: Context) -> Table:
    """What ordinary values alone teach: `forewarn fit --normal`."""
    normal, folder = context.scratch / "normal.parquet", context.scratch / "baseline"
    taught.filter(pl.col("label") == "0").select("text").write_parquet(normal)
    baseline = fit_baseline([normal], text_column="text", seed=context.seed)
    save_model(baseline_model(baseline, FitOptions(seed=context.seed)), folder, "")
    scores = scored(asked, Options(model=folder, text_column="text", adapt=False), context.scratch)
    crisis = (asked["label"] == "1").to_numpy()
    rows: list[list[Value]] = []
    for name in ("rules", "outliers", "cases", "log_odds"):
        column = scores[name].fill_null(0.0).to_numpy()
        rows.append(
            [
                "fused" if name == "log_odds" else f"{name} alone",
                auroc(crisis, column),
                average_precision(crisis, column),
                recall_at(crisis, column, 0.001),
            ]
        )
    columns = ["score", "AUROC", "AP", "recall at 0.1% FPR"]
    return Table(
        "HTTP parameters, taught by ordinary values alone", columns, rows, f"{baseline.lines:,} values taught."
    )


BENCHMARK = Benchmark(
    "http_params", "Attacks in HTTP parameters, labels and ordinary values alone", FILES, run, beside=True
)
