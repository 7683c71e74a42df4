"""Rules alone over files: which rules fire on which records.

In: paths and rules. Out: one plain dictionary for each record on which a rule fires, as it is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from forewarn.errors import ForewarnError
from forewarn.records import read
from forewarn.rules import load_rules


def matches(
    paths: Sequence[str | Path],
    rules: Sequence[str | Path] | None = None,
    *,
    text_column: str | None = None,
    problems: list[ForewarnError],
) -> Iterator[dict[str, Any]]:
    """`{source, line, rules: [{id, title, level, spans}]}` for each record that fires, in reading order.

    What could not be read or used is added to `problems`. Raises RuleError where a source of rules does not exist.
    """
    rule_set = load_rules(rules)
    problems += rule_set.problems
    for block in read(list(paths), text_column=text_column, problems=problems):
        hits = rule_set.match(block).group_by("row", maintain_order=True).agg("rule")
        for row, fired in hits.iter_rows():
            record = block.row(row, named=True)
            yield {
                "source": record["source"],
                "line": record["line"],
                "rules": [
                    {
                        "id": rule_set.rules[rule].id,
                        "title": rule_set.rules[rule].title,
                        "level": rule_set.rules[rule].level,
                        "spans": rule_set.spans(rule, record["raw"] or record["text"]),
                    }
                    for rule in fired
                ],
            }
