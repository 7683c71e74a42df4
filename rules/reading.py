"""Rule files to rules: YAML in, `Rule`s out, every error with its place in the user's file.

In: the content of a rule file (one or more YAML documents of the Sigma standard, read by pySigma). Out: rules and
errors. One bad document never stops the others. Nothing is matched here.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any as AnyValue
from typing import ClassVar

import yaml
from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.correlations import SigmaCorrelationRule, SigmaExtendedCorrelationCondition
from sigma.exceptions import SigmaError
from sigma.filters import SigmaFilter
from sigma.modifiers import modifier_mapping
from sigma.rule import SigmaRule
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

from forewarn.errors import RuleError
from forewarn.rules.modifiers import OURS, Phrases
from forewarn.rules.patterns import refused, regex_pattern, string_pattern, word_pattern
from forewarn.rules.rule import LEVELS, TEXT, All, Any, Atom, Correlation, Leaf, Node, Not, Pattern, Rule, escape

WINDOW = 8
"""Words that the values of `|near` may span, unless the rule says otherwise."""
_DOMAIN_TAG = "forewarn."
VARIABLES = "vars.yaml"
_FILTER = re.compile(r"^filter:", re.MULTILINE)


@dataclass
class Library:
    """What was read: rules, rules about rules, errors; and what every rule is read with.

    `filters` Sigma filters, which suppress; `variables` the values of `%placeholders%`.
    """

    rules: list[Rule] = field(default_factory=list)
    correlations: list[Correlation] = field(default_factory=list)
    errors: list[RuleError] = field(default_factory=list)
    filters: list[SigmaFilter] = field(default_factory=list)
    variables: dict[str, list[str]] = field(default_factory=dict)


def read_library(contents: Mapping[str, str]) -> Library:
    """Read rule files, path to content.

    Files called `vars.yaml` hold the values of placeholders. They and the filters are read first, whatever their order.
    """
    library = Library()
    rules = {path: content for path, content in contents.items() if not path.endswith(VARIABLES)}
    for path in contents.keys() - rules.keys():
        _each(contents[path], path, library.errors, lambda document, _: _variables(document, library))
    for path, content in rules.items():
        if _FILTER.search(content):
            _each(content, path, library.errors, lambda document, _: _filter(document, library))
    for path, content in rules.items():
        reader = partial(_document, path, library)
        _each(content, path, library.errors, reader)
    return library


def read_rules(content: str, path: str) -> tuple[list[Rule], list[RuleError]]:
    """The rules of one file, and what is wrong with the others of its documents."""
    library = read_library({path: content})
    return library.rules, library.errors


class _Loader(yaml.CSafeLoader):
    """A safe loader for rules: dates stay texts, a key given twice is an error."""

    yaml_implicit_resolvers: ClassVar[dict[str, AnyValue]] = {  # type: ignore[misc]
        first: [(tag, expression) for tag, expression in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[AnyValue, AnyValue]:
        """The mapping of a node. Raises ConstructorError at the second of two equal keys."""
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} stands here twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def _loaded(content: str) -> list[AnyValue]:
    """The documents of a file.

    Raises YAMLError. Aliases are refused: ten of them can stand for a billion values.
    """
    if "*" in content and "&" in content:
        for event in yaml.parse(content, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.AliasEvent):
                said = f"the alias *{event.anchor} is refused: write its values out"
                raise yaml.constructor.ConstructorError(None, None, said, event.start_mark)  # type: ignore[arg-type]
    return list(yaml.load_all(content, Loader=_Loader))


def _each(content: str, path: str, errors: list[RuleError], read: Callable[[AnyValue, int], None]) -> None:
    """Read each document of a file; what goes wrong in one stops no other."""
    try:
        documents = _loaded(content)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        errors.append(_yaml_error(error, content, path))
        return
    if not any(document is not None for document in documents):
        errors.append(RuleError("holds no rule", path=path, line=1, column=1, remedy="Start with `title: …`."))
    for number, document in enumerate(documents):
        if document is None:
            continue
        try:
            read(document, number)
        except _Refused as reason:
            errors.append(_located(reason, content, number, path))
        except SigmaError as error:
            errors.append(_located(_refusal(error), content, number, path))
        except (TypeError, ValueError, AttributeError, KeyError, RecursionError) as error:
            # pySigma lets a few malformed values through to Python's own errors.
            errors.append(_located(_Refused(f"cannot be read as a rule: {error}", ()), content, number, path))


def _document(path: str, library: Library, document: AnyValue, number: int) -> None:
    if isinstance(document, dict) and "correlation" in document:
        library.correlations.append(_correlation(document, path, number))
    elif not (isinstance(document, dict) and "filter" in document):
        library.rules.append(_rule(document, path, number, library))


def _variables(document: AnyValue, library: Library) -> None:
    if not isinstance(document, dict):
        raise _Refused("`vars.yaml` maps a name to a list of values", (), "Write `admins: [anna, root]`.")
    for name, values in document.items():
        library.variables[str(name)] = [str(value) for value in (values if isinstance(values, list) else [values])]


def _filter(document: AnyValue, library: Library) -> None:
    if isinstance(document, dict) and "filter" in document:
        library.filters.append(SigmaFilter.from_dict(document))


def _correlation(document: dict[str, AnyValue], path: str, number: int) -> Correlation:
    sigma = SigmaCorrelationRule.from_dict(document)
    kind = sigma.type.name.lower()
    if kind not in ("event_count", "value_count", "temporal", "temporal_ordered"):
        known = "Known: event_count, value_count, temporal, temporal_ordered."
        raise _Refused(f"a correlation of type {kind} is not supported", ("correlation", "type"), known)
    condition = sigma.condition
    if isinstance(condition, SigmaExtendedCorrelationCondition):
        raise _Refused("an extended correlation condition is not supported", ("correlation", "condition"))
    counted = condition.fieldref
    return Correlation(
        id=str(sigma.id or sigma.name or sigma.title),
        title=str(sigma.title),
        level=str(document.get("level", "medium")),
        path=path,
        document=number,
        kind=kind,
        rules=tuple(reference.reference for reference in sigma.rules or ()),
        group_by=tuple(sigma.group_by or ()),
        seconds=sigma.timespan.seconds,
        operator=condition.op.name.lower(),
        number=int(condition.count),
        field=counted[0] if isinstance(counted, list) else counted,
        generate=sigma.generate,
    )


class _Refused(Exception):
    """Why a document is no rule, and the keys that lead to the place; `like` is the text at fault there."""

    def __init__(self, message: str, keys: tuple[str, ...], remedy: str | None = None, like: str | None = None) -> None:
        super().__init__(message)
        self.message, self.keys, self.remedy, self.like = message, keys, remedy, like


def _rule(document: AnyValue, path: str, number: int, library: Library) -> Rule:
    if not isinstance(document, dict):
        raise _Refused(
            "a rule is a mapping of keys such as title, logsource and detection", (), "Start with `title: …`."
        )
    for key in ("title", "logsource", "detection"):
        if key not in document:
            near = difflib.get_close_matches(key, [str(known) for known in document], 1)
            raise _Refused(
                f"the rule has no `{key}`",
                tuple(near),
                f"Rename `{near[0]}` to `{key}`." if near else f"Add `{key}:`.",
            )
    level = str(document.get("level", "medium"))
    if level not in LEVELS:
        near = difflib.get_close_matches(level.lower(), LEVELS, 1)
        raise _Refused(
            f"unknown level {level!r}", ("level",), f"Write {near[0] if near else 'one of ' + ', '.join(LEVELS)}."
        )
    _check_detection(document["detection"])
    own = _own_attributes(document)
    sigma = SigmaRule.from_dict(document)
    for suppressing in library.filters:
        suppressing.apply_on_rule(sigma)
    category = str(sigma.logsource.category or "")
    reader = _ConditionReader(own["window"], category, library.variables)
    conditions = [reader.node(parsed.parsed) for parsed in sigma.detection.parsed_condition]
    domain = next((str(tag)[len(_DOMAIN_TAG) :] for tag in sigma.tags if str(tag).startswith(_DOMAIN_TAG)), None)
    source = {key: str(value) for key in ("category", "product", "service") if (value := getattr(sigma.logsource, key))}
    return Rule(
        id=str(sigma.id or document.get("name") or document["title"]),
        title=str(sigma.title),
        level=level,
        category=domain or category or source.get("product") or source.get("service") or "",
        path=path,
        document=number,
        atoms=tuple(reader.atoms),
        condition=conditions[0] if len(conditions) == 1 else Any(tuple(conditions)),
        logsource=source,
        description=str(document.get("description") or "").strip(),
        status=str(document.get("status") or ""),
        author=str(document.get("author") or ""),
        name=str(document.get("name") or ""),
        weight=own["weight"],
        decision=own["decision"],
        playbook=own["playbook"],
        match=own["match"],
        no_match=own["no_match"],
        falsepositives=_texts(document, "falsepositives"),
        references=_texts(document, "references"),
        tags=_texts(document, "tags"),
    )


def _texts(document: dict[str, AnyValue], key: str) -> tuple[str, ...]:
    value = document.get(key) or []
    return tuple(str(item) for item in (value if isinstance(value, list) else [value]))


def _own_attributes(document: dict[str, AnyValue]) -> dict[str, AnyValue]:
    tests, weight, window = document.get("tests") or {}, document.get("weight"), document.get("window", WINDOW)
    decision = document.get("decision")
    if not isinstance(tests, dict) or set(tests) - {"match", "no_match"}:
        raise _Refused(
            "`tests` has two lists, `match` and `no_match`", ("tests",), "Write `tests: {match: […], no_match: […]}`."
        )
    for side, examples in tests.items():
        if not isinstance(examples, list) or not all(isinstance(example, str | dict) for example in examples):
            raise _Refused(f"`tests: {side}` is a list of texts", ("tests", side), "Put quotes around each text.")
    if weight is not None and (
        isinstance(weight, bool) or not isinstance(weight, int | float) or not -20 <= weight <= 20
    ):
        raise _Refused(f"`weight` is log-odds, not {weight!r}", ("weight",), "Write a number between -20 and 20.")
    if isinstance(window, bool) or not isinstance(window, int) or not 1 <= window <= 200:
        raise _Refused(
            f"`window` is a number of words, not {window!r}", ("window",), "Write a whole number from 1 to 200."
        )
    if decision not in (None, "always", "never"):
        raise _Refused(f"unknown decision {decision!r}", ("decision",), "Write always or never, or leave it out.")
    playbook = document.get("playbook")
    if playbook is not None and not isinstance(playbook, str):
        raise _Refused("`playbook` is one text", ("playbook",), "Write what to do first in a sentence.")
    return {
        "weight": None if weight is None else float(weight),
        "window": window,
        "decision": decision,
        "playbook": None if playbook is None else str(playbook).strip(),
        "match": tuple(map(_example, tests.get("match") or [])),
        "no_match": tuple(map(_example, tests.get("no_match") or [])),
    }


def _example(example: AnyValue) -> str:
    import json

    return example if isinstance(example, str) else json.dumps(example, ensure_ascii=False)


def _check_detection(detection: AnyValue) -> None:
    """What pySigma says less clearly: shape, condition, modifiers."""
    if not isinstance(detection, dict):
        raise _Refused(
            "`detection` is a mapping of searches and a condition",
            ("detection",),
            "Write `detection:` and below it a search.",
        )
    if "condition" not in detection:
        raise _Refused(
            "the detection has no `condition`",
            ("detection",),
            "Add `condition: NAME`, naming a search of the detection.",
        )
    if len(detection) == 1:
        raise _Refused(
            "the detection has a condition but no search", ("detection",), "Add a search above the condition."
        )
    conditions = detection["condition"]
    for condition in conditions if isinstance(conditions, list) and conditions else [conditions]:
        if not isinstance(condition, str):
            raise _Refused("the condition is a text", ("detection", "condition"), "Write `condition: NAME`.")
    for name, search in detection.items():
        if name != "condition":
            _check_search(search, str(name))
    for key in _keys(detection):
        for modifier in key.split("|")[1:]:
            if modifier not in modifier_mapping:
                near = difflib.get_close_matches(modifier, modifier_mapping, 1)
                known = f"Did you mean |{near[0]}?" if near else f"Known: {', '.join(sorted(modifier_mapping))}."
                raise _Refused(f"unknown modifier {modifier!r}", ("detection",), known, like=key)


def _check_search(search: AnyValue, name: str) -> None:
    """A search is a text, a list of texts, or mappings of a field to values; what it holds fits its modifiers."""
    for item in search if isinstance(search, list) and search else [search]:
        if item is None or item == [] or isinstance(item, list):
            raise _Refused(f"the search {name!r} holds no text", ("detection", name), "Put quotes around each phrase.")
        for key, values in item.items() if isinstance(item, dict) else ():
            modifiers = str(key).split("|")[1:]
            for value in values if isinstance(values, list) else [values]:
                if isinstance(value, dict | list):
                    raise _Refused(f"{key!r} takes texts and numbers", ("detection", name), None, like=str(key))
                ours = next((modifier for modifier in modifiers if modifier in (*OURS, "re")), None)
                if ours and not isinstance(value, str):
                    raise _Refused(f"|{ours} takes texts, not {value!r}", ("detection", name), None, like=str(key))
                if "re" in modifiers and (reason := refused(value)):
                    raise _Refused(
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


class _ConditionReader:
    """Turns a parsed Sigma condition into nodes, collecting its atoms."""

    def __init__(self, window: int, category: str, variables: Mapping[str, list[str]]) -> None:
        self._variables = variables
        self.atoms: list[Atom] = []
        self._places: dict[Atom, int] = {}
        self._window = window
        self._on_text = category == TEXT

    def node(self, parsed: AnyValue) -> Node:
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
        raise _Refused(
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
                raise _Refused(
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
                    return self._leaf(Atom(field, "find", (Pattern("^$"),), label=""))
                pattern = string_pattern(
                    value, anywhere=keyword, on_text=on_text, cased=isinstance(value, SigmaCasedString)
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
                text = str(value).lower() if isinstance(value, SigmaBool) else str(value)
                anchored = escape(text) if on_text else f"^{escape(text)}$"
                return self._leaf(Atom(field, "find", (Pattern(anchored),), label=text))
            case SigmaCompareExpression():
                label = f"{value.op.value} {value.number}"
                return self._leaf(Atom(field, "compare", (), (value.op.name.lower(), str(value.number)), label=label))
            case SigmaCIDRExpression():
                return self._leaf(Atom(field, "cidr", (), (str(value.cidr),), label=str(value.cidr)))
            case SigmaFieldReference():
                arguments = (str(value.field), "starts" if value.starts_with else "", "ends" if value.ends_with else "")
                return self._leaf(Atom(field, "same", (), arguments, label=f"= {value.field}"))
        raise _Refused(f"the value {value} cannot be matched", ("detection",))

    def _values_of(self, placeholder: Placeholder) -> Iterator[str]:
        if placeholder.name not in self._variables:
            known = ", ".join(self._variables) or "none"
            raise _Refused(
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
            raise _Refused(
                f"|{value.way} takes words, not only wildcards",
                ("detection",),
                "Write a word, or leave the phrase out.",
            )
        patterns = tuple(word_pattern(string, caseless=field != TEXT) for string in value.strings)
        kind = {"word": "find"}.get(value.way, value.way)
        return self._leaf(Atom(field, kind, patterns, window=self._window if kind == "near" else 0, label=label))


_PLACES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Level", ("level",)),
    ("Status", ("status",)),
    ("Identifier", ("id",)),
    ("Title", ("title",)),
    ("Logsource", ("logsource",)),
    ("Date", ("date",)),
    ("Modified", ("modified",)),
    ("Tag", ("tags",)),
    ("Author", ("author",)),
    ("Description", ("description",)),
    ("References", ("references",)),
    ("FalsePositives", ("falsepositives",)),
    ("Fields", ("fields",)),
    ("Name", ("name",)),
    ("Related", ("related",)),
    ("Condition", ("detection", "condition")),
)


def _refusal(error: SigmaError) -> _Refused:
    """pySigma's error as ours, with the keys under which its place is."""
    kind = type(error).__name__
    keys = next((keys for name, keys in _PLACES if name in kind), ("detection",))
    said = str(error).split(" in ")[0].strip()
    modifier = re.match(r"Modifier (\w+) ", said)
    named = {made.__name__: name for name, made in modifier_mapping.items()}
    if modifier and modifier[1] in named:
        name = named[modifier[1]]
        return _Refused(f"|{name} cannot be used on this value", ("detection",), like=f"|{name}")
    if "tag" in said.lower():
        keys = ("tags",)
    if keys == ("detection", "condition"):
        said = f"the condition cannot be read: {said}"
    own = re.match(r"(\|\w+) takes", said) or re.search(r"(?i)(base64)", said)
    if own:
        return _Refused(said, ("detection",), like=own[1].lower())
    quoted = re.findall(r"'([^']+)'", said)
    return _Refused(said, keys, like=quoted[-1] if quoted else None)


def _yaml_error(error: Exception, content: str, path: str) -> RuleError:
    mark = getattr(error, "problem_mark", None)
    said = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error).splitlines()[0]
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    if isinstance(error, yaml.reader.ReaderError) and isinstance(error.position, int):
        before = content.encode()[: error.position].decode(errors="replace")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    remedy = "Indent with spaces, put quotes around texts that hold `: ` or begin with a special character."
    return RuleError(f"is not YAML: {said}", path=path, line=line, column=column, remedy=remedy)


def _located(reason: _Refused, content: str, number: int, path: str) -> RuleError:
    line, column = place(content, number, reason.keys, reason.like)
    return RuleError(reason.message, path=path, line=line, column=column, remedy=reason.remedy)


def place(content: str, document: int, keys: Sequence[str], like: str | None = None) -> tuple[int, int]:
    """The 1-based line and column of a key of the n-th document, or of the first scalar below it that holds `like`.

    Composes the YAML a second time: called only where there is something to report.
    """
    documents = list(yaml.compose_all(content, Loader=yaml.CSafeLoader))
    node = documents[document] if document < len(documents) else None
    if node is None:
        return 1, 1
    mark = node.start_mark
    for key in keys:
        pair = next((pair for pair in _pairs(node) if pair[0].value == key), None)
        if pair is None:
            break
        mark, node = pair[0].start_mark, pair[1]
    if like is not None:
        mark = next((scalar.start_mark for scalar in _scalars(node) if like in scalar.value), mark)
    return mark.line + 1, mark.column + 1


def _pairs(node: yaml.Node) -> list[tuple[yaml.Node, yaml.Node]]:
    return node.value if isinstance(node, yaml.MappingNode) else []


def _scalars(node: yaml.Node) -> Iterator[yaml.ScalarNode]:
    if isinstance(node, yaml.ScalarNode):
        yield node
    elif isinstance(node, yaml.SequenceNode):
        for inner in node.value:
            yield from _scalars(inner)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _scalars(key)
            yield from _scalars(value)
