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
from forewarn.rules import RuleSet, check_loaded, load_rules
from forewarn.rules.correlation.correlator import Correlator, Hit
from forewarn.rules.events.fields import Events
from forewarn.rules.language.correlations import METRICS
from forewarn.rules.language.rule import Correlation, Rule
from forewarn.scoring.similarity import similarity

ABOUT: dict[str, tuple[str, ...]] = {
    "computer": ("Computer", "host.name", "hostname"),
    "channel": ("Channel",),
    "event_id": ("EventID",),
    "user": ("User", "TargetUserName", "SubjectUserName", "user.name", "user"),
}
"""What is said of an event beside its rules: the first of these fields that it has."""


def matches(
    paths: str | Path | Sequence[str | Path],
    rules: str | Path | Sequence[str | Path] | None = None,
    *,
    text_column: str | None = None,
    logsource: Mapping[str, str] | None = None,
    untried: list[tuple[Rule, str]] | None = None,
    problems: list[ForewarnError] | None = None,
) -> Iterator[dict[str, Any]]:
    """One object for each record that fires, in reading order: `{source, line, time, rules: [{id, title, level, …}]}`.

    `time` is null where the record has none. Of an event there are its `computer`, `channel`, `event_id` and `user`, as
    far as it has them. A rule comes with its `tags` where it has any; a rule about events with `fields`, those by which
    it holds, each with its values (what keywords found is under ""); a rule about texts with `spans`, [start, end) in
    characters of `text`, which the record then has too. After those of a block, `{source, line, time, correlation: {id,
    title, level, group, count | value, first, last, size, records}}` for each record that completes a correlation:
    `group` the values of its fields, `size` the records of its window, `records` the latest of them. Rules that are
    only there for correlations are not printed by themselves.

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
    correlator = Correlator(rule_set)
    for block in read(paths, text_column=text_column, problems=problems):
        fired = rule_set.fired(block)
        completed = correlator.add(block, fired)
        hits = fired.without(rule_set.silent).by_row()
        if hits.height:
            yield from _fired(rule_set, block, hits)
        for hit in completed:
            yield _completed(rule_set, block, hit)
    if untried is not None:
        untried += [(rule_set.rules[number], why) for number, why in rule_set.untried()]
    if problems is not None:
        problems += correlator.problems()


def _completed(rule_set: RuleSet, block: pl.DataFrame, hit: Hit) -> dict[str, Any]:
    """What `matches` says of a record of a block that completes a correlation."""
    one = rule_set.correlations[hit.rule - len(rule_set.rules)]
    place = block.select("source", "line", "time").row(hit.row, named=True)
    return place | {
        "correlation": _rule(one)
        | {"group": hit.group, ("value" if one.kind in METRICS else "count"): hit.value}
        | {"first": hit.first, "last": hit.last, "size": hit.size}
        | {"records": [{"source": source, "line": line} for source, line in hit.records]}
    }


def _fired(rule_set: RuleSet, block: pl.DataFrame, hits: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """What `matches` says of the records of one block; only those that fire are read a second time."""
    grouped = hits.group_by("row", maintain_order=True).agg("rule")
    records = block[grouped["row"]]
    raw = records["raw"] if "raw" in records.columns else pl.repeat(None, records.height, dtype=pl.String, eager=True)
    on_events = [
        (at, rule)
        for at, (fired, event) in enumerate(zip(grouped["rule"].to_list(), raw, strict=True))
        for rule in fired
        if event is not None and not rule_set.about_text(rule)
    ]
    fields = dict(zip(on_events, rule_set.fields_of_hits(raw, on_events), strict=True)) if on_events else {}
    about = _about(raw)
    for at, fired in enumerate(grouped["rule"].to_list()):
        record = records.row(at, named=True)
        yield {
            "source": record["source"],
            "line": record["line"],
            "time": record["time"],
            **{name: values[at] for name, values in about.items() if values[at] is not None},
            **({"text": record["text"]} if any(rule_set.about_text(rule) for rule in fired) else {}),
            "rules": [
                _rule(rule_set.rules[rule])
                | (
                    {"fields": fields[at, rule]}
                    if (at, rule) in fields
                    else {"spans": rule_set.spans(rule, record["text"]) if rule_set.about_text(rule) else []}
                )
                for rule in fired
            ],
        }


def _about(raw: pl.Series) -> dict[str, list[str | None]]:
    """What is said of each of n events (String, null where it is none)."""
    if not raw.is_not_null().any():
        return {}
    events = Events(raw, [name for names in ABOUT.values() for name in names])
    values: dict[str, list[str | None]] = {}
    for name, fields in ABOUT.items():
        columns = [events.dense(field).alias(str(at)) for at, field in enumerate(fields)]
        values[name] = pl.DataFrame(columns).select(pl.coalesce(pl.all())).to_series().to_list()
    return values


def _rule(rule: Rule | Correlation) -> dict[str, Any]:
    named: dict[str, Any] = {"id": rule.id, "title": rule.title, "level": rule.level}
    return named | ({"tags": rule.tags} if rule.tags else {})
