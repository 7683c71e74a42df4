"""Outliers: how unusual a text is in meaning (PyOD on its embedding) and in wording (surprisal of its tokens).

In: vectors, texts, how often each occurs. Out: one score for each text, minus the decimal logarithm of its tail
probability: 0 = like everything, 2 = one in a hundred records is as unusual. Each detector becomes a tail probability
on its own fit sample, drawn in proportion to the counts; then the views' log-odds are averaged, so that
one view without an opinion does not silence the others. Raw scores are never averaged.
Detectors of meaning see whitened vectors, so that a few directions in which all texts vary do not hide the others.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.arrays import Floats
from forewarn.detectors.neighbours import KNN
from forewarn.detectors.wording import VIEWS, Wording, fit_wording
from forewarn.errors import DetectorError
from forewarn.extras import require

SAMPLE = 2_000
"""Records of the fit sample of the detectors of meaning."""
_SHRINKAGE = 0.3
"""Share of the mean variance that whitening adds to every direction. TAD-Bench, mean AUROC of KNN: .662 without
whitening, .724, .727, .721 with a share of .1, .3, 1."""
_TOGETHER = 1 << 14
"""Vectors that are whitened and scored at once, some 200 MiB: a score depends on the fit sample alone (ECOD's and
COPOD's on the block too)."""
_CERTAINLY_ORDINARY = 0.999
"""The highest tail probability that a view may claim; 1 would outvote everything."""
_RESOLUTION = 1e-4
"""Differences below this share of the sample's spread are rounding: copies of one text are at distance 0."""


@dataclass(frozen=True)
class Whitening:
    """Vectors to coordinates of about equal variance: `(vector - centre) @ axes`, shrunk towards equal axes.

    `centre` is float64 (d,), `axes` float64 (d, d) (Ledoit & Wolf 2004 for the shrinkage; Su et al. 2021 for
    sentence vectors).
    """

    centre: Floats
    axes: Floats

    def __call__(self, vectors: NDArray[np.floating]) -> NDArray[np.floating]:
        """The coordinates of n vectors (n, d), in their own precision."""
        precision = vectors.dtype
        white: NDArray[np.floating] = (vectors - self.centre.astype(precision)) @ self.axes.astype(precision)
        return white


@dataclass(frozen=True)
class Detector:
    """One PyOD detector and what it said about its own sample.

    `sampled` float64 (m,), the scores of the m records of the sample, in their order, each without itself.
    """

    name: str
    fitted: Any
    sampled: Floats

    def score(self, white: NDArray[np.floating]) -> Floats:
        """The detector's own scores of n whitened vectors, float64 (n,), rounded to what means something."""
        seen = white if isinstance(self.fitted, KNN) else white.astype(np.float64)
        return self.rounded(np.asarray(self.fitted.decision_function(seen), dtype=np.float64))

    def rounded(self, scores: Floats) -> Floats:
        """Scores on the grid of `_RESOLUTION`; not a number, which some detectors give on ties, is the lowest."""
        lowest = float(np.nanmin(self.sampled)) if np.isfinite(self.sampled).any() else 0.0
        step = _RESOLUTION * float(np.nanstd(self.sampled)) or 1.0
        grid: Floats = np.round(np.nan_to_num(scores, nan=lowest) / step)
        return grid


@dataclass(frozen=True)
class Outliers:
    """Detectors fitted on a reference.

    `whitening` what the detectors see vectors through; `sample` int64 (m,), the texts of their sample; `detectors`
    PyOD detectors; `wording` token counts; `surprisal` float64 (n, 3), that of the reference's own texts; `counts`
    float64 (n,), how many records each of them stands for.
    """

    whitening: Whitening
    sample: NDArray[np.int64]
    detectors: list[Detector]
    wording: Wording
    surprisal: Floats
    counts: Floats

    def score(self, vectors: NDArray[np.float32], texts: pl.Series, *, in_sample: bool) -> Floats:
        """The unusualness of n texts: float64 (n,), at least 0, `-log10` of the views' joint tail probability.

        `vectors` is float32 (n, d); `in_sample` says that the texts are those that were fitted on.
        """
        if not len(texts):
            return np.empty(0)
        views = [self.meaning(vectors, in_sample=in_sample), *self.views_of_wording(texts, in_sample=in_sample)]
        unusual: Floats = -np.log10(_joint_tail(views))
        return unusual

    def meaning(self, vectors: NDArray[np.float32], *, in_sample: bool) -> Floats:
        """The tail probability of n vectors, float64 (n,), joined over the detectors."""
        # A text of the sample must not be its own neighbour: it keeps the score that it got without itself.
        asked = np.ones(len(vectors), dtype=bool)
        asked[self.sample if in_sample else []] = False
        rows = np.flatnonzero(asked)
        tails = []
        for detector in self.detectors:
            reference = detector.rounded(detector.sampled)
            scores = np.empty(len(vectors))
            if in_sample:
                scores[self.sample] = reference
            for block in (rows[first : first + _TOGETHER] for first in range(0, len(rows), _TOGETHER)):
                scores[block] = detector.score(self.whitening(vectors[block]))
            tails.append(_tail(scores, reference, np.ones(len(reference))))
        return _joint_tail(tails)

    def views_of_wording(self, texts: pl.Series, *, in_sample: bool) -> list[Floats]:
        """The tail probability of n texts in each view of the wording, float64 (n,) each."""
        surprisal = self.surprisal if in_sample else self.wording.surprisal(texts, in_sample=False)
        return [_tail(surprisal[:, view], self.surprisal[:, view], self.counts) for view in range(len(VIEWS))]


def fit_outliers(
    vectors: NDArray[np.float32],
    texts: pl.Series,
    counts: NDArray[np.integer],
    *,
    detectors: Sequence[str] = ("KNN",),
    seed: int = 0,
) -> Outliers:
    """Fit on n distinct texts.

    `vectors` is float32 (n, d), `counts` (n,) how many records each text stands for. Raises DetectorError where a name
    is no PyOD detector or one cannot be fitted.
    """
    sample = sample_of(counts, seed)
    return rebuild_outliers(vectors[sample], sample, texts, counts, detectors=detectors, seed=seed)


def rebuild_outliers(
    sampled: NDArray[np.float32],
    sample: NDArray[np.int64],
    texts: pl.Series,
    counts: NDArray[np.integer],
    *,
    detectors: Sequence[str] = ("KNN",),
    seed: int = 0,
) -> Outliers:
    """Fit on n distinct texts of which only a sample still has vectors.

    `sampled` is float32 (m, d), `sample` int64 (m,) the texts that they are of (`sample_of`). Raises DetectorError as
    `fit_outliers` does.
    """
    if not len(texts):
        raise DetectorError("outliers need a text to be fitted on", remedy="Give a baseline that is not empty.")
    classes = {name: find_detector(name) for name in detectors}
    whitening = fit_whitening(sampled)
    white = whitening(sampled.astype(np.float64))
    fitted = [_fitted(name, made, white, seed) for name, made in classes.items()]
    wording = fit_wording(texts, counts)
    surprisal = wording.surprisal(texts, in_sample=True)
    return Outliers(whitening, sample, fitted, wording, surprisal, counts.astype(np.float64))


def fit_whitening(sample: NDArray[np.floating]) -> Whitening:
    """Fit on m vectors, (m, d). Where all are alike, the axes are left as they are."""
    from threadpoolctl import threadpool_limits

    centre = sample.mean(axis=0, dtype=np.float64)
    centred = sample - centre
    # One thread: the last bits do not depend on how many there are, and on 512 axes a second one only waits.
    with threadpool_limits(1):
        variance, axes = np.linalg.eigh(centred.T @ centred / len(sample))
    floor = _SHRINKAGE * variance.mean()
    if floor <= np.finfo(np.float32).eps ** 2:
        return Whitening(centre, np.eye(len(centre)))
    return Whitening(centre, axes / np.sqrt(np.maximum(variance, 0.0) + floor))


def find_detector(name: str) -> type:
    """The PyOD detector of that name, whatever its case. Raises DetectorError with the nearest names."""
    wanted = name.lower().replace("_", "")
    if wanted == "knn":
        return KNN
    require("pyod")
    import pyod.models

    modules = {found.name.replace("_", ""): found.name for found in pkgutil.iter_modules(pyod.models.__path__)}
    module = modules.get(wanted)
    if module is not None:
        try:
            loaded = importlib.import_module(f"pyod.models.{module}")
        except ImportError as error:
            raise DetectorError(f"the detector {name} needs a package that is not installed: {error}") from None
        for known, made in inspect.getmembers(loaded, inspect.isclass):
            if known.lower() == wanted and hasattr(made, "decision_function"):
                return made
    near = difflib.get_close_matches(wanted, modules, 3)
    remedy = (
        f"Did you mean {', '.join(n.upper() for n in near)}?"
        if near
        else "PyOD has KNN, ECOD, IForest, LOF and others."
    )
    raise DetectorError(f"{name!r} is no PyOD detector", remedy=remedy)


def _fitted(name: str, made: type, sample: NDArray[np.floating], seed: int) -> Detector:
    arguments = inspect.signature(made).parameters
    given: dict[str, Any] = {"random_state": seed} if "random_state" in arguments else {}
    if "n_neighbors" in arguments and arguments["n_neighbors"].default >= len(sample):
        given["n_neighbors"] = max(1, len(sample) - 1)
    # A single record has no neighbour; it is its own reference.
    rows = np.vstack([sample, sample]) if len(sample) == 1 else sample
    try:
        detector = made(**given)
        detector.fit(rows)
    except (ValueError, IndexError, TypeError, np.linalg.LinAlgError, RuntimeError) as error:
        raise DetectorError(
            f"{name} cannot be fitted on {len(sample)} texts: {error}", remedy="Choose another with --detectors."
        ) from None
    return Detector(name, detector, np.asarray(detector.decision_scores_, dtype=np.float64)[: len(sample)])


def sample_of(counts: NDArray[np.integer], seed: int) -> NDArray[np.int64]:
    """Which of n texts detectors of meaning see: int64 (m,).

    Drawn in proportion to `counts`, evenly spread over the records (systematic sampling), at most `SAMPLE`; a text may
    be drawn more than once.
    """
    total = int(counts.sum())
    size = min(total, SAMPLE)
    start = np.random.default_rng(seed).random()
    at = (np.arange(size) + start) * total / size
    return np.searchsorted(np.cumsum(counts), at, side="right").clip(max=len(counts) - 1)


def _tail(scores: Floats, reference: Floats, weight: Floats) -> Floats:
    """The share of the reference's records that score at least as high: (n,), in (0, 1].

    `weight` is how many records each score of the reference stands for.
    """
    order = np.argsort(reference, kind="stable")
    below = np.concatenate([[0.0], np.cumsum(weight[order])])
    at = np.searchsorted(reference[order], scores, side="left")
    tail: Floats = (below[-1] - below[at] + 1.0) / (below[-1] + 1.0)
    return np.minimum(tail, 1.0)


def _joint_tail(tails: Sequence[Floats]) -> Floats:
    """The tail probability at the mean of the log-odds of k tail probabilities, each (n,): (n,), in (0, 1).

    The logarithmic opinion pool (Genest & Zidek 1986). TAD-Bench, mean AUROC .761 (mean of the
    probabilities .762, of their logarithms .757); HTTP parameters, fitted on normals: .999 (.991, 1.000).
    """
    odds = np.minimum(tails, _CERTAINLY_ORDINARY)
    joint: Floats = 1.0 / (1.0 + np.exp(-np.mean(np.log(odds / (1.0 - odds)), axis=0)))
    return joint
