"""Robustness: how much of its AUROC a score keeps when the texts that it is asked about are written differently.

In: `crisislex_t6/` (taught by three events, asked about the other three), `fin_news_zh/` (taught by what came before
July 2018). Out: AUROC and the share of it that is kept, by way of writing and strength, for rules, classifier and the
fused score. Every asked text is changed, crisis or not; nothing is fitted on changed texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.benchmark import Benchmark, Context, Table, Value
from benchmarks.fin_news import by_date
from benchmarks.labelled import halves, scored
from benchmarks.measures import auroc
from benchmarks.perturbations import CHINESE, LETTERS, changed
from forewarn.options import Options
from forewarn.scoring.model_folder import save_model
from forewarn.training.fit_options import FitOptions
from forewarn.training.fitting import fit

STRENGTHS = (1.0, 2.0)
"""Changes for every ten characters."""
SCORES = {"rules": "rules", "classifier": "classifier", "fused": "log_odds"}


def run(context: Context) -> list[Table]:
    """English tweets and Chinese news."""
    return [
        _table("Tweets of three crises, taught by three others", *_tweets(context), [*LETTERS, "synonyms"], context),
        _table("Chinese finance news", *_news(context), [*CHINESE, "same sound"], context, chinese=True),
    ]


def _tweets(context: Context) -> tuple[pl.DataFrame, pl.DataFrame]:
    files = sorted(context.need("crisislex_t6").glob("*.csv"))
    events = []
    for file in files:
        tweets = pl.read_csv(file, infer_schema=False)
        tweets = tweets.rename({name: name.strip() for name in tweets.columns})
        tweets = tweets.sample(200 if context.quick else 1_000, seed=context.seed, shuffle=True)
        label = (pl.col("label").str.strip_chars() == "on-topic").cast(pl.Int8).cast(pl.String)
        events.append(tweets.select(text="tweet", label=label, group=pl.lit(file.stem)))
    return pl.concat(events[::2]), pl.concat(events[1::2])


def _news(context: Context) -> tuple[pl.DataFrame, pl.DataFrame]:
    early, late = halves(*by_date(context), context)
    return early.drop("day"), late.drop("day")


def _table(
    title: str, taught: pl.DataFrame, asked: pl.DataFrame, ways: Sequence[str], context: Context, chinese: bool = False
) -> Table:
    model = context.scratch / "model"
    save_model(fit(taught, FitOptions(test=0.0, seed=context.seed)), model, "")
    crisis = (asked["label"] == "1").to_numpy()
    texts = asked["text"].to_list()
    plain = _aurocs(texts, crisis, model, context)
    rows: list[list[Value]] = [["as written", 0.0, *_row(plain, plain)]]
    for way in ways:
        for strength in STRENGTHS[:1] if context.quick else STRENGTHS:
            written = changed(texts, way, strength, chinese=chinese, seed=context.seed)
            rows.append([way, strength, *_row(_aurocs(written, crisis, model, context), plain)])
    columns = ["written with", "changes in ten characters"]
    columns += [column for name in SCORES for column in (f"{name} AUROC", f"{name} kept")]
    note = f"{taught.height:,} texts taught, {asked.height:,} asked. Kept: of the AUROC on the texts as written."
    return Table(title, columns, rows, note)


def _aurocs(texts: list[str], crisis: NDArray[np.bool_], model: Path, context: Context) -> list[float]:
    """AUROC of each of `SCORES` on a scan of the texts."""
    options = Options(model=model, text_column="text", adapt=False, seed=context.seed)
    found = scored(pl.DataFrame({"text": texts}), options, context.scratch)
    return [auroc(crisis, found[column].fill_null(0.0).to_numpy()) for column in SCORES.values()]


def _row(figures: list[float], plain: list[float]) -> list[Value]:
    return [value for figure, before in zip(figures, plain, strict=True) for value in (figure, figure / before)]


def charts(tables: list[Table]) -> dict[str, Any]:
    """What the fused score keeps, by strength."""
    from benchmarks.charts import lines

    return {
        name: lines(table, across="changes in ten characters", up="fused kept", series="written with")
        for name, table in zip(("tweets", "news"), tables, strict=True)
    }


BENCHMARK = Benchmark(
    "robustness",
    "The same texts written differently",
    ("crisislex_t6", "fin_news_zh/news.csv"),
    run,
    charts,
    beside=True,
)
