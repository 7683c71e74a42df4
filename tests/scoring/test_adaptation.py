"""Adaptation: the scanned texts teach the words of a crisis; a quiet or a small input teaches nothing."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forewarn.scoring.adaptation import LEAST_TEXTS, adapt, crisis_share, new_words, shift_to

ORDINARY = ["coffee", "morning", "train", "music", "weekend", "garden", "match", "lunch", "movie", "holiday"]
CRISIS = ["millbrook", "levee", "flooding", "rooftops", "sandbags"]


def _stream(crisis: int, ordinary: int, seed: int = 0) -> tuple[pl.Series, np.ndarray, np.ndarray, np.ndarray]:
    """Texts, vectors, log-odds and truth: one crisis text in three is loud, the others only share its words."""
    chance = np.random.default_rng(seed)
    truth = np.array([True] * crisis + [False] * ordinary)
    words = [CRISIS if told else ORDINARY for told in truth]
    texts = [" ".join([*chance.choice(own, 3), f"w{chance.integers(200)}"]) for own in words]
    vectors = chance.normal(size=(len(truth), 8)) + np.where(truth[:, None], 0.4, -0.4)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    log_odds = np.where(truth & (chance.random(len(truth)) < 0.35), 2.5, -3.0) + chance.normal(0, 1.0, len(truth))
    return pl.Series(texts), vectors.astype(np.float32), log_odds, truth


def _auroc(scores: np.ndarray, truth: np.ndarray) -> float:
    return float((scores[truth][:, None] > scores[~truth][None, :]).mean())


def test_texts_that_share_the_words_of_a_crisis_rise() -> None:
    texts, vectors, log_odds, truth = _stream(200, 400)
    taught = adapt(log_odds, vectors, texts)
    assert taught is not None
    assert _auroc(log_odds, truth) < 0.9
    assert _auroc(log_odds + taught.log_odds, truth) > 0.99
    assert taught.share == pytest.approx(1 / 3, abs=0.15)
    assert 0 < taught.weight <= 1
    loud = texts.filter(pl.Series(truth)).head(50).to_list()
    assert set(new_words(taught, loud, texts.filter(pl.Series(~truth)).to_list())) >= {"millbrook", "levee"}
    assert not set(taught.words("lunch in the garden")) & set(ORDINARY)


def test_the_same_input_teaches_the_same() -> None:
    texts, vectors, log_odds, _ = _stream(150, 300)
    first, second = adapt(log_odds, vectors, texts), adapt(log_odds, vectors, texts)
    assert first is not None
    assert second is not None
    assert first.log_odds.tobytes() == second.log_odds.tobytes()


def test_few_texts_teach_nothing() -> None:
    texts, vectors, log_odds, _ = _stream(99, LEAST_TEXTS - 100)
    assert adapt(log_odds, vectors, texts) is None


def test_a_quiet_input_stays_quiet() -> None:
    texts, vectors, _, _ = _stream(0, 600)
    log_odds = np.random.default_rng(1).normal(-5.0, 0.7, 600)
    taught = adapt(log_odds, vectors, texts)
    after = log_odds if taught is None else log_odds + taught.log_odds
    assert (after > 0).sum() == (log_odds > 0).sum() == 0


def test_scores_that_are_all_alike_teach_nothing() -> None:
    texts, vectors, _, _ = _stream(100, 400)
    assert adapt(np.full(500, -4.0), vectors, texts) is None


def test_chinese_characters_in_a_row_are_one_word() -> None:
    chance = np.random.default_rng(0)
    crisis = [f"青湾银行{chance.choice(['排队', '取款', '挤兑'])}第{i}天" for i in range(200)]
    ordinary = [f"{chance.choice(['天气', '球赛', '电影', '午饭'])}不错第{i}天" for i in range(300)]
    texts = pl.Series([*crisis, *ordinary])
    truth = np.arange(500) < 200
    vectors = np.where(truth[:, None], 1.0, -1.0) + chance.normal(0, 0.5, (500, 4))
    taught = adapt(np.where(truth, 2.0, -4.0) + chance.normal(0, 1, 500), vectors.astype(np.float32), texts)
    assert taught is not None
    assert any("青湾银" in word for word in taught.words("听说青湾银行要出事"))


@given(st.lists(st.floats(-20, 20), min_size=2, max_size=50), st.floats(0.01, 0.99))
def test_shifting_gives_the_share_that_was_asked_for(log_odds: list[float], share: float) -> None:
    moved = np.array(log_odds) + shift_to(np.array(log_odds), share)
    assert (1 / (1 + np.exp(-moved))).mean() == pytest.approx(share, abs=1e-6)
    assert np.allclose(np.diff(moved), np.diff(log_odds))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_the_share_is_that_of_two_groups_apart(share: float) -> None:
    chance = np.random.default_rng(0)
    truth = chance.random(2_000) < share
    assert crisis_share(np.where(truth, 3.0, -3.0) + chance.normal(0, 1, 2_000)) == pytest.approx(share, abs=0.05)


def test_where_nothing_was_a_crisis_before_nothing_is_learnt() -> None:
    texts, vectors, log_odds, _ = _stream(200, 400)
    below = log_odds - log_odds.max() - 0.1
    assert adapt(below, vectors, texts) is None
    assert adapt(below + 0.2, vectors, texts) is not None
