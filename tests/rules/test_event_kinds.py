"""Many events: their fields read from JSON that is not decoded, and rules matched on one event of each kind."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forewarn.rules import RuleSet
from forewarn.rules.events.fields import Events
from forewarn.rules.events.kinds import NOT_PLAIN, EventKinds
from forewarn.rules.events.numbers import Numbered
from forewarn.rules.events.paths import unlike
from forewarn.rules.language.normalise import fold, folded, one_blank
from forewarn.rules.language.reading import read_rules
from forewarn.rules.matching import event_matcher
from tests import sigma_oracle as oracle

SLOW = settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck), print_blob=False)
FIELDS = ["a", "b", "a.b", "a.b.c", "Image", "User", "Level", "Computer", "Provider_Name", "NewProcessName", "Event.a"]

# Events as they may be, and as they may not.

_keys = st.sampled_from(
    ["a", "b", "c", "a.b", "b.c", "Image", "User", "NewProcessName", "SubjectUserName", "Level", "ä"]
)
_texts = st.sampled_from(
    ["", "x", "C:\\x\\y.exe", 'a"b', "ä®", "\u4e2d", "  ", "\t\n", "😀", "\u202e", "Security", "4688"]
)
_scalars = st.none() | st.booleans() | st.integers(-5, 5000) | st.floats(-10, 10).map(lambda x: round(x, 2)) | _texts
_values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_keys, inner, max_size=3), max_leaves=6
)
_data = st.dictionaries(_keys | st.sampled_from(["EventID", "Provider_Name", "Channel"]), _values, max_size=5)
_ids = st.sampled_from([1, 4688, "4688", "04688", 4657, 4688.0, {"#text": 4688, "#attributes": {}}, {"x": 1}, None])
_provider = st.sampled_from(
    [{"#attributes": {"Name": "P"}}, {"Name": "P"}, {"#attributes": {}, "Name": "Q"}, {"#attributes": 1}, "P", None]
)
_system = st.fixed_dictionaries(
    {},
    optional={
        "EventID": _ids,
        "Channel": st.sampled_from(["Security", "Sysmon", "", None, 3, {"#text": "Security"}]),
        "Level": _values,
        "Computer": _values,
        "Provider": _provider,
        "b": _values,
    },
)
_windows = st.fixed_dictionaries(
    {}, optional={"System": _system | _scalars, "EventData": _data | _scalars, "UserData": _data, "a": _values}
)
_events = st.fixed_dictionaries({"Event": _windows | _scalars}) | _data | _values


@st.composite
def _written(draw: st.DrawFn) -> str:
    """An event as JSON, written in some way, and sometimes damaged."""
    text = json.dumps(
        draw(_events),
        ensure_ascii=draw(st.booleans()),
        indent=draw(st.sampled_from([None, None, 1])),
        separators=draw(st.sampled_from([None, (",", ":"), (" , ", " :  ")])),
    )
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(text)))
        put = draw(
            st.sampled_from(["", ",", "]", "}", "{", '"', "\\", "0", "e", "-", "\t", "\\ud800", '"a":1,', "\\u00e4"])
        )
        text = text[:at] + put + text[at + draw(st.integers(0, 2)) :]
    return text


def _rows(columns: Any, count: int) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = [{} for _ in range(count)]
    for name, column in columns:
        for row, text in zip(column.rows.tolist(), column.values.to_list(), strict=True):
            rows[row][name] = text
    return rows


@SLOW
@given(st.lists(_written(), min_size=1, max_size=6))
def test_a_value_is_the_same_whether_its_event_is_decoded_or_not(written: list[str]) -> None:
    raw = pl.Series(written, dtype=pl.String)
    kinds = EventKinds(dict.fromkeys(FIELDS), lambda name, values: (np.empty(0, int), np.empty(0, int)))
    known = kinds.of(raw)
    decoded = _rows(Events(raw, FIELDS).columns.items(), len(written))
    read: list[dict[str, str]] = [{} for _ in written]
    names = list(kinds.fields)
    for row, field, text in zip(known.rows, known.fields, kinds.texts(known.values), strict=True):
        read[row][names[field]] = text
    for row in range(len(written)):
        assert known.kinds[row] == NOT_PLAIN or read[row] == decoded[row], written[row]


@SLOW
@given(st.lists(_written(), min_size=1, max_size=6))
def test_what_folding_changes_is_known_before_it_is_folded(written: list[str]) -> None:
    raw = pl.Series(written, dtype=pl.String)
    known = EventKinds({"a": None}, lambda name, values: (np.empty(0, int), np.empty(0, int))).of(raw)
    for text, kind, folds in zip(written, known.kinds, known.folds, strict=True):
        if kind != NOT_PLAIN and folds < 2:
            lower = "".join(char.lower() if char.isascii() else char for char in text)
            assert fold(text) == (one_blank(pl.Series([lower])).item() if folds else lower)


@pytest.mark.parametrize(
    "event",
    [
        {"a": "x", "b": 1},
        {"a": {"b": "x", "c": [1, {"d": 2}]}, "Image": "C:\\x"},
        {"Event": {"System": {"EventID": 1, "Channel": "x"}, "EventData": {"Image": "é\n", "a": None}}},
        {
            "Event": {
                "System": {"EventID": {"#text": 4688}, "Channel": "Security"},
                "EventData": {"NewProcessName": "x"},
            }
        },
        {"Event": {"System": {"Provider": {"#attributes": {"Name": "P"}}}, "UserData": {"a": {"b": 1.5}}}},
    ],
)
def test_ordinary_events_need_no_decoding(event: dict[str, Any]) -> None:
    kinds = EventKinds(dict.fromkeys(FIELDS), lambda name, values: (np.empty(0, int), np.empty(0, int)))
    raw = [json.dumps(event), json.dumps(event, ensure_ascii=False, indent=2)]
    assert (kinds.of(pl.Series(raw)).kinds == [0, 0]).all()


def test_letters_that_folding_leaves_alone_stay_so_beside_any_other() -> None:
    alike = [chr(point) for point in np.flatnonzero(~unlike())]
    assert "®" in alike
    assert "中" in alike
    assert "А" not in alike
    text = "".join(alike)
    lower = "".join(char.lower() if char.isascii() else char for char in text.replace("\t", " "))
    assert folded(pl.Series([text])).item() == lower
    assert folded(pl.Series([text[::-1]])).item() == lower[::-1]


# Numbers for sequences.


@given(st.lists(st.tuples(st.lists(st.integers(0, 3), max_size=4), st.integers(0, 2)), max_size=60), st.integers(1, 5))
def test_sequences_have_one_number_each(sequences: list[tuple[list[int], int]], pieces: int) -> None:
    numbered, first = Numbered(np.int32), {}
    for at in range(0, len(sequences), pieces):
        part = sequences[at : at + pieces]
        ends = np.cumsum([len(items) for items, _ in part])
        items = np.array([item for items, _ in part for item in items], np.int32)
        leads = np.array([lead for _, lead in part], np.int32)
        numbers = numbered.of(items, ends - [len(items) for items, _ in part], ends, leads)
        for (own, lead), number in zip(part, numbers.tolist(), strict=True):
            assert first.setdefault((tuple(own), lead), len(first)) == number
    assert numbered.count == len(first)


def test_many_sequences_are_told_apart() -> None:
    numbered, count = Numbered(np.uint8), 50_000
    lines = "".join(f"{number:07}" for number in range(count)).encode()
    starts = np.arange(count) * 7
    for _ in range(2):
        numbers = numbered.of(np.frombuffer(lines, np.uint8), starts, starts + 7, np.zeros(count, np.int32))
        assert (numbers == np.arange(count)).all()
    assert numbered.lines(np.array([49_999, 3])) == b"0049999\n0000003\n"


# Rules over many events.


def _rule_set(documents: list[dict[str, Any]]) -> RuleSet:
    rules, errors = read_rules("\n---\n".join(json.dumps(document) for document in documents), "own.yaml")
    assert errors == [], errors
    return RuleSet(rules)


def _hits(rules: RuleSet, blocks: list[list[str]]) -> list[tuple[int, ...]]:
    frames = [pl.DataFrame({"text": raw, "raw": raw}, schema={"text": pl.String, "raw": pl.String}) for raw in blocks]
    return [hit for at, frame in enumerate(frames) for hit in ((at, *row) for row in rules.match(frame).iter_rows())]


@SLOW
@given(
    st.lists(oracle.event_rules, min_size=1, max_size=4),
    st.lists(st.lists(oracle.events.map(json.dumps) | _written(), max_size=6), min_size=1, max_size=3),
)
def test_kinds_of_events_say_what_each_event_says(documents: list[dict[str, Any]], blocks: list[list[str]]) -> None:
    both = []
    for few in (10**9, 0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(event_matcher, "FEW", few)
            rules = _rule_set(documents)
            both.append((_hits(rules, blocks), rules.tried))
    assert both[0] == both[1]


def _windows(event_id: int, channel: str, **data: Any) -> dict[str, Any]:
    return {"Event": {"System": {"EventID": event_id, "Channel": channel}, "EventData": data}}


WINDOWS_RULES = [
    ({"category": "process_creation"}, {"selection": {"Image|endswith": "\\cmd.exe"}, "condition": "selection"}),
    ({"category": "process_creation"}, {"s": {"User|fieldref": "ParentUser"}, "condition": "s"}),
    (
        {"category": "process_creation"},
        {"s": {"CommandLine|cidr": "10.0.0.0/8"}, "k": ["perfc"], "condition": "s or k"},
    ),
    ({"service": "security"}, {"keywords": ["bank  RUN", "mimikatz"], "condition": "keywords"}),
    ({}, {"s": {"Image|contains": "a"}, "f": {"User": None}, "condition": "s and not f"}),
    ({"service": "system"}, {"s": {"EventID|gt": 100}, "condition": "s"}),
]


@pytest.mark.parametrize("few", [0, 3, 10**9])
def test_windows_rules_fire_on_each_of_many_events(monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr(event_matcher, "FEW", few)
    rules = _rule_set(
        [
            {"title": str(at), "logsource": {"product": "windows", **source}, "detection": detection}
            for at, (source, detection) in enumerate(WINDOWS_RULES)
        ]
    )
    sysmon = "Microsoft-Windows-Sysmon/Operational"
    events = [
        _windows(1, sysmon, Image="C:\\a\\cmd.exe", User="U", ParentUser="u"),
        _windows(1, sysmon, Image="C:\\b\\cmd.exe", User="U", ParentUser="v", CommandLine="10.1.2.3"),
        _windows(4688, "Security", NewProcessName="c:\\cmd.exe", CommandLine="\\PERFC.dat", Note="Bank   run"),
        _windows(4624, "Security", Note="Ｂａｎｋ run", User="x"),
        _windows(4624, "Security", Note="bank rum", Image="a"),
        _windows(101, "System", Image="a", Level=None),
        _windows(99, "System", Note="mimikatz"),
    ]
    expected = {0: [0, 1, 4], 1: [0, 2], 2: [0, 2, 3], 3: [3], 4: [], 5: [5], 6: []}
    # The second block is the first in another order: nothing in it is new.
    blocks = [[json.dumps(event, ensure_ascii=False) for event in part] for part in (events, events[::-1])]
    hits = _hits(rules, blocks)
    for block, rows in enumerate((range(7), reversed(range(7)))):
        for at, row in enumerate(rows):
            assert [hit[2] for hit in hits if hit[:2] == (block, at)] == expected[row], (block, row)


def test_what_was_met_may_be_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    from forewarn.rules.matching import alike_events

    monkeypatch.setattr(event_matcher, "FEW", 0)
    rule = {"title": "T", "logsource": {"category": "webserver"}, "detection": {"s": {"a": "x*"}, "condition": "s"}}
    blocks = [[json.dumps({"a": f"{'xy'[row % 2]}{block}"}) for row in range(20)] for block in range(4)]
    remembered = _hits(_rule_set([rule]), blocks)
    monkeypatch.setattr(alike_events, "_MOST_BYTES", 0)
    assert _hits(_rule_set([rule]), blocks) == remembered
    assert len(remembered) == 40
