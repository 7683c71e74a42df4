"""A correlation document to a `Correlation`: the types, conditions, aliases and spans of Sigma 2.1.

In: a document with a `correlation` section, read by pySigma where it can. Out: a `Correlation`, or `Refused` with what
to write instead. Names of rules are looked up afterwards (`references`), when all files are read.
"""

from __future__ import annotations

import difflib
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any as AnyValue

from sigma.correlations import (
    CorrelationConditionAND,
    CorrelationConditionNOT,
    CorrelationConditionOR,
    SigmaCorrelationRule,
    SigmaExtendedCorrelationCondition,
    SigmaRuleReference,
)

from forewarn.rules.language.refusals import Refused
from forewarn.rules.language.rule import All, Any, Correlation, Leaf, Node, Not

METRICS = ("value_sum", "value_avg", "value_median", "value_percentile")
"""Types that make one number of all values of a field."""
VALUES = ("value_count", *METRICS)
TEMPORAL = ("temporal", "temporal_ordered")
KINDS = ("event_count", *VALUES, *TEMPORAL)
COMPARE: dict[str, Callable[[AnyValue, AnyValue], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
    "eq": operator.eq,
    "neq": operator.ne,
}
"""What a bound asks of a number. Python compares integers and fractions exactly."""
OPERATORS = tuple(COMPARE)
MOST_IN_ORDER = 10
"""Rules of a `temporal_ordered`: all their orders are looked at."""
MOST_COUNTED = 100_000
"""The largest number of records that may be asked for: a group remembers so many."""
_KEYS = ("type", "rules", "group-by", "timespan", "condition", "aliases", "generate")
_SECTION = ("correlation",)
_CONDITION = ("correlation", "condition")
_QUANTIFIED = re.compile(r"\b(1|any|all) of (them|[\w*]+)", re.IGNORECASE)


def read_correlation(document: dict[str, AnyValue], common: Mapping[str, AnyValue]) -> Correlation:
    """The correlation of a document; `common` are the fields that it shares with rules, already read."""
    section = document["correlation"]
    if not isinstance(section, dict):
        raise Refused("`correlation` is a mapping", _SECTION, "Write `correlation:` and below it `type:`, `rules:`, …")
    _check_keys(section)
    kind = section.get("type")
    if kind not in KINDS:
        near = difflib.get_close_matches(str(kind), KINDS, 1)
        known = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(KINDS)}."
        said = "the correlation has no `type`" if kind is None else f"unknown correlation type {kind!r}"
        raise Refused(said, ("correlation", "type"), known)
    names, parts = _names(section, kind), _parts(section.get("condition"), kind)
    expression = None
    if isinstance(parts, str):
        names, expression = _expression(parts, names)
    elif not names:
        raise Refused(
            "the correlation names no rule", ("correlation", "rules"), "Name at least one by its `name` or `id`."
        )
    if kind == "temporal_ordered" and len(names) > MOST_IN_ORDER:
        raise Refused(
            f"temporal_ordered takes at most {MOST_IN_ORDER} rules, not {len(names)}", ("correlation", "rules")
        )
    bounds = () if isinstance(parts, str) else _bounds(parts, kind, len(names))
    field, percentile = _field(parts, kind), _percentile(parts, kind)
    aliases, generate = _aliases(section.get("aliases"), names), _generate(document, section)
    sigma = SigmaCorrelationRule.from_dict(document | {"correlation": _for_sigma(section, parts, field, names)})
    return Correlation(
        **common,
        kind=kind,
        rules=names,
        group_by=tuple(sigma.group_by or ()),
        seconds=sigma.timespan.seconds,
        bounds=bounds,
        expression=expression,
        field=field,
        percentile=percentile,
        aliases=aliases,
        generate=generate,
    )


def _check_keys(section: Mapping[AnyValue, AnyValue]) -> None:
    for key in section:
        if key not in _KEYS:
            near = difflib.get_close_matches(str(key), _KEYS, 1)
            known = f"Did you mean `{near[0]}`?" if near else f"Known: {', '.join(_KEYS)}."
            raise Refused(f"a correlation has no key {key!r}", ("correlation", str(key)), known)


def _names(section: Mapping[str, AnyValue], kind: str) -> tuple[str, ...]:
    written = section.get("rules")
    if written is None and kind in TEMPORAL and isinstance(section.get("condition"), str):
        return ()
    listed = [written] if isinstance(written, str) else written
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        raise Refused(
            "`rules` is a list of names or ids of rules", ("correlation", "rules"), "Write `rules: [NAME, …]`."
        )
    if not listed:
        raise Refused(
            "the correlation names no rule", ("correlation", "rules"), "Name at least one by its `name` or `id`."
        )
    twice = next((name for name in listed if listed.count(name) > 1), None)
    if twice is not None:
        raise Refused(f"the rule {twice!r} is named twice", ("correlation", "rules"), like=twice)
    return tuple(listed)


def _parts(condition: AnyValue, kind: str) -> dict[str, AnyValue] | str:
    """The condition as it is written: a mapping, or an expression."""
    if isinstance(condition, str):
        if kind not in TEMPORAL:
            raise Refused(f"{kind} takes bounds, not an expression", _CONDITION, "Write `condition: {gte: NUMBER}`.")
        return condition
    if condition is None:
        if kind not in TEMPORAL:
            raise Refused(f"{kind} has no `condition`", _SECTION, "Write `condition: {gte: NUMBER}`.")
        return {}
    if not isinstance(condition, dict):
        raise Refused("the condition is a mapping or an expression", _CONDITION, "Write `condition: {gte: NUMBER}`.")
    known = [
        *OPERATORS,
        *(["field"] if kind in VALUES else []),
        *(["percentile"] if kind == "value_percentile" else []),
    ]
    for key in condition:
        if key not in known:
            raise Refused(
                f"the condition of {kind} has no {key!r}", (*_CONDITION, str(key)), f"Known: {', '.join(known)}."
            )
    return condition


def _bounds(parts: Mapping[str, AnyValue], kind: str, members: int) -> tuple[tuple[str, int | float], ...]:
    bounds = [(key, _number(value, key)) for key, value in parts.items() if key in OPERATORS]
    if not bounds and kind in TEMPORAL:
        return (("gte", members),)
    if not bounds:
        raise Refused("the condition has no bound", _CONDITION, f"Write one of {', '.join(OPERATORS)} and a number.")
    too_large = next((number for _, number in bounds if kind not in METRICS and number > MOST_COUNTED), None)
    if too_large is not None:
        raise Refused(f"{kind} counts to {MOST_COUNTED:,}, not to {too_large:,}", _CONDITION)
    most = members if kind in TEMPORAL else MOST_COUNTED
    near = {1, most, *(math.floor(bound) + step for _, bound in bounds for step in (-1, 0, 1))}
    if kind not in METRICS and not any(1 <= count <= most and _holds(count, bounds) for count in near):
        what = f"of its {members} rules" if kind in TEMPORAL else "from 1 on"
        raise Refused(f"no number {what} fulfils the condition", _CONDITION)
    return tuple(bounds)


def _holds(count: int, bounds: Sequence[tuple[str, int | float]]) -> bool:
    return all(COMPARE[name](count, bound) for name, bound in bounds)


def _number(value: AnyValue, key: str) -> int | float:
    """A bound, as exact as it is written."""
    number = value
    if isinstance(value, str):
        try:
            number = int(value) if value.strip("+-").isdecimal() else float(value)
        except ValueError:
            number = None
    if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
        raise Refused(f"{key!r} takes a number, not {value!r}", (*_CONDITION, key))
    return number


def _field(parts: dict[str, AnyValue] | str, kind: str) -> str | None:
    if isinstance(parts, str) or kind not in VALUES:
        return None
    field = parts.get("field")
    if isinstance(field, list) and len(field) == 1:
        field = field[0]
    if isinstance(field, list):
        said = (
            f"{kind} over several fields ({', '.join(map(str, field))}) is not supported: the standard does not say how"
        )
        raise Refused(said, (*_CONDITION, "field"), "Count one field, and put the others into `group-by`.")
    if not isinstance(field, str) or not field:
        raise Refused(f"{kind} has no `field`", _CONDITION, "Write `field: NAME` into the condition.")
    return field


def _percentile(parts: dict[str, AnyValue] | str, kind: str) -> int | float:
    if isinstance(parts, str) or kind != "value_percentile":
        return 50
    if "percentile" not in parts:
        raise Refused("value_percentile does not say which percentile", _CONDITION, "Write `percentile: 95`, say.")
    number = _number(parts["percentile"], "percentile")
    if not 0 <= number <= 100:
        raise Refused(f"a percentile is from 0 to 100, not {number}", (*_CONDITION, "percentile"))
    return number


def _for_sigma(
    section: Mapping[str, AnyValue], parts: dict[str, AnyValue] | str, field: str | None, names: Sequence[str]
) -> dict[str, AnyValue]:
    """The section as pySigma takes it: no expression, and one bound, which stands for all."""
    plain = {key: value for key, value in section.items() if key not in ("condition", "generate")} | {"rules": [*names]}
    if isinstance(parts, str) or not parts:
        return plain
    return plain | {"condition": {"gte": 1} | ({"field": field} if field else {})}


def _expression(written: str, names: tuple[str, ...]) -> tuple[tuple[str, ...], Node]:
    """An extended condition over members, and the members, which are those that it names where none are listed.

    pySigma's parser knows neither `1 of`, nor AND in capitals, nor names that are no identifiers (ids, say):
    quantifiers are written out before it, and each name stands as `_` and its place.
    """
    spelled = _QUANTIFIED.sub(lambda found: _spelled_out(found, names), written)
    known, tokens = list(names), []
    for word in re.findall(r"[()]|[^\s()]+", spelled):
        lower = word.lower()
        if lower in ("(", ")", "and", "or", "not"):
            tokens.append(lower)
            continue
        if word not in known:
            if names:
                near = difflib.get_close_matches(word, names, 1)
                known_names = f"Did you mean {near[0]}?" if near else f"`rules` has {', '.join(names)}."
                raise Refused(f"the condition names {word!r}, which is not in `rules`", _CONDITION, known_names)
            known.append(word)
        tokens.append(f"_{known.index(word)}")
    said = " ".join(tokens)
    unused = [name for at, name in enumerate(known) if f"_{at}" not in tokens]
    if unused:
        raise Refused(f"the condition does not name {unused[0]!r}, which is in `rules`", _CONDITION)
    try:
        parsed = SigmaExtendedCorrelationCondition(said).parsed
    except Exception as error:
        raise Refused(f"the condition {written!r} cannot be read", _CONDITION, "Write `a and b and not c`.") from error
    node = _node(parsed)
    if _satisfied(node, 0):
        raise Refused(
            f"the condition {written!r} holds where no rule has fired", _CONDITION, "Ask for at least one rule."
        )
    return tuple(known), node


def _spelled_out(found: re.Match[str], names: Sequence[str]) -> str:
    pattern = ".*" if found[2].lower() == "them" else re.escape(found[2]).replace(r"\*", ".*")
    own = [name for name in names if re.fullmatch(pattern, name)]
    if not own:
        raise Refused(
            f"{found[0]!r} is of none of `rules`", _CONDITION, f"`rules` has {', '.join(names) or 'no names'}."
        )
    return f"({(' and ' if found[1].lower() == 'all' else ' or ').join(own)})"


def _node(parsed: AnyValue) -> Node:
    match parsed:
        case SigmaRuleReference():
            return Leaf(int(parsed.reference[1:]))
        case CorrelationConditionAND():
            return All(tuple(_node(part) for part in parsed.args))
        case CorrelationConditionOR():
            return Any(tuple(_node(part) for part in parsed.args))
        case CorrelationConditionNOT():
            return Not(_node(parsed.args[0]))
    raise Refused(f"the condition holds {type(parsed).__name__}, which is not supported", _CONDITION)


def _satisfied(node: Node, present: int) -> bool:
    match node:
        case Leaf():
            return bool(present >> node.atom & 1)
        case Not():
            return not _satisfied(node.part, present)
        case All():
            return all(_satisfied(part, present) for part in node.parts)
        case Any():
            return any(_satisfied(part, present) for part in node.parts)


def _aliases(written: AnyValue, names: Sequence[str]) -> dict[str, dict[str, str]]:
    place = ("correlation", "aliases")
    remedy = "Write `aliases: {FIELD: {RULE: ITS-FIELD, …}}`."
    if written is None:
        return {}
    if not isinstance(written, dict):
        raise Refused("`aliases` is a mapping", place, remedy)
    for alias, mapping in written.items():
        if not isinstance(mapping, dict) or not all(isinstance(field, str) for field in mapping.values()):
            raise Refused(f"the alias {alias!r} maps rules to fields", (*place, str(alias)), remedy)
        unknown = next((name for name in mapping if name not in names), None)
        if unknown is not None:
            near = difflib.get_close_matches(str(unknown), names, 1)
            said = f"the alias {alias!r} speaks of {unknown!r}, which is not in `rules`"
            raise Refused(
                said, (*place, str(alias)), f"Did you mean {near[0]}?" if near else f"`rules` has {', '.join(names)}."
            )
    return {str(alias): dict(mapping) for alias, mapping in written.items()}


def _generate(document: Mapping[str, AnyValue], section: Mapping[str, AnyValue]) -> bool:
    """The standard's text has `generate` beside `level`, pySigma in the section: both are read."""
    said = section.get("generate", document.get("generate", False))
    if not isinstance(said, bool):
        raise Refused(f"`generate` is true or false, not {said!r}", ("correlation", "generate"))
    return said
