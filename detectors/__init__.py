"""Vector or text to score: outliers in meaning and in wording, classifiers.

In: vectors and texts. Out: one float for each. Usable alone; knows nothing of the engine.
"""

from __future__ import annotations

from forewarn.detectors.classifier import PENALTIES, Classifier, fit_classifier, word_weights
from forewarn.detectors.features import Features, fit_features
from forewarn.detectors.linear import CrossFitting, Linear, fit_logistic
from forewarn.detectors.outliers import Outliers, fit_outliers, rebuild_outliers, sample_of
from forewarn.detectors.two_samples import two_sample_test
from forewarn.detectors.wording import Wording, fit_wording

__all__ = [
    "PENALTIES",
    "Classifier",
    "CrossFitting",
    "Features",
    "Linear",
    "Outliers",
    "Wording",
    "fit_classifier",
    "fit_features",
    "fit_logistic",
    "fit_outliers",
    "fit_wording",
    "rebuild_outliers",
    "sample_of",
    "two_sample_test",
    "word_weights",
]
