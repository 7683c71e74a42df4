"""Rules alone over files: which rules fire on which records.

In: paths and rules. Out: one plain dictionary for each record on which a rule fires, as it is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from forewarn.errors import ForewarnError
from forewarn.reading.records import read
from forewarn.rules import check_loaded, load_rules
from forewarn.rules.correlation import correlate, partakers
from forewarn.rules.language.rule import Rule
from forewarn.scoring.similarity import similarity


def matches(
    paths: str | Path | Sequence[str | Path],
    rules: str | Path | Sequence[str | Path] | None = None,
    *,
    text_column: str | None = None,
    logsource: Mapping[str, str] | None = None,
    untried: list[tuple[Rule, str]] | None = None,
    problems: list[ForewarnError] | None = None,
) -> Iterator[dict[str, Any]]:
    """`{source, line, text, rules: [{id, title, level, spans}]}` for each record that fires, in reading order.

    `spans` are character ranges [start, end) of `text`; a rule about an event's fields has none.

    After them, `{source, line, time, correlation: {id, title, level}}` for each record that completes a correlation.

    `logsource` is what the records are known to be of; the rules that no record was for are added to `untried`, and
    what could not be read or used to `problems`; without that list the first is raised. Raises RuleError where a source
    of rules does not exist or holds none.
    """
    paths = [paths] if isinstance(paths, str | Path) else list(paths)
    rules = [rules] if isinstance(rules, str | Path) else rules
    rule_set = load_rules(rules, similarity=similarity(), logsource=logsource)
    check_loaded(rules, rule_set)
    if problems is None and rule_set.problems:
        raise rule_set.problems[0]
    if problems is not None:
        problems += rule_set.problems
    taking_part, first_row = [], 0
    for block in read(paths, text_column=text_column, problems=problems):
        hits = rule_set.match(block)
        if rule_set.correlations:
            taking_part.append(partakers(rule_set, block, hits, first_row))
        first_row += block.height
        for row, fired in hits.group_by("row", maintain_order=True).agg("rule").iter_rows():
            record = block.row(row, named=True)
            yield {
                "source": record["source"],
                "line": record["line"],
                "text": record["text"],
                "rules": [
                    {
                        "id": rule_set.rules[rule].id,
                        "title": rule_set.rules[rule].title,
                        "level": rule_set.rules[rule].level,
                        "spans": rule_set.spans(rule, record["text"]),
                    }
                    for rule in fired
                ],
            }
    if untried is not None:
        untried += [(rule_set.rules[number], why) for number, why in rule_set.untried()]
    if taking_part:
        parts = pl.concat(taking_part)
        places = parts.select("row", "source", "line").unique("row")
        for _, number, time, source, line in correlate(rule_set, parts).join(places, on="row").iter_rows():
            fired = rule_set.correlations[number]
            named = {"id": fired.id, "title": fired.title, "level": fired.level}
            yield {"source": source, "line": line, "time": time, "correlation": named}
