"""Rules about rules: by the standard, in any order and any pieces, bounded, and named where they cannot be used."""

from __future__ import annotations

import json
from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forewarn.alerting.rule_matches import matches
from forewarn.errors import RuleError
from forewarn.rules import RuleSet, find_rule
from forewarn.rules.correlation.correlator import Correlator, Hit
from forewarn.rules.correlation.fields import first_found, line_by_line, line_fields
from forewarn.rules.language.reading import read_library
from forewarn.rules.tools.linting import lint

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
COUNT = {"gte": 3}


def _base(name: str, **more: Any) -> dict[str, Any]:
    search = {"s": {"kind": name}, "condition": "s"}
    return {"title": f"Rule {name}", "name": name, "logsource": {"product": "test"}, "detection": search} | more


def _correlation(kind: str = "event_count", *, outer: Any = (), **section: Any) -> dict[str, Any]:
    made = {"type": kind, "rules": ["a"], "group-by": ["who"], "timespan": "1m"} | section
    if kind not in ("temporal", "temporal_ordered"):
        made.setdefault("condition", COUNT)
    return {"title": "Many", "name": "many", "correlation": {k: v for k, v in made.items() if v is not None}} | dict(
        outer
    )


def _read(*documents: dict[str, Any]) -> tuple[RuleSet, list[str]]:
    content = "\n---\n".join(json.dumps(document) for document in documents)
    library = read_library({"own.yaml": content})
    rules = RuleSet(library.rules, library.errors, correlations=library.correlations)
    return rules, [error.message for error in library.errors]


def _rules(*documents: dict[str, Any]) -> RuleSet:
    rules, errors = _read(*documents)
    assert errors == []
    return rules


def _records(*events: tuple[float, dict[str, Any]]) -> pl.DataFrame:
    """Events at so many seconds."""
    return pl.DataFrame(
        {
            "source": ["log"] * len(events),
            "line": list(range(1, len(events) + 1)),
            "time": [BEGIN + timedelta(seconds=at) for at, _ in events],
            "text": ["an event"] * len(events),
            "raw": [json.dumps(event) for _, event in events],
        },
        schema={"source": pl.String, "line": pl.UInt64, "time": pl.Datetime("us", "UTC")}
        | {"text": pl.String, "raw": pl.String},
    )


def _hits(rules: RuleSet, *events: tuple[float, dict[str, Any]]) -> list[Hit]:
    records = _records(*events)
    return Correlator(rules).add(records, rules.fired(records))


def _kinds(text: str, **more: Any) -> list[tuple[float, dict[str, Any]]]:
    """One event a second, each of the kind that its letter says."""
    return [(float(at), {"kind": kind, "who": "ann"} | more) for at, kind in enumerate(text) if kind != " "]


# ----- by the standard


def test_hits_are_counted_within_the_span_both_ends_included() -> None:
    rules = _rules(_base("a"), _correlation())
    assert [hit.row for hit in _hits(rules, *[(at, {"kind": "a", "who": "ann"}) for at in (0, 30, 60, 91)])] == [2]


def test_a_hit_says_which_group_how_many_since_when_and_which_records() -> None:
    rules = _rules(_base("a"), _correlation())
    events = [(at, {"kind": "a", "who": who}) for at, who in ((0, "ann"), (1, "bob"), (2, "ann"), (3, "ann"))]
    (hit,) = _hits(rules, *events)
    assert (hit.group, hit.value, hit.size) == ({"who": "ann"}, 3, 3)
    assert (hit.first, hit.last) == (BEGIN, BEGIN + timedelta(seconds=3))
    assert hit.records == [("log", 1), ("log", 3), ("log", 4)]


def test_of_many_records_the_latest_twenty_are_named() -> None:
    rules = _rules(_base("a"), _correlation(condition={"gte": 50}))
    (hit,) = _hits(rules, *_kinds("a" * 50))
    assert hit.size == hit.value == 50
    assert hit.records == [("log", line) for line in range(31, 51)]


def test_a_fraction_is_not_cut_off() -> None:
    rules = _rules(_base("a"), _correlation(condition={"gte": 2.5}))
    assert [hit.row for hit in _hits(rules, *_kinds("aaa"))] == [2]


def test_a_range_has_two_ends() -> None:
    rules = _rules(_base("a"), _correlation(condition={"gt": 1, "lte": 3}))
    assert [hit.value for hit in _hits(rules, *_kinds("aaaaa"))] == [2, 3]


def test_aliases_join_fields_of_different_names() -> None:
    aliases = {"who": {"a": "user", "b": "account"}}
    rules = _rules(_base("a"), _base("b"), _correlation("temporal", rules=["a", "b"], aliases=aliases))
    events = [(0.0, {"kind": "a", "user": "ann"}), (1.0, {"kind": "b", "account": "bob"})]
    assert _hits(rules, *events) == []
    (hit,) = _hits(rules, *events, (2.0, {"kind": "b", "account": "ann"}))
    assert (hit.row, hit.group) == (2, {"who": "ann"})


def test_values_are_counted_each_once_and_those_that_are_missing_not_at_all() -> None:
    rules = _rules(_base("a"), _correlation("value_count", condition={"gte": 2, "field": "host"}))
    hosts = ["x", "x", None, "", "y"]
    events = [(float(at), {"kind": "a", "who": "ann", "host": host}) for at, host in enumerate(hosts)]
    assert [(hit.row, hit.value) for hit in _hits(rules, *events)] == [(4, 2)]


@pytest.mark.parametrize(
    ("kind", "values", "more", "made"),
    [
        ("value_sum", [1, 2.5, "3"], {}, 6.5),
        ("value_sum", ["0.1", 0.2], {}, 0.3),
        ("value_sum", [9007199254740993, "many", None], {}, 9007199254740993),
        ("value_avg", [1, 2, 6], {}, 3),
        ("value_median", [1, 9, 2], {}, 2),
        ("value_median", [1, 2], {}, 1.5),
        ("value_percentile", [0, 10], {"percentile": 95}, 9.5),
        ("value_percentile", [0, 10, 1000], {"percentile": 99.9}, 998.02),
        ("value_percentile", [4, 5], {"percentile": 100}, 5),
    ],
)
def test_a_number_is_made_of_the_values_of_a_field(
    kind: str, values: list[Any], more: dict[str, Any], made: float
) -> None:
    rules = _rules(_base("a"), _correlation(kind, condition={"field": "n", "eq": made, **more}))
    hits = _hits(rules, *[(float(at), {"kind": "a", "who": "ann", "n": value}) for at, value in enumerate(values)])
    assert hits
    assert hits[-1].value == made


@pytest.mark.parametrize(
    ("condition", "kinds", "rows"),
    [
        (None, "ab c", [2]),
        ({"gte": 2}, "a b", [1]),
        ({"eq": 1}, "aab", [0, 1]),
        ("a and b and not c", "ab", [1]),
        ("a and b and not c", "cab", []),
        ("a AND (b OR c)", "ac", [1]),
        ("1 of them", "c", [0]),
        ("all of them", "cab", [2]),
        ("a and (b or c) and not (b and c)", "abc", [1]),
    ],
)
def test_rules_within_a_span(condition: Any, kinds: str, rows: list[int]) -> None:
    correlation = _correlation("temporal", rules=["a", "b", "c"], condition=condition)
    rules = _rules(_base("a"), _base("b"), _base("c"), correlation)
    assert [hit.row for hit in _hits(rules, *_kinds(kinds))] == rows


@pytest.mark.parametrize(
    ("condition", "kinds", "rows"),
    [
        (None, "abc", [2]),
        (None, "acb", []),
        (None, "cab ac", [4]),
        ({"gte": 2}, "ba", []),
        ({"gte": 2}, "bac", [2]),
        ("a and b and not c", "ab", [1]),
        ("a and b and not c", "ba", []),
        ("a and b and not c", "cab", []),
        ("a or b or c", "b", [0]),
    ],
)
def test_rules_in_their_order(condition: Any, kinds: str, rows: list[int]) -> None:
    correlation = _correlation("temporal_ordered", rules=["a", "b", "c"], condition=condition)
    rules = _rules(_base("a"), _base("b"), _base("c"), correlation)
    assert [hit.row for hit in _hits(rules, *_kinds(kinds))] == rows


def test_an_expression_alone_says_which_rules_it_is_about() -> None:
    rules = _rules(_base("a"), _base("b"), _correlation("temporal", rules=None, condition="a and not b"))
    assert rules.correlations[0].rules == ("a", "b")
    assert [hit.row for hit in _hits(rules, *_kinds("ab"))] == [0]


def test_rules_in_an_expression_may_be_called_by_their_ids() -> None:
    ids = ["0e95725d-7320-415d-80f7-004da920fc11", "not-a-name"]
    documents = [_base("a", id=ids[0]), _base("b") | {"name": ids[1]}]
    rules = _rules(*documents, _correlation("temporal", rules=ids, condition=f"{ids[0]} and not {ids[1]}"))
    assert [hit.row for hit in _hits(rules, *_kinds("ab"))] == [0]


def test_a_correlation_of_correlations_groups_by_its_own_fields() -> None:
    outer = _correlation("temporal_ordered", rules=["many", "b"], outer={"title": "Broken in", "name": "in"})
    outer["correlation"]["group-by"] = ["user"]
    rules = _rules(_base("a"), _base("b"), outer, _correlation())
    said = {"who": "ann", "user": "root"}
    (hit,) = _hits(rules, *_kinds("aaab", **said))
    assert (hit.row, hit.group, hit.records) == (3, {"user": "root"}, [("log", 3), ("log", 4)])
    assert rules.known[hit.rule].title == "Broken in"
    assert _hits(rules, *_kinds("baaa", **said)) == []


def test_the_alias_of_an_inner_correlation_is_known_to_the_outer_one() -> None:
    inner = _correlation(aliases={"who": {"a": "user"}})
    outer = _correlation("temporal", rules=["many", "b"], outer={"title": "Outer", "name": "outer"})
    rules = _rules(_base("a"), _base("b"), inner, outer)
    events = [(float(at), {"kind": "a", "user": "ann"}) for at in range(3)]
    titles = [rules.known[hit.rule].title for hit in _hits(rules, *events, (4.0, {"kind": "b", "who": "ann"}))]
    assert titles == ["Outer"]


def test_one_record_on_which_two_members_fire_counts_once() -> None:
    second = _base("z")
    second["detection"]["s"] = {"kind": "a"}
    rules = _rules(_base("a"), second, _correlation(rules=["a", "z"]))
    assert [hit.row for hit in _hits(rules, *_kinds("aaa"))] == [2]


# ----- what stands alone


@pytest.mark.parametrize(
    ("first", "second", "alone"),
    [(None, None, []), (True, None, ["Rule a"]), (None, True, ["Rule a"]), (False, False, [])],
)
def test_members_stand_alone_only_where_a_correlation_says_so(
    first: bool | None, second: bool | None, alone: list[str]
) -> None:
    outer = {} if second is None else {"generate": second}
    rules = _rules(
        _base("a"), _correlation(generate=first), _correlation(outer={"name": "other", "title": "O"} | outer)
    )
    silent = [rules.known[place].title for place in rules.silent]
    assert [title for title in ("Rule a",) if title not in silent] == alone


# ----- what cannot be used is named

REFUSED = [
    ({"rules": []}, "the correlation names no rule"),
    ({"rules": ["nosuch"]}, "no rule is called 'nosuch'"),
    ({"rules": ["many"]}, "the correlation is about itself: 'Many' → 'Many'"),
    ({"rules": ["a", "a"]}, "the rule 'a' is named twice"),
    ({"rules": {"a": 1}}, "`rules` is a list of names or ids of rules"),
    ({"type": "value_count", "condition": {"gte": 2, "field": ["who", "host"]}}, "value_count over several fields"),
    ({"type": "value_count", "condition": {"gte": 2}}, "value_count has no `field`"),
    ({"type": "value_percentile", "condition": {"gte": 2, "field": "n"}}, "does not say which percentile"),
    ({"type": "value_percentile", "condition": {"gte": 2, "field": "n", "percentile": 101}}, "from 0 to 100, not 101"),
    ({"type": "value_max", "condition": {"gte": 2, "field": "n"}}, "unknown correlation type 'value_max'"),
    ({"type": None}, "the correlation has no `type`"),
    ({"condition": {"gte": 2, "field": "n"}}, "the condition of event_count has no 'field'"),
    ({"condition": {"gt": 5, "lt": 6}}, "no number from 1 on fulfils the condition"),
    ({"condition": {"gte": True}}, "'gte' takes a number, not True"),
    ({"condition": {"gte": float("inf")}}, "'gte' takes a number, not 'Infinity'"),
    ({"condition": {"gte": 1_000_000}}, "event_count counts to 100,000"),
    ({"condition": {}}, "the condition has no bound"),
    ({"condition": "a and b"}, "event_count takes bounds, not an expression"),
    ({"type": "temporal", "condition": "a and nosuch"}, "the condition names 'nosuch', which is not in `rules`"),
    ({"type": "temporal", "rules": ["a", "b"], "condition": "a"}, "the condition does not name 'b'"),
    ({"type": "temporal", "condition": "not a"}, "holds where no rule has fired"),
    ({"type": "temporal", "condition": "a and and"}, "cannot be read"),
    ({"type": "temporal", "condition": {"gte": 2}}, "no number of its 1 rules fulfils the condition"),
    ({"type": "temporal", "condition": "2 of x*"}, "the condition names '2', which is not in `rules`"),
    ({"group_by": ["who"]}, "a correlation has no key 'group_by'"),
    ({"window": "session"}, "a correlation has no key 'window'"),
    ({"timespan": "1h30m"}, "Timespan '1h30m' is invalid"),
    ({"timespan": None}, "without timespan"),
    ({"aliases": {"who": {"b": "user"}}}, "the alias 'who' speaks of 'b', which is not in `rules`"),
    ({"aliases": {"who": "user"}}, "the alias 'who' maps rules to fields"),
    ({"generate": "yes"}, "`generate` is true or false, not 'yes'"),
]


@pytest.mark.parametrize(("section", "message"), REFUSED)
def test_what_is_not_supported_is_refused_by_name(section: dict[str, Any], message: str, tmp_path: Path) -> None:
    made = _correlation(**{key: value for key, value in section.items() if key != "type"})
    if "type" in section:
        made["correlation"]["type"] = section["type"]
    if section.get("type") in ("temporal", "temporal_ordered") and "condition" not in section:
        del made["correlation"]["condition"]
    documents = [_base("a"), _base("b"), made]
    rules, (error,) = _read(*documents)
    assert message in error
    assert rules.correlations == []
    (tmp_path / "own.yaml").write_text("\n---\n".join(json.dumps(document) for document in documents), "utf-8")
    assert [one.severity for one in lint([tmp_path])[1] if message in one.message] == ["error"]


def test_lint_says_what_a_correlation_does_not_use(tmp_path: Path) -> None:
    aliases = {"who": {"a": "user"}, "whom": {"a": "x", "b": "y"}}
    documents = [_base("a"), _base("b"), _correlation("temporal", rules=["a", "b"], aliases=aliases)]
    (tmp_path / "own.yaml").write_text("\n---\n".join(json.dumps(document) for document in documents), "utf-8")
    said = {(one.check, one.message) for one in lint([tmp_path])[1] if "alias" in one.check}
    assert said == {
        ("partial-alias", "the alias 'who' has no field for 'b', where it is looked for by its own name"),
        ("unused-alias", "the alias 'whom' is neither in `group-by` nor the `field`: nothing uses it"),
    }


def test_a_correlation_cannot_be_explained_on_one_text_nor_have_tests() -> None:
    rules = _rules(_base("a"), _correlation())
    with pytest.raises(RuleError, match="'many' is a correlation: no single text completes it"):
        find_rule(rules, "many")
    _, errors = _read(_base("a"), _correlation(outer={"tests": {"match": ["x"]}}))
    assert errors == ["a correlation has no `tests`: no single text completes it"]


def test_a_correlation_whose_member_is_refused_is_refused_too() -> None:
    outer = _correlation(rules=["many"], outer={"title": "Outer", "name": "outer"})
    rules, errors = _read(_base("a"), _correlation(rules=["gone"]), outer)
    assert rules.correlations == []
    assert errors == ["no rule is called 'gone'", "no rule is called 'many'"]


def test_a_circle_of_correlations_is_named_and_others_stay() -> None:
    first = _correlation(rules=["two"], outer={"title": "One", "name": "one"})
    second = _correlation(rules=["one"], outer={"title": "Two", "name": "two"})
    rules, errors = _read(_base("a"), first, second, _correlation())
    assert [one.title for one in rules.correlations] == ["Many"]
    assert len(errors) == 2
    assert all(error.startswith("the correlation is about itself: ") for error in errors)


@pytest.mark.parametrize(
    ("named", "message"),
    [(["nosuch"], "the filter is for no rule: 'nosuch'"), ([], "the filter names no rule"), (["a"], None)],
)
def test_a_filter_for_no_rule_is_named(named: list[str], message: str | None) -> None:
    search = {"rules": named, "quiet": {"who": "bob"}, "condition": "not quiet"}
    _, errors = _read(_base("a"), {"title": "F", "logsource": {"product": "test"}, "filter": search})
    assert errors == ([] if message is None else [message])


# ----- the plain form: every window anew

SPAN = 60
EVENT = st.tuples(st.integers(0, 200), st.sampled_from("abc"), st.sampled_from(["ann", "bob"]), st.integers(-3, 3))
CONDITIONS: list[tuple[str, Any]] = [
    ("event_count", {"gte": 3}),
    ("event_count", {"gt": 1, "lte": 3}),
    ("event_count", {"eq": 2}),
    ("value_count", {"gte": 2, "field": "n"}),
    ("value_sum", {"gt": 2, "field": "n"}),
    ("value_avg", {"lt": 0.5, "field": "n"}),
    ("value_median", {"gte": 1, "field": "n"}),
    ("value_percentile", {"gte": 1.5, "field": "n", "percentile": 75}),
    ("temporal", None),
    ("temporal", {"gte": 2}),
    ("temporal", "a and b and not c"),
    ("temporal", "(a or b) and c"),
    ("temporal_ordered", None),
    ("temporal_ordered", {"gte": 2}),
    ("temporal_ordered", "a and c and not b"),
]


def _plainly(kind: str, condition: Any, window: list[tuple[int, str, str, int]]) -> bool:
    """Whether the records of a window fulfil a condition: by the standard's words alone."""
    numbers = sorted(Decimal(n) for _, _, _, n in window)
    present = {letter for _, letter, _, _ in window}
    chains = [
        set(chosen)
        for size in range(4)
        for chosen in combinations("abc", size)
        if set(chosen) <= present and (kind == "temporal" or _one_after_the_other(chosen, window))
    ]
    if isinstance(condition, str):
        expressions = {
            "a and b and not c": lambda chain: {"a", "b"} <= chain and "c" not in present,
            "(a or b) and c": lambda chain: bool({"a", "b"} & chain) and "c" in chain,
            "a and c and not b": lambda chain: {"a", "c"} <= chain and "b" not in present,
        }
        return any(expressions[condition](chain) for chain in chains)
    if kind.startswith("temporal"):
        value: Any = max(map(len, chains))
    elif kind == "value_percentile":
        rank = Decimal("0.75") * (len(numbers) - 1)
        low, high = numbers[int(rank)], numbers[min(int(rank) + 1, len(numbers) - 1)]
        value = low + (high - low) * (rank - int(rank))
    else:
        value = {
            "event_count": len(window),
            "value_count": len(set(numbers)),
            "value_sum": sum(numbers),
            "value_avg": sum(numbers) / len(numbers),
            "value_median": median(numbers),
        }[kind]
    bounds = {"gte": 3} if condition is None else condition
    tests = {
        "gte": lambda bound: value >= bound,
        "gt": lambda bound: value > bound,
        "lt": lambda bound: value < bound,
        "lte": lambda bound: value <= bound,
        "eq": lambda bound: value == bound,
    }
    return all(test(Decimal(str(bounds[name]))) for name, test in tests.items() if name in bounds)


def _one_after_the_other(chosen: tuple[str, ...], window: list[tuple[int, str, str, int]]) -> bool:
    """Whether there is one record of each, none before the one before."""
    end = -1
    for letter in chosen:
        times = [time for time, of, _, _ in window if of == letter and time >= end]
        if not times:
            return False
        end = min(times)
    return True


def _as_events(events: list[tuple[int, str, str, int]]) -> list[tuple[float, dict[str, Any]]]:
    return [(float(at), {"kind": kind, "who": who, "n": n}) for at, kind, who, n in events]


@given(st.sampled_from(CONDITIONS), st.lists(EVENT, max_size=25))
@settings(deadline=None, max_examples=150)
def test_every_window_is_judged_as_the_plain_form_judges_it(
    condition: tuple[str, Any], events: list[tuple[int, str, str, int]]
) -> None:
    kind, asked = condition
    rules = _rules(*map(_base, "abc"), _correlation(kind, rules=["a", "b", "c"], condition=asked))
    events = sorted(events, key=lambda event: event[0])
    expected = []
    for at, (time, _, who, _) in enumerate(events):
        window = [one for one in events[: at + 1] if one[2] == who and one[0] >= time - SPAN]
        if _plainly(kind, asked, window):
            expected.append(at)
    # Members at one time are taken in the order of the rules; each record is in the window of those after it.
    if len({event[0] for event in events}) == len(events) or not kind.startswith("temporal"):
        assert sorted({hit.row for hit in _hits(rules, *_as_events(events))}) == expected


@given(st.sampled_from(CONDITIONS), st.lists(EVENT, max_size=25), st.data())
@settings(deadline=None, max_examples=100)
def test_pieces_and_a_saved_state_between_them_change_nothing(
    condition: tuple[str, Any], events: list[tuple[int, str, str, int]], data: st.DataObject
) -> None:
    kind, asked = condition
    rules = _rules(*map(_base, "abc"), _correlation(kind, rules=["a", "b", "c"], condition=asked))
    records = _records(*_as_events(sorted(events, key=lambda event: event[0])))
    whole = Correlator(rules).add(records, rules.fired(records))
    cut = data.draw(st.integers(0, records.height))
    first, second = Correlator(rules), Correlator(rules)
    found = first.add(records[:cut], rules.fired(records[:cut]))
    second.restore(first.packed())
    found += second.add(records[cut:], rules.fired(records[cut:]))
    assert [(hit.value, hit.group, hit.records) for hit in found] == [
        (hit.value, hit.group, hit.records) for hit in whole
    ]


@given(
    st.lists(EVENT, max_size=30),
    st.sampled_from([{"gte": 3}, {"gt": 1, "lt": 4}, {"eq": 2}, {"neq": 1}, {"gte": 2.5}]),
    st.integers(1, 30),
    st.booleans(),
)
@settings(deadline=None, max_examples=150)
def test_groups_that_are_counted_at_once_are_counted_as_one_by_one(
    events: list[tuple[int, str, str, int]], condition: dict[str, float], size: int, grouped: bool
) -> None:
    rules = _rules(_base("a"), _correlation(condition=condition, **{"group-by": ["who"] if grouped else None}))
    records = _records(*_as_events(events))
    at_once, one_by_one = Correlator(rules), Correlator(rules)
    assert at_once._at_once == [True]
    one_by_one._at_once = [False]
    for first in range(0, records.height, size):
        block = records[first : first + size]
        fired = rules.fired(block)
        assert at_once.add(block, fired) == one_by_one.add(block, fired)
    # Which group came last is another thing where each comes once in a block.
    remembered = [
        {key: group.packed() for key, group in correlator._groups.items()} for correlator in (at_once, one_by_one)
    ]
    assert remembered[0] == remembered[1]


@given(st.lists(EVENT, max_size=25), st.randoms())
@settings(deadline=None, max_examples=100)
def test_the_order_in_which_records_are_read_does_not_change_which_groups_fire(
    events: list[tuple[int, str, str, int]], random: Any
) -> None:
    rules = _rules(*map(_base, "abc"), _correlation(rules=["a", "b", "c"]))
    shuffled = random.sample(events, len(events))
    correlator, found = Correlator(rules), []
    for event in shuffled:
        records = _records(*_as_events([event]))
        found += correlator.add(records, rules.fired(records))
    hits = _hits(rules, *_as_events(sorted(events, key=lambda event: event[0])))
    assert {str(hit.group) for hit in found} == {str(hit.group) for hit in hits}


# ----- bounded


def _flood(keys: int, between: int) -> list[tuple[float, dict[str, Any]]]:
    """A slow attack of one name, and beside each of its records so many others that come once."""
    events = []
    for at in range(keys):
        who = "slow" if at % between == between - 1 else f"once-{at}"
        events.append((at / 1000, {"kind": "a", "who": who}))
    return events


def test_a_flood_of_keys_does_not_push_out_a_slow_attack() -> None:
    rules = _rules(_base("a"), _correlation(condition={"gte": 5}, timespan="1h"))
    events = _flood(12_000, 1_500)
    records = _records(*events)
    correlator = Correlator(rules, most_groups=500)
    hits = correlator.add(records, rules.fired(records))
    assert {hit.group["who"] for hit in hits} == {"slow"}
    assert len(correlator._groups) <= 500
    assert correlator.left_out > 10_000
    assert [error.message for error in correlator.problems()] == [
        f"{correlator.left_out:,} groups of correlations were given up: there are more than can be remembered"
    ]
    # The same memory by last use alone, which is what is not done, loses it.
    kept: OrderedDict[str, int] = OrderedDict()
    most = 0
    for _, event in events:
        kept[event["who"]] = kept.pop(event["who"], 0) + 1
        most = max(most, kept[event["who"]])
        while len(kept) > 500:
            kept.popitem(last=False)
    assert most == 1


def test_a_flood_does_not_grow_what_is_remembered() -> None:
    rules = _rules(_base("a"), _correlation("value_count", condition={"gte": 5, "field": "host"}, timespan="1h"))
    correlator = Correlator(rules, most_bytes=200_000)
    for part in range(6):
        events = [
            (part + at / 500, {"kind": "a", "who": f"{part}-{at % 100}", "host": "h" * 5_000 + str(at)})
            for at in range(500)
        ]
        records = _records(*events)
        correlator.add(records, rules.fired(records))
    assert sum(1_000 + group.size() for _, group in correlator._groups.items()) <= 200_000
    assert len(correlator.packed()) < 1_000_000


def test_long_values_are_told_apart() -> None:
    rules = _rules(_base("a"), _correlation(condition={"gte": 2}))
    events = [(float(at), {"kind": "a", "who": "x" * 5_000 + str(at)}) for at in range(3)]
    assert _hits(rules, *events) == []
    (hit,) = _hits(rules, *events, (9.0, events[1][1]))
    assert len(hit.group["who"]) < 250


def test_a_state_that_is_not_one_is_refused() -> None:
    rules = _rules(_base("a"), _correlation())
    packed = Correlator(_rules(_base("a"), _correlation(), _correlation(outer={"name": "o", "title": "O"}))).packed()
    for content in (b"", b"\x90", packed[:-5]):
        with pytest.raises(ValueError):  # noqa: PT011 - whatever is wrong with it
            Correlator(rules).restore(content)


# ----- lines of text


def _lines(folder: Path, *lines: str) -> Path:
    (folder / "log").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return folder / "log"


def _matched(folder: Path, log: Path, *documents: dict[str, Any]) -> list[dict[str, Any]]:
    (folder / "own.yaml").write_text("\n---\n".join(json.dumps(document) for document in documents), "utf-8")
    return [found["correlation"] for found in matches(log, folder / "own.yaml") if "correlation" in found]


def _text_rule(**search: Any) -> dict[str, Any]:
    return _base("a", logsource={"category": "text"}, detection={"s": search, "condition": "s"})


def test_a_text_rule_groups_by_a_named_group_of_its_pattern(tmp_path: Path) -> None:
    rule = _text_rule(**{"text|re": r"badge (?P<who>\w+) refused"})
    log = _lines(tmp_path, *(f"2026-01-05T00:00:0{at}Z door 4: badge K{at // 3} refused" for at in range(5)))
    assert [one["group"] for one in _matched(tmp_path, log, rule, _correlation())] == [{"who": "k0"}]


@pytest.mark.parametrize(
    ("field", "line", "value"),
    [
        ("source.ip", "sshd[1]: Failed password for root from 192.0.2.7 port 22", "192.0.2.7"),
        ("source.ip", "auth failed client=198.51.100.3 server=10.0.0.1", "198.51.100.3"),
        ("source.ip", "bad password, rhost=::ffff:192.0.2.9 user=root", "192.0.2.9"),
        ("source.ip", "bad login from 2001:db8::7: denied", "2001:db8::7"),
        ("user.name", "sshd[1]: Failed password for invalid user Bob from 192.0.2.7", "Bob"),
        ("user.name", "pam: authentication failure; logname= uid=0 rhost=x user=carol", "carol"),
        ("user.name", 'attempt for user "dave" failed', "dave"),
        ("url.path", '192.0.2.7 - - [x] "GET /a/b.php?c=1 HTTP/1.1" 404 1 failed', "/a/b.php"),
        ("destination.port", "DROP failed SRC=192.0.2.7 DST=10.0.0.1 DPT=445", "445"),
        ("stage", "build failed stage=link code=2", "link"),
    ],
)
def test_a_text_rule_groups_by_what_stands_in_the_line(field: str, line: str, value: str, tmp_path: Path) -> None:
    rule = _text_rule(**{"text|contains": ["fail", "bad"]})
    log = _lines(tmp_path, *(f"2026-01-05T00:00:0{at}Z {line}" for at in range(3)))
    found = _matched(tmp_path, log, rule, _correlation(**{"group-by": [field]}))
    assert [one["group"] for one in found] == [{field: value}]


PIECES = (
    *("from ", "user=", "client: ", "192.0.2.7", "2001:db8::7", "::ffff:10.0.0.1", '"bob"', "root", " ", ", ", "é"),
    *("Jan  5 10:00:00 host ", "sshd[7]: ", '"GET /a?b HTTP/1.1"', "DPT=", "22", "invalid user ", "[", "]", "登录"),
)
LINES = st.lists(st.sampled_from(PIECES), max_size=9).map("".join)


@given(st.lists(LINES, max_size=6), st.sampled_from(sorted(line_fields())))
@settings(deadline=None, max_examples=200)
def test_a_column_of_lines_has_the_fields_that_each_line_has_by_itself(lines: list[str], name: str) -> None:
    column, finders = pl.Series(lines, dtype=pl.String), line_fields()[name].finders
    assert first_found(column, finders).to_list() == line_by_line(column, finders).to_list()


def test_a_text_rule_on_an_event_takes_its_fields(tmp_path: Path) -> None:
    rule = _text_rule(**{"text|contains": "login failed"})
    events = [
        {"time": f"2026-01-05T00:00:0{at}Z", "message": "login failed", "client_ip": "192.0.2.7"} for at in range(3)
    ]
    log = _lines(tmp_path, *map(json.dumps, events))
    (found,) = _matched(tmp_path, log, rule, _correlation(**{"group-by": ["source.ip"]}))
    assert found["group"] == {"source.ip": "192.0.2.7"}
    assert found["count"] == 3
    assert found["records"] == [{"source": str(log), "line": line} for line in (1, 2, 3)]


def test_records_without_a_time_take_no_part_and_are_named(tmp_path: Path) -> None:
    rule = _text_rule(**{"text|contains": "login failed"})
    log = _lines(tmp_path, *["login failed ip=192.0.2.7"] * 3)
    (tmp_path / "own.yaml").write_text(
        "\n---\n".join(map(json.dumps, [rule, _correlation(**{"group-by": ["source.ip"]})])), "utf-8"
    )
    problems: list[Any] = []
    assert list(matches(log, tmp_path / "own.yaml", problems=problems)) == []
    assert [error.message for error in problems] == [
        "no time is known of 3 records on which rules of correlations fire: they take no part"
    ]


def test_fewer_records_without_a_time_than_could_complete_anything_are_not_worth_a_word() -> None:
    rules = _rules(_base("a"), _correlation(condition={"gte": 3}))
    correlator = Correlator(rules)
    records = _records(*_kinds("aa")).with_columns(time=pl.lit(None, pl.Datetime("us", "UTC")))
    correlator.add(records, rules.fired(records))
    assert (correlator.untimed, correlator.problems()) == (2, [])
    correlator.add(records, rules.fired(records))
    assert len(correlator.problems()) == 1
