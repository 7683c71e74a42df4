"""The fast matcher and a slow, plain reading of the same rules agree on every record."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forewarn.rules import RuleSet, event_matcher
from forewarn.rules.reading import read_rules
from tests import sigma_oracle as oracle

SLOW = settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck), print_blob=False)


def _rule_set(documents: list[dict[str, Any]]) -> RuleSet:
    content = "\n---\n".join(json.dumps(document, ensure_ascii=False) for document in documents)
    rules, errors = read_rules(content, "own.yaml")
    assert errors == [], errors
    return RuleSet(rules)


def _frame(texts: list[str | None], raw: list[str | None]) -> pl.DataFrame:
    return pl.DataFrame({"text": texts, "raw": raw}, schema={"text": pl.String, "raw": pl.String})


def _expected(documents: list[dict[str, Any]], records: list[tuple[str | None, Any]]) -> list[tuple[int, int]]:
    return [
        (row, number)
        for row, (text, event) in enumerate(records)
        for number, document in enumerate(documents)
        if oracle.fires(document, text, event)
    ]


@SLOW
@given(st.lists(oracle.text_rules, min_size=1, max_size=4), st.lists(st.none() | oracle.texts, max_size=10))
def test_text_rules_fire_where_they_should(documents: list[dict[str, Any]], texts: list[str | None]) -> None:
    found = _rule_set(documents).match(_frame(texts, [None] * len(texts))).rows()
    assert found == _expected(documents, [(text, None) for text in texts])


@SLOW
@given(oracle.text_rules, oracle.texts)
def test_the_explanation_says_the_same(document: dict[str, Any], text: str) -> None:
    rules = _rule_set([document])
    holds = oracle.fires(document, text)
    assert rules.explain(0, text).holds is holds
    spans = rules.spans(0, text)
    assert spans == sorted(set(spans))
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert bool(rules.match(_frame([text], [None])).height) is holds


@SLOW
@given(st.lists(oracle.event_rules, min_size=1, max_size=4), st.lists(st.none() | oracle.events, max_size=10))
def test_event_rules_fire_where_they_should(documents: list[dict[str, Any]], events: list[Any]) -> None:
    raw = [None if event is None else json.dumps(event, ensure_ascii=False) for event in events]
    expected = _expected(documents, [(None, event) for event in events])
    rules = _rule_set(documents)
    assert rules.match(_frame(["" for _ in raw], raw)).rows() == expected
    with pytest.MonkeyPatch.context() as patch:
        # The same events again, as if they were many: one of each kind is looked at.
        patch.setattr(event_matcher, "FEW", 0)
        assert rules.match(_frame(["" for _ in raw], raw)).rows() == expected
        assert rules.match(_frame(["" for _ in raw], raw)).rows() == expected


@SLOW
@given(
    st.lists(oracle.text_rules | oracle.event_rules, min_size=1, max_size=4),
    st.lists(st.tuples(oracle.texts, st.none() | oracle.events), max_size=6),
)
def test_text_rules_and_event_rules_live_together(documents: list[dict[str, Any]], records: list[Any]) -> None:
    raw = [None if event is None else json.dumps(event) for _, event in records]
    found = _rule_set(documents).match(_frame([text for text, _ in records], raw)).rows()
    assert found == _expected(documents, records)


@SLOW
@given(oracle.text_rules, st.lists(oracle.texts, min_size=2, max_size=10))
def test_a_text_is_judged_the_same_in_any_company(document: dict[str, Any], texts: list[str]) -> None:
    rules = _rule_set([document])
    together = set(rules.match(_frame(texts, [None] * len(texts)))["row"].to_list())
    alone = {row for row, text in enumerate(texts) if rules.match(_frame([text], [None])).height}
    assert together == alone
