"""A model folder's content, looked at before it is used: strangers make models too.

In: what `model_folder.load_model` read. Out: nothing, or `foreign.Unfit`, which says what is wrong.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from forewarn.runtime.foreign import Unfit, check_array, check_numbers

if TYPE_CHECKING:
    from forewarn.detectors import Classifier
    from forewarn.scoring.baseline import Baseline
    from forewarn.scoring.calibration import Calibration
    from forewarn.scoring.fusion import Fusion
    from forewarn.scoring.model import Model

FILES = re.compile(
    r"tensors[.]safetensors|training[.]parquet|baseline[.]parquet|MODEL_CARD[.]md"
    r"|network/(?:[\w-][\w.-]*/)*[\w-][\w.-]*"
)
"""The names of the files of a model."""


def check_model(model: Model) -> None:
    """Raise Unfit where a number, a shape or a column of a model is none that `fit` makes."""
    _check_fusion(model.fusion)
    if model.share is not None and not 0 < model.share < 1:
        raise Unfit(f"the share of crisis texts is {model.share}")
    if model.seed < 0:
        raise Unfit(f"the seed is {model.seed}")
    check_array("reference", model.reference, np.float64, (None,))
    check_array("crisis", model.crisis, np.bool_, (len(model.reference),))
    check_array("sample", model.sample, np.float32, (None, None))
    missing = {"text", "label", "part"} - set(model.training.columns)
    if missing or any(model.training.schema[name] != pl.String for name in ("text", "label", "part")):
        raise Unfit("training.parquet holds no labelled texts")
    if model.classifier is not None:
        _check_classifier(model.classifier, model.sample.shape[1] if len(model.sample) else None)
    if model.baseline is not None:
        _check_baseline(model.baseline)


def _check_fusion(fusion: Fusion) -> None:
    from forewarn.scoring.fusion import prior

    check_numbers("the base", fusion.base)
    check_numbers("rule_levels", fusion.rule_levels)
    check_numbers("rule_scale", fusion.rule_scale)
    check_numbers("held", 0.0 if fusion.held is None else fusion.held)
    check_numbers("slopes", {name: vars(slope) for name, slope in fusion.slopes.items()})
    known = prior()
    if set(fusion.slopes) != set(known.slopes) or set(fusion.rule_levels) != set(known.rule_levels):
        raise Unfit("its signals or levels are not those of this program")
    if not (0 <= fusion.rule_discount <= 1 and 0 <= fusion.rule_repeat <= 1) or fusion.rule_scale < 0:
        raise Unfit("its weights of rules are out of range")
    if any(slope.slope < 0 or slope.low > slope.high for slope in fusion.slopes.values()):
        raise Unfit("a louder signal would lower its scores")
    if fusion.calibration is not None:
        _check_calibration(fusion.calibration)


def _check_calibration(calibration: Calibration) -> None:
    x = check_array("calibration.x", calibration.x, np.float64, (None,))
    y = check_array("calibration.y", calibration.y, np.float64, (len(x),))
    if len(x) < 2 or (np.diff(x) <= 0).any() or (np.diff(y) < 0).any():
        raise Unfit("its calibration does not rise")


def _check_classifier(head: Classifier, width: int | None) -> None:
    outputs = 1 + len(head.categories)
    for view, keys in head.features.keys.items():
        check_array(f"keys.{view}", keys, np.uint64, (None,))
        check_array(f"weights.{view}", head.features.weights[view], np.float32, (len(keys),))
        if len(keys) > 1 and not (keys[1:] > keys[:-1]).all():
            raise Unfit(f"keys.{view} are not in order")
    check_array("classifier.dense", head.linear.dense, np.float32, (width, outputs))
    check_array("classifier.sparse", head.linear.sparse, np.float32, (head.features.width, outputs))
    check_array("classifier.bias", head.linear.bias, np.float64, (outputs,))


def _check_baseline(baseline: Baseline) -> None:
    texts = baseline.texts
    if not {"template", "count"} <= set(texts.columns) or not texts.schema["count"].is_integer():
        raise Unfit("baseline.parquet holds no texts")
    sample = check_array("baseline.sample", baseline.sample, np.int64, (None,))
    if len(sample) and (sample.min() < 0 or sample.max() >= texts.height):
        raise Unfit("baseline.sample points past its texts")
    check_array("baseline.vectors", baseline.vectors, np.float32, (len(sample), None))
    check_array("baseline.log_odds", baseline.log_odds, np.float64, (texts.height,))
    check_array("baseline.silent", baseline.silent, np.bool_, (texts.height,))
