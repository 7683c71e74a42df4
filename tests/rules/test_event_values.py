"""What an event's values are, and what expressions say of values with line breaks."""

from __future__ import annotations

import json
import re
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forewarn.reading.records import read
from forewarn.rules import RuleSet
from forewarn.rules.language.reading import read_rules
from forewarn.rules.language.rule import Pattern
from forewarn.rules.matching.expressions import Expressions
from forewarn.rules.tools.linting import lint

SYSMON = "Microsoft-Windows-Sysmon/Operational"
SLOW = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), print_blob=False)


def _rules(*searches: Any, **logsource: str) -> RuleSet:
    documents = [
        {
            "title": str(at),
            "logsource": logsource or {"category": "webserver"},
            "detection": {"s": search, "condition": "s"},
        }
        for at, search in enumerate(searches)
    ]
    rules, errors = read_rules("\n---\n".join(map(json.dumps, documents)), "own.yaml")
    assert errors == [], errors
    return RuleSet(rules)


def _hits(rules: RuleSet, *events: Any) -> list[tuple[int, int]]:
    raw = [event if isinstance(event, str) else json.dumps(event) for event in events]
    return list(rules.match(pl.DataFrame({"text": raw, "raw": raw})).iter_rows())


def _fires(search: Any, event: Any, **logsource: str) -> bool:
    return _hits(_rules(search, **logsource), event) != []


def _windows(event_id: int, channel: str, /, **data: Any) -> dict[str, Any]:
    return {"Event": {"System": {"EventID": event_id, "Channel": channel}, "EventData": data}}


# Lists and objects.


@pytest.mark.parametrize(
    "search",
    [
        {"roles": "admin"},
        {"roles|startswith": "adm"},
        {"roles|endswith": "min"},
        {"roles|contains": "dmi"},
        {"roles|re": "^admin$"},
        {"roles|contains|all": ["use", "adm"]},
        {"ips|cidr": "10.0.0.0/8"},
        {"n|gt": 5},
        {"n": 6},
        {"users.name": "bob"},
        {"one": "x"},
        {"deep": "y"},
        {"roles|fieldref": "other"},
        {"roles|exists": True},
    ],
)
def test_a_list_matches_if_a_member_does(search: dict[str, Any]) -> None:
    event = {
        "roles": ["user", "admin"],
        "ips": ["1.2.3.4", "10.1.1.1"],
        "n": [4, 6],
        "users": [{"name": "al"}, {"name": "bob"}],
        "one": ["x"],
        "deep": [["x"], ["y"]],
        "other": ["z", "ADMIN"],
    }
    assert _fires(search, event)


@pytest.mark.parametrize("spelling", ['","', '["', "[", '"', "user,"])
def test_a_list_is_not_matched_as_it_is_spelled(spelling: str) -> None:
    assert not _fires({"roles|contains": spelling}, {"roles": ["user", "admin"]})


def test_no_member_of_an_empty_list_is_a_value() -> None:
    assert _fires({"a": None, "b": "x"}, {"a": [], "b": "x"})
    assert _fires({"a|exists": False, "b": "x"}, {"a": [None], "b": "x"})


def test_phrases_have_to_stand_in_one_member() -> None:
    search = {"a|near": ["bank", "queue"]}
    assert _fires(search, {"a": ["x", "a queue at the bank"]})
    assert not _fires(search, {"a": ["a queue", "the bank"]})
    assert _fires({"a|affirmed": ["outbreak"]}, {"a": ["no outbreak", "an outbreak"]})
    assert not _fires({"a|affirmed": ["outbreak"]}, {"a": ["no outbreak", "x"]})


@pytest.mark.parametrize(
    "data", ["run C:\\Temp\\x.exe", {"#text": "run C:\\Temp\\x.exe"}, {"#text": ["a", "run C:\\Temp\\x.exe"]}]
)
def test_unnamed_data_is_its_text(data: Any) -> None:
    event = _windows(1, "Application", Data=data)
    assert _fires({"Data|contains": "C:\\Temp\\x.exe"}, event, product="windows")
    assert _fires({"Data|startswith": "run"}, event, product="windows")
    assert _fires({"Data|re": r"run\sC:"}, event, product="windows")
    assert not _fires({"Data|contains": "\\\\\\\\Temp"}, event, product="windows")
    assert not _fires({"Data|contains": "{"}, event, product="windows")


def test_an_object_is_there_and_has_no_value() -> None:
    event = {"user": {"name": "eve"}, "b": 1}
    assert _fires({"user|exists": True}, event)
    assert not _fires({"user": None, "b": 1}, event)
    assert not _fires({"user": "*"}, event)
    assert not _fires({"user|re": ".*"}, event)
    assert _fires({"user.name": "eve"}, event)


def test_event_data_may_be_a_list_of_objects() -> None:
    event = {"Event": {"System": {"EventID": 1, "Channel": SYSMON}, "EventData": [{"Image": "a"}, {"Image": "b"}]}}
    assert _fires({"Image": "b"}, event, product="windows", category="process_creation")


# Numbers.


@pytest.mark.parametrize(
    ("search", "value", "holds"),
    [
        (1, "1.0", True),
        (1.0, "1", True),
        (1.0, "1.0", True),
        (0.5, "5e-1", True),
        (9007199254740993, "9007199254740993", True),
        (9007199254740993, "9007199254740992", False),
        (10000000000000001, "10000000000000001", True),
        (10000000000000001, "1e16", False),
        (10000000000000000, "1e16", True),
        (1, "true", False),
    ],
)
def test_numbers_are_compared_as_numbers(search: float, value: str, holds: bool) -> None:
    assert _fires({"v": search}, f'{{"v": {value}}}') is holds


@pytest.mark.parametrize(
    ("operator", "bound", "value", "holds"),
    [
        ("gt", 9007199254740992, "9007199254740993", True),
        ("gt", 9007199254740993, "9007199254740993", False),
        ("gte", 9007199254740993, "9007199254740993", True),
        ("lt", 9007199254740993, "9007199254740992", True),
        ("lte", 9007199254740992, "9007199254740993", False),
        ("gt", 1, "1e400", True),
        ("gt", 1.5, '"1.6"', True),
    ],
)
def test_large_numbers_are_compared_exactly(operator: str, bound: float, value: str, holds: bool) -> None:
    assert _fires({f"v|{operator}": bound}, f'{{"v": {value}}}') is holds


def test_a_number_of_any_length_hides_no_event() -> None:
    assert _fires({"a": "x"}, f'{{"a": "x", "n": {"9" * 5000}}}')


# Keywords.


@pytest.mark.parametrize("keyword", ["洪水", "Temp\\x.exe", 'say "hi"', "http://a/b", "p\nq", "ｔｅｍｐ", "bob", "7.5"])
def test_keywords_are_looked_for_in_the_values(keyword: str) -> None:
    event = json.dumps(
        _windows(1, "System", A='洪水 C:\\Temp\\x.exe say "hi" http://a/b p\nq', B=[{"c": "bob"}, 7.5]),
        ensure_ascii=True,
    ).replace("http://a/b", "http:\\/\\/a\\/b")
    assert _fires([keyword], event, product="windows")


@pytest.mark.parametrize("keyword", ["Qualifiers", "schemas.microsoft.com", "u6d2a", "\\\\\\\\Temp", "EventData"])
def test_keys_and_spellings_are_no_keywords(keyword: str) -> None:
    event = _windows(1, "System", A="洪水 C:\\Temp", Qualifiers="")
    event["Event"]["#attributes"] = {"xmlns": "http://schemas.microsoft.com/win"}
    assert not _fires([keyword], json.dumps(event), product="windows")


# Names of fields.


def test_the_fields_of_user_data_stand_in_its_element() -> None:
    event = {
        "Event": {
            "System": {"EventID": 1102, "Channel": "Security"},
            "UserData": {"LogFileCleared": {"#attributes": {"xmlns": "x"}, "SubjectUserName": "bob"}},
        }
    }
    assert _fires({"SubjectUserName": "bob"}, event, product="windows")
    assert _fires({"LogFileCleared.SubjectUserName": "bob"}, event, product="windows")


def test_blanks_in_the_names_of_windows_fields_do_not_count() -> None:
    channel = "Microsoft-Windows-Windows Defender/Operational"
    event = _windows(5007, channel, **{"New Value": "x"})
    assert _fires({"NewValue": "x"}, event, product="windows", service="windefend")
    assert _fires({"New Value": "x"}, event, product="windows", service="windefend")
    assert not _fires({"NewValue": "x"}, {"New Value": "x"})


@pytest.mark.parametrize("channel", ["Security", "security"])
def test_a_channel_counts_in_any_case(channel: str) -> None:
    assert _fires({"Image": "x"}, _windows(4688, channel, NewProcessName="x"), product="windows")
    flat = {"EventID": 4688, "Channel": channel, "NewProcessName": "x"}
    assert _fires({"Image": "x"}, flat, product="windows", category="process_creation")


RENAMED = [
    (4688, "NewProcessName", "Image"),
    (4688, "ParentProcessName", "ParentImage"),
    (4688, "SubjectUserName", "User"),
    (4657, "ObjectName", "TargetObject"),
    (4657, "NewValue", "Details"),
    (5156, "Application", "Image"),
    (5156, "DestAddress", "DestinationIp"),
    (5156, "DestPort", "DestinationPort"),
]


@SLOW
@given(st.data(), st.lists(st.sampled_from(RENAMED), min_size=1, max_size=6))
def test_events_that_differ_in_one_renamed_field_are_told_apart(data: st.DataObject, kinds: list[Any]) -> None:
    """Each event has the verdict that it has alone, and the one that its own value says."""
    values = [data.draw(st.sampled_from(["x", "y", 3, None])) for _ in kinds]
    events = [
        _windows(number, "Security", CommandLine="", **({} if value is None else {own: value}))
        for (number, own, _), value in zip(kinds, values, strict=True)
    ]
    fields = sorted({known for _, _, known in kinds})
    rules = _rules(*({field: "x"} for field in fields), *({field: None} for field in fields), product="windows")
    expected = []
    for row, ((number, _, known), value) in enumerate(zip(kinds, values, strict=True)):
        for at, field in enumerate(fields):
            has = value if field == known else None
            others = {new for event, _, new in RENAMED if event == number}
            if has == "x":
                expected.append((row, at))
            if has is None or field not in others:
                expected.append((row, at + len(fields)))
    assert sorted(_hits(rules, *events)) == sorted(expected)


def test_an_event_is_judged_alike_among_thousands() -> None:
    rules = _rules({"Image|endswith": "\\tasklist.exe"}, product="windows", category="process_creation")
    many = [_windows(4688, "Security", NewProcessName="C:\\svchost.exe", CommandLine="")] * 1001
    one = _windows(4688, "Security", NewProcessName="C:\\tasklist.exe", CommandLine="")
    assert _hits(rules, *many, one) == [(1001, 0)]
    assert _hits(rules, one, *many) == [(0, 0)]


# Expressions and line breaks.


@pytest.mark.parametrize(
    ("modifiers", "expression", "value", "holds"),
    [
        ("re", "a.b", "a\nb", False),
        ("re|s", "a.b", "a\nb", True),
        ("re", "a.*b", "a\nxb", False),
        ("re", r"a[^\n]b", "a\nb", False),
        ("re", "a[^x]b", "a\nb", True),
        ("re", r"a\nb", "a\nb", True),
        ("re", r"a\r\nb", "a\r\nb", True),
        ("re|m", "^b", "a\nb", True),
        ("re", "^b", "a\nb", False),
        ("re|m", "a$", "a\nb", True),
        ("re", "a$", "a\nb", False),
        ("re", "a$", "a\n", True),
        ("re|i|m|s", "^B.c", "a\nb\nc", True),
        ("re", "(?m)^b", "a\nb", True),
        ("re", "(?s)a.b", "a\nb", True),
        ("re", r"\Ab", "a\nb", False),
        ("re", r"b\z", "a\nb", True),
        ("re", r"a\s+b", "a\n\tb", True),
        ("contains", "a\nb", "a\rb", False),
        ("contains", "a\nb", "xa\nb", True),
        ("contains", "a*b", "a\nb", True),
        ("endswith", "a", "a\n", False),
        ("startswith", "b", "a\nb", False),
    ],
)
@pytest.mark.parametrize("others", [0, 12])
def test_line_breaks_are_what_they_are(modifiers: str, expression: str, value: str, holds: bool, others: int) -> None:
    """Both where a field has few patterns and where it has many, which are looked for in another way."""
    more = [{"v|contains": f"q{number}"} for number in range(others)]
    rules = _rules({f"v|{modifiers}": expression}, *more)
    assert _hits(rules, {"v": value}, {"v": "zzz"}) == ([(0, 0)] if holds else [])


_ATOMS = [
    "a",
    "b",
    ".",
    "[^a]",
    "[^b]",
    r"\n",
    r"\r",
    r"\s",
    r"\S",
    r"\W",
    "$",
    "^",
    "(a|b)",
    r"\r\n",
    r"[\s\S]",
    r"\.",
    r"\$",
]
_EXPRESSIONS = st.lists(
    st.tuples(st.sampled_from(_ATOMS), st.sampled_from(["", "", "", "*", "+", "?"])), min_size=1, max_size=4
).map(lambda parts: "".join(atom + ("" if atom in ("^", "$") else how) for atom, how in parts))
_VALUES = st.lists(st.sampled_from(["a", "b", "\n", "\r\n", "\r", " ", "$"]), max_size=5).map("".join)


@SLOW
@given(
    st.lists(st.tuples(_EXPRESSIONS, st.sampled_from(["", "i", "m", "s", "ims"])), min_size=1, max_size=3),
    st.lists(_VALUES, min_size=1, max_size=6),
    st.booleans(),
)
def test_expressions_say_what_those_of_python_say(
    written: list[tuple[str, str]], values: list[str], apart: bool
) -> None:
    patterns = [
        Pattern(text, caseless="i" in flags, written=True, multiline="m" in flags, dotall="s" in flags)
        for text, flags in dict.fromkeys(written)
        # What may follow the end is a line break that `$` itself may take.
        if not re.search(r"(?<!\\)\$(?!$)", text)
    ]
    rows, ids = Expressions(patterns, apart=apart, many=0).hits(pl.Series(values, dtype=pl.String))
    expected = [
        (number, row)
        for number, pattern in enumerate(patterns)
        for row, value in enumerate(values)
        if re.compile(
            pattern.expression,
            re.ASCII
            | (re.IGNORECASE if pattern.caseless else 0)
            | (re.MULTILINE if pattern.multiline else 0)
            | (re.DOTALL if pattern.dotall else 0),
        ).search(value)
    ]
    assert list(zip(ids.tolist(), rows.tolist(), strict=True)) == expected


# What lint says of values.


def test_lint_names_values_that_are_not_what_they_look(tmp_path: Any) -> None:
    rule = tmp_path / "r.yaml"
    rule.write_text(
        "title: A title\nlevel: High\nlogsource: {category: webserver}\ndetection:\n  s:\n    a: []\n    t: 10:30\n"
        "    m: 010\n    n: 10\n  condition: s\n"
    )
    found = {(one.check, one.line) for one in lint([rule])[1]}
    assert {("empty-list", 6), ("misread-number", 7), ("misread-number", 8)} <= found
    assert not any(check == "unreadable" or line == 9 for check, line in found)


def test_the_hint_for_utf16le_is_the_same_byte_order() -> None:
    rule = {"title": "T", "logsource": {}, "detection": {"s": {"a|utf16le|base64": "x"}, "condition": "s"}}
    _, (error,) = read_rules(json.dumps(rule), "own.yaml")
    assert "|wide" in str(error)


def test_of_a_key_given_twice_the_last_counts_for_texts_and_for_events(tmp_path: Any) -> None:
    file = tmp_path / "e.jsonl"
    file.write_text('{"message": "a", "message": "b"}\n{"message": "c", "x": {"message": "d"}}\n')
    (block,) = read([file])
    assert block["text"].to_list() == ["b", "c"]
    assert _hits(_rules({"message": "b"}), *block["raw"]) == [(0, 0)]


@pytest.mark.parametrize("pair", ["საბა ᲡᲐᲑᲐ", "ꭰꭱ ᎠᎡ", "ᏸ Ᏸ", "𞤢𞤣 𞤀𞤁", "𐓘𐓙 𐒰𐒱", "𐖗 𐕰", "𖹠 𖹀", "ꟃ Ꟃ", "ωσ ΩΣ", "ß ẞ"])
@pytest.mark.parametrize("modifier", ["", "|contains", "|startswith", "|endswith", "|word", "|re|i"])
def test_letters_are_compared_without_regard_to_case_however_late_they_came(pair: str, modifier: str) -> None:
    for word in pair.split():
        detection = f"detection: {{s: {{'name{modifier}': {word}}}, condition: s}}"
        rules, _ = read_rules(f"title: T\nlogsource: {{category: webserver}}\n{detection}", "own.yaml")
        assert all(_hits(RuleSet(rules), {"name": other}) == [(0, 0)] for other in pair.split()), word
