"""Rules over structured events: which events a rule is for, and what each modifier says of a field."""

from __future__ import annotations

import base64
import json
from typing import Any

import polars as pl
import pytest

from forewarn.rules import RuleSet
from forewarn.rules.language.reading import read_rules

SYSMON = "Microsoft-Windows-Sysmon/Operational"


def _rules(search: Any, condition: str = "selection", logsource: dict[str, str] | None = None) -> RuleSet:
    searches = search if isinstance(search, dict) and "selection" in search else {"selection": search}
    rule = {
        "title": "T",
        "logsource": logsource or {"category": "webserver"},
        "detection": {**searches, "condition": condition},
    }
    rules, errors = read_rules(json.dumps(rule), "own.yaml")
    assert errors == [], errors
    return RuleSet(rules)


def _frame(*raw: Any) -> pl.DataFrame:
    """Records of which each is an event (a dictionary), its JSON, or none."""
    texts = [event if isinstance(event, str) or event is None else json.dumps(event) for event in raw]
    return pl.DataFrame({"text": texts, "raw": texts}, schema={"text": pl.String, "raw": pl.String})


def _fires(rules: RuleSet, *events: Any) -> list[bool]:
    rows = set(rules.match(_frame(*events))["row"].to_list())
    return [row in rows for row in range(len(events))]


def _check(rules: RuleSet, yes: list[Any], no: list[Any]) -> None:
    assert _fires(rules, *yes, *no) == [True] * len(yes) + [False] * len(no)


def _windows(event_id: int, channel: str = SYSMON, /, **data: Any) -> dict[str, Any]:
    system = {
        "Provider": {"#attributes": {"Name": channel.split("/")[0]}},
        "EventID": event_id,
        "Channel": channel,
        "Computer": "PC1",
    }
    return {"Event": {"#attributes": {"xmlns": "x"}, "System": system, "EventData": data}}


# Windows events.

PROCESS = {"product": "windows", "category": "process_creation"}


def test_a_process_rule_is_for_sysmon_event_1() -> None:
    rules = _rules({"Image|endswith": r"\whoami.exe"}, logsource=PROCESS)
    image = r"C:\Windows\System32\WHOAMI.exe"
    _check(
        rules,
        [_windows(1, Image=image)],
        [_windows(1, Image=r"C:\cmd.exe"), _windows(3, Image=image), _windows(1, "Security", Image=image)],
    )


def test_security_4688_has_the_names_of_sysmon() -> None:
    rules = _rules(
        {"Image|endswith": r"\whoami.exe", "ParentImage|endswith": r"\cmd.exe", "CommandLine|contains": "/all"},
        logsource=PROCESS,
    )
    fields = {"NewProcessName": r"C:\whoami.exe", "ParentProcessName": r"C:\cmd.exe", "CommandLine": "whoami /all"}
    _check(
        rules,
        [_windows(4688, "Security", **fields), _windows(4688, "Security", **fields, SubjectUserName="me")],
        [_windows(4689, "Security", **fields), _windows(1, **fields)],
    )


def test_a_field_that_is_there_is_not_renamed() -> None:
    event = _windows(4688, "Security", Image="right", NewProcessName="wrong")
    assert _fires(_rules({"Image": "right"}, logsource=PROCESS), event) == [True]
    assert _fires(_rules({"Image": "wrong"}, logsource=PROCESS), event) == [False]


def test_a_service_is_its_channel() -> None:
    rules = _rules({"EventID": 4625}, logsource={"product": "windows", "service": "security"})
    _check(
        rules, [_windows(4625, "Security")], [_windows(4625, "System"), _windows(4624, "Security"), {"EventID": 4625}]
    )


@pytest.mark.parametrize("logsource", [{"service": "no-such"}, {"category": "no_such"}])
def test_a_log_source_that_is_not_known_is_not_tried(logsource: dict[str, str]) -> None:
    rules = _rules({"EventID": 1}, logsource={"product": "windows", **logsource})
    assert _fires(rules, _windows(1)) == [False]


def test_a_windows_rule_without_more_is_for_every_windows_event() -> None:
    rules = _rules({"EventID": 7045}, logsource={"product": "windows"})
    _check(rules, [_windows(7045, "System"), _windows(7045, "Security")], [_windows(1), {"EventID": 7045}])


def test_the_system_part_has_fields() -> None:
    source = {"product": "windows", "service": "system"}
    event = _windows(7045, "System", ServiceName="x")
    for search in ({"Provider_Name": "System"}, {"Channel": "System"}, {"Computer": "pc1"}, {"EventID": "7045"}):
        assert _fires(_rules(search, logsource=source), event) == [True], search
    assert _fires(_rules({"Provider_Name": "Other"}, logsource=source), event) == [False]


@pytest.mark.parametrize("event_id", [4625, "4625", {"#text": 4625, "#attributes": {"Qualifiers": "0"}}])
def test_an_event_id_is_written_in_three_ways(event_id: Any) -> None:
    event = _windows(0, "Security")
    event["Event"]["System"]["EventID"] = event_id
    rules = _rules({"EventID": 4625}, logsource={"product": "windows", "service": "security"})
    assert _fires(rules, event) == [True]
    assert _fires(rules, event, {"other": "layout"}) == [True, False]


def test_user_data_stands_for_event_data() -> None:
    event = _windows(104, "System")
    del event["Event"]["EventData"]
    event["Event"]["UserData"] = {"LogFileCleared": {"SubjectUserName": "eve"}}
    source = {"product": "windows", "service": "system"}
    assert _fires(_rules({"EventID": 104}, logsource=source), event) == [True]


def test_user_data_has_dotted_names() -> None:
    event = _windows(104, "System")
    event["Event"]["UserData"] = {"LogFileCleared": {"SubjectUserName": "eve"}}
    del event["Event"]["EventData"]
    rules = _rules({"LogFileCleared.SubjectUserName": "eve"}, logsource={"product": "windows", "service": "system"})
    assert _fires(rules, event, {"other": "layout"}) == [True, False]
    assert _fires(rules, event) == [True]


def test_flat_json_with_channel_and_event_id_is_a_windows_event() -> None:
    rules = _rules({"Image|endswith": "whoami.exe"}, logsource=PROCESS)
    event = {"EventID": 1, "Channel": SYSMON, "Image": r"C:\whoami.exe"}
    _check(rules, [event, {**event, "EventID": "1"}], [{**event, "EventID": 3}, {"Image": r"C:\whoami.exe"}])


def test_windows_and_other_layouts_may_be_mixed() -> None:
    windows, web = (
        _rules({"Image": "a"}, logsource=PROCESS).rules[0],
        _rules({"Image": "a"}, logsource={"category": "webserver"}).rules[0],
    )
    rules = RuleSet([windows, web])
    assert rules.match(_frame(_windows(1, Image="a"), {"Image": "a"}, "not json", None)).rows() == [
        (0, 0),
        (0, 1),
        (1, 1),
    ]


# Which events a rule is for.


def test_a_rule_of_another_product_does_not_fire_on_windows_events() -> None:
    for source in ({"product": "linux"}, {"product": "aws", "service": "cloudtrail"}, {"service": "sshd"}):
        rules = _rules({"Image|contains": "a"}, logsource=source)
        _check(rules, [{"Image": "a"}], [_windows(1, Image="a")])


def test_a_windows_rule_does_not_fire_on_other_events() -> None:
    _check(_rules({"Image": "a"}, logsource=PROCESS), [], [{"Image": "a"}, {"EventID": 1, "Image": "a"}])


def test_a_rule_that_excludes_does_not_fire_on_events_without_its_fields() -> None:
    rules = _rules({"selection": {"a": "x"}}, "not selection")
    _check(rules, [{"a": "y"}], [{"a": "x"}, {"b": "y"}, {}])


def test_field_rules_do_not_look_at_records_without_an_event() -> None:
    rules = _rules({"a": "x"})
    frame = pl.DataFrame(
        {"text": ["a: x", "y"], "raw": [None, '{"a": "x"}']}, schema={"text": pl.String, "raw": pl.String}
    )
    assert rules.match(frame).rows() == [(1, 0)]


def test_text_rules_do_not_need_an_event() -> None:
    rules, _ = read_rules(
        json.dumps(
            {"title": "T", "logsource": {"category": "text"}, "detection": {"words": ["flood"], "condition": "words"}}
        ),
        "p",
    )
    both = RuleSet([*rules, *_rules({"a": "flood"}).rules])
    frame = pl.DataFrame(
        {"text": ["a flood", "flood", "x"], "raw": [None, '{"a": "flood"}', '{"a": "flood"}']},
        schema={"text": pl.String, "raw": pl.String},
    )
    assert both.match(frame).rows() == [(0, 0), (1, 0), (1, 1), (2, 1)]
    assert RuleSet(rules).match(frame.select("text")).rows() == [(0, 0), (1, 0)]


def test_keywords_of_a_log_source_look_at_the_whole_event() -> None:
    rules = _rules(["evil"], logsource=PROCESS)
    _check(
        rules,
        [_windows(1, a="so EVIL"), _windows(1, a={"b": [1, {"c": "evil"}]})],
        [_windows(1, a="good"), _windows(1, evil=1), _windows(3, a="evil")],
    )


def test_keywords_of_a_log_source_that_cannot_be_recognised_are_not_tried() -> None:
    assert _fires(_rules(["evil"], logsource={"product": "linux"}), {"a": "evil"}) == [False]


# Layouts.


def test_flat_json() -> None:
    _check(
        _rules({"method": "GET", "path": "/x"}), [{"method": "get", "path": "/X"}], [{"method": "GET"}, {"path": "/x"}]
    )


def test_nested_json_has_dotted_names() -> None:
    event = {"user": {"name": "eve", "id": {"n": 7}}}
    _check(_rules({"user.name": "eve", "user.id.n": 7}), [event], [{"user.name": "eve"}, {"user": "eve"}])


def test_a_dotted_name_may_also_be_one_key() -> None:
    _check(_rules({"user.name": "eve"}), [{"user.name": "eve"}, {"user": {"name": "eve"}}], [{"name": "eve"}])


def test_a_name_counts_in_its_own_case() -> None:
    _check(_rules({"User": "eve"}), [{"User": "eve"}], [{"user": "eve"}])


@pytest.mark.parametrize(
    "odd",
    [
        "",
        "null",
        "7",
        '"text"',
        "[1, 2]",
        "[]",
        "{",
        "{}",
        '{"a": {}}',
        '{"a": []}',
        "true",
        "\ufeff{}",
        '{"a": "y"} x',
    ],
)
def test_an_event_of_an_unforeseen_shape_stops_nothing(odd: str) -> None:
    rules = _rules({"a": "x"})
    assert _fires(rules, odd, {"a": "x"}, odd) == [False, True, False]
    windows = _rules({"Image": "x"}, logsource=PROCESS)
    assert _fires(windows, odd, _windows(1, Image="x"), odd) == [False, True, False]


@pytest.mark.parametrize(
    "odd",
    [
        {"Event": None},
        {"Event": []},
        {"Event": "x"},
        {"Event": {}},
        {"Event": {"System": "x"}},
        {"Event": {"System": None, "EventData": None}},
        {"Event": {"System": {"EventID": 1, "Channel": SYSMON}, "EventData": "x"}},
        {"Event": {"System": {"EventID": 1, "Channel": SYSMON}, "EventData": ["x"]}},
        {"Event": {"System": {"EventID": 1, "Channel": SYSMON, "Provider": "x"}, "EventData": {"Image": ["x", "y"]}}},
        {"Event": {"System": {"EventID": [1], "Channel": {"a": SYSMON}}, "EventData": {"Image": {"x": "x"}}}},
        {"Event": {"System": {"EventID": 1, "Channel": SYSMON}, "EventData": {"Image": None}}},
    ],
)
def test_a_windows_event_of_an_unforeseen_shape_stops_nothing(odd: Any) -> None:
    rules = _rules({"Image": "z"}, logsource=PROCESS)
    assert _fires(rules, odd, _windows(1, Image="z"), odd) == [False, True, False]


def test_deeply_nested_json_stops_nothing() -> None:
    deep = '{"a":' * 3000 + "1" + "}" * 3000
    assert _fires(_rules({"a": "x"}), deep, {"a": "x"}) == [False, True]


# Values.


@pytest.mark.parametrize(
    ("search", "yes", "no"),
    [
        ("x", ["x", "X"], ["xx", "", None, 1, ["y"]]),
        (5, [5, "5"], [55, 5.5, "05", True, None]),
        (-5, [-5, "-5"], [5]),
        (True, [True, "true", "True"], [False, "yes", 1]),
        ("", [""], ["x", " "]),
        (["x", 5], ["x", 5], ["y"]),
        ("a*c", ["abc", "ac", "aXXc"], ["abcd", "xabc"]),
        ("*", ["", "x", 5], [None]),
        ("a?c", ["abc"], ["ac", "abbc"]),
        ("*x*", ["x", "axb"], ["y"]),
        ("银行", ["银行"], ["银行x"]),
        ("É", ["É", "é"], ["e"]),
        (r"a\*b", ["a*b"], ["axb"]),
        (r"\\srv\x", [r"\srv\x"], [r"srv\x"]),
        (None, [None], ["", "x", 0]),
    ],
)
def test_a_field_is_compared_as_a_whole(search: Any, yes: list[Any], no: list[Any]) -> None:
    # `other` keeps the event one that the rule is for, although `a` may be null.
    rules = _rules({"selection": {"a": search, "other": "o"}})
    _check(rules, [{"a": value, "other": "o"} for value in yes], [{"a": value, "other": "o"} for value in no])


@pytest.mark.parametrize(
    ("modifiers", "search", "yes", "no"),
    [
        ("contains", "b", ["abc", "B"], ["ac", ""]),
        ("contains", ["b", "x"], ["b", "x"], ["y"]),
        ("contains|all", ["b", "x"], ["xb", "b x"], ["b", "x"]),
        ("startswith", "ab", ["abc", "AB"], ["xab", "a"]),
        ("endswith", "bc", ["abc", "BC"], ["bcx", "c"]),
        ("contains", "a.c", ["xa.cx"], ["abc"]),
        ("cased", "Ab", ["Ab"], ["ab", "AB", "xAb"]),
        ("contains|cased", "Ab", ["xAbx"], ["xabx"]),
        ("startswith|cased", "Ab", ["Abx"], ["abx", "xAb"]),
        ("re", "b+", ["abbc", "b"], ["B", "ac"]),
        ("re|i", "b+", ["aBc"], ["ac"]),
        ("re", "^b.c$", ["bxc"], ["xbxc", "bxcx", "Bxc"]),
        ("re", r"^\d{1,3}$", ["12", 7], ["1234", "x"]),
        ("cidr", "10.0.0.0/8", ["10.1.2.3", " 10.0.0.1"], ["11.0.0.1", "10.0.0", "x", "", "::1"]),
        ("cidr", ["10.0.0.0/8", "192.168.0.0/16"], ["10.1.2.3", "192.168.9.9"], ["172.16.0.1"]),
        ("cidr", "fe80::/10", ["fe80::1", "FEBF::"], ["fec0::1", "10.0.0.1"]),
        ("gt", 5, [6, "6", 5.5, "1e3"], [5, 4, "x", "", None]),
        ("gte", 5, [5, "5.0", 6], [4.9, "x"]),
        ("lt", 5, [4, "-10", 4.99], [5, 6, "x"]),
        ("lte", 5, [5, 0], [5.1, "x"]),
        ("windash|contains", " -a", ["x -a", "x /a", "x –a", "x —a"], ["x a", "x+a"]),
        ("exists", True, ["x", "", 0], [None]),
        ("exists", False, [None], ["x", "", 0]),
    ],
)
def test_modifiers(modifiers: str, search: Any, yes: list[Any], no: list[Any]) -> None:
    rules = _rules({"selection": {f"a|{modifiers}": search, "other": "o"}})
    events = [{"a": value, "b": "same", "other": "o"} for value in [*yes, *no]]
    fired = _fires(rules, *events)
    assert [event["a"] for event, hit in zip(events, fired, strict=True) if hit] == yes


def test_a_value_may_hold_a_line_break() -> None:
    _check(_rules({"a|contains": "a\nb"}), [{"a": "xa\nbx"}], [{"a": "a b"}, {"a": "ab"}])


def test_nan_is_no_number() -> None:
    _check(_rules({"a|gt": 5}), [{"a": 6}], [{"a": "nan"}, {"a": "NaN"}])


@pytest.mark.parametrize(
    ("modifiers", "yes", "no"),
    [
        ("fieldref", ["same", "SAME"], ["other", "sam", None]),
        ("fieldref|startswith", ["same thing", "Same"], ["the same", "x"]),
        ("fieldref|endswith", ["the same", "same"], ["same thing", "x"]),
    ],
)
def test_a_field_may_be_compared_with_another(modifiers: str, yes: list[Any], no: list[Any]) -> None:
    rules = _rules({f"a|{modifiers}": "b"})
    _check(rules, [{"a": value, "b": "same"} for value in yes], [{"a": value, "b": "same"} for value in no])


def test_two_missing_fields_are_not_the_same() -> None:
    rules = _rules({"selection": {"a|fieldref": "b"}, "other": {"o": "*"}}, "selection and other")
    _check(rules, [{"a": "x", "b": "x", "o": 1}], [{"o": 1}, {"a": "", "o": 1}, {"b": "", "o": 1}, {"a": "x", "o": 1}])


def test_a_missing_field_is_null_and_does_not_exist() -> None:
    other = {"other": "o"}
    assert _fires(_rules({"a": None, **other}), other, {"a": None, **other}, {"a": "", **other}) == [True, True, False]
    assert _fires(_rules({"a|exists": True, **other}), other, {"a": "x", **other}) == [False, True]
    assert _fires(_rules({"a|exists": False, **other}), other, {"a": "x", **other}) == [True, False]


@pytest.mark.parametrize("before", ["", "x", "xy"])
def test_base64_at_each_offset(before: str) -> None:
    rules = _rules({"a|base64offset|contains": "http://evil"})
    hidden = base64.b64encode(f"{before}http://evil/path".encode()).decode()
    good = base64.b64encode(f"{before}https://good".encode()).decode()
    _check(rules, [{"a": f"powershell -e {hidden}"}], [{"a": good}])


def test_base64_of_wide_letters() -> None:
    rules = _rules({"a|wide|base64offset|contains": "IEX"})
    hidden = base64.b64encode("IEX (New-Object)".encode("utf-16-le")).decode()
    plain = base64.b64encode(b"IEX (New-Object)").decode()
    _check(rules, [{"a": hidden}], [{"a": plain}])


def test_base64_is_the_whole_value() -> None:
    rules = _rules({"a|base64": "foo"})
    _check(rules, [{"a": "Zm9v"}], [{"a": "Zm9vYmFy"}, {"a": "foo"}])


def test_maps_in_a_list_are_any_of_them() -> None:
    rules = _rules([{"a": "1", "b": "2"}, {"c": "3"}])
    _check(rules, [{"a": "1", "b": "2"}, {"c": "3"}], [{"a": "1"}, {"b": "2"}, {"a": "1", "c": "4"}])


def test_conditions_over_fields() -> None:
    rules = _rules(
        {"selection": {"a|contains": "x"}, "filter_one": {"b": "skip"}, "filter_two": {"c|startswith": "ok"}},
        "selection and not 1 of filter_*",
    )
    _check(
        rules,
        [{"a": "x"}, {"a": "x", "b": "no"}, {"a": "x", "c": "not ok"}],
        [{"a": "x", "b": "SKIP"}, {"a": "x", "c": "okay"}, {"b": "x"}],
    )


def test_parts_of_a_time() -> None:
    _check(
        _rules({"a|hour": 3}),
        [{"a": "2024-05-01T03:59:00Z"}, {"a": "2024-05-02T03:00:00Z"}],
        [{"a": "2024-05-01T04:00:00Z"}, {"a": "x"}],
    )


def test_times_may_be_written_in_several_ways() -> None:
    _check(
        _rules({"a|hour": 3}),
        [{"a": "2024-05-01T03:59:00Z"}, {"a": "2024-05-02 03:00:00"}, {"a": "2024-05-02 03:00:00.123"}],
        [{"a": "2024-05-02 04:00:00"}],
    )


def test_our_modifiers_work_on_fields() -> None:
    _check(
        _rules({"a|affirmed": ["outbreak"]}),
        [{"a": "An Outbreak"}],
        [{"a": "no outbreak"}, {"a": "outbreaks"}, {"b": "outbreak"}],
    )
    _check(_rules({"a|word": ["run"]}), [{"a": "a Run!"}], [{"a": "runs"}])
    _check(
        _rules({"a|near": ["bank", "queue"]}),
        [{"a": "a queue at the bank"}],
        [{"a": "bank " + "x " * 20 + "queue"}, {"a": "bank", "b": "queue"}],
    )


def test_the_answer_does_not_depend_on_the_other_events() -> None:
    """A block of Windows events is decoded at once, another event by event: both have to agree."""
    events = [
        _windows(1, Image=r"C:\a.exe", CommandLine="a -x", ProcessId=7, Elevated=True, Note=None),
        _windows(1, Image=r"C:\b.exe", ProcessId="8"),
        _windows(1, Image="", ProcessId=7.5),
        _windows(4688, "Security", NewProcessName=r"C:\a.exe", ProcessId="0x7"),
        _windows(1, Image=r"C:\银.exe", Nested={"a": 1}),
        _windows(1),
    ]
    searches = [
        {"Image|endswith": "a.exe"},
        {"ProcessId": 7},
        {"ProcessId|gt": 7},
        {"Elevated": True},
        {"Note": None, "Image": "*"},
        {"Image": ""},
        {"CommandLine|exists": False},
        {"Image|contains": "银"},
    ]
    rules = RuleSet([_rules(search, logsource=PROCESS).rules[0] for search in searches])
    together = set(rules.match(_frame(*events)).rows())
    mixed = set(rules.match(_frame(*events, {"a": 1})).rows())
    alone = {(row, rule) for row, event in enumerate(events) for _, rule in rules.match(_frame(event)).rows()}
    assert together == mixed == alone


@pytest.mark.parametrize("oddity", [r'"\ud800"', "NaN", "Infinity", '"a\tb"'])
def test_one_odd_value_does_not_hide_an_event(oddity: str) -> None:
    assert _fires(_rules({"a": "x"}), f'{{"a": "x", "b": {oddity}}}') == [True]


def test_a_field_called_event_makes_no_windows_event() -> None:
    event = {"Event": {"name": "login"}, "user": "eve"}
    assert _fires(_rules({"user": "eve"}), event) == [True]
    assert _fires(_rules({"Event.name": "login"}), event) == [True]


def test_a_field_called_event_may_be_a_text() -> None:
    assert _fires(_rules({"user": "eve", "Event": "login"}), {"Event": "login", "user": "eve"}) == [True]


@pytest.mark.parametrize("name", ["a b", "字段", "#text", "__x", "a-b", "a[0]", "$x", "%", "user.name.", ".x"])
def test_fields_may_have_odd_names(name: str) -> None:
    _check(_rules({name: "x"}), [{name: "x"}], [{"q": "x"}])
    windows = _rules({name: "x"}, logsource=PROCESS)
    _check(windows, [_windows(1, **{name: "x"})], [_windows(1, q="x")])


@pytest.mark.parametrize("name", ["^a$"])
def test_fields_may_be_called_like_patterns(name: str) -> None:
    windows = _rules({name: "x"}, logsource=PROCESS)
    _check(windows, [_windows(1, **{name: "x"})], [_windows(1, q="x"), _windows(1, a="x")])
    _check(_rules({name: "x"}), [{name: "x"}], [{"q": "x"}, {"a": "x"}])


def test_a_line_break_does_not_end_a_value() -> None:
    _check(_rules({"a": "x"}), [{"a": "x"}], [{"a": value} for value in ("x\ny", "y\nx", "x\n", "\nx", "x\r")])
    _check(_rules({"a": "x*y"}), [{"a": "x\ny"}, {"a": "x\r\ny"}], [{"a": "x\nyz"}])
    _check(_rules({"a|re": "^x$"}), [{"a": "x"}], [{"a": "x\ny"}, {"a": "y\nx"}])


def test_when_a_key_is_there_twice_the_last_counts() -> None:
    assert _fires(_rules({"a": "x"}), '{"a": "x", "a": "y"}', '{"a": "y", "a": "x"}') == [False, True]
