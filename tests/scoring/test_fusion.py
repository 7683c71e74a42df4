"""The additive scorer and conformal p-values: sums that add up, monotone in every signal, honest about ties."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forewarn.frames import SCORES, SIGNAL_FRAME, SIGNALS
from forewarn.scoring.fusion import Fusion, Slope, conformal_p_values, prior

FUSION = Fusion(
    fitted_on="a test",
    base=-3.0,
    rule_levels={"low": 1.0, "high": 4.0},
    rule_discount=0.5,
    slopes={name: Slope(2.0, -1.0, -1.0, 3.0) for name in SIGNALS if name != "rules"},
)


def fuse(fusion: Fusion = FUSION, **signals: float | None) -> dict[str, float]:
    row = {"text_id": [0]} | {name: [signals.get(name)] for name in SIGNALS}
    return fusion.fuse(pl.DataFrame(row, schema=SIGNAL_FRAME)).row(0, named=True)


def test_the_log_odds_are_the_base_and_every_contribution() -> None:
    score = fuse(rules=4.0, cases=1.0, outliers=0.25)
    assert score["rules_log_odds"] == 4.0
    assert score["cases_log_odds"] == 1.0
    assert score["outliers_log_odds"] == -0.5
    assert score["log_odds"] == pytest.approx(-3.0 + 4.0 + 1.0 - 0.5)
    assert score["probability"] == pytest.approx(1 / (1 + math.exp(-1.5)))


def test_a_signal_without_opinion_adds_nothing() -> None:
    score = fuse()
    assert score["log_odds"] == -3.0
    assert [score[f"{name}_log_odds"] for name in SIGNALS] == [0.0] * len(SIGNALS)


def test_a_contribution_is_bounded() -> None:
    assert fuse(cases=100.0)["cases_log_odds"] == 3.0
    assert fuse(cases=-100.0)["cases_log_odds"] == -1.0


def test_the_scores_have_the_documented_columns() -> None:
    frame = FUSION.fuse(pl.DataFrame(schema=SIGNAL_FRAME))
    assert frame.schema == pl.Schema(SCORES)


@given(st.sampled_from(SIGNALS), st.floats(-10, 10), st.floats(0, 10))
def test_a_louder_signal_never_lowers_the_score(name: str, score: float, louder: float) -> None:
    shipped = prior()
    assert fuse(shipped, **{name: score + louder})["log_odds"] >= fuse(shipped, **{name: score})["log_odds"]


def test_further_rules_of_a_text_add_less() -> None:
    weights = FUSION.rule_weights([None, 2.0, None], ["low", "low", "high"])
    assert weights.tolist() == [1.0, 2.0, 4.0]
    assert FUSION.rule_set_parts(weights, ["a", "b", "c"]).tolist() == [0.25, 1.0, 4.0]
    assert FUSION.rule_set_parts(weights, [None, None, None]).tolist() == [0.25, 1.0, 4.0]


def test_rules_of_one_category_say_one_fact() -> None:
    weights = np.array([2.0, 4.0, 1.0, 4.0])
    assert FUSION.rule_set_parts(weights, ["logs", "logs", "logs", "finance"]).tolist() == [
        *(0.5, 4.0, 0.0625),
        # The lighter category, at one half.
        2.0,
    ]
    three = FUSION.rule_set_parts(np.array([3.8, 2.4, 2.4]), ["logs"] * 3).sum()
    assert three < FUSION.rule_set_parts(np.array([5.2]), ["logs"]).sum()


HEAVY = {"rules": prior().rule_levels["high"]}


def test_a_high_rule_is_never_outvoted() -> None:
    against = fuse(prior(), **HEAVY, cases=-5.0, classifier=-20.0, adapted=-30.0)
    assert against["probability"] >= 0.5
    assert against["held_log_odds"] > 0
    assert fuse(prior(), rules=prior().rule_levels["medium"], cases=-5.0)["probability"] < 0.5


def test_texts_that_are_held_keep_their_order_and_loud_ones_their_score() -> None:
    votes = [-3.0, -0.5, 0.0, 0.4, 0.8]
    held = [fuse(prior(), **HEAVY, cases=vote)["log_odds"] for vote in votes]
    assert held == sorted(held)
    assert held[0] < held[2] < held[4]
    loud = fuse(prior(), rules=12.0)
    assert loud["log_odds"] == pytest.approx(prior().base + 12.0, abs=1e-6)


def test_another_base_rate_moves_what_is_held() -> None:
    rare = prior().with_prior(0.001, None)
    assert fuse(rare, **HEAVY, cases=-5.0)["probability"] < 0.5


def test_a_p_value_counts_the_reference_lines_that_score_as_high() -> None:
    reference, weights = np.array([0.0, 1.0, 2.0]), np.array([5.0, 3.0, 1.0])
    p = conformal_p_values(np.array([-1.0, 1.0, 1.5, 9.0]), reference, weights)
    assert p == pytest.approx([1.0, 5 / 10, 2 / 10, 1 / 10])


def test_without_a_reference_nothing_is_unusual() -> None:
    assert conformal_p_values(np.array([3.0]), np.array([]), np.array([])).tolist() == [1.0]


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=40), st.lists(st.integers(-3, 3), min_size=1, max_size=10))
def test_p_values_agree_with_counting_one_by_one(reference: list[int], scores: list[int]) -> None:
    fast = conformal_p_values(np.array(scores, float), np.array(reference, float), np.ones(len(reference)))
    slow = [(1 + sum(r >= s for r in reference)) / (1 + len(reference)) for s in scores]
    assert fast == pytest.approx(slow)


def test_p_values_of_ordinary_records_are_seldom_small() -> None:
    random = np.random.default_rng(0)
    draws = [conformal_p_values(random.normal(size=1), random.normal(size=99), np.ones(99))[0] for _ in range(4000)]
    for level in (0.01, 0.05, 0.2):
        assert np.mean(np.array(draws) <= level) < level + 3 * math.sqrt(level / 4000)
