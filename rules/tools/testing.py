"""A rule's own examples: texts on which it must fire, and texts on which it must not.

In: a rule set. Out: every example that went the wrong way, with the condition laid open.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from forewarn.rules.language.rule import Rule
from forewarn.rules.rule_set import Explained, RuleSet


@dataclass(frozen=True)
class Failure:
    """An example that went the wrong way: `expected` whether the rule should have fired on `text`."""

    rule: Rule
    text: str
    expected: bool
    explained: Explained


def run_tests(rule_set: RuleSet) -> tuple[int, list[Failure]]:
    """Run the `tests:` of every rule; how many examples there were, and those that failed."""
    examples = [
        (number, text, expected)
        for number, rule in enumerate(rule_set.rules)
        for texts, expected in ((rule.match, True), (rule.no_match, False))
        for text in texts
    ]
    if not examples:
        return 0, []
    frame = pl.DataFrame(
        {
            "text": [text for _, text, _ in examples],
            "raw": [text if text.startswith("{") else None for _, text, _ in examples],
        },
        schema={"text": pl.String, "raw": pl.String},
    )
    fired = set(rule_set.match(frame).rows())
    return len(examples), [
        Failure(rule_set.rules[number], text, expected, rule_set.explain(number, text))
        for row, (number, text, expected) in enumerate(examples)
        if ((row, number) in fired) is not expected
    ]
