"""Labelled texts to a model: classifier, learned fusion, calibration, and a report on texts that none of them saw.

In: a frame of labelled texts (`labelled`). Out: a `Model`. Every signal that the fusion learns from is out of fold: the
classifier that judges a text has not seen it, its copies, or its group (an event, a day, a source).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn import fusion as prior_fusion
from forewarn.calibration import fit_calibration
from forewarn.errors import ForewarnError
from forewarn.frames import SIGNAL_FRAME
from forewarn.fusion import Fusion, Slope
from forewarn.model import Model
from forewarn.texts import mask

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
FOLDS = 5
LEAST = 10
"""Texts of each class that a fit needs."""
_RIDGE = 1e-3
_LEARNT = ("classifier", "outliers", "cases")
Progress = Callable[[str], None]


@dataclass(frozen=True)
class FitOptions:
    """How to fit: `positive` the labels of a crisis; `split` of the test part, `random`, `group` or `time`, `test` its
    share; `encoder`, `device` where vectors come from; `seed` of every random choice; `cache` whether vectors are kept.
    """

    positive: tuple[str, ...] = ("1",)
    split: str = "random"
    test: float = 0.2
    encoder: str = "bundled"
    device: str | None = None
    seed: int = 0
    cache: bool = True


def fit(texts: pl.DataFrame, options: FitOptions | None = None, *, progress: Progress = lambda _: None) -> Model:
    """Fit on n labelled texts: `text`, `label`, and `group`, `time` where the split asks for them.

    Raises ForewarnError where the labels cannot teach: one class only, too few of one, an unknown positive label.
    """
    from forewarn.detectors import PENALTIES, fit_classifier, fit_outliers
    from forewarn.embeddings import CaseBase, load_encoder
    from forewarn.rule_sets import RuleSets
    from forewarn.rules import load_rules

    options = options or FitOptions()
    crisis = _crisis(texts["label"], options.positive)
    templates = texts.select(mask(pl.col("text"))).to_series()
    groups = _groups(texts, templates)
    taught, asked = _split(texts, groups, crisis, options)
    progress("embedding")
    encoder = load_encoder(options.encoder, device=options.device, cache=options.cache)
    vectors = encoder.encode(texts["text"].to_list())
    progress("rules, cases, outliers")
    rules, sets = load_rules(), RuleSets()
    records = texts.select("text", raw=pl.lit(None, pl.String))
    number = sets.number(rules.match(records), records.height).to_numpy()
    shipped = prior_fusion.prior()
    signals: dict[str, Floats] = {
        "rules": sets.log_odds(rules, shipped)[number],
        "cases": CaseBase.open(None, encoder=encoder).vote(vectors),
    }
    signals["outliers"] = np.empty(len(crisis))
    for part in (taught, asked):
        if len(part):
            one = np.ones(len(part), dtype=np.int64)
            reference = fit_outliers(vectors[part], templates.gather(part), one, seed=options.seed)
            signals["outliers"][part] = reference.score(vectors[part], templates.gather(part), in_sample=True)

    folds = _folds(groups[taught], options.seed)
    held = {}
    for penalty in PENALTIES:
        progress(f"classifier, penalty {penalty[0]:g}")
        held[penalty] = np.empty(len(taught))
        for fold in range(FOLDS):
            seen, out = taught[folds != fold], taught[folds == fold]
            if len(out):
                model = fit_classifier(vectors[seen], templates.gather(seen), crisis[seen], penalty=penalty)
                held[penalty][folds == fold] = model.log_odds(vectors[out], templates.gather(out))[:, 0]
    best = min(PENALTIES, key=lambda penalty: _log_loss(held[penalty], crisis[taught]))
    classifier = fit_classifier(vectors[taught], templates.gather(taught), crisis[taught], penalty=best)
    signals["classifier"] = np.full(len(crisis), np.nan)
    signals["classifier"][taught] = held[best]
    if len(asked):
        signals["classifier"][asked] = classifier.log_odds(vectors[asked], templates.gather(asked))[:, 0]

    progress("fusion")
    frame = _frame(signals)
    learnt = _fuse(frame[taught], crisis[taught], shipped, f"{len(taught)} labelled texts")
    plain = learnt.fuse(_scaled(frame[taught], learnt))["log_odds"].to_numpy()
    calibration = fit_calibration(plain, crisis[taught], seed=options.seed)
    learnt = replace(learnt, calibration=calibration)
    report = _report(frame, crisis, taught, asked, learnt, shipped, options)
    return Model(
        classifier,
        learnt,
        calibration(plain),
        crisis[taught],
        encoder.name,
        encoder.checksum,
        options.positive,
        float(crisis[taught].mean()),
        texts[taught],
        report,
    )


def _crisis(labels: pl.Series, positive: Sequence[str]) -> NDArray[np.bool_]:
    known = labels.unique().sort().to_list()
    for name in positive:
        if name not in known:
            raise ForewarnError(
                f"no text has the label {name!r}",
                remedy=f"Name the labels of a crisis with --positive; there are {', '.join(known[:10])}.",
            )
    crisis: NDArray[np.bool_] = labels.is_in(list(positive)).to_numpy()
    fewer = min(int(crisis.sum()), int((~crisis).sum()))
    if fewer == 0:
        raise ForewarnError(
            "the labels are all of one class", remedy="Add ordinary texts and crises; name the latter with --positive."
        )
    if fewer < LEAST:
        raise ForewarnError(
            f"the rarer class has {fewer} texts, a fit needs {LEAST}",
            remedy="Label more of it; `forewarn scan` without --model needs none.",
        )
    return crisis


def _groups(texts: pl.DataFrame, templates: pl.Series) -> Rows:
    """A number for each text: texts of one group, or the same but for numbers, are never parted."""
    keys = texts["group"] if "group" in texts.columns else templates
    codes: Rows = keys.fill_null("").rank("dense").to_numpy().astype(np.int64)
    return codes


def _split(texts: pl.DataFrame, groups: Rows, crisis: NDArray[np.bool_], options: FitOptions) -> tuple[Rows, Rows]:
    """The rows to learn from and the rows of the test part."""
    if not 0 <= options.test < 1:
        raise ForewarnError(f"--test {options.test} is no share", remedy="Write a number from 0 to below 1.")
    for name in ("group", "time"):
        if options.split == name and name not in texts.columns:
            raise ForewarnError(f"a split by {name} needs its column", remedy=f"Name it with --{name}-column.")
    if options.split == "time":
        order = texts["time"].arg_sort().to_numpy()
        cut = round(len(order) * (1 - options.test))
        test = np.zeros(len(order), dtype=bool)
        test[order[cut:]] = True
    else:
        distinct = np.unique(groups)
        drawn = np.random.default_rng(options.seed).permutation(distinct)[: round(len(distinct) * options.test)]
        test = np.isin(groups, drawn)
    taught, asked = np.flatnonzero(~test), np.flatnonzero(test)
    if crisis[taught].all() or not crisis[taught].any():
        raise ForewarnError(
            "the part to learn from holds one class only", remedy="Choose another --split, or a smaller --test."
        )
    return taught, asked


def _folds(groups: Rows, seed: int) -> Rows:
    distinct, place = np.unique(groups, return_inverse=True)
    folds: Rows = (np.random.default_rng(seed).permutation(len(distinct)) % FOLDS)[place]
    return folds


def _frame(signals: dict[str, Floats]) -> pl.DataFrame:
    columns = {"text_id": np.arange(len(signals["rules"]), dtype=np.uint32)} | {
        name: signals.get(name) for name in SIGNAL_FRAME if name != "text_id"
    }
    return pl.DataFrame(columns, schema=SIGNAL_FRAME, nan_to_null=True)


def _fuse(frame: pl.DataFrame, crisis: NDArray[np.bool_], shipped: Fusion, fitted_on: str) -> Fusion:
    """Logistic regression with weights that are not negative, on out-of-fold signals; a term for a missing signal."""
    from scipy.optimize import minimize

    columns: dict[str, Floats] = {"rules": frame["rules"].fill_null(0.0).to_numpy()}
    for name in _LEARNT:
        missing = frame[name].is_null()
        columns[name] = frame[name].fill_null(0.0).to_numpy()
        if missing.any() and not missing.all():
            columns[f"no {name}"] = missing.to_numpy().astype(np.float64)
    names = list(columns)
    scale = {name: float(values.std()) or 1.0 for name, values in columns.items()}
    seen = np.stack([columns[name] / scale[name] for name in names], axis=1)

    def loss(weights: Floats) -> tuple[float, Floats]:
        odds = seen @ weights[:-1] + weights[-1]
        error = (1 / (1 + np.exp(-np.clip(odds, -40, 40))) - crisis) / len(crisis)
        value = _log_loss(odds, crisis) + 0.5 * _RIDGE * float(weights[:-1] @ weights[:-1])
        return value, np.append(seen.T @ error + _RIDGE * weights[:-1], error.sum())

    bounds = [(None, None) if name.startswith("no ") else (0.0, None) for name in names]
    start = np.append(np.full(len(names), 0.3), 0.0)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[*bounds, (None, None)]).x
    weight = {name: float(value) / scale[name] for name, value in zip(names, found, strict=False)}
    slopes = {}
    for name in _LEARNT:
        ends = weight[name] * np.array([columns[name].min(), columns[name].max()])
        slopes[name] = Slope(weight[name], 0.0, float(ends[0]), float(ends[1]), weight.get(f"no {name}", 0.0))
    return Fusion(
        fitted_on, float(found[-1]), shipped.rule_levels, shipped.rule_discount, slopes, rule_scale=weight["rules"]
    )


def _scaled(frame: pl.DataFrame, learnt: Fusion) -> pl.DataFrame:
    """The signals as a scan gives them: rules at the weight that they have learnt."""
    return frame.with_columns(pl.col("rules") * learnt.rule_scale)


def _log_loss(log_odds: Floats, crisis: NDArray[np.bool_]) -> float:
    return float(np.mean(np.logaddexp(0.0, np.where(crisis, -log_odds, log_odds))))


def _report(
    frame: pl.DataFrame,
    crisis: NDArray[np.bool_],
    taught: Rows,
    asked: Rows,
    learnt: Fusion,
    shipped: Fusion,
    options: FitOptions,
) -> dict[str, Any]:
    """Figures of the test part: before and after, each part beside the fused score, reliability, confusion."""
    about = {
        "texts": len(taught),
        "crises": int(crisis[taught].sum()),
        "test_texts": len(asked),
        "test_crises": int(crisis[asked].sum()),
        "split": options.split,
        "seed": options.seed,
        "weights": {"rules": learnt.rule_scale} | {name: slope.slope for name, slope in learnt.slopes.items()},
    }
    truth = crisis[asked]
    if not len(asked) or truth.all() or not truth.any():
        return about
    test = frame[asked]
    ways = {
        "before (no labels)": shipped.fuse(test.with_columns(classifier=pl.lit(None, pl.Float64)))["log_odds"],
        **{name: test[name].fill_null(0.0) for name in ("rules", *_LEARNT)},
        "fused": learnt.fuse(_scaled(test, learnt))["log_odds"],
    }
    about["scores"] = {name: _figures(values.to_numpy(), truth) for name, values in ways.items()}
    probability = 1 / (1 + np.exp(-ways["fused"].to_numpy()))
    raised = probability >= 0.5
    about["confusion"] = {
        "crisis raised": int((raised & truth).sum()),
        "crisis missed": int((~raised & truth).sum()),
        "ordinary raised": int((raised & ~truth).sum()),
        "ordinary left": int((~raised & ~truth).sum()),
    }
    bins = np.minimum((probability * 10).astype(int), 9)
    about["reliability"] = [
        {"said": float(probability[bins == at].mean()), "is": float(truth[bins == at].mean()), "texts": int(n)}
        for at in range(10)
        if (n := (bins == at).sum())
    ]
    return about


def _figures(log_odds: Floats, crisis: NDArray[np.bool_]) -> dict[str, float]:
    from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

    false, true, _ = roc_curve(crisis, log_odds, drop_intermediate=False)
    return {
        "auroc": float(roc_auc_score(crisis, log_odds)),
        "ap": float(average_precision_score(crisis, log_odds)),
        "recall_at_1_fpr": float(true[false <= 0.01].max()),
    }
