"""What a correlation groups and counts by: the fields of events, and what stands for them in lines of text.

In: the records on which a rule fired. Out: for each, its values by field. An event has fields of its own. For a rule
about texts a field is, the first that there is: that field of the event; the group of that name in one of the rule's
expressions (`(?P<user>…)`, in the text as rules see it, folded); one of `line_fields.yaml`; what follows `field=`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

import polars as pl
import yaml

from forewarn.rules.events.fields import Events
from forewarn.rules.language.normalise import folded
from forewarn.rules.language.rule import TEXT, Correlation, Pattern, Rule
from forewarn.rules.matching.dialects import compiled
from forewarn.rules.rule_set import RuleSet

_ANY_VALUE = r"""([^\s"'<>,;&\[\](){}]{1,200})"""
_LONGEST = 4_096
"""Characters of a line in which fields are looked for."""

Found = Callable[[str], str | None]
"""A line to the value of one field."""


@dataclass(frozen=True)
class LineField:
    """How a field is found: `keys` of an event, and `find` in a line."""

    keys: tuple[str, ...]
    find: Found


def field_names(correlation: Correlation, member: str) -> tuple[tuple[str, ...], str | None]:
    """What the fields to group by, and the one to count, are called in the events of a member."""

    def own(name: str) -> str:
        return correlation.aliases.get(name, {}).get(member, name)

    return tuple(map(own, correlation.group_by)), own(correlation.field) if correlation.field else None


def asked_of_rules(rules: RuleSet, members: Sequence[Mapping[int, Sequence[int]]]) -> dict[int, list[str]]:
    """The fields that correlations ask of each of `RuleSet.known`; what is asked of a correlation, of its members.

    `members` has for each correlation the places that its members have in its `rules`, by their place in `known`.
    """
    asked: dict[int, dict[str, None]] = {}
    for number in reversed(range(len(members))):
        one, own = rules.correlations[number], len(rules.rules) + number
        for rule, places in members[number].items():
            wanted = asked.setdefault(rule, {})
            for name in (one.rules[place] for place in places):
                grouping, counted = field_names(one, name)
                wanted.update(dict.fromkeys([*grouping, *([counted] if counted else []), *asked.get(own, ())]))
    return {rule: list(names) for rule, names in asked.items()}


class MemberFields:
    """The values of the fields that are asked of each rule."""

    def __init__(self, rules: RuleSet, asked: Mapping[int, Sequence[str]]) -> None:
        self._rules, self._asked = rules.rules, asked

    def of(self, rule: int, records: pl.DataFrame) -> list[dict[str, str | None]]:
        """The values that n records have on which a rule fired (a records frame): a dictionary for each."""
        names = self._asked.get(rule, ())
        if not names:
            return [{}] * records.height
        made = self._rules[rule]
        texts = records["text"].fill_null("")
        raw = records["raw"] if "raw" in records.columns else pl.repeat(None, len(texts), dtype=pl.String, eager=True)
        known = line_fields()
        about_text = made.logsource.get("category") == TEXT or bool(raw.null_count())
        keys = {name: (name, *(known[name].keys if about_text and name in known else ())) for name in names}
        columns: list[list[str | None]] = []
        events = Events(raw.fill_null("null"), [key for own in keys.values() for key in own])
        for name in names:
            parts = [events.dense(key).alias(str(at)) for at, key in enumerate(dict.fromkeys(keys[name]))]
            values = pl.DataFrame(parts).select(pl.coalesce(pl.all())).to_series()
            values = values.set(values == "", None)
            if about_text and values.null_count():
                values = _filled(values, made, name, texts)
            columns.append(values.to_list())
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _filled(values: pl.Series, rule: Rule, name: str, texts: pl.Series) -> pl.Series:
    """The values of a field, with those that stand in the text where there are none."""
    missing = values.is_null().arg_true()
    own = texts.gather(missing).str.slice(0, _LONGEST)
    groups = tuple(pattern for pattern in _patterns(rule) if _has_group(pattern, name))
    lines, found = own.to_list(), list[str | None]()
    plain = folded(own).to_list() if groups else lines
    find = _find(name)
    seen: dict[str, str | None] = {}
    for line, text in zip(lines, plain, strict=True):
        if line not in seen:
            seen[line] = _in_groups(groups, name, text) or find(line)
        found.append(seen[line])
    return values.clone().scatter(missing, pl.Series(found, dtype=pl.String))


def _patterns(rule: Rule) -> list[Pattern]:
    return [pattern for atom in rule.atoms if atom.field == TEXT for pattern in atom.patterns if pattern.written]


@lru_cache(maxsize=4096)
def _has_group(pattern: Pattern, name: str) -> bool:
    return name in compiled(pattern).groupindex


def _in_groups(patterns: Sequence[Pattern], name: str, text: str) -> str | None:
    for pattern in patterns:
        found = compiled(pattern).search(text)
        if found and found.group(name):
            return str(found.group(name))
    return None


def _find(name: str) -> Found:
    known = line_fields().get(name)
    return known.find if known else _key_value(name)


@lru_cache(maxsize=1024)
def _key_value(name: str) -> Found:
    return _first([_after_key([name], _ANY_VALUE)])


def _after_key(keys: Sequence[str], value: str) -> str:
    """An expression for `key=value`, `key: value`, `"key":"value"`."""
    either = "|".join(re.escape(key) for key in sorted(keys, key=len, reverse=True))
    return rf"""(?:^|[\s,;&|{{(\["'])(?:{either})["']?(?:=|\s?:\s?|\s=\s)["'<\[(]?{value}"""


def _first(expressions: Sequence[str]) -> Found:
    """The first group of the first expression that occurs in a line."""
    import re2

    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    made = [re2.compile(expression, options) for expression in expressions]

    def find(line: str) -> str | None:
        for expression in made:
            if found := expression.search(line):
                return str(found[1])
        return None

    return find


@lru_cache(maxsize=1)
def line_fields() -> dict[str, LineField]:
    """The fields of `line_fields.yaml`, by name."""
    text = resources.files("forewarn.rules.correlation").joinpath("line_fields.yaml").read_text("utf-8")
    read: dict[str, Any] = yaml.load(text, Loader=yaml.CSafeLoader)
    return {
        name: LineField(tuple(field["keys"]), _first([_after_key(field["keys"], field["value"]), *field["found"]]))
        for name, field in read.items()
    }
