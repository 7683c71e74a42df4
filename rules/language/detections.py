"""The detection of a rule: its shape checked, its condition turned into nodes over atoms.

In: a rule's `detection`, parsed by pySigma. Out: `Node`s and `Atom`s (`rule`), or `Refused` with what to write instead.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any as AnyValue

from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.modifiers import modifier_mapping
from sigma.types import (
    Placeholder,
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaString,
    SigmaTimestampPart,
    SpecialChars,
)

from forewarn.rules.language.modifiers import OURS, Phrases
from forewarn.rules.language.numbers import number_text
from forewarn.rules.language.patterns import refused, regex_pattern, string_pattern, word_pattern
from forewarn.rules.language.refusals import Refused
from forewarn.rules.language.rule import TEXT, All, Any, Atom, Leaf, Node, Not, Pattern, escape

VARIABLES = "vars.yaml"
_OTHER_NAMES = {"utf16le": ["wide"]}
"""Modifiers of the standard that pySigma knows by another name; a likely spelling would be one with another meaning."""


def check_detection(detection: AnyValue) -> None:
    """What pySigma says less clearly: shape, condition, modifiers."""
    if not isinstance(detection, dict):
        raise Refused(
            "`detection` is a mapping of searches and a condition",
            ("detection",),
            "Write `detection:` and below it a search.",
        )
    if "condition" not in detection:
        raise Refused(
            "the detection has no `condition`",
            ("detection",),
            "Add `condition: NAME`, naming a search of the detection.",
        )
    if len(detection) == 1:
        raise Refused(
            "the detection has a condition but no search", ("detection",), "Add a search above the condition."
        )
    conditions = detection["condition"]
    for condition in conditions if isinstance(conditions, list) and conditions else [conditions]:
        if not isinstance(condition, str):
            raise Refused("the condition is a text", ("detection", "condition"), "Write `condition: NAME`.")
    for name, search in detection.items():
        if name != "condition":
            _check_search(search, str(name))
    for key in _keys(detection):
        for modifier in key.split("|")[1:]:
            if modifier not in modifier_mapping:
                near = _OTHER_NAMES.get(modifier) or difflib.get_close_matches(modifier, modifier_mapping, 1)
                known = f"Did you mean |{near[0]}?" if near else f"Known: {', '.join(sorted(modifier_mapping))}."
                raise Refused(f"unknown modifier {modifier!r}", ("detection",), known, like=key)


def _check_search(search: AnyValue, name: str) -> None:
    """A search is a text, a list of texts, or mappings of a field to values; what it holds fits its modifiers."""
    for item in search if isinstance(search, list) and search else [search]:
        if item is None or item == [] or isinstance(item, list):
            raise Refused(f"the search {name!r} holds no text", ("detection", name), "Put quotes around each phrase.")
        for key, values in item.items() if isinstance(item, dict) else ():
            modifiers = str(key).split("|")[1:]
            for value in values if isinstance(values, list) else [values]:
                if isinstance(value, dict | list):
                    raise Refused(f"{key!r} takes texts and numbers", ("detection", name), None, like=str(key))
                ours = next((modifier for modifier in modifiers if modifier in (*OURS, "re")), None)
                if ours and not isinstance(value, str):
                    raise Refused(f"|{ours} takes texts, not {value!r}", ("detection", name), None, like=str(key))
                if "re" in modifiers and (reason := refused(value)):
                    raise Refused(
                        f"the expression {value!r} is refused: {reason}", ("detection", name), None, like=value
                    )


def _keys(value: AnyValue) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from _keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _keys(inner)


class ConditionReader:
    """Turns a parsed Sigma condition into nodes, collecting its atoms."""

    def __init__(self, window: int, category: str, variables: Mapping[str, list[str]]) -> None:
        self._variables = variables
        self.atoms: list[Atom] = []
        self._places: dict[Atom, int] = {}
        self._window = window
        self._on_text = category == TEXT

    def node(self, parsed: AnyValue) -> Node:
        """A parsed condition, or a part of one, as a node; what it speaks of is added to `atoms`."""
        match parsed:
            case ConditionAND():
                return All(tuple(self.node(part) for part in parsed.args))
            case ConditionOR():
                return Any(tuple(self.node(part) for part in parsed.args))
            case ConditionNOT():
                return Not(self.node(parsed.args[0]))
            case ConditionFieldEqualsValueExpression():
                return self._value(str(parsed.field), parsed.value)
            case ConditionValueExpression():
                return self._value(TEXT, parsed.value, keyword=True)
        raise Refused(
            f"the condition holds {type(parsed).__name__}, which cannot be matched", ("detection", "condition")
        )

    def _leaf(self, atom: Atom) -> Leaf:
        if atom not in self._places:
            self._places[atom] = len(self.atoms)
            self.atoms.append(atom)
        return Leaf(self._places[atom])

    def _value(self, field: str, value: AnyValue, *, keyword: bool = False) -> Node:
        on_text = keyword or (self._on_text and field == TEXT)
        match value:
            case SigmaExpansion():
                return Any(tuple(self._value(field, inner, keyword=keyword) for inner in value.values))
            case Phrases():
                return self._phrases(field, value)
            case SigmaCasedString() if on_text:
                raise Refused(
                    "texts are matched without regard to case, so that |cased has nothing to look at",
                    ("detection",),
                    "Leave |cased out; it works on the fields of events.",
                    like=value.original,
                )
            case SigmaString() if value.contains_placeholder():
                filled = value.replace_placeholders(self._values_of)
                return Any(tuple(self._value(field, inner, keyword=keyword) for inner in filled))
            case SigmaString():
                if not value.s and not on_text:
                    return self._leaf(Atom(field, "find", (Pattern("^$", dotall=True),), label=""))
                pattern = string_pattern(
                    value,
                    anywhere=keyword,
                    folds=on_text,
                    cased=isinstance(value, SigmaCasedString),
                )
                return self._leaf(Atom(field, "find", (pattern,), label=value.original))
            case SigmaRegularExpression():
                pattern = regex_pattern(value, on_text=on_text)
                return self._leaf(Atom(field, "find", (pattern,), label=str(value.regexp)))
            case SigmaNull():
                return self._leaf(Atom(field, "null", label="null"))
            case SigmaExists():
                found = self._leaf(Atom(field, "exists", label="exists"))
                return found if value.exists else Not(found)
            case SigmaTimestampPart():
                return self._leaf(Atom(field, "part", (), (value.timestamp_part.name.lower(), str(value.number))))
            case SigmaNumber() | SigmaBool():
                text = str(value).lower() if isinstance(value, SigmaBool) else number_text(value.number)
                anchored = escape(text) if on_text else f"^{escape(text)}$"
                return self._leaf(Atom(field, "find", (Pattern(anchored, dotall=True),), label=text))
            case SigmaCompareExpression():
                label = f"{value.op.value} {value.number}"
                return self._leaf(Atom(field, "compare", (), (value.op.name.lower(), str(value.number)), label=label))
            case SigmaCIDRExpression():
                return self._leaf(Atom(field, "cidr", (), (str(value.cidr),), label=str(value.cidr)))
            case SigmaFieldReference():
                arguments = (str(value.field), "starts" if value.starts_with else "", "ends" if value.ends_with else "")
                return self._leaf(Atom(field, "same", (), arguments, label=f"= {value.field}"))
        raise Refused(f"the value {value} cannot be matched", ("detection",))

    def _values_of(self, placeholder: Placeholder) -> Iterator[str]:
        if placeholder.name not in self._variables:
            known = ", ".join(self._variables) or "none"
            raise Refused(
                f"the placeholder %{placeholder.name}% has no value",
                ("detection",),
                f"Write `{placeholder.name}: [value, …]` into a {VARIABLES} beside the rules; it holds: {known}.",
                like=f"%{placeholder.name}%",
            )
        yield from self._variables[placeholder.name]

    def _phrases(self, field: str, value: Phrases) -> Node:
        label = ", ".join(string.original for string in value.strings)
        if value.way == "similar":
            return self._leaf(Atom(field, "similar", (), tuple(value.to_plain()), label=label))
        if any(all(isinstance(part, SpecialChars) for part in string.s) for string in value.strings):
            raise Refused(
                f"|{value.way} takes words, not only wildcards",
                ("detection",),
                "Write a word, or leave the phrase out.",
            )
        patterns = tuple(word_pattern(string, caseless=field != TEXT) for string in value.strings)
        kind = {"word": "find"}.get(value.way, value.way)
        return self._leaf(Atom(field, kind, patterns, window=self._window if kind == "near" else 0, label=label))
