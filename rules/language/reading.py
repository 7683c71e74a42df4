"""Rule files to rules: YAML in, `Rule`s out, every error with its place in the user's file.

In: the content of a rule file (one or more YAML documents of the Sigma standard, read by pySigma). Out: rules and
errors. One bad document never stops the others. Nothing is matched here.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any as AnyValue
from typing import ClassVar

import yaml
from sigma.exceptions import SigmaError
from sigma.filters import SigmaFilter
from sigma.rule import SigmaRule

from forewarn.errors import RuleError
from forewarn.rules.language.correlations import read_correlation
from forewarn.rules.language.detections import VARIABLES, ConditionReader, check_detection
from forewarn.rules.language.references import Suppression, resolved, unused_filters
from forewarn.rules.language.refusals import Refused, located, refusal, yaml_error
from forewarn.rules.language.rule import LEVELS, Any, Correlation, Rule

WINDOW = 8
"""Words that the values of `|near` may span, unless the rule says otherwise."""
_DOMAIN_TAG = "forewarn."
_FILTER = re.compile(r"""^filter\s*:|["']filter["']\s*:""", re.MULTILINE)


@dataclass
class Library:
    """What was read: rules, rules about rules, errors; and what every rule is read with.

    `filters` Sigma filters, which suppress; `variables` the values of `%placeholders%`.
    """

    rules: list[Rule] = field(default_factory=list)
    correlations: list[Correlation] = field(default_factory=list)
    errors: list[RuleError] = field(default_factory=list)
    filters: list[Suppression] = field(default_factory=list)
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
            _each(content, path, library.errors, partial(_filter, path, library))
    for path, content in rules.items():
        reader = partial(_document, path, library)
        _each(content, path, library.errors, reader)
    library.correlations, unresolved = resolved(library.correlations, library.rules)
    unresolved += unused_filters(library.filters, library.rules)
    library.errors += [located(reason, contents[path], number, path) for path, number, reason in unresolved]
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
        errors.append(yaml_error(error, content, path))
        return
    if not any(document is not None for document in documents):
        errors.append(RuleError("holds no rule", path=path, line=1, column=1, remedy="Start with `title: …`."))
    for number, document in enumerate(documents):
        if document is None:
            continue
        try:
            read(document, number)
        except Refused as reason:
            errors.append(located(reason, content, number, path))
        except SigmaError as error:
            errors.append(located(refusal(error), content, number, path))
        except (TypeError, ValueError, AttributeError, KeyError, RecursionError) as error:
            # pySigma lets a few malformed values through to Python's own errors.
            errors.append(located(Refused(f"cannot be read as a rule: {error}", ()), content, number, path))


def _document(path: str, library: Library, document: AnyValue, number: int) -> None:
    if isinstance(document, dict) and "correlation" in document:
        library.correlations.append(_correlation(document, path, number))
    elif not (isinstance(document, dict) and "filter" in document):
        library.rules.append(_rule(document, path, number, library))


def _variables(document: AnyValue, library: Library) -> None:
    if not isinstance(document, dict):
        raise Refused("`vars.yaml` maps a name to a list of values", (), "Write `admins: [anna, root]`.")
    for name, values in document.items():
        library.variables[str(name)] = [str(value) for value in (values if isinstance(values, list) else [values])]


def _filter(path: str, library: Library, document: AnyValue, number: int) -> None:
    if isinstance(document, dict) and "filter" in document:
        section = document["filter"]
        if isinstance(section, dict) and section.get("rules") == []:
            raise Refused("the filter names no rule", ("filter", "rules"), "Name rules, or write `rules: any`.")
        library.filters.append(Suppression(SigmaFilter.from_dict(document), path, number))


def _correlation(document: dict[str, AnyValue], path: str, number: int) -> Correlation:
    if "title" not in document:
        raise Refused("the correlation has no `title`", (), "Add `title:`.")
    if "tests" in document:
        said = "a correlation has no `tests`: no single text completes it"
        raise Refused(said, ("tests",), "Give the rules that it is about tests of their own.")
    own, level = _own_attributes(document), _level(document)
    tags = _texts(document, "tags")
    common = {
        "id": str(document.get("id") or document.get("name") or document["title"]),
        "title": str(document["title"]),
        "level": level,
        "path": path,
        "document": number,
        "category": next((tag[len(_DOMAIN_TAG) :] for tag in tags if tag.startswith(_DOMAIN_TAG)), ""),
        **{key: str(document.get(key) or "").strip() for key in ("description", "status", "author", "name")},
        **{key: own[key] for key in ("weight", "decision", "playbook")},
        **{key: _texts(document, key) for key in ("falsepositives", "references", "tags")},
    }
    return read_correlation(document, common)


def _level(document: dict[str, AnyValue]) -> str:
    level = str(document.get("level", "medium")).lower()
    if level not in LEVELS:
        near = difflib.get_close_matches(level, LEVELS, 1)
        raise Refused(
            f"unknown level {level!r}", ("level",), f"Write {near[0] if near else 'one of ' + ', '.join(LEVELS)}."
        )
    return level


def _rule(document: AnyValue, path: str, number: int, library: Library) -> Rule:
    if not isinstance(document, dict):
        raise Refused(
            "a rule is a mapping of keys such as title, logsource and detection", (), "Start with `title: …`."
        )
    for key in ("title", "logsource", "detection"):
        if key not in document:
            near = difflib.get_close_matches(key, [str(known) for known in document], 1)
            raise Refused(
                f"the rule has no `{key}`",
                tuple(near),
                f"Rename `{near[0]}` to `{key}`." if near else f"Add `{key}:`.",
            )
    level = _level(document)
    check_detection(document["detection"])
    own = _own_attributes(document)
    sigma = SigmaRule.from_dict(document)
    for suppressing in library.filters:
        suppressing.filter.apply_on_rule(sigma)
    category = str(sigma.logsource.category or "")
    reader = ConditionReader(own["window"], category, library.variables)
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
        raise Refused(
            "`tests` has two lists, `match` and `no_match`", ("tests",), "Write `tests: {match: […], no_match: […]}`."
        )
    for side, examples in tests.items():
        if not isinstance(examples, list) or not all(isinstance(example, str | dict) for example in examples):
            raise Refused(f"`tests: {side}` is a list of texts", ("tests", side), "Put quotes around each text.")
    if weight is not None and (
        isinstance(weight, bool) or not isinstance(weight, int | float) or not -20 <= weight <= 20
    ):
        raise Refused(f"`weight` is log-odds, not {weight!r}", ("weight",), "Write a number between -20 and 20.")
    if isinstance(window, bool) or not isinstance(window, int) or not 1 <= window <= 200:
        raise Refused(
            f"`window` is a number of words, not {window!r}", ("window",), "Write a whole number from 1 to 200."
        )
    if decision not in (None, "always", "never"):
        raise Refused(f"unknown decision {decision!r}", ("decision",), "Write always or never, or leave it out.")
    playbook = document.get("playbook")
    if playbook is not None and not isinstance(playbook, str):
        raise Refused("`playbook` is one text", ("playbook",), "Write what to do first in a sentence.")
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
