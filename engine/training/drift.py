"""Has the input moved away from what a model was fitted on?

In: a model, and new texts as a scan sees them. Out: `Drift`: whether a classifier can tell old from new, how much of
the vocabulary is new, how far the probabilities can still be believed where there are labels; and whether a refit is
due.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from forewarn.detectors import two_sample_test
from forewarn.grouping.templates import mask_of
from forewarn.options import Options
from forewarn.pipeline import scan
from forewarn.scoring.model_folder import load_model
from forewarn.scoring.scorer import HELD
from forewarn.training.metrics import calibration_error, figures
from forewarn.training.partition import FOLDS, crises

TOLD_APART = 0.8
"""AUROC of the two-sample test from which a refit is due. Chinese company news before and after a date, on which a
model keeps its worth: .78; tweets of one crisis against those of five others: .89 to .92 (docs/decisions.md)."""
_SURE = 0.01
_OFF = 0.1
"""Calibration error from which probabilities mislead."""
_NEW_WORDS = 2.0
"""How many times the usual share of unknown words is much."""


@dataclass(frozen=True)
class Drift:
    """How new texts differ from those of a model's training.

    `told_apart` the AUROC at which a classifier of their vectors tells them apart (.5 = alike), `p_value` the
    probability of as much where they are alike; `unseen` the share of words that the training does not have, `usual`
    the same within the training; `worth` the figures on labelled new texts and `before` those of the model's report,
    None without labels; `calibration` the expected calibration error on them; `reasons` why a refit is due, none where
    it is not.
    """

    texts: int
    told_apart: float
    p_value: float
    unseen: float
    usual: float
    worth: dict[str, float] | None
    before: dict[str, float] | None
    calibration: float | None
    reasons: list[str]


def find_drift(
    folder: str | Path,
    paths: str | Path | Sequence[str | Path],
    *,
    labelled: pl.DataFrame | None = None,
    text_column: str | None = None,
    device: str | None = None,
    seed: int = 0,
) -> Drift:
    """Compare new texts with a model's training.

    `paths` are read as a scan reads them; `labelled` a frame with `text` and `label` where some of them have labels.
    Raises ModelError, InputError.
    """
    model = load_model(folder, device=device)
    found = scan(paths, Options(model=Path(folder), text_column=text_column, device=device, adapt=False, seed=seed))
    some = np.unique(np.linspace(0, found.texts.height - 1, min(found.texts.height, HELD)).astype(np.int64))
    separability, p_value = two_sample_test(model.sample, found.vectors(some), seed=seed)
    trained = mask_of(model.training["text"])
    usual, unseen = _unseen(trained, found.texts.rows(some)["template"])
    worth = calibration = None
    before = model.report.get("scores", {}).get("fused")
    if labelled is not None:
        from forewarn.training.fitting import score

        crisis = crises(labelled["label"], model.positive)
        log_odds = score(model, labelled, device=device)
        worth, calibration = figures(log_odds, crisis), calibration_error(log_odds, crisis)
    reasons = []
    if separability >= TOLD_APART and p_value < _SURE:
        reasons.append(
            f"the new texts are of another kind: a classifier tells them from the old at AUROC {separability:.2f}"
        )
    if unseen > max(_NEW_WORDS * usual, 0.1):
        reasons.append(f"{unseen:.0%} of their words were never seen; {usual:.0%} is usual")
    if calibration is not None and calibration > _OFF:
        reasons.append(f"probabilities are off by {calibration:.2f} in the mean")
    if worth and before and worth["auroc"] < before["auroc"] - 0.02:
        reasons.append(f"AUROC fell from {before['auroc']:.3f} to {worth['auroc']:.3f}")
    return Drift(found.texts.height, separability, p_value, unseen, usual, worth, before, calibration, reasons)


def _unseen(old: pl.Series, new: pl.Series) -> tuple[float, float]:
    """The share of unknown words in a fifth of the old texts, given the rest; and in the new texts, given as many."""
    held = pl.Series(np.arange(len(old)) % FOLDS == 0)
    known = _words(old.filter(~held)).unique()
    shares = [1.0 - _words(part).is_in(known.implode()).to_numpy().mean() for part in (old.filter(held), new)]
    return float(shares[0]), float(shares[1])


def _words(texts: pl.Series) -> pl.Series:
    found = texts.str.to_lowercase().str.extract_all(r"[\p{Han}\p{Hiragana}\p{Katakana}]|[\p{L}\p{N}_]+")
    return found.explode().drop_nulls()
