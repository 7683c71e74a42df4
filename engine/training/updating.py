"""New labels for a fitted model: another one that goes on from it, and which of the two is better.

In: a model's folder, newly labelled texts. Out: an `Update`: the new model, taught by the new labels and a sample of
the old ones, and both models' figures on the test parts of both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from forewarn.extras import require
from forewarn.grouping.deobfuscation import plain
from forewarn.grouping.templates import mask_of
from forewarn.scoring.model import Model
from forewarn.scoring.model_folder import load_model
from forewarn.training.fit_options import FitOptions
from forewarn.training.fitting import fit, score
from forewarn.training.metrics import figures
from forewarn.training.model_card import model_card
from forewarn.training.partition import split
from forewarn.training.stacking import log_loss

REPLAY = 10_000
"""Old texts that are taught again, so that they are not forgotten; of more, some."""


@dataclass(frozen=True)
class Update:
    """A model that goes on from another.

    `compared` rows of figures, one for each test part and model; `worse` whether the old model has the lower log loss
    over both test parts (None where no text was kept apart).
    """

    model: Model
    compared: list[dict[str, Any]]
    worse: bool | None


def update(
    folder: str | Path,
    texts: pl.DataFrame,
    *,
    how: str = "random",
    test: float = 0.2,
    replay: int = REPLAY,
    device: str | None = None,
    work: str | Path | None = None,
    resume: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> Update:
    """Teach a model n newly labelled texts (`text`, `label`, and `group`, `time` where they are known).

    A new label of an old text replaces the old one. `how`, `test` split the new texts as `fit` does, the old ones stay
    as they were. `work` keeps the checkpoints of a fine-tuning. Raises ModelError, ForewarnError.
    """
    require("sklearn", "venn_abers")
    old = load_model(folder, device=device)
    templates = mask_of(plain(texts["text"]))
    test_rows = split(texts, templates, how, test, old.seed)[1]
    fresh = texts.with_columns(part=pl.Series(np.where(np.isin(np.arange(texts.height), test_rows), "test", "train")))
    known = old.training.filter(~pl.col("text").is_in(texts["text"].implode()))
    train_rows = known.filter(pl.col("part") == "train")
    if train_rows.height > replay:
        train_rows = train_rows.sample(replay, seed=old.seed)
    kept = known.filter(pl.col("part") == "test")
    together = pl.concat([train_rows, kept, fresh], how="diagonal")
    options = FitOptions(
        positive=old.positive,
        encoder=old.encoder,
        device=device,
        detectors=old.detectors,
        accept_sources=True,
        seed=old.seed,
    )
    if old.network is not None:
        # The encoder as it was fine-tuned is what the new fine-tuning begins with.
        base = str(Path(folder) / "network" / "encoder")
        options = replace(options, base=base, finetune=old.network.strategy, training=old.network.settings)
    model = fit(together, options, baseline=old.baseline, folder=work, resume=resume, progress=progress)
    compared, losses = [], []
    for name, part in (("old", kept), ("new", fresh.filter(pl.col("part") == "test"))):
        if not part.height:
            continue
        truth = part["label"].is_in(list(old.positive)).to_numpy()
        for which, judge in (("old", old), ("new", model)):
            odds = score(judge, part, device=device)
            losses.append(log_loss(odds, truth))
            both = truth.any() and not truth.all()
            unknown = dict.fromkeys(("auroc", "ap", "recall_at_1_fpr")) | {"log_loss": losses[-1]}
            found = figures(odds, truth) if both else unknown
            compared.append({"test part": name, "model": which, "texts": part.height} | found)
    worse = sum(losses[1::2]) > sum(losses[::2]) if losses else None
    model = replace(model, report=model.report | {"update": compared})
    return Update(replace(model, card=model_card(model)), compared, worse)
