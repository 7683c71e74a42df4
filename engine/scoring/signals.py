"""Signals as the frame that is fused, and as they enter a fit.

In: a column for each signal that there is. Out: `frames.SIGNAL_FRAME`, and the same scaled as a fusion was fitted.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from forewarn.arrays import Floats
from forewarn.frames import SIGNAL_FRAME
from forewarn.scoring.fusion import Fusion


def signal_frame(signals: dict[str, Floats]) -> pl.DataFrame:
    """The signals of n texts, float64 (n,) each, NaN = no opinion, as a signals frame."""
    columns = {"text_id": np.arange(len(signals["rules"]), dtype=np.uint32)} | {
        name: signals.get(name) for name in SIGNAL_FRAME if name != "text_id"
    }
    return pl.DataFrame(columns, schema=SIGNAL_FRAME, nan_to_null=True)


def scaled(frame: pl.DataFrame, learnt: Fusion) -> pl.DataFrame:
    """The signals as a scan gives them: rules at the weight that they have learnt."""
    return frame.with_columns(pl.col("rules") * learnt.rule_scale)
