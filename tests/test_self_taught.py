"""Outliers that teach: what the most unusual texts share is found in the others too."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from forewarn.detectors import self_taught

CHANCE = np.random.default_rng(3)
COUNT = 900
ODD = np.arange(COUNT) % 20 == 0
TEXTS = pl.Series(
    f"win a prize now, claim code {at % 7}" if odd else f"see you at the meeting in room {at % 9}"
    for at, odd in enumerate(ODD)
)
VECTORS = (CHANCE.normal(size=(COUNT, 8)) + ODD[:, None]).astype(np.float32)
BEFORE = np.abs(CHANCE.normal(size=COUNT)) + 0.7 * ODD


def auroc(scores: np.ndarray) -> float:
    return float((scores[ODD][:, None] > scores[~ODD][None]).mean())


def test_what_unusual_texts_share_is_found_in_those_that_seemed_usual() -> None:
    assert auroc(BEFORE) < 0.9
    assert auroc(self_taught(BEFORE, VECTORS, TEXTS)) > auroc(BEFORE) + 0.03


def test_scores_are_tail_probabilities_and_the_same_every_time() -> None:
    first = self_taught(BEFORE, VECTORS, TEXTS)
    assert first.min() == pytest.approx(0.0, abs=1e-3)
    assert first.max() == pytest.approx(np.log10(COUNT))
    assert np.array_equal(first, self_taught(BEFORE, VECTORS, TEXTS))


def test_few_texts_teach_nothing() -> None:
    few = slice(0, 150)
    assert np.array_equal(self_taught(BEFORE[few], VECTORS[few], TEXTS[few]), BEFORE[few])


def test_texts_that_are_all_alike_teach_nothing() -> None:
    alike = np.ones(COUNT)
    assert np.array_equal(self_taught(alike, VECTORS, TEXTS), alike)


def test_noise_is_not_sharpened_into_a_finding() -> None:
    """Where unusual texts have nothing in common, the order stays much as it was."""
    texts = pl.Series([f"note {at * 7919 % 1009} of day {at % 31}" for at in range(COUNT)])
    vectors = np.random.default_rng(5).normal(size=(COUNT, 8)).astype(np.float32)
    noise = np.random.default_rng(6).normal(size=COUNT)
    before, after = (np.argsort(np.argsort(scores)) for scores in (noise, self_taught(noise, vectors, texts)))
    assert np.corrcoef(before, after)[0, 1] > 0.8
