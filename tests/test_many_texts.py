"""Ways that are quick for many texts: each beside the slow form, value for value."""

from __future__ import annotations

from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.sparse import csr_array

from forewarn.detectors import Linear, fit_features, fit_logistic, fit_outliers, ngrams
from forewarn.detectors.neighbours import KNN
from forewarn.detectors.ngrams import KeyTable, over_blocks
from forewarn.scoring import adaptation
from forewarn.scoring.adaptation import adapt, crisis_share
from tests.scoring.test_adaptation import _auroc, _stream

TEXTS = pl.Series([f"crew {n % 7} left bridge {n % 5} at dawn, 桥 {n % 3} 断了" for n in range(60)] + ["", "été 雨"])


@given(st.sets(st.integers(0, 2**44 - 1), max_size=60), st.lists(st.integers(0, 2**44 - 1), max_size=30))
def test_a_key_is_found_where_it_stands(known: set[int], others: list[int]) -> None:
    keys = np.array(sorted(known), dtype=np.uint64)
    asked = np.array([*known, *others, 0, 2**44 - 1], dtype=np.uint64)
    place = {int(key): number for number, key in enumerate(keys)}
    assert KeyTable(keys).places(asked).tolist() == [place.get(int(key), -1) for key in asked]


def test_blocks_come_in_order_and_hold_what_one_block_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    (whole,) = over_blocks(lambda block: block, TEXTS)
    monkeypatch.setattr(ngrams, "_BLOCK_TEXTS", 7)
    parts = list(over_blocks(lambda block: block, TEXTS))
    assert [part.first for part in parts] == list(range(0, len(TEXTS), 7))
    for view, tokens in whole.views.items():
        text = np.concatenate([part.views[view].text + part.first for part in parts])
        assert text.tolist() == tokens.text.tolist()
        assert np.concatenate([part.views[view].key for part in parts]).tolist() == tokens.key.tolist()
        assert np.concatenate([part.views[view].own for part in parts]).tolist() == tokens.own.tolist()


def test_a_model_says_the_same_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = np.random.default_rng(0)
    features, matrix = fit_features(TEXTS)
    dense, sparse = chance.normal(size=(4, 2)).astype(np.float32), chance.normal(size=(features.width, 2))
    linear = Linear(dense, sparse.astype(np.float32), np.array([0.5, -1.0]))
    vectors = chance.normal(size=(len(TEXTS), 4)).astype(np.float32)
    monkeypatch.setattr(ngrams, "_BLOCK_TEXTS", 7)
    rows = np.arange(len(TEXTS))[::2]
    expected = linear.log_odds(vectors, matrix)[rows]
    np.testing.assert_allclose(features.log_odds(linear, vectors[rows], TEXTS.gather(rows)), expected, atol=1e-5)


def test_columns_of_one_text_alone_are_learnt_as_if_each_were_its_own() -> None:
    chance = np.random.default_rng(0)
    dense = (chance.random((40, 30)) < 0.1) * chance.random((40, 30))
    # A third of the columns belong to one text, some to none; texts 0 and 1 have no column of their own.
    dense = np.hstack([dense, np.diag(np.arange(40) > 1) * 0.7, np.zeros((40, 5)), np.diag(np.arange(40) > 1) * 0.2])
    vectors, target, weight = chance.normal(size=(40, 3)), chance.random(40), chance.random(40) + 0.5
    every = np.hstack([vectors, dense, np.ones((40, 1))])
    penalty = np.concatenate([np.full(3, 2.0), np.full(dense.shape[1], 0.5), [0.0]])

    def loss(coefficients: np.ndarray) -> float:
        odds = every @ coefficients
        return float(weight @ (np.logaddexp(0, odds) - target * odds) + 0.5 * penalty @ coefficients**2)

    slow = minimize(loss, np.zeros(every.shape[1]), options={"gtol": 1e-7}).x
    features = csr_array(dense.astype(np.float32))
    quick = fit_logistic(vectors.astype(np.float32), features, target, weight, penalty=(2.0, 0.5))
    found = np.concatenate([quick.dense[:, 0], quick.sparse[:, 0], quick.bias])
    np.testing.assert_allclose(found, slow, atol=2e-3)
    assert (quick.sparse[70:75, 0] == 0).all()


@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_neighbours_are_as_far_as_one_by_one(precision: type) -> None:
    chance = np.random.default_rng(0)
    sample = chance.normal(5.0, 1.0, size=(80, 16))
    sample[:8] = sample[0]
    asked = np.concatenate([sample[:20], sample[:10] + 1e-3, chance.normal(size=(2_100, 16))]).astype(precision)
    apart = np.linalg.norm(asked.astype(np.float64)[:, None] - sample, axis=2)
    found = KNN().fit(sample).decision_function(asked)
    np.testing.assert_allclose(found, np.sort(apart, axis=1)[:, 4], rtol=1e-5, atol=1e-5)
    assert found[0] < 1e-5


def test_wording_is_counted_as_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngrams, "_BLOCK_TEXTS", 2)
    texts, counts = pl.Series(["a b a", "b c", "d", "e a"]), np.array([1, 3, 1, 2])
    fitted = fit_outliers(np.eye(4, 6, dtype=np.float32).repeat(2, axis=1), texts, counts).wording
    words = Counter[str]()
    for text, count in zip(texts, counts, strict=True):
        words.update({word: int(count) * times for word, times in Counter(text.split()).items()})
    total = sum(words.values())
    expected = sum(n * np.log(total / (n - 1 + 0.5)) for n in words.values()) / total
    for text in ("a b zz", "c c"):
        one = Counter(text.split())
        summed = sum(times * np.log(total / (words[word] + 0.5)) for word, times in one.items())
        surprisal = fitted.surprisal(pl.Series([text]), in_sample=False)[0, 0]
        assert surprisal == pytest.approx((summed + 5 * expected) / (one.total() + 5))


@pytest.mark.parametrize("texts", [300, 20_000])
def test_a_mixture_of_cells_is_that_of_all_texts(texts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = np.random.default_rng(texts)
    log_odds = np.where(chance.random(texts) < 0.2, 2.0, -3.0) + chance.normal(0, 1.5, texts)
    quick = crisis_share(log_odds)
    monkeypatch.setattr(adaptation, "_cells", lambda values: (values, np.ones(len(values))))
    assert quick == pytest.approx(crisis_share(log_odds), abs=1e-5)


def test_what_a_sample_taught_is_added_to_other_texts_on_the_same_scale() -> None:
    texts, vectors, log_odds, truth = _stream(600, 1_200)
    learnt = np.random.default_rng(0).random(len(texts)) < 0.4
    taught = adapt(log_odds[learnt], vectors[learnt], texts.filter(pl.Series(learnt)))
    assert taught is not None
    others = log_odds[~learnt] + taught.added(log_odds[~learnt], vectors[~learnt], texts.filter(pl.Series(~learnt)))
    assert _auroc(others, truth[~learnt]) > 0.99
    own = log_odds[learnt] + taught.log_odds
    assert others.mean() == pytest.approx(own.mean(), abs=0.5)
    assert others.std() == pytest.approx(own.std(), rel=0.1)
