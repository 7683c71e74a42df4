"""Budget, false-discovery rate, threshold and cost: which texts are raised, and in which order."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forewarn.alerting.selection import decide, discovery_limit
from forewarn.errors import ForewarnError
from forewarn.frames import SCORES
from forewarn.options import Policy, parse_policy


def scores(log_odds: list[float], p_values: list[float] | None = None, **columns: list[float]) -> pl.DataFrame:
    n = len(log_odds)
    values = {name: [0.0] * n for name in SCORES} | {
        "text_id": list(range(n)),
        "log_odds": log_odds,
        "probability": [1 / (1 + np.exp(-x)) for x in log_odds],
        "p_value": p_values or [1.0] * n,
        "base": [-4.0] * n,
        **columns,
    }
    return pl.DataFrame(values, schema=SCORES)


def raised(
    frame: pl.DataFrame, policy: Policy, counts: list[int] | None = None, hours: float | None = None
) -> list[int]:
    return decide(frame, pl.Series(counts or [1] * frame.height), policy, hours).to_list()


def test_a_budget_raises_so_many_and_the_most_alarming_first() -> None:
    assert raised(scores([0.0, 3.0, 1.0, 2.0]), Policy(budget=2)) == [1, 3]


def test_a_budget_never_raises_a_text_for_which_nothing_speaks() -> None:
    assert raised(scores([-4.0, -5.0, -3.9]), Policy(budget=3)) == [2]


def test_a_budget_is_used_up_where_a_rule_fires_on_texts_that_are_otherwise_ordinary() -> None:
    frame = scores([-4.5, -6.0, -5.0, -7.0], rules_log_odds=[2.4, 1.2, 0.0, 0.0])
    assert raised(frame, Policy(budget=3)) == [0, 1]


def test_a_budget_for_an_hour_grows_with_the_hours() -> None:
    frame = scores([float(n) for n in range(10)])
    assert len(raised(frame, Policy(budget=2, per_hours=1), hours=3.5)) == 7
    assert len(raised(frame, Policy(budget=2, per_hours=24), hours=3.5)) == 2
    assert len(raised(frame, Policy(budget=2, per_hours=1), hours=None)) == 2


def test_of_equal_scores_the_rarer_text_comes_first() -> None:
    assert raised(scores([1.0, 1.0, 1.0]), Policy(budget=3), counts=[50, 2, 7]) == [1, 2, 0]


def test_a_threshold_is_a_probability() -> None:
    assert raised(scores([-0.1, 0.0, 2.0]), Policy(threshold=0.5)) == [2, 1]


def test_a_cost_of_twenty_to_one_raises_from_one_in_twenty_one() -> None:
    assert parse_policy(None, None, None, "20:1").threshold == pytest.approx(1 / 21)


def test_an_experts_last_word_is_final() -> None:
    frame = scores([5.0, -3.0, 1.0])
    last_words = pl.Series([False, True, None])
    assert decide(frame, pl.Series([1, 1, 1]), Policy(threshold=0.5), None, last_words).to_list() == [2, 1]


def test_a_false_discovery_rate_uses_p_values() -> None:
    frame = scores([5.0, 4.0, 3.0, 2.0], p_values=[0.01, 0.02, 0.5, 0.9])
    assert raised(frame, Policy(fdr=0.05)) == [0, 1]
    assert raised(frame, Policy(fdr=0.001)) == []


@given(st.lists(st.floats(0, 1), max_size=30), st.floats(0.01, 0.5), st.integers(0, 30))
def test_the_discovery_limit_agrees_with_its_definition(p_values: list[float], rate: float, cut: int) -> None:
    ordered, parts = sorted(p_values), [pl.Series(part, dtype=pl.Float64) for part in (p_values[:cut], p_values[cut:])]
    passed = [p for k, p in enumerate(ordered, 1) if p <= rate * k / len(ordered)]
    assert discovery_limit(parts, rate) == (passed[-1] if passed else -1.0)


@pytest.mark.parametrize(
    ("budget", "fdr", "threshold", "cost", "said"),
    [
        ("many", None, None, None, "--budget 'many'"),
        ("0", None, None, None, "--budget '0'"),
        ("5/week", None, None, None, "--budget 20, --budget 5/hour"),
        (None, 1.5, None, None, "--fdr 1.5 is not a share"),
        (None, None, -0.1, None, "--threshold -0.1 is not a probability"),
        (None, None, None, "20", "--cost '20'"),
        (None, None, None, "0:0", "--cost '0:0'"),
        ("5", 0.1, None, None, "--budget and --fdr each decide alone"),
    ],
)
def test_a_malformed_policy_is_named(
    budget: str | None, fdr: float | None, threshold: float | None, cost: str | None, said: str
) -> None:
    with pytest.raises(ForewarnError, match=r"--") as refused:
        parse_policy(budget, fdr, threshold, cost)
    assert said in str(refused.value)
