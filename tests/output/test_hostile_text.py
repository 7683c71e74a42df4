"""Text from outside: names of columns that mean something to a library, and characters that mean something to a
terminal, in every field that is printed."""

from __future__ import annotations

import io
import json
import re
import types
import typing
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from forewarn.cases.similar import SimilarCase
from forewarn.errors import InputError
from forewarn.findings import Alert, EarlyWarning, Evidence, Incident, Reason
from forewarn.output import overview
from forewarn.output.console import GatedConsole
from forewarn.output.terminal import Terminal
from forewarn.reading.formats.delimited import _unlike
from forewarn.reading.records import read
from forewarn.text_gate import json_line, printable

Run = Callable[..., Any]
HOSTILE = "a\x1b]0;owned\x07\x1b[31m\x9b2J\u202eb\u061cc\u2066d[red]e[/nonsense]:bomb:\udcd6f"
STEERING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def hostile(kind: Any, field: str = "", text: str = HOSTILE) -> Any:
    """A value of a type with a hostile string wherever there can be one."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        hints = typing.get_type_hints(kind)
        return kind(**{one.name: hostile(hints[one.name], one.name, text) for one in msgspec.structs.fields(kind)})
    if origin in (typing.Union, types.UnionType):
        return hostile(inner[0], field, text)
    if origin is list:
        return [hostile(inner[0], text=text)]
    if origin is tuple:
        return tuple(hostile(one, text=text) for one in inner)
    plain = {str: text, int: 100, float: 0.5, datetime: datetime(2026, 1, 1, tzinfo=UTC), bool: True}
    return plain[kind]


def drawn(draw: Callable[[Terminal], object]) -> str:
    out = io.StringIO()
    console = GatedConsole(file=out, width=200)
    draw(Terminal(console, console))
    return out.getvalue()


@pytest.mark.parametrize("kind", [Alert, EarlyWarning, Incident])
def test_no_field_of_a_finding_steers_the_terminal(kind: type[Any]) -> None:
    finding = hostile(kind)
    ways: list[Callable[[Terminal], object]] = (
        [lambda t: t.out.print(*overview.alert(finding)), lambda t: t.explain(finding)]
        if kind is Alert
        else [lambda t: t.notification(finding)]
    )
    for way in ways:
        shown = drawn(way)
        assert "owned" in shown
        assert not STEERING.search(shown), repr(shown)
        assert "[red]e[/nonsense]:bomb:" in shown


def test_no_field_of_anything_else_that_is_printed_does(tmp_path: Path) -> None:
    row = dict.fromkeys(("id", "title", HOSTILE), HOSTILE)
    case = hostile(SimilarCase) if issubclass(SimilarCase, msgspec.Struct) else None
    for draw in (
        lambda t: t.rows([row], "table"),
        lambda t: t.cases([row], "table"),
        lambda t: t.problems([InputError(HOSTILE, path=HOSTILE, remedy=HOSTILE)]),
        lambda t: t.note(HOSTILE),
        *([lambda t: t.similar([case], "table")] if case else []),
    ):
        shown = drawn(draw)
        assert not STEERING.search(shown), repr(shown)
        assert "owned" in shown


@given(st.text(), st.text())
def test_whatever_is_drawn_no_character_of_it_steers(text: str, other: str) -> None:
    out = io.StringIO()
    console = GatedConsole(file=out, width=80)
    table = Table(text, other)
    table.add_row(other, Text(text))
    console.print(text, table, Text(other))
    assert not STEERING.search(out.getvalue())


def test_a_json_line_says_the_same_and_steers_nothing() -> None:
    alert = hostile(Alert)
    text = HOSTILE.replace("\udcd6", "")
    alert = msgspec.structs.replace(
        alert,
        evidence=[Evidence(text, 1.0, why=[Reason(text)])],
        **dict.fromkeys(("id", "level", "category", "text"), text),
    )
    place = msgspec.structs.replace(alert.first, source=text)
    line = json_line(msgspec.structs.replace(alert, first=place, last=place, origin=text))
    assert not STEERING.search(line.decode().rstrip("\n"))
    assert json.loads(line)["text"] == text
    assert msgspec.json.decode(line, type=Alert).evidence[0].why[0].id == text
    assert json_line({"text": "火灾 🔥"}).decode() == '{"text":"火灾 🔥"}\n'


def test_an_alert_file_that_was_edited_is_explained_or_refused(forewarn: Run, tmp_path: Path) -> None:
    alert = msgspec.structs.replace(hostile(Alert), id="fw-1", level="apocalyptic [bold]")
    content = re.sub(rb"\\udcd6|\xed\xb3\x96", b"", json.dumps(msgspec.to_builtins(alert)).encode())
    (tmp_path / "alerts.jsonl").write_bytes(content + b"\n")
    ran = forewarn("explain", "fw-1", tmp_path / "alerts.jsonl")
    assert (ran.status, "fault of forewarn" in ran.err) == (0, False)
    assert "apocalyptic [bold]" in ran.out
    assert not STEERING.search(ran.out)


RULE = """
title: "a\\e]0;owned\\a\\u061cb[red]"
id: 5f0a2c1e-0000-4000-8000-000000000001
logsource: {category: text, product: "p\\e[31m"}
tags: ["forewarn.c\\e[32m"]
detection: {words: ['bomb explosion'], condition: words}
level: high
match: ["no such thing \\u202e"]
"""


@pytest.mark.parametrize(
    "arguments",
    [["rules", what, "R"] for what in ("list", "lint", "test", "docs")]
    + [
        ["rules", "explain", "R", "bomb explosion"],
        ["rules", "match", "L", "--rules", "R"],
        ["scan", "L", "--rules", "R"],
    ],
)
def test_no_field_of_a_rule_steers_the_terminal(forewarn: Run, tmp_path: Path, arguments: list[str]) -> None:
    rules, log = tmp_path / "r.yaml", tmp_path / "l.log"
    rules.write_text(RULE)
    log.write_text("bomb explosion at the airport, many dead\n" * 3)
    ran = forewarn(*[{"R": str(rules), "L": str(log)}.get(one, one) for one in arguments])
    assert "fault of forewarn" not in ran.err
    assert not STEERING.search(ran.out + ran.err), repr(ran)


@pytest.mark.parametrize(
    ("header", "texts"),
    [
        (",column_1,text,column_1_2", ["fire in the hall"]),
        ("^.*$,*,^t.*$,x", ["^.*$: a b; *: c d; ^t.*$: fire in the hall; x: e f"]),
        ("^t.*$,*,text,^x$", ["fire in the hall"]),
        ("raw,line,text,time", ["fire in the hall"]),
    ],
)
def test_a_name_of_a_column_is_a_name_whatever_it_is(tmp_path: Path, header: str, texts: list[str]) -> None:
    file = tmp_path / "a.csv"
    file.write_text(f"{header}\na b,c d,fire in the hall,e f\n")
    problems: list[Any] = []
    records = pl.concat(read(file, problems=problems))
    assert (records["text"].to_list(), problems) == (texts, [])
    assert list(json.loads(records["raw"][0]).values()) == ["a b", "c d", "fire in the hall", "e f"]


def test_a_pattern_names_one_column_of_parquet(tmp_path: Path) -> None:
    row = {"^t.*$": "one two", "*": "three four", "text": "fire in the hall"}
    pl.DataFrame([row]).write_parquet(tmp_path / "a.parquet")
    records = pl.concat(read(tmp_path / "a.parquet"))
    assert (records["text"].to_list(), json.loads(records["raw"][0])) == (["fire in the hall"], row)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(["", "a", "column_1", "column_2", "a_2", "a_3", "column_2_"]), max_size=8))
def test_names_that_are_made_up_are_nobody_elses(names: list[str]) -> None:
    made = _unlike(names)
    assert len(set(made)) == len(made)
    assert [one for one, name in zip(made, names, strict=True) if one != name and one in names] == []
    first = {name: at for at, name in reversed(list(enumerate(names))) if name}
    assert all(made[at] == name for name, at in first.items())


@given(st.text())
def test_printable_text_is_one_line_that_steers_nothing(text: str) -> None:
    shown = printable(text)
    assert not STEERING.search(shown)
    assert "\n" not in shown
