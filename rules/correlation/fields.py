"""What a correlation groups and counts by: the fields of events, and what stands for them in lines of text.

In: the records on which a rule fired. Out: for each, its values by field. An event has fields of its own. For a rule
about texts a field is, the first that there is: that field of the event; the group of that name in one of the rule's
expressions (`(?P<user>…)`, in the text as rules see it, folded); one of `line_fields.yaml`; what follows `field=`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

import polars as pl
import yaml

from forewarn.rules.events.fields import Events
from forewarn.rules.language.normalise import folded
from forewarn.rules.language.rule import TEXT, Correlation, Pattern, Rule
from forewarn.rules.matching.dialects import compiled, in_re2
from forewarn.rules.rule_set import RuleSet

_ANY_VALUE = r"""([^\s"'<>,;&\[\](){}]{1,200})"""
_LONGEST = 4_096
"""Characters of a line in which fields are looked for."""

Finder = tuple[str, int]
"""An expression (RE2 syntax), and which of its groups is the value."""


@dataclass(frozen=True)
class LineField:
    """How a field is found: `keys` of an event, and in a line by the first of `finders` that occurs."""

    keys: tuple[str, ...]
    finders: tuple[Finder, ...]


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
    lines = texts.gather(missing).str.slice(0, _LONGEST)
    groups = [
        (("(?i)" if pattern.caseless else "") + in_re2(pattern), compiled(pattern).groupindex[name])
        for pattern in _patterns(rule)
        if name in compiled(pattern).groupindex
    ]
    known = line_fields().get(name)
    found = first_found(lines, known.finders if known else (_after_key([name], _ANY_VALUE),))
    if groups:
        named = first_found(folded(lines), groups)
        found = named.zip_with(named.is_not_null(), found)
    return values.clone().scatter(missing, found)


def _patterns(rule: Rule) -> list[Pattern]:
    return [pattern for atom in rule.atoms if atom.field == TEXT for pattern in atom.patterns if pattern.written]


def first_found(lines: pl.Series, finders: Sequence[Finder]) -> pl.Series:
    """What the first of some expressions finds in each of n lines (String, no null): String (n,), null = nothing.

    A line of ASCII is looked at by polars, a column at once; there it reads an expression as RE2 does, which looks at
    the others.
    """
    plain = lines.str.len_bytes() == lines.str.len_chars()
    found = pl.Series([None], dtype=pl.String).new_from_index(0, len(lines))
    try:
        by_column = _by_column(lines.filter(plain), finders)
    except pl.exceptions.ComputeError:
        plain, by_column = plain & False, found.clear()
    found = found.scatter(plain.arg_true(), by_column)
    return found.scatter((~plain).arg_true(), line_by_line(lines.filter(~plain), finders))


def _by_column(lines: pl.Series, finders: Sequence[Finder]) -> pl.Series:
    line = pl.col("line")
    each = [line.str.extract(expression, group) for expression, group in finders]
    either = pl.coalesce(pl.when(one.str.len_bytes() > 0).then(one) for one in each)
    return lines.alias("line").to_frame().select(either).to_series()


def line_by_line(lines: pl.Series, finders: Sequence[Finder]) -> pl.Series:
    """The plain form of `first_found`."""
    made = [(_compiled(expression), group) for expression, group in finders]
    found = [
        next((value for one, group in made if (hit := one.search(line)) and (value := hit[group])), None)
        for line in lines
    ]
    return pl.Series(found, dtype=pl.String)


@lru_cache(maxsize=1024)
def _compiled(expression: str) -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    return re2.compile(expression, options)


def _after_key(keys: Sequence[str], value: str) -> Finder:
    """The value in `key=value`, `key: value`, `"key":"value"`."""
    either = "|".join(re.escape(key) for key in sorted(keys, key=len, reverse=True))
    return rf"""(?i)(?:^|[\s,;&|{{(\["'])(?:{either})["']?(?:=|\s?:\s?|\s=\s)["'<\[(]?{value}""", 1


@lru_cache(maxsize=1)
def line_fields() -> dict[str, LineField]:
    """The fields of `line_fields.yaml`, by name."""
    text = resources.files("forewarn.rules.correlation").joinpath("line_fields.yaml").read_text("utf-8")
    read: dict[str, Any] = yaml.load(text, Loader=yaml.CSafeLoader)
    return {
        name: LineField(
            tuple(field["keys"]),
            (_after_key(field["keys"], field["value"]), *((f"(?i){one}", 1) for one in field["found"])),
        )
        for name, field in read.items()
    }
