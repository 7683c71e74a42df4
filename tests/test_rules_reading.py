"""Whatever is wrong with a rule file is said in one sentence, with the place in the user's own file."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest

from forewarn.errors import RuleError
from forewarn.rules.reading import read_rules

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
    place: tuple[int, int] | None = None


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
    Bad("a tab as indent", "title: T\ndetection:\n\twords: [a]\n", "tab", (3, 1)),
    Bad("a stray colon", "title: T: U\n", "YAML", (1, 9)),
    Bad("an unclosed quote", 'title: "T\nlogsource: {category: text}\n', "quoted", (3, 1)),
    Bad("wrong indent", "title: T\n level: low\n", "YAML", (2, 7)),
    Bad("an unknown anchor", "title: *nobody\n", "alias", (1, 8)),
    Bad("a Python object", "title: !!python/object/apply:os.system [ls]\n", "python", (1, 8)),
    Bad("a Python name", _plus("author: !!python/name:os.system"), "python", (6, 9)),
    Bad("a control character", "title: T\nlevel: \x01low\n", "YAML"),
    Bad("duplicate keys", "title: T\ntitle: U\nlogsource: {category: text}\n", "twice", (2, 1)),
    Bad("a duplicate search", GOOD.replace("  condition", "  words: [bank panic]\n  condition"), "twice", (5, 3)),
    Bad("2,000 brackets", f"title: T\nlogsource: {{category: text}}\ndetection: {_DEEP}\n", ""),
    Bad("2,000 mappings", f"title: T\nlogsource: {{category: text}}\ndetection: {'{a: ' * 2000}{'}' * 2000}\n", ""),
    Bad("2,000 brackets alone", _DEEP, ""),
    Bad("an anchor bomb", _BOMB + GOOD.replace("[bank run]", "*i"), ""),
    Bad("an anchor that holds itself", GOOD.replace("[bank run]", "&w [a, *w]"), ""),
    Bad("a detection that holds itself", "title: T\nlogsource: {category: text}\ndetection: &d {a: *d, condition: a}\n", ""),
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
    Bad("an empty mapping for the detection", "title: T\nlogsource: {category: text}\ndetection: {}\n", "condition", (3, 1)),
    Bad("a text for the logsource", GOOD.replace("{category: text}", "text"), "ogsource", (2, 1)),
    Bad("a list for the logsource", GOOD.replace("{category: text}", "[text]"), "ogsource", (2, 1)),
    Bad("an empty logsource", GOOD.replace("{category: text}", "{}"), "og source", (2, 1)),
    Bad("a number for the category", GOOD.replace("{category: text}", "{category: 5}"), "", (2, 1)),
    Bad("an empty search", GOOD.replace("[bank run]", "[]"), "", None),
    Bad("a search without values", GOOD.replace("[bank run]", ""), "", None),
    Bad("nulls for keywords", GOOD.replace("[bank run]", "[null, ~]"), "", None),
    Bad("a list of lists for keywords", GOOD.replace("[bank run]", "[[a, b], [c]]"), "", None),
    Bad("a number for the condition", GOOD.replace("condition: words", "condition: 5"), "ondition", (5, 3)),
    Bad("a mapping for the condition", GOOD.replace("condition: words", "condition: {a: b}"), "ondition", (5, 3)),
    Bad("an empty condition", GOOD.replace("condition: words", "condition: ''"), "ondition", (5, 3)),
    Bad("a null condition", GOOD.replace("condition: words", "condition:"), "ondition", (5, 3)),
    Bad("an empty list of conditions", GOOD.replace("condition: words", "condition: []"), "ondition", (5, 3)),
    Bad("a text for the tags", _plus("tags: forewarn.finance"), "ag", (6, 1)),
    Bad("a number in the tags", _plus("tags: [5]"), "ag", (6, 1)),
    Bad("a tag without a namespace", _plus("tags: [finance]"), "ag", (6, 8)),
    Bad("a text for the references", _plus("references: https://example.org"), "eferences", (6, 1)),
    Bad("a list for the author", _plus("author: [a, b]"), "uthor", (6, 1)),
    Bad("a list for the description", _plus("description: [a]"), "escription", (6, 1)),
    Bad("a list for the fields", _plus("fields: {a: b}"), "ield", (6, 1)),
    # Attributes.
    Bad("an unknown level", _plus("level: hgih"), "high", (6, 1)),
    Bad("a level in capitals", _plus("level: HIGH"), "high", (6, 1)),
    Bad("a number for the level", _plus("level: 3"), "level", (6, 1)),
    Bad("a list for the level", _plus("level: [high]"), "level", (6, 1)),
    Bad("an unknown status", _plus("status: finished"), "finished", (6, 9)),
    Bad("an id that is no UUID", _plus("id: 12-34"), "UUID", (6, 1)),
    Bad("a date that is none", _plus("date: 2024-13-45"), "2024-13-45", (6, 7)),
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
    Bad("a list for the playbook", _plus("playbook: [call, wait]"), "playbook", (6, 1)),
    Bad("a mapping for the playbook", _plus("playbook: {first: call}"), "playbook", (6, 1)),
    Bad("tests that are a list", _plus("tests: [a, b]"), "tests", (6, 1)),
    Bad("tests of another side", _plus("tests:\n  matches: [a]"), "no_match", (6, 1)),
    Bad("tests that are one text", _plus("tests:\n  match: a bank run"), "list", (7, 3)),
    Bad("a test that is a number", _plus("tests:\n  no_match: [7]"), "list", (7, 3)),
    # Conditions.
    Bad("an unknown search", GOOD.replace("condition: words", "condition: word"), "word", (5, 3)),
    Bad("an open parenthesis", GOOD.replace("condition: words", "condition: (words"), "ondition", (5, 3)),
    Bad("a closing parenthesis", GOOD.replace("condition: words", "condition: words)"), "ondition", (5, 3)),
    Bad("half an and", GOOD.replace("condition: words", "condition: words and"), "ondition", (5, 3)),
    Bad("and first", GOOD.replace("condition: words", "condition: and words"), "ondition", (5, 3)),
    Bad("two searches side by side", GOOD.replace("condition: words", "condition: words words"), "ondition", (5, 3)),
    Bad("one of nothing", GOOD.replace("condition: words", "condition: 1 of other_*"), "other_", (5, 3)),
    Bad("all of nothing", GOOD.replace("condition: words", "condition: all of other_*"), "other_", (5, 3)),
    Bad("one of", GOOD.replace("condition: words", "condition: 1 of"), "ondition", (5, 3)),
    Bad("an old count", GOOD.replace("condition: words", "condition: words | count() > 5"), "ondition", (5, 3)),
    Bad("500 parentheses", GOOD.replace("condition: words", f"condition: {'(' * 500}words{')' * 500}"), "", None),
    Bad("2,000 nots", GOOD.replace("condition: words", f"condition: {'not ' * 2000}words"), "", None),
    # Modifiers and values.
    Bad("an unknown modifier", _with("text|contian: a"), "|contains", (5, 5)),
    Bad("a modifier like none", _with("text|xyzzy: a"), "Known:", (5, 5)),
    Bad("an empty modifier", _with("text|: a"), "modifier", (5, 5)),
    Bad("a misspelt modifier of ours", _with("'|afirmed': [a]"), "|affirmed", (5, 5)),
    Bad("a modifier misspelt in a list", _with("- text|contain: a"), "|contains", (5, 7)),
    Bad("look-ahead", _with("'|re': 'bank(?=run)'"), "look-around", (5, 11)),
    Bad("look-behind", _with("'|re': '(?<!a)run'"), "look-around", (5, 11)),
    Bad("a back-reference", _with(r"'|re': '(a)\1'"), "back-reference", (5, 11)),
    Bad("a named back-reference", _with("'|re': '(?P<x>a)(?P=x)'"), "", (5, 11)),
    Bad("an atomic group", _with("'|re': '(?>a+)b'"), "", (5, 11)),
    Bad("an unbalanced expression", _with("'|re': '(bank'"), "regular expression", (5, 5)),
    Bad("an unbalanced set", _with("'|re': '[bank'"), "regular expression", (5, 5)),
    Bad("a repetition of nothing", _with("'|re': '*bank'"), "regular expression", (5, 5)),
    Bad("a repetition of 10,000", _with("'|re': 'a{10000}'"), "repetition", (5, 11)),
    Bad("a repetition of a repetition", _with("'|re': '(a{1000}){1000}'"), "", (5, 11)),
    Bad("near a number", _with("'|near': [bank, 5]"), "near", (5, 5)),
    Bad("near a single number", _with("'|near': 5"), "near", (5, 5)),
    Bad("an affirmed number", _with("'|affirmed': 5"), "affirmed", (5, 5)),
    Bad("an affirmed null", _with("'|affirmed': null"), "affirmed", (5, 5)),
    Bad("near nothing", _with("'|near': []"), "near", (5, 5)),
    Bad("affirmed and near", _with("'|affirmed|near': [a, b]"), "near", (5, 5)),
    Bad("an affirmed expression", _with("'|re|affirmed': a"), "affirmed", (5, 5)),
    Bad("a network that is none", _with("ip|cidr: 10.0.0.0/99"), "10.0.0.0/99", (5, 14)),
    Bad("a network in words", _with("ip|cidr: the office"), "the office", (5, 14)),
    Bad("base64 of a wildcard", _with("text|base64: 'a*b'"), "ildcard", (5, 5)),
    Bad("base64 of a number", _with("text|base64: 5"), "base64", (5, 5)),
    Bad("greater than a text", _with("size|gt: large"), "gt", (5, 5)),
    Bad("less than a null", _with("size|lt: null"), "lt", (5, 5)),
    Bad("exists of a text", _with("size|exists: perhaps"), "exists", (5, 5)),
    Bad("contains a number", _with("size|contains: {a: b}"), "", None),
    Bad("an expression that is a number", _with("size|re: 5"), "re", (5, 5)),
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
    if bad.place is not None:
        assert (error.line, error.column) == bad.place
