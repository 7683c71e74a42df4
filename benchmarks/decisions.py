"""What is raised at the default, and what is not, with no label of the user's.

In: the held-out tenth of the corpus's situations (`detectors/corpus`), `crisislex_t26`, `loghub`. Out: the share that
is raised of each stage, with the ranking of quiet signs; tweets of thirteen crises ranked and calibrated under a stated
share; vendors' levels of log lines, ranked with the level cut out. Parts beside the fused score.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.benchmark import ROOT, Benchmark, Context, Table, Value
from benchmarks.measures import auroc, expected_calibration_error
from forewarn.detectors.crisis_corpus import ORDINARY, read_corpus, tenths
from forewarn.options import Options
from forewarn.pipeline import scan

PARTS = ("log_odds", "rules", "classifier", "cases")
_LEAST = 30
"""Tweets that are not of the crisis, from which on an event is ranked."""
_LEVELS = {
    "Android": (r"^(\S+ \S+\s+\d+\s+\d+) ([VDIWEF]) ", "WEF"),
    "OpenStack": (r"^(\S+ \S+ \S+ \d+) (\w+) ", ("WARNING", "ERROR")),
    "HDFS": (r"^(\d+ \d+ \d+) (\w+) ", ("WARN", "ERROR")),
    "Hadoop": (r"^(\S+ \S+) (\w+) ", ("ERROR", "FATAL")),
    "Zookeeper": (r"^(\S+ \S+ - )(\w+) +", ("ERROR", "FATAL")),
}
"""Where a line's level stands, and which levels are an alert."""


def run(context: Context) -> list[Table]:
    """Each set as one scan."""
    return [*_held_out(context), _tweets(context), _levels(context)]


def scored(context: Context, texts: list[str], **settings: object) -> pl.DataFrame:
    """What a scan says of n texts, in their order: the columns of `line_scores`, n rows."""
    path = context.scratch / "scores.parquet"
    scan(texts=texts, options=Options(promise=None), line_scores=path, **settings)  # type: ignore[arg-type]
    return pl.DataFrame({"line": range(1, len(texts) + 1)}, schema={"line": pl.UInt64}).join(
        pl.read_parquet(path), on="line", how="left", maintain_order="left"
    )


def _held_out(context: Context) -> list[Table]:
    corpus = read_corpus(ROOT.parent / "detectors" / "corpus")
    held = corpus.filter(pl.Series(tenths(corpus) == 0)).unique("text", keep="first", maintain_order=True)
    # One text alone: a scan's texts are not one crisis here, and adaptation would learn the manner of a corpus.
    signals = scored(context, held["text"].to_list(), adapt=False)
    raised = signals["log_odds"].to_numpy() >= 0.0
    stage, own = held["stage"].to_numpy(), (held["domain"] == ORDINARY).to_numpy()
    rows: list[list[Value]] = []
    for name, which in (
        *((name, (stage == name) & ~own) for name in ("first_report", "quiet_sign", "unfolding", "aftermath")),
        *((name, stage == name) for name in ("harmless", "neighbour")),
        ("ordinary, genres not taught", own),
        ("of them without words of alarm", own & (stage == "plain")),
    ):
        rows.append([name, int(which.sum()), float(raised[which].mean())])
    ranks: list[list[Value]] = []
    for quiet, others in (("quiet_sign", "harmless"), ("quiet_sign", "neighbour"), ("first_report", "harmless")):
        chosen = np.isin(stage, (quiet, others))
        truth = stage[chosen] == quiet
        figures = [auroc(truth, signals[part].fill_null(0.0).to_numpy()[chosen]) for part in PARTS]
        ranks.append([f"{quiet} against {others}", *figures])
    note = "Situations and whole genres that nothing was fitted on; each text judged alone."
    return [
        Table("Raised at the default, held-out situations", ["texts", "number", "share raised"], rows, note),
        Table("Held-out situations, AUROC", ["what", "fused", "rules", "classifier", "cases"], ranks),
    ]


def _tweets(context: Context) -> Table:
    rows: list[list[Value]] = []
    for file in sorted(context.need("crisislex_t26").glob("*.csv")):
        tweets = pl.read_csv(file, infer_schema=False).filter(pl.col("text").str.strip_chars() != "")
        known = tweets["label"].str.starts_with("Related") | (tweets["label"] == "Not related")
        tweets = tweets.filter(known).unique("text", keep="first", maintain_order=True)
        crisis = tweets["label"].str.starts_with("Related").to_numpy()
        if (~crisis).sum() < _LEAST:
            continue
        share = float(crisis.mean())
        texts = tweets["text"].to_list()
        ways = [scored(context, texts), scored(context, texts, prior=share), scored(context, texts, adapt=False)]
        figures: list[Value] = [auroc(crisis, way["log_odds"].to_numpy()) for way in ways]
        figures += [auroc(crisis, ways[0][part].fill_null(0.0).to_numpy()) for part in PARTS[1:]]
        error = expected_calibration_error(crisis, ways[1]["probability"].to_numpy())
        rows.append([file.stem.replace("_", " "), share, *figures, error])
    rows.append(["mean", *(float(np.mean([row[at] for row in rows])) for at in range(1, 9))])
    columns = ["event", "share", "AUROC", "AUROC, share stated", "AUROC, not adapted", "rules", "classifier", "cases"]
    return Table("Tweets of crises in eight languages, no labels", [*columns, "ECE, share stated"], rows)


def _levels(context: Context) -> Table:
    rows: list[list[Value]] = []
    for name, (form, alerts) in _LEVELS.items():
        lines, level = _without_level(context.need(f"loghub/{name}_2k.log"), form)
        truth = np.isin(level, list(alerts))
        path = context.scratch / f"{name}.log"
        path.write_text("\n".join(lines) + "\n", "utf-8")
        scores = context.scratch / f"{name}.parquet"
        scan([path], Options(promise=None), line_scores=scores)
        rows.append([name, int(truth.sum()), auroc(truth, pl.read_parquet(scores)["log_odds"].to_numpy())])
    return Table("Log lines with their level cut out, the vendor's level as truth", ["log", "alerts", "AUROC"], rows)


def _without_level(file: Path, form: str) -> tuple[list[str], NDArray[np.str_]]:
    found = [(line, re.match(form, line)) for line in file.read_text("utf-8", "replace").splitlines()]
    kept = [(line, match) for line, match in found if match]
    return [f"{match[1]} {line[match.end() :]}" for line, match in kept], np.array([match[2] for _, match in kept])


BENCHMARK = Benchmark(
    "decisions",
    "What is raised at the default without a label",
    ("crisislex_t26", "loghub"),
    run,
    beside=True,
)
