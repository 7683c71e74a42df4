"""Scores to the fifth signal: what the scanned texts themselves teach about this crisis.

In: the fused log-odds of the distinct texts, their vectors, their wording. Out: the signal `adapted`, and how much it
and the other signals count. Every crisis has its own words, and the scanned texts hold them: the probabilities become
soft labels, a linear model learns them from other texts of the same scan, and the sum is the next round's labels.
Where there are few texts, or hardly any crisis or nothing else among them, it steps back by itself.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.arrays import Floats
from forewarn.grouping.function_words import content_runs, is_function_word

if TYPE_CHECKING:
    from forewarn.detectors import Features, Linear

LEAST_TEXTS = 300
"""Distinct texts from which a scan can teach itself; below, the signal has no opinion."""
ROUNDS = 3
FOLDS = 5
WEIGHT = 2.0
"""What the new signal weighs against the sum of the others, on the same scale.
CrisisLexT6, AUROC with 1, 2, 3: .978, .979, .980."""
RARER = (10.0, 150.0)
"""Effective number of texts of the rarer class at which the new signal begins to count, and counts in full."""
SHARPER = 1.2
"""Spread of the new sum in that of the old one: agreement is worth something (ECE on CrisisLexT6: 1, 1.2, 1.4, 2:
.041, .038, .041, .052)."""
PENALTY = (3.0, 1.0)
_WORDS_OF_A_TEXT = 5
_TEXTS_OF_A_WORD = 3
_IDEOGRAPH = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]+|(?:(?![\u3040-\u30ff\u3400-\u9fff])\w)+")
_MIXTURE_STARTS = (0.05, 0.2, 0.5, 0.8, 0.95)
_CELLS = 4_096
"""Cells that log-odds are counted in before a mixture is fitted to them."""


@dataclass(frozen=True)
class Adaptation:
    """What one scan taught.

    `log_odds` float64 (n,), what it adds to each text's, learnt from texts without that one; `share` the estimated
    share of crisis texts; `weight` between 0 and 1; `features`, `linear` the last model. A text's log-odds become
    `spread * (log_odds + gain * learnt) + shift`.
    """

    log_odds: Floats
    share: float
    weight: float
    features: Features
    linear: Linear
    gain: float
    spread: float
    shift: float

    def added(self, log_odds: Floats, vectors: NDArray[np.float32], texts: pl.Series) -> Floats:
        """What it adds to the log-odds of k other texts, float64 (k,); all as `adapt` takes them."""
        learnt = self.features.log_odds(self.linear, vectors, texts)[:, 0]
        added: Floats = self.spread * (log_odds + self.gain * learnt) + self.shift - log_odds
        return added

    def words(self, text: str) -> list[str]:
        """The words of a text that speak for a crisis here, the heaviest first; Chinese characters in a row are one.

        Words that say nothing of the subject are left out.
        """
        from forewarn.detectors import word_weights

        speaking = {word: weight for word, weight in word_weights(self.features, self.linear, text) if weight > 0}
        pieces: dict[str, float] = {}
        for found in _WORD.finditer(text.lower()):
            run = ""
            for piece in [*found[0], ""] if _IDEOGRAPH.match(found[0]) else [found[0], ""]:
                if piece in speaking:
                    run += piece
                elif run:
                    for word in content_runs(run) if _IDEOGRAPH.match(run) else [run]:
                        weights = (speaking[part] for part in speaking if part in word)
                        pieces[word] = max(pieces.get(word, 0.0), *weights)
                    run = ""
        pieces = {word: weight for word, weight in pieces.items() if not is_function_word(word)}
        return sorted(pieces, key=lambda word: (-pieces[word], word))


def adapt(
    log_odds: Floats,
    vectors: NDArray[np.float32],
    texts: pl.Series,
    *,
    strength: float = 1.0,
    known: float | None = None,
    seed: int = 0,
) -> Adaptation | None:
    """Learn from n scanned texts; None where there is too little to learn from.

    `log_odds` float64 (n,) of the other signals, `vectors` float32 (n, d), `texts` String (n,), `strength` between
    0 and 1 what the new signal counts for at most, `known` the share of crisis texts where somebody knows it: where
    nearly all or nearly none are, there is little contrast to learn, and it steps back. Self-training with
    cross-fitting: no text is among those that its own score was learnt from.
    """
    spread = float(log_odds.std()) if len(texts) else 0.0
    # Where nothing is a crisis by what is known, what comes out would be the loudest manner of writing, not a crisis.
    if len(texts) < LEAST_TEXTS or spread <= 1e-9 or strength <= 0.0 or not (log_odds > 0.0).any():
        return None
    from forewarn.detectors import CrossFitting, Linear, fit_features

    features, matrix = fit_features(texts)
    folds = np.random.default_rng(seed).permutation(len(texts)) % FOLDS
    current, learnt, weight, share, gain = log_odds, np.zeros(len(texts)), 0.0, 0.5, 0.0
    fitting, models = CrossFitting(vectors, matrix, folds, penalty=PENALTY), list[Linear]()
    for _ in range(ROUNDS):
        share = crisis_share(current) if known is None else known
        weight = strength * _weight(len(texts) * min(share, 1.0 - share))
        if weight == 0.0:
            return None
        crisis = _logistic(current + shift_to(current, share))
        positive, negative = crisis**2, (1.0 - crisis) ** 2
        learnt, models = fitting.fit(positive, negative)
        gain = WEIGHT * weight * spread / max(float(learnt.std()), 1e-9)
        current = log_odds + gain * learnt
    mean = Linear(*(np.mean([getattr(m, part) for m in models], axis=0) for part in ("dense", "sparse", "bias")))
    kept = spread * (1.0 + (SHARPER - 1.0) * weight) / float(current.std())
    shift = shift_to(kept * current, crisis_share(kept * current) if known is None else known)
    fused = kept * current + shift
    return Adaptation(fused - log_odds, share, weight, features, mean, gain, kept, shift)


def crisis_share(log_odds: Floats) -> float:
    """The share of crisis texts, estimated from log-odds (n,): between the mean probability and a mixture's.

    The mean probability is right where the log-odds are calibrated; a mixture of two normal distributions (EM, the
    best of five starts) where they are off by a constant. Their log-odds are averaged.
    """
    own = float(np.clip(_logistic(log_odds).mean(), 1e-3, 1 - 1e-3))
    mixed = float(np.clip(_mixture_share(log_odds), 1e-3, 1 - 1e-3))
    return float(_logistic(np.array((np.log(own / (1 - own)) + np.log(mixed / (1 - mixed))) / 2)))


def shift_to(log_odds: Floats, share: float) -> float:
    """By how much log-odds (n,) are to be moved so that their mean probability is `share` (bisection)."""
    low, high = -40.0, 40.0
    for _ in range(50):
        middle = (low + high) / 2
        if _logistic(log_odds + middle).mean() > share:
            high = middle
        else:
            low = middle
    return low


def _weight(rarer: float) -> float:
    return float(np.clip((rarer - RARER[0]) / (RARER[1] - RARER[0]), 0.0, 1.0))


def _mixture_share(log_odds: Floats, rounds: int = 100) -> float:
    """The upper component's share in a mixture of two normal distributions of similar width."""
    best, share = -np.inf, 0.5
    variance = float(log_odds.var())
    values, texts = _cells(log_odds)
    squares = values**2
    for start in np.quantile(log_odds, [1 - start for start in _MIXTURE_STARTS]):
        upper = (values >= start) * 0.98 + 0.01
        for _ in range(rounds):
            weighed = (upper * texts, (1 - upper) * texts)
            totals = [float(w.sum()) for w in weighed]
            part = float(np.clip(totals[0] / len(log_odds), 1e-4, 1 - 1e-4))
            means = [float(w @ values) / total for w, total in zip(weighed, totals, strict=True)]
            spreads = [
                max(float(w @ squares) / total - mean**2, 0.05 * variance)
                for w, total, mean in zip(weighed, totals, means, strict=True)
            ]
            loud, quiet = (
                np.log(p) - 0.5 * np.log(s) - (values - m) ** 2 / (2 * s)
                for p, m, s in zip((part, 1 - part), means, spreads, strict=True)
            )
            upper = _logistic(loud - quiet)
        fit = float(texts @ np.logaddexp(loud, quiet))
        if means[0] > means[1] and fit > best:
            best, share = fit, part
    return share


def _cells(log_odds: Floats) -> tuple[Floats, Floats]:
    """Log-odds (n,) in cells of equal width: the mean of each cell that is not empty, and how many texts it has."""
    low, high = float(log_odds.min()), float(log_odds.max())
    cell = ((log_odds - low) * ((_CELLS - 1) / max(high - low, 1e-9))).astype(np.int64)
    texts = np.bincount(cell, minlength=_CELLS).astype(np.float64)
    summed = np.bincount(cell, weights=log_odds, minlength=_CELLS)
    there = texts > 0
    return summed[there] / texts[there], texts[there]


def _logistic(log_odds: Floats) -> Floats:
    probability: Floats = 1.0 / (1.0 + np.exp(-np.clip(log_odds, -40, 40)))
    return probability


def new_words(adaptation: Adaptation, loud: Sequence[str], others: Sequence[str], number: int = 8) -> list[str]:
    """The words that the scan taught and that the loudest texts share, more than others do: at most `number`."""
    shared = Counter(word for text in loud for word in adaptation.words(text)[:_WORDS_OF_A_TEXT])
    elsewhere = Counter(word for text in others for word in adaptation.words(text))
    lift = {
        word: count * float(np.log((count / len(loud)) / ((elsewhere[word] + 1) / (len(others) + 1))))
        for word, count in shared.items()
        if count >= _TEXTS_OF_A_WORD
    }
    return sorted((word for word in lift if lift[word] > 0), key=lambda word: (-lift[word], word))[:number]
