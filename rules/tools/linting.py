"""What a careful reader would say about a rule before it is used.

In: rule files. Out: findings, each with its place: what cannot be read, what cannot work, what will be noisy, what says
the same twice. Our own checks stand beside pySigma's validators.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any as AnyValue

import yaml

from forewarn.errors import RuleError
from forewarn.rules.language.reading import read_library
from forewarn.rules.language.refusals import place
from forewarn.rules.language.rule import TEXT, Correlation, Rule
from forewarn.rules.loading import rule_files

SHORTEST = 3
"""Letters that a pattern needs; a Chinese character is a word and counts as three."""
_MISREAD = re.compile(r"[-+]?(?:0[0-9_]+|[0-9_]+(?::[0-9]+)+)")
_SELECTOR = re.compile(r"[\w*]+")
_UNUSED_VALIDATORS = {
    "attacktag",  # fetches its list from the network
    "d3_fendtag",
    "custom_attributes",  # ours are what the rules are written in
    "filename_length",
    "duplicate_filename",
    "fieldname_logsource",
    "specific_instead_of_generic_logsource",
    "namespace_tag",
    "identifier_uniqueness",  # said below, with both places
    "dangling_detection",  # said below, with its place
    "duplicate_title",
    "wildcards_instead_of_modifiers",  # `hack*` is how a phrase is written here
}


@dataclass(frozen=True)
class Remark:
    """One remark: where, how bad (`error` cannot be used, `warning` should be mended), a short name, a sentence."""

    path: str
    line: int
    column: int
    severity: str
    check: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}: {self.severity}: {self.message} [{self.check}]"


def lint(sources: Sequence[str | Path] | None) -> tuple[int, list[Remark]]:
    """Check every rule of the sources (None = every shipped pack).

    Gives the number of rules, and the findings in the order of files and lines.

    Raises RuleError where a source is no pack, file or folder.
    """
    contents = {str(file): file.read_text("utf-8", "replace") for file in rule_files(sources)}
    library = read_library(contents)
    rules, correlations = library.rules, library.correlations
    findings = [_unreadable(error) for error in library.errors]
    documents = {path: _documents(contents[path]) for path in {rule.path for rule in rules}}
    for rule in rules:
        document = documents[rule.path][rule.document]
        findings += _own(rule, document, contents[rule.path])
        findings += _validators(rule, document, contents[rule.path])
    for one in correlations:
        findings += _of_correlation(one, contents[one.path])
    findings += _alike([*rules, *correlations], contents)
    return len(rules) + len(correlations), sorted(
        findings, key=lambda found: (found.path, found.line, found.column, found.check)
    )


def _documents(content: str) -> list[AnyValue]:
    return list(yaml.load_all(content, Loader=yaml.CSafeLoader))


def _unreadable(error: RuleError) -> Remark:
    remedy = f" {error.remedy}" if error.remedy else ""
    return Remark(error.path or "", error.line or 1, error.column or 1, "error", "unreadable", error.message + remedy)


def _own(rule: Rule, document: dict[str, AnyValue], content: str) -> Iterator[Remark]:
    def found(check: str, message: str, *keys: str, like: str | None = None) -> Remark:
        line, column = place(content, rule.document, keys, like)
        return Remark(rule.path, line, column, "warning", check, message)

    on_text = rule.logsource.get("category") == TEXT
    if on_text and not (rule.match and rule.no_match):
        missing = "match" if not rule.match else "no_match"
        yield found("no-tests", f"the rule has no `tests: {missing}`: nothing shows that it works", "tests")
    if not rule.falsepositives:
        yield found("no-falsepositives", "say in `falsepositives` when the rule is wrong", "falsepositives")
    for atom in rule.atoms:
        for pattern in atom.patterns if atom.kind == "find" else ():
            if pattern.expression == "" or re.fullmatch(r"[.*?^$+()]*", pattern.expression):
                if on_text:
                    yield found(
                        "matches-everything", f"{atom.label!r} matches every text", "detection", like=atom.label
                    )
            elif (
                on_text
                and pattern.literal is not None
                and not any(pattern.edges)
                and _width(pattern.literal) < SHORTEST
            ):
                message = (
                    f"{atom.label!r} is shorter than {SHORTEST} letters and will match inside other words: use |word"
                )
                yield found("short-pattern", message, "detection", like=atom.label)
    detection = document["detection"]
    for key, value in _values(detection):
        if value == []:
            message = f"{key!r} has an empty list, which asks for events without the field: write null, or values"
            yield found("empty-list", message, "detection", like=key)
    for written, number in _misread(content, rule.document):
        message = f"{written} is read as the number {number}: put quotes around it"
        yield found("misread-number", message, "detection", like=written)
    conditions = detection["condition"] if isinstance(detection["condition"], list) else [detection["condition"]]
    named = {word for condition in conditions for word in _SELECTOR.findall(str(condition))}
    for name in detection:
        covered = "them" in named or any(re.fullmatch(word.replace("*", ".*"), name) for word in named)
        if name not in ("condition", "timeframe") and not covered:
            yield found("unreachable", f"the search {name!r} is in no condition", "detection", name)


def _of_correlation(one: Correlation, content: str) -> Iterator[Remark]:
    def found(check: str, message: str, *keys: str) -> Remark:
        line, column = place(content, one.document, keys)
        return Remark(one.path, line, column, "warning", check, message)

    if not one.falsepositives:
        yield found("no-falsepositives", "say in `falsepositives` when the rule is wrong", "falsepositives")
    for alias in one.aliases.keys() - {*one.group_by, one.field}:
        message = f"the alias {alias!r} is neither in `group-by` nor the `field`: nothing uses it"
        yield found("unused-alias", message, "correlation", "aliases", alias)
    for alias, mapping in one.aliases.items():
        for name in (name for name in one.rules if name not in mapping):
            message = f"the alias {alias!r} has no field for {name!r}, where it is looked for by its own name"
            yield found("partial-alias", message, "correlation", "aliases", alias)


def _values(detection: AnyValue) -> Iterator[tuple[str, AnyValue]]:
    """The fields of a detection, with what they are compared with."""
    for part in detection if isinstance(detection, list) else [detection]:
        for key, value in part.items() if isinstance(part, dict) else ():
            yield str(key), value
            yield from _values(value)


def _misread(content: str, document: int) -> Iterator[tuple[str, int]]:
    """Values of a detection that YAML takes for whole numbers other than they look: `10:30` (in sixties), `010`."""
    node = list(yaml.compose_all(content, Loader=yaml.CSafeLoader))[document]
    found = [value for key, value in node.value if key.value == "detection"]
    while found:
        node = found.pop()
        if isinstance(node, yaml.ScalarNode):
            if node.tag == "tag:yaml.org,2002:int" and _MISREAD.fullmatch(node.value):
                yield node.value, yaml.load(node.value, Loader=yaml.CSafeLoader)
        elif isinstance(node, yaml.SequenceNode):
            found += node.value
        elif isinstance(node, yaml.MappingNode):
            found += [value for _, value in node.value]


def _width(text: str) -> int:
    return sum(1 if char.isascii() else SHORTEST for char in text if char.isalnum())


def _validators(rule: Rule, document: dict[str, AnyValue], content: str) -> list[Remark]:
    from sigma.rule import SigmaRule
    from sigma.validation import SigmaValidator
    from sigma.validators.core import validators

    chosen = [made for name, made in validators.items() if name not in _UNUSED_VALIDATORS]
    line, column = place(content, rule.document, ("title",))
    found = []
    for issue in SigmaValidator(chosen).validate_rule(SigmaRule.from_dict(document)):
        said = " ".join(str(issue.description).split())
        check = re.sub(r"(?<!^)(?=[A-Z])", "-", type(issue).__name__.removesuffix("Issue")).lower()
        found.append(Remark(rule.path, line, column, "warning", f"sigma-{check}", said))
    return found


def _alike(rules: list[Rule | Correlation], contents: dict[str, str]) -> Iterator[Remark]:
    """Rules that share an id, and rules that share their whole logic."""
    by_id: dict[str, list[Rule | Correlation]] = defaultdict(list)
    by_logic: dict[object, list[Rule | Correlation]] = defaultdict(list)
    for rule in rules:
        by_id[rule.id].append(rule)
        if isinstance(rule, Rule):
            by_logic[(frozenset(rule.logsource.items()), rule.atoms, rule.condition)].append(rule)
    for check, groups, key in (("duplicate-id", by_id, "id"), ("same-logic", by_logic, "detection")):
        for first, *others in (group for group in groups.values() if len(group) > 1):
            for other in others:
                line, column = place(contents[other.path], other.document, (key,))
                what = "has the id of" if check == "duplicate-id" else "matches exactly what is matched by"
                message = f"{what} {first.title!r} ({first.path})"
                severity = "error" if check == "duplicate-id" else "warning"
                yield Remark(other.path, line, column, severity, check, message)


def sarif(findings: Sequence[Remark]) -> dict[str, AnyValue]:
    """The findings as SARIF 2.1.0, which code-review tools show beside the line."""
    return {
        "version": "2.1.0",
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "forewarn rules lint",
                        "rules": [{"id": c} for c in sorted({f.check for f in findings})],
                    }
                },
                "results": [
                    {
                        "ruleId": found.check,
                        "level": found.severity,
                        "message": {"text": found.message},
                        "locations": [
                            {
                                "physicalLocation": {
                                    "artifactLocation": {"uri": found.path},
                                    "region": {"startLine": found.line, "startColumn": found.column},
                                }
                            }
                        ],
                    }
                    for found in findings
                ],
            }
        ],
    }
