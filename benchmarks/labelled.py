"""Benchmarks with labels of the same kind: the fused score beside its parts and peers, on a test part fixed beforehand.

In: labelled texts to teach and to ask. Out: tables of AUROC, AP, recall, calibration error; the last also where crises
are a tenth as frequent as they were in the training. Not a benchmark itself.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from benchmarks.benchmark import Context, Table, Value
from benchmarks.measures import auroc, average_precision, expected_calibration_error, recall_at
from forewarn.embeddings import load_encoder
from forewarn.options import Options
from forewarn.pipeline import scan
from forewarn.scoring.model_folder import save_model
from forewarn.training.fit_options import FitOptions
from forewarn.training.fitting import fit

RARER = 0.1


def halves(taught: pl.DataFrame, asked: pl.DataFrame, context: Context) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Both parts, or 600 texts of each where the run is to be quick."""
    if not context.quick:
        return taught, asked
    taught, asked = (part.sample(min(600, part.height), seed=context.seed) for part in (taught, asked))
    return taught, asked


def scored(texts: pl.DataFrame, options: Options, scratch: Path) -> pl.DataFrame:
    """What a scan says of each text: a row of line scores for each."""
    file, lines = scratch / "asked.parquet", scratch / "scores.parquet"
    texts.select("text").write_parquet(file)
    scan([file], options, line_scores=lines)
    return pl.read_parquet(lines).sort("line")


def tables(title: str, taught: pl.DataFrame, asked: pl.DataFrame, rate: float, context: Context) -> list[Table]:
    """Fit on `taught`, score `asked` as a scan does; both have `text` and `label`, 1 = crisis."""
    crisis = (asked["label"] == "1").to_numpy()
    folder = context.scratch / "model"
    save_model(fit(taught, FitOptions(test=0.0, seed=context.seed)), folder, "")
    plain, adapted = (
        scored(asked, Options(model=folder, text_column="text", adapt=adapt), context.scratch)
        for adapt in (False, True)
    )
    ways = {
        **{f"{name} alone": plain[name].fill_null(0.0).to_numpy() for name in ("rules", "classifier", "cases")},
        "fused": plain["log_odds"].to_numpy(),
        "fused and adapted": adapted["log_odds"].to_numpy(),
        "peer: TF-IDF of characters + logistic regression": _peer(taught, asked),
        "peer: bundled encoder + logistic regression": _encoded(taught, asked),
    }
    rows: list[list[Value]] = []
    for name, scores in ways.items():
        error = _error(crisis, scores) if name.startswith("fused") else None
        rows.append(
            [name, auroc(crisis, scores), average_precision(crisis, scores), recall_at(crisis, scores, rate), error]
        )
    columns = ["score", "AUROC", "AP", f"recall at {rate:.1%} FPR", "ECE"]
    note = f"{taught.height:,} texts taught, {asked.height:,} asked, {int(crisis.sum()):,} positive."
    return [Table(title, columns, rows, note), _rarer(title, asked, folder, context)]


def _rarer(title: str, asked: pl.DataFrame, folder: Path, context: Context) -> Table:
    """The calibration where crises are a tenth as many as the asked texts have."""
    crisis = asked.filter(pl.col("label") == "1")
    few = pl.concat(
        [asked.filter(pl.col("label") != "1"), crisis.sample(round(crisis.height * RARER), seed=context.seed)]
    )
    truth = (few["label"] == "1").to_numpy()
    rows: list[list[Value]] = []
    for name, prior in (("as fitted", None), ("--prior", float(truth.mean()))):
        options = Options(model=folder, text_column="text", prior=prior)
        scores = scored(few, options, context.scratch)["log_odds"].to_numpy()
        said = float((1 / (1 + np.exp(-scores))).mean())
        rows.append([name, _error(truth, scores), said, float(truth.mean())])
    return Table(f"{title}: a tenth of the positives", ["base rate", "ECE", "mean probability", "share"], rows)


def _error(crisis: np.ndarray, scores: np.ndarray) -> float:
    return expected_calibration_error(crisis, 1 / (1 + np.exp(-np.clip(scores, -40, 40))))


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
