"""Chinese finance news: bad or good news for a listed company, taught by the past and asked about the future.

In: `fin_news_zh/news.csv`. Out: AUROC, AP, recall, calibration on the news since July 2018, beside parts and peers.
"""

from __future__ import annotations

import polars as pl

from benchmarks.benchmark import Benchmark, Context, Table
from benchmarks.labelled import halves, tables

SINCE = "2018-07-01"


def run(context: Context) -> list[Table]:
    """Fit on the news before a day, score those since as a scan does."""
    taught, asked = halves(*by_date(context), context)
    return tables("Chinese finance news, taught by what came before July 2018", taught, asked, 0.01, context)


def by_date(context: Context) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The news before `SINCE` and those since: `text`, `label` ("1" = bad news), `day`."""
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
    early = pl.col("day") < SINCE
    return news.filter(early), news.filter(~early)


BENCHMARK = Benchmark(
    "fin_news", "Bad news of Chinese companies, labels of the past", ("fin_news_zh/news.csv",), run, beside=True
)
