"""Vector or text to score: outliers in meaning and in wording.

In: vectors and texts. Out: one float for each. Usable alone; knows nothing of the engine.
"""

from __future__ import annotations

from forewarn.detectors.outliers import Outliers, fit_outliers
from forewarn.detectors.wording import Wording, fit_wording

__all__ = ["Outliers", "Wording", "fit_outliers", "fit_wording"]
