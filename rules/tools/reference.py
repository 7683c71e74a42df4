"""The reference of rules, generated: what each finds, when it is wrong, what to do first.

In: a rule set. Out: Markdown.
"""

from __future__ import annotations

from itertools import groupby

from forewarn.rules.language.rule import Correlation, Rule
from forewarn.rules.rule_set import RuleSet


def reference(rules: RuleSet) -> str:
    """Every rule of the set, by pack, as Markdown."""
    ordered = sorted(rules.known, key=lambda rule: (rule.category, rule.title))
    parts = ["# Rule reference\n\nWritten by `forewarn rules docs`."]
    for pack, members in groupby(ordered, key=lambda rule: rule.category):
        listed = list(members)
        parts.append(f"## {pack} ({len(listed)} rules)")
        parts += [_entry(rule) for rule in listed]
    return "\n\n".join(parts)


def _entry(rule: Rule | Correlation) -> str:
    lines = [f"### {rule.title}", f"`{rule.level}` · {rule.id}", " ".join(rule.description.split())]
    if isinstance(rule, Correlation):
        grouped = f" of one {' and '.join(rule.group_by)}" if rule.group_by else ""
        lines.append(
            f"Fires on several records{grouped}: {rule.kind} of {', '.join(rule.rules)} within {rule.seconds:,} s"
        )
    elif rule.match:
        lines.append("Fires on: " + " · ".join(f"“{text}”" for text in rule.match[:2]))
    if isinstance(rule, Rule) and rule.no_match:
        lines.append("Not on: " + " · ".join(f"“{text}”" for text in rule.no_match[:2]))
    if rule.falsepositives:
        lines.append("Wrong when: " + " ".join(rule.falsepositives))
    if rule.playbook:
        lines.append("First: " + " ".join(rule.playbook.split()))
    return "\n\n".join(line for line in lines if line)
