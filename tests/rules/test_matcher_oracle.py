"""The fast matcher and a slow, plain reading of the same rules agree on every record."""

from __future__ import annotations

import json
from typing import Any
from unittest.mock import patch

import numpy as np
import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forewarn.rules import RuleSet
from forewarn.rules.language.reading import read_rules
from forewarn.rules.matching.fired import Fired, of_classes
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


_numbered = st.lists(
    st.sampled_from(["bank", "run", "no", "banks", "503", "507", "7", "9", "q7", "q8", "银行", ".", "but"]), max_size=7
).map(" ".join)


@settings(SLOW, max_examples=150)
@given(
    st.lists(oracle.text_rules, min_size=1, max_size=3),
    st.lists(st.lists(oracle.texts | _numbered, max_size=8), min_size=2, max_size=4),
    st.integers(1, 8),
)
def test_a_text_is_judged_the_same_whatever_came_before(
    documents: list[dict[str, Any]], blocks: list[list[str]], most: int
) -> None:
    rules = _rule_set(documents)
    with patch("forewarn.rules.matching.digits._MOST_KINDS", most):
        found = [rules.match(_frame(texts, [None] * len(texts))).rows() for texts in blocks]
    assert found == [_expected(documents, [(text, None) for text in texts]) for texts in blocks]


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=12),
    st.sets(st.tuples(st.integers(0, 3), st.integers(0, 4))),
    st.dictionaries(st.integers(0, 4), st.sets(st.integers(0, 11)), max_size=3),
    st.dictionaries(st.integers(0, 4), st.sets(st.integers(0, 11)), max_size=3),
)
def test_hits_said_by_class_are_those_of_each_record(
    of: list[int],
    on_classes: set[tuple[int, int]],
    more: dict[int, set[int]],
    less: dict[int, set[int]],
) -> None:
    def rows(hits: dict[int, set[int]]) -> list[tuple[Any, int]]:
        return [(np.array(sorted(row for row in at if row < len(of)), dtype=np.int64), i) for i, at in hits.items()]

    hits = of_classes((np.array([which]), rule) for which, rule in on_classes)
    added = rows(
        {rule: {row for row in at if row < len(of) and (of[row], rule) not in on_classes} for rule, at in more.items()}
    )
    dropped = [one for one in rows(less) if one[1] not in more]
    fired = Fired(pl.Series(of, dtype=pl.UInt32), 4, hits).with_changes(added, dropped)
    expected = {(row, rule) for row, which in enumerate(of) for at, rule in on_classes if at == which}
    expected -= {(row, rule) for at, rule in dropped for row in at.tolist()}
    expected |= {(row, rule) for at, rule in added for row in at.tolist()}
    assert fired.by_row().rows() == sorted(expected)
    present = fired.of_present()
    assert set(present["class"].to_list()) <= set(fired.of.to_list())
    for rule in range(5):
        assert fired.rows_of(rule).tolist() == sorted(row for row, number in expected if number == rule)
