"""How a model is fitted: the options of `fit`, and what a script says of them in keywords.

In: keywords. Out: `FitOptions`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import polars as pl

from forewarn.detectors.finetuning.settings import TrainingSettings
from forewarn.options import changed, check_names
from forewarn.reading.labelled import labels_of

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class FitOptions:
    """How to fit.

    `positive` the labels of a crisis, several for several kinds; `split` of the test part, `random`, `group` or `time`,
    `test` its share; `encoder`, `device` where vectors come from; `detectors` PyOD detectors of unusual meaning; `base`
    a Hugging Face model, by name or folder, to fine-tune as well, with the strategy `finetune` and the settings
    `training`; `accept_sources` fit although every file or group has one class only; `seed` of every random choice;
    `cache` whether vectors are kept.
    """

    positive: tuple[str, ...] = ("1",)
    split: str = "random"
    test: float = 0.2
    encoder: str = "bundled"
    device: str | None = None
    detectors: tuple[str, ...] = ("KNN",)
    finetune: str = "head"
    base: str | None = None
    training: TrainingSettings = field(default_factory=TrainingSettings)
    accept_sources: bool = False
    seed: int = 0
    cache: bool = True

    def __repr__(self) -> str:
        return changed(self)


def with_settings(options: FitOptions | None, settings: dict[str, Any]) -> FitOptions:
    """Options with the fields that a script names in keywords; one label of a crisis may stand alone."""
    check_names(settings, [entry.name for entry in fields(FitOptions)], "fit")
    if "positive" in settings:
        given = settings["positive"]
        several = given if isinstance(given, list | tuple | set) else [given]
        settings["positive"] = tuple(labels_of(pl.Series(list(several))))
    if isinstance(settings.get("detectors"), str):
        settings["detectors"] = (settings["detectors"],)
    return replace(options or FitOptions(), **settings)
