"""Whatever is wrong with a rule file is said in one sentence, with the place in the user's own file."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from forewarn.errors import ForewarnError, RuleError
from forewarn.rules import load_rules
from forewarn.rules.language.reading import read_rules
from forewarn.rules.loading import packs, rule_files

GOOD = """\
title: Bank run
logsource: {category: text}
detection:
  words: [bank run]
  condition: words
"""


@dataclass(frozen=True)
class Bad:
    """A malformed file, a word that the message or remedy has to hold, and the exact place where one is promised."""

    name: str
    content: str
    word: str
    place: tuple[int, int | None] | None = None


def _with(search: str, condition: str = "words") -> str:
    return f"title: T\nlogsource: {{category: text}}\ndetection:\n  words:\n    {search}\n  condition: {condition}\n"


def _plus(line: str) -> str:
    return GOOD + line + "\n"


_DEEP = "[" * 2000 + "]" * 2000
_BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 10)}]\n" for i in range(8)
)

BAD = [
    # The file is not YAML.
    Bad("an unclosed list", "title: T\ndetection:\n  words: [a, b\n  condition: words\n", "YAML", (4, 12)),
    Bad("a tab as indent", "title: T\ndetection:\n\twords: [a]\n", "spaces", (3, 1)),
    Bad("a stray colon", "title: T: U\n", "YAML", (1, 9)),
    Bad("an unclosed quote", 'title: "T\nlogsource: {category: text}\n', "YAML", (3, 1)),
    Bad("wrong indent", "title: T\n level: low\n", "YAML", (2, 7)),
    Bad("an unknown anchor", "title: *nobody\n", "alias", (1, 8)),
    Bad("a Python object", "title: !!python/object/apply:os.system [ls]\n", "python", (1, 8)),
    Bad("a Python name", _plus("author: !!python/name:os.system"), "python", (6, 9)),
    Bad("a control character", "title: T\nlevel: \x01low\n", "YAML", (2, 8)),
    Bad(
        "duplicate keys",
        "title: T\ntitle: U\nlogsource: {category: text}\n",
        "twice",
        (2, 1),
    ),
    Bad(
        "a duplicate search",
        GOOD.replace("  condition", "  words: [bank panic]\n  condition"),
        "twice",
        (5, 3),
    ),
    Bad("2,000 brackets", f"title: T\nlogsource: {{category: text}}\ndetection: {_DEEP}\n", ""),
    Bad("2,000 mappings", f"title: T\nlogsource: {{category: text}}\ndetection: {'{a: ' * 2000}{'}' * 2000}\n", ""),
    Bad("2,000 brackets alone", _DEEP, ""),
    Bad(
        "an anchor bomb",
        _BOMB + GOOD.replace("[bank run]", "*i"),
        "",
    ),
    Bad("an anchor that holds itself", GOOD.replace("[bank run]", "&w [a, *w]"), ""),
    Bad(
        "a detection that holds itself",
        "title: T\nlogsource: {category: text}\ndetection: &d {a: *d, condition: a}\n",
        "",
    ),
    # The document is no rule.
    Bad("a list", "- title: T\n- level: low\n", "mapping", (1, 1)),
    Bad("a text", "just a sentence\n", "mapping", (1, 1)),
    Bad("a number", "42\n", "mapping", (1, 1)),
    Bad("an empty mapping", "{}\n", "title", (1, 1)),
    Bad("no title", GOOD.replace("title: Bank run\n", ""), "title"),
    Bad("a title by another name", GOOD.replace("title:", "tittle:"), "Rename `tittle`", (1, 1)),
    Bad("no logsource", GOOD.replace("logsource: {category: text}\n", ""), "logsource"),
    Bad("logsource by another name", GOOD.replace("logsource", "log_source"), "Rename `log_source`", (2, 1)),
    Bad("no detection", "title: T\nlogsource: {category: text}\n", "detection", (1, 1)),
    Bad("no condition", GOOD.replace("  condition: words\n", ""), "condition", (3, 1)),
    Bad("nothing but a condition", GOOD.replace("  words: [bank run]\n", ""), "no search", (3, 1)),
    # The wrong type.
    Bad("a list for the title", GOOD.replace("Bank run", "[Bank, run]"), "itle", (1, 1)),
    Bad("a mapping for the title", GOOD.replace("Bank run", "{a: b}"), "itle", (1, 1)),
    Bad("an empty title", GOOD.replace(" Bank run", ""), "itle", (1, 1)),
    Bad("a number for the detection", "title: T\nlogsource: {category: text}\ndetection: 7\n", "mapping", (3, 1)),
    Bad("a list for the detection", "title: T\nlogsource: {category: text}\ndetection: [a]\n", "mapping", (3, 1)),
    Bad("an empty detection", "title: T\nlogsource: {category: text}\ndetection:\n", "mapping", (3, 1)),
    Bad(
        "an empty mapping for the detection",
        "title: T\nlogsource: {category: text}\ndetection: {}\n",
        "condition",
        (3, 1),
    ),
    Bad("a text for the logsource", GOOD.replace("{category: text}", "text"), "ogsource", (2, 1)),
    Bad("a list for the logsource", GOOD.replace("{category: text}", "[text]"), "ogsource", (2, 1)),
    Bad("an empty logsource", GOOD.replace("{category: text}", "{}"), "og source", (2, 1)),
    Bad("a number for the category", GOOD.replace("{category: text}", "{category: 5}"), "", (2, 1)),
    Bad("an empty search", GOOD.replace("[bank run]", "[]"), "", (4, None)),
    Bad(
        "a search without values",
        GOOD.replace("[bank run]", ""),
        "",
        (4, None),
    ),
    Bad(
        "nulls for keywords",
        GOOD.replace("[bank run]", "[null, ~]"),
        "",
        (4, None),
    ),
    Bad(
        "a list of lists for keywords",
        GOOD.replace("[bank run]", "[[a, b], [c]]"),
        "",
        (4, None),
    ),
    Bad(
        "a number for the condition",
        GOOD.replace("condition: words", "condition: 5"),
        "ondition",
        (5, None),
    ),
    Bad(
        "a mapping for the condition",
        GOOD.replace("condition: words", "condition: {a: b}"),
        "ondition",
        (5, None),
    ),
    Bad(
        "an empty condition",
        GOOD.replace("condition: words", "condition: ''"),
        "ondition",
        (5, None),
    ),
    Bad(
        "a null condition",
        GOOD.replace("condition: words", "condition:"),
        "ondition",
        (5, None),
    ),
    Bad("an empty list of conditions", GOOD.replace("condition: words", "condition: []"), "ondition", (5, None)),
    Bad("a text for the tags", _plus("tags: forewarn.finance"), "ag", (6, 1)),
    Bad("a number in the tags", _plus("tags: [5]"), "ag", (6, 1)),
    Bad("a tag without a namespace", _plus("tags: [finance]"), "ag", (6, None)),
    Bad("a text for the references", _plus("references: https://example.org"), "eferences", (6, 1)),
    Bad("a list for the author", _plus("author: [a, b]"), "uthor", (6, 1)),
    Bad("a list for the description", _plus("description: [a]"), "escription", (6, 1)),
    Bad("a list for the fields", _plus("fields: {a: b}"), "ield", (6, 1)),
    # Attributes.
    Bad("an unknown level", _plus("level: hgih"), "high", (6, 1)),
    Bad("a number for the level", _plus("level: 3"), "level", (6, 1)),
    Bad("a list for the level", _plus("level: [high]"), "level", (6, 1)),
    Bad("an unknown status", _plus("status: finished"), "finished", (6, 9)),
    Bad("an id that is no UUID", _plus("id: 12-34"), "UUID", (6, 1)),
    Bad(
        "a date that is none",
        _plus("date: 2024-13-45"),
        "2024-13-45",
        (6, 7),
    ),
    Bad("a date in words", _plus("date: yesterday"), "yesterday", (6, 7)),
    Bad("a modified date that is none", _plus("modified: soon"), "soon", (6, 11)),
    Bad("a weight in words", _plus("weight: heavy"), "log-odds", (6, 1)),
    Bad("a weight that is true", _plus("weight: true"), "log-odds", (6, 1)),
    Bad("a weight beyond measure", _plus("weight: 1000"), "-20 and 20", (6, 1)),
    Bad("a weight that is not a number", _plus("weight: .nan"), "log-odds", (6, 1)),
    Bad("a weight without end", _plus("weight: .inf"), "log-odds", (6, 1)),
    Bad("a window of none", _plus("window: 0"), "1 to 200", (6, 1)),
    Bad("a window of a fraction", _plus("window: 2.5"), "window", (6, 1)),
    Bad("a window that is true", _plus("window: true"), "window", (6, 1)),
    Bad("a window in words", _plus("window: eight"), "window", (6, 1)),
    Bad("an unsure decision", _plus("decision: maybe"), "always or never", (6, 1)),
    Bad("a list of decisions", _plus("decision: [always]"), "always or never", (6, 1)),
    Bad(
        "a list for the playbook",
        _plus("playbook: [call, wait]"),
        "playbook",
        (6, 1),
    ),
    Bad(
        "a mapping for the playbook",
        _plus("playbook: {first: call}"),
        "playbook",
        (6, 1),
    ),
    Bad("tests that are a list", _plus("tests: [a, b]"), "tests", (6, 1)),
    Bad("tests of another side", _plus("tests:\n  matches: [a]"), "no_match", (6, 1)),
    Bad("tests that are one text", _plus("tests:\n  match: a bank run"), "list", (7, 3)),
    Bad("a test that is a number", _plus("tests:\n  no_match: [7]"), "list", (7, 3)),
    # Conditions.
    Bad("an unknown search", GOOD.replace("condition: words", "condition: word"), "word", (5, 14)),
    Bad(
        "an open parenthesis",
        GOOD.replace("condition: words", "condition: (words"),
        "ondition",
        (5, None),
    ),
    Bad("a closing parenthesis", GOOD.replace("condition: words", "condition: words)"), "", (5, None)),
    Bad(
        "half an and",
        GOOD.replace("condition: words", "condition: words and"),
        "ondition",
        (5, None),
    ),
    Bad("and first", GOOD.replace("condition: words", "condition: and words"), "", (5, None)),
    Bad("two searches side by side", GOOD.replace("condition: words", "condition: words words"), "", (5, None)),
    Bad("operators in capitals", GOOD.replace("condition: words", "condition: words OR words"), "", (5, None)),
    Bad("one of nothing", GOOD.replace("condition: words", "condition: 1 of other_*"), "other_", (5, 14)),
    Bad("all of nothing", GOOD.replace("condition: words", "condition: all of other_*"), "other_", (5, 14)),
    Bad(
        "one of",
        GOOD.replace("condition: words", "condition: 1 of"),
        "ondition",
        (5, None),
    ),
    Bad(
        "an old count",
        GOOD.replace("condition: words", "condition: words | count() > 5"),
        "ondition",
        (5, None),
    ),
    Bad("2,000 nots", GOOD.replace("condition: words", f"condition: {'not ' * 2000}words"), "", None),
    # Modifiers and values.
    Bad("an unknown modifier", _with("text|contian: a"), "|contains", (5, 5)),
    Bad("a modifier like none", _with("text|xyzzy: a"), "Known:", (5, 5)),
    Bad("an empty modifier", _with("text|: a"), "modifier", (5, 5)),
    Bad("a misspelt modifier of ours", _with("'|afirmed': [a]"), "|affirmed", (5, 5)),
    Bad("a modifier misspelt in a list", _with("- text|contain: a"), "|contains", (5, 7)),
    Bad(
        "look-ahead",
        _with("'|re': 'bank(?=run)'"),
        "look-around",
        (5, None),
    ),
    Bad(
        "look-behind",
        _with("'|re': '(?<!a)run'"),
        "look-around",
        (5, None),
    ),
    Bad(
        "a back-reference",
        _with(r"'|re': '(a)\1'"),
        "back-reference",
        (5, None),
    ),
    Bad(
        "a named back-reference",
        _with("'|re': '(?P<x>a)(?P=x)'"),
        "",
        (5, None),
    ),
    Bad("an atomic group", _with("'|re': '(?>a+)b'"), "", (5, None)),
    Bad(
        "an unbalanced expression",
        _with("'|re': '(bank'"),
        "regular expression",
        (5, None),
    ),
    Bad(
        "an unbalanced set",
        _with("'|re': '[bank'"),
        "regular expression",
        (5, None),
    ),
    Bad(
        "a repetition of nothing",
        _with("'|re': '*bank'"),
        "regular expression",
        (5, None),
    ),
    Bad(
        "a repetition of 10,000",
        _with("'|re': 'a{10000}'"),
        "repetition",
        (5, None),
    ),
    Bad(
        "a repetition of a repetition",
        _with("'|re': '(a{1000}){1000}'"),
        "",
        (5, None),
    ),
    Bad(
        "near a number",
        _with("'|near': [bank, 5]"),
        "near",
        (5, None),
    ),
    Bad("near a single number", _with("'|near': 5"), "near", (5, None)),
    Bad("an affirmed number", _with("'|affirmed': 5"), "", (5, None)),
    Bad(
        "an affirmed null",
        _with("'|affirmed': null"),
        "affirmed",
        (5, None),
    ),
    Bad("near nothing", _with("'|near': []"), "near", (5, None)),
    Bad(
        "affirmed and near",
        _with("'|affirmed|near': [a, b]"),
        "near",
        (5, None),
    ),
    Bad(
        "an affirmed expression",
        _with("'|re|affirmed': a"),
        "affirmed",
        (5, None),
    ),
    Bad("a network that is none", _with("ip|cidr: 10.0.0.0/99"), "10.0.0.0/99", (5, 14)),
    Bad("a network in words", _with("ip|cidr: the office"), "the office", (5, 14)),
    Bad(
        "base64 of a wildcard",
        _with("text|base64: 'a*b'"),
        "ildcard",
        (5, None),
    ),
    Bad("base64 of a number", _with("text|base64: 5"), "", (5, None)),
    Bad("greater than a text", _with("size|gt: large"), "", (5, None)),
    Bad("less than a null", _with("size|lt: null"), "lt", (5, None)),
    Bad("exists of a text", _with("size|exists: perhaps"), "", (5, None)),
    Bad(
        "contains a number",
        _with("size|contains: {a: b}"),
        "",
        (5, None),
    ),
    Bad("an expression that is a number", _with("size|re: 5"), "re", (5, None)),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_a_malformed_rule_is_refused_with_its_place(bad: Bad) -> None:
    started = time.perf_counter()
    rules, errors = read_rules(bad.content, "own.yaml")
    assert time.perf_counter() - started < 5
    assert rules == []
    assert len(errors) == 1
    error = errors[0]
    assert isinstance(error, RuleError)
    assert error.path == "own.yaml"
    assert error.line is not None
    assert error.line >= 1
    assert error.column is not None
    assert error.column >= 1
    assert bad.word in f"{error.message} {error.remedy or ''}"
    assert "<sigma" not in error.message
    assert "object at 0x" not in error.message
    if bad.place is not None:
        line, column = bad.place
        assert (error.line, column and error.column) == (line, column)


def test_the_table_is_large_enough() -> None:
    assert len(BAD) >= 40
    assert sum(1 for bad in BAD if bad.place and None not in bad.place) >= 15


# Whole files and folders.


def _frame(*texts: str) -> pl.DataFrame:
    return pl.DataFrame({"text": texts, "raw": [None] * len(texts)}, schema={"text": pl.String, "raw": pl.String})


def _write(folder: Path, **files: str | bytes) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def test_one_bad_document_does_not_stop_the_other() -> None:
    rules, errors = read_rules(f"{GOOD}---\n- a list\n---\n{GOOD.replace('Bank run', 'Another')}", "two.yaml")
    assert [(rule.title, rule.document) for rule in rules] == [("Bank run", 0), ("Another", 2)]
    assert [(error.line, error.column) for error in errors] == [(7, 1)]


def test_the_place_is_in_the_document_at_fault() -> None:
    _, errors = read_rules(f"{GOOD}---\n{GOOD}level: hgih\n", "two.yaml")
    assert [(error.line, error.column) for error in errors] == [(12, 1)]


def test_empty_documents_are_passed_over() -> None:
    rules, errors = read_rules(f"---\n---\n# nothing\n---\n{GOOD}---\n", "p.yaml")
    assert [rule.document for rule in rules] == [2]
    assert errors == []


def test_one_bad_file_does_not_stop_the_others(tmp_path: Path) -> None:
    rules = load_rules([_write(tmp_path, a=GOOD, b="title: T\n", c=GOOD.replace("Bank", "River"), d="[")])
    assert [rule.title for rule in rules.rules] == ["Bank run", "River run"]
    assert [(Path(error.path or "").name, error.line) for error in rules.problems] == [("b.yaml", 1), ("d.yaml", 2)]


def test_strict_raises_the_first_problem(tmp_path: Path) -> None:
    folder = _write(tmp_path, a=GOOD, b="title: T\n", c="- a\n")
    with pytest.raises(RuleError, match="logsource") as raised:
        load_rules([folder], strict=True)
    assert Path(raised.value.path or "").name == "b.yaml"


def test_strict_lets_good_rules_pass(tmp_path: Path) -> None:
    assert len(load_rules([_write(tmp_path, a=GOOD)], strict=True).rules) == 1


@pytest.mark.parametrize("content", [b"title: caf\xe9\n", GOOD.encode("utf-16"), bytes(range(256))])
def test_a_file_that_is_not_utf_8_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "own.yaml"
    file.write_bytes(content)
    with pytest.raises(RuleError, match="UTF-8") as raised:
        load_rules([file], strict=True)
    assert raised.value.path == str(file)
    assert raised.value.line


def test_a_file_that_is_not_utf_8_does_not_stop_the_others(tmp_path: Path) -> None:
    rules = load_rules([_write(tmp_path, a=GOOD, b=b"title: \xff\n")])
    assert [rule.title for rule in rules.rules] == ["Bank run"]
    assert [(error.line, error.column) for error in rules.problems] == [(1, 8)]


def test_an_impossible_date_does_not_stop_the_others(tmp_path: Path) -> None:
    rules = load_rules([_write(tmp_path, a=GOOD, b=GOOD + "date: 2024-13-45\n")])
    assert [rule.title for rule in rules.rules] == ["Bank run"]


@pytest.mark.parametrize("content", ["", "# nothing here yet\n", "---\n"])
def test_a_file_without_a_rule_is_named(tmp_path: Path, content: str) -> None:
    file = _write(tmp_path, own=content) / "own.yaml"
    assert [error.path for error in load_rules([file]).problems] == [str(file)]


@pytest.mark.parametrize("dressed", ["\ufeff" + GOOD, GOOD.replace("\n", "\r\n"), GOOD.rstrip("\n")])
def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path, dressed: str) -> None:
    rules = load_rules([_write(tmp_path, own=dressed)], strict=True)
    assert rules.match(_frame("a bank run")).rows() == [(0, 0)]


def test_the_line_is_right_with_windows_line_ends() -> None:
    _, errors = read_rules((GOOD + "level: hgih\n").replace("\n", "\r\n"), "p.yaml")
    assert [(error.line, error.column) for error in errors] == [(6, 1)]


def test_the_place_counts_characters_not_bytes() -> None:
    _, errors = read_rules("title: 银行挤兑\nlogsource: {category: text, 银: *x}\n", "p.yaml")
    assert [(error.line, error.column) for error in errors] == [(2, 32)]


@pytest.mark.parametrize("depth", [10, 50])
def test_parentheses_and_nots_may_nest(depth: int) -> None:
    rules, errors = read_rules(GOOD.replace("condition: words", f"condition: {'not (' * depth}words{')' * depth}"), "p")
    assert len(rules) == 1
    assert errors == []


def test_nesting_without_end_is_refused_or_read_but_never_slow() -> None:
    started = time.perf_counter()
    for depth in (500, 2000):
        rules, errors = read_rules(GOOD.replace(": words", f": {'(' * depth}words{')' * depth}"), "p")
        assert len(rules) + len(errors) == 1
        rules, errors = read_rules(
            GOOD.replace(": words", f": {'words and (words or (' * depth}words{'))' * depth}"), "p"
        )
        assert len(rules) + len(errors) == 1
    assert time.perf_counter() - started < 8


def test_a_thousand_keywords_are_read_quickly() -> None:
    started = time.perf_counter()
    rules, _ = read_rules(GOOD.replace("bank run", ", ".join(f"word{i}" for i in range(5000))), "p")
    assert len(rules[0].atoms) == 5000
    assert time.perf_counter() - started < 5


def test_everything_of_a_good_rule_is_kept() -> None:
    rules, errors = read_rules(
        """\
title: Bank run
id: 3f2504e0-4f89-41d3-9a0c-0305e82c3301
name: bank_run
status: stable
description: People want their money back.
author: A. Banker
date: 2024-05-01
tags: [forewarn.finance, attack.t1059]
logsource: {category: text}
detection:
  words: [bank run]
  condition: words
falsepositives: [History books]
references: [https://example.org/run]
level: high
weight: 2
window: 12
decision: always
playbook: Call the desk.
tests: {match: [a bank run], no_match: [a marathon]}
""",
        "own.yaml",
    )
    assert errors == []
    rule = rules[0]
    assert rule.id == "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
    assert (rule.title, rule.name, rule.level, rule.status) == ("Bank run", "bank_run", "high", "stable")
    assert (rule.category, rule.logsource) == ("finance", {"category": "text"})
    assert (rule.weight, rule.decision, rule.playbook) == (2.0, "always", "Call the desk.")
    assert (rule.match, rule.no_match) == (("a bank run",), ("a marathon",))
    assert (rule.falsepositives, rule.references) == (("History books",), ("https://example.org/run",))
    assert (rule.path, rule.document) == ("own.yaml", 0)
    assert rule.description == "People want their money back."


def test_what_is_left_out_has_a_default() -> None:
    rule = read_rules(GOOD, "own.yaml")[0][0]
    assert (rule.id, rule.level, rule.category) == ("Bank run", "medium", "text")
    assert (rule.weight, rule.decision, rule.playbook) == (None, None, None)
    assert (rule.match, rule.no_match) == ((), ())


# Where rules come from.


def test_a_pack_is_loaded_by_name() -> None:
    rules = load_rules(["finance"])
    assert rules.problems == []
    assert {rule.category for rule in rules.rules} == {"finance"}


def test_a_misspelt_pack_is_suggested() -> None:
    with pytest.raises(RuleError, match="Did you mean finance"):
        load_rules(["finanse"])


def test_an_unknown_pack_names_those_there_are() -> None:
    with pytest.raises(RuleError) as raised:
        load_rules(["zzzzzz"])
    for pack in packs():
        assert pack in (raised.value.remedy or "")


def test_a_file_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match=r"nowhere\.yaml"):
        load_rules([tmp_path / "nowhere.yaml"])


def test_a_folder_is_searched_and_each_file_taken_once(tmp_path: Path) -> None:
    _write(tmp_path, b=GOOD)
    _write(tmp_path / "inner", a=GOOD)
    (tmp_path / "c.yml").write_text(GOOD)
    (tmp_path / "notes.txt").write_text("title: no rule")
    files = rule_files([tmp_path, tmp_path / "b.yaml", tmp_path])
    assert [file.relative_to(tmp_path).as_posix() for file in files] == ["b.yaml", "c.yml", "inner/a.yaml"]


def test_an_empty_folder_has_no_rules(tmp_path: Path) -> None:
    rules = load_rules([tmp_path])
    assert rules.rules == []
    assert rules.match(_frame("a bank run")).rows() == []


def test_a_file_is_read_whatever_its_name_ends_in(tmp_path: Path) -> None:
    file = tmp_path / "bank-run.rule"
    file.write_text(GOOD)
    assert len(load_rules([file]).rules) == 1


# The cache.


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("FOREWARN_CACHE", str(folder))
    return folder


def _entries(cache: Path) -> list[Path]:
    return [file for file in cache.rglob("*") if file.is_file()]


MIXED = GOOD + "---\n" + GOOD.replace("[bank run]", "{'|re': 'b.nk'}") + "---\ntitle: T\n"


def test_a_second_load_gives_the_same(tmp_path: Path, cache: Path) -> None:
    folder = _write(tmp_path / "rules", own=MIXED)
    first, second = load_rules([folder]), load_rules([folder])
    assert len(_entries(cache)) == 1
    assert first.rules == second.rules
    assert [str(problem) for problem in first.problems] == [str(problem) for problem in second.problems]
    texts = _frame("a bank run", "a bonk", "nothing")
    assert first.match(texts).rows() == second.match(texts).rows() == [(0, 0), (0, 1), (1, 1)]
    assert second.spans(0, "a bank run") == [(2, 10)]


@pytest.mark.parametrize("damage", [b"", b"short", b"\x00" * 5000, "half", "flipped", "longer"])
def test_a_damaged_cache_is_made_anew(tmp_path: Path, cache: Path, damage: bytes | str) -> None:
    folder = _write(tmp_path / "rules", own=MIXED)
    load_rules([folder])
    (entry,) = _entries(cache)
    good = entry.read_bytes()
    kinds = {"half": good[: len(good) // 2], "flipped": good[:-9] + b"\x00" + good[-8:], "longer": good + b"more"}
    entry.write_bytes(kinds[damage] if isinstance(damage, str) else damage)
    assert load_rules([folder]).match(_frame("a bank run")).rows() == [(0, 0), (0, 1)]
    assert len(entry.read_bytes()) == len(good)
    assert load_rules([folder]).rules == load_rules([folder], cache=False).rules
    assert len(_entries(cache)) == 1


def test_a_changed_file_is_read_again(tmp_path: Path, cache: Path) -> None:
    folder = _write(tmp_path / "rules", own=GOOD)
    load_rules([folder])
    _write(folder, own=GOOD.replace("bank run", "mud slide"))
    assert load_rules([folder]).match(_frame("a bank run", "a mud slide")).rows() == [(1, 0)]


def test_a_new_file_in_the_folder_is_seen(tmp_path: Path, cache: Path) -> None:
    folder = _write(tmp_path / "rules", own=GOOD)
    load_rules([folder])
    assert len(load_rules([_write(folder, two=GOOD)]).rules) == 2


def test_a_moved_folder_is_read_again_so_that_paths_are_right(tmp_path: Path, cache: Path) -> None:
    folder = _write(tmp_path / "rules", own=GOOD)
    load_rules([folder])
    moved = Path(shutil.move(folder, tmp_path / "moved"))
    assert load_rules([moved]).rules[0].path == str(moved / "own.yaml")


def test_a_level_may_be_written_in_capitals(tmp_path: Path) -> None:
    assert load_rules([_write(tmp_path / "rules", own=_plus("level: HIGH"))]).rules[0].level == "high"


def test_a_cache_in_a_place_that_is_no_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("FOREWARN_CACHE", str(tmp_path / "file"))
    with pytest.raises(ForewarnError, match="FOREWARN_CACHE names a folder that is no folder"):
        load_rules([_write(tmp_path / "rules", own=GOOD)])


def test_without_the_cache_nothing_is_written(tmp_path: Path, cache: Path) -> None:
    load_rules([_write(tmp_path / "rules", own=GOOD)], cache=False)
    assert not cache.exists()


def test_strict_also_raises_from_the_cache(tmp_path: Path, cache: Path) -> None:
    folder = _write(tmp_path / "rules", own=GOOD + "level: hgih\n")
    load_rules([folder])
    with pytest.raises(RuleError, match="hgih") as raised:
        load_rules([folder], strict=True)
    assert (raised.value.line, raised.value.column) == (6, 1)
