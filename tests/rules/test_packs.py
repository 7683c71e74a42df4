"""The shipped packs: every rule can be read, passes its own examples, and is complete."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from forewarn.rules import RuleSet, load_rules
from forewarn.rules.loading import packs
from forewarn.rules.tools.linting import lint
from forewarn.rules.tools.reference import reference
from forewarn.rules.tools.testing import run_tests

LEAST = dict.fromkeys(
    ("finance", "security", "web_attacks", "public_health", "disaster", "operations"), 15
) | dict.fromkeys(("environment", "crime_and_unrest", "enterprise", "education_and_care"), 8)


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    return load_rules()


def test_every_domain_has_its_pack(rules: RuleSet) -> None:
    counted = Counter(rule.category for rule in rules.rules)
    assert {name: counted[name] >= least for name, least in LEAST.items()} == dict.fromkeys(LEAST, True)
    assert set(packs()) >= set(LEAST)


def test_every_rule_passes_its_examples(rules: RuleSet) -> None:
    count, failures = run_tests(rules)
    assert count > 800
    assert [(failure.rule.title, failure.text) for failure in failures] == []


def test_every_rule_is_complete(rules: RuleSet) -> None:
    lacking = [
        rule.title
        for rule in rules.rules
        if len(rule.match) < 3
        or len(rule.no_match) < 3
        or not rule.falsepositives
        or not rule.references
        or not rule.playbook
    ]
    assert lacking == []


def test_lint_finds_nothing_to_say() -> None:
    _, findings = lint(None)
    assert [str(finding) for finding in findings] == []


def test_only_the_engine_decides_not_a_shipped_rule(rules: RuleSet) -> None:
    assert [rule.title for rule in rules.rules if rule.decision] == []


def test_the_rule_reference_is_up_to_date(rules: RuleSet) -> None:
    kept = (Path(__file__).parents[2] / "docs" / "rule-reference.md").read_text("utf-8")
    assert kept.strip() == reference(rules).strip(), "run `forewarn rules docs > docs/rule-reference.md`"
