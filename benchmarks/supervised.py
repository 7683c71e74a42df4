"""With labels: Chinese finance news by date, and HTTP parameters; the fused score beside its parts and a peer.

In: `fin_news_zh/`, `http_params/`. Out: AUROC, AP, recall of each on the test part that was fixed beforehand.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from benchmarks.benchmark import Benchmark, Context, Table, Value
from benchmarks.measures import auroc, average_precision, expected_calibration_error, recall_at
from forewarn.embeddings import load_encoder
from forewarn.fit import FitOptions, fit
from forewarn.model import save_model
from forewarn.pipeline import Options, scan


def run(context: Context) -> list[Table]:
    """Fit on the given training part, score the given test part as a scan does."""
    return [_finance(context), _parameters(context)]


def _finance(context: Context) -> Table:
    title = "Chinese finance news, taught by what came before July 2018"
    return _table(title, *finance_news(context), 0.01, context)


def finance_news(context: Context) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The news before July 2018 and the news after: `text`, `label` ("1" = bad news), `day`."""
    news = pl.read_csv(context.need("fin_news_zh/news.csv"), infer_schema=False)
    day = [
        pl.col("日期").str.extract(rf"(\d+){unit}").str.zfill(width)
        for unit, width in (("年", 4), ("月", 2), ("日", 2))
    ]
    news = news.select(
        text=pl.concat_str("标题", "正文", separator="\n", ignore_nulls=True),
        label=(pl.col("正负面") == "0").cast(pl.Int8).cast(pl.String),
        day=pl.concat_str(day, separator="-"),
    )
    early = pl.col("day") < "2018-07-01"
    return news.filter(early), news.filter(~early)


def _parameters(context: Context) -> Table:
    halves = [
        pl.read_csv(context.need(f"http_params/payload_{half}.csv"), infer_schema=False).select(
            text="payload", label=(pl.col("label") == "anom").cast(pl.Int8).cast(pl.String)
        )
        for half in ("train", "test")
    ]
    kept = [half.filter(pl.col("text").str.strip_chars() != "") for half in halves]
    return _table("HTTP parameters, the given halves", *kept, 0.001, context)


def _table(title: str, taught: pl.DataFrame, asked: pl.DataFrame, rate: float, context: Context) -> Table:
    if context.quick:
        taught, asked = (part.sample(min(600, part.height), seed=context.seed) for part in (taught, asked))
    crisis = (asked["label"] == "1").to_numpy()
    model = fit(taught, FitOptions(test=0.0, seed=context.seed))
    folder, file, lines = (context.scratch / name for name in ("model", "asked.parquet", "scores.parquet"))
    save_model(model, folder, "")
    asked.select("text").write_parquet(file)
    scan([file], Options(model=folder, text_column="text"), line_scores=lines)
    adapted = pl.read_parquet(lines).sort("line")
    scan([file], Options(model=folder, text_column="text", adapt=False), line_scores=lines)
    plain = pl.read_parquet(lines).sort("line")
    ways = {
        **{f"{name} alone": plain[name].fill_null(0.0).to_numpy() for name in ("rules", "classifier", "cases")},
        "fused": plain["log_odds"].to_numpy(),
        "fused and adapted": adapted["log_odds"].to_numpy(),
        "peer: TF-IDF of characters + logistic regression": _peer(taught, asked),
        "peer: bundled encoder + logistic regression": _encoded(taught, asked),
    }
    rows: list[list[Value]] = []
    for name, scores in ways.items():
        error = None
        if name.startswith("fused"):
            error = expected_calibration_error(crisis, 1 / (1 + np.exp(-np.clip(scores, -40, 40))))
        rows.append(
            [name, auroc(crisis, scores), average_precision(crisis, scores), recall_at(crisis, scores, rate), error]
        )
    columns = ["score", "AUROC", "AP", f"recall at {rate:.1%} FPR", "ECE"]
    return Table(
        title, columns, rows, f"{taught.height:,} texts taught, {asked.height:,} asked, {int(crisis.sum()):,} positive."
    )


def _peer(taught: pl.DataFrame, asked: pl.DataFrame) -> np.ndarray:
    counted = TfidfVectorizer(analyzer="char", ngram_range=(1, 4), sublinear_tf=True, min_df=2)
    seen = counted.fit_transform(taught["text"].to_list())
    model = LogisticRegression(C=10, max_iter=1000).fit(seen, taught["label"].to_numpy() == "1")
    return np.asarray(model.decision_function(counted.transform(asked["text"].to_list())))


def _encoded(taught: pl.DataFrame, asked: pl.DataFrame) -> np.ndarray:
    encoder = load_encoder("bundled")
    seen = encoder.encode(taught["text"].to_list())
    model = LogisticRegression(C=10, max_iter=1000).fit(seen, taught["label"].to_numpy() == "1")
    return np.asarray(model.decision_function(encoder.encode(asked["text"].to_list())))


BENCHMARK = Benchmark(
    "supervised",
    "Labels of the same kind: finance news, HTTP parameters",
    ("fin_news_zh/news.csv", "http_params/payload_train.csv", "http_params/payload_test.csv"),
    run,
)
