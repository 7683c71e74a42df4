"""Rules alone over files: which rules fire on which records.

In: paths and rules. Out: one plain dictionary for each record on which a rule fires, as it is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from forewarn.errors import ForewarnError
from forewarn.findings import SCHEMA_VERSION, now
from forewarn.reading.live import is_live, read_live
from forewarn.reading.records import read
from forewarn.rules import RuleSet, check_loaded, load_rules
from forewarn.rules.correlation.correlator import Correlator, Hit
from forewarn.rules.events.decoding import decoded
from forewarn.rules.events.fields import Events
from forewarn.rules.language.correlations import METRICS
from forewarn.rules.language.rule import LEVELS, Correlation, Rule
from forewarn.scoring.similarity import similarity

ABOUT: dict[str, tuple[str, ...]] = {
    "host": ("Computer", "host.name", "hostname", "host", "_HOSTNAME"),
    "channel": ("Channel",),
    "event_id": ("EventID",),
    "record_id": ("EventRecordID",),
    "user": (
        *("User", "TargetUserName", "SubjectUserName", "user.name", "userIdentity.arn", "actor.alternateId"),
        *("user.username", "UserId", "user"),
    ),
}
"""What is said of an event beside its rules: the first of these fields that it has."""


def matches(
    paths: str | Path | Sequence[str | Path],
    rules: str | Path | Sequence[str | Path] | None = None,
    *,
    text_column: str | None = None,
    logsource: Mapping[str, str] | None = None,
    level: str = LEVELS[0],
    events: bool = True,
    untried: list[tuple[Rule, str]] | None = None,
    problems: list[ForewarnError] | None = None,
    seen: list[str] | None = None,
) -> Iterator[dict[str, Any]]:
    """One object for each record that fires, in reading order: `{kind, source, line, time, …, rules: [{id, …}]}`.

    `time` is that of the record, null where it has none, `detected_at` when it was said. Of an event there are its
    `host`, `channel`, `event_id`, `record_id` and `user`, as far as it has them, and the `event` itself, unless
    `events` is false. A rule comes with its `level`, and what it has of `tags`, `references`, `falsepositives`,
    `author` and `file`; a rule about events with `fields`, those by which it holds, each with its values (what keywords
    found is under ""); a rule about texts with `spans`, [start, end) in characters of `text`, which the record then has
    too. After those of a block, `{kind, schema_version, source, line, time, detected_at, correlation: {id, title,
    level, group, count | value, first, last, size, records}}` for each record that completes a correlation: `group` the
    values of its fields, `size` the records of its window, `records` the latest of them. Rules that are only there for
    correlations are not printed by themselves.

    Rules below `level` are left out. Standard input (`-`, alone) that is a pipe is read as it comes, and what fires on
    a line is there before the next. `logsource` is what the records are known to be of; the rules that no record was
    for are added to `untried`, what could not be read or used to `problems` (without that list the first is raised),
    and in words which events there were to `seen`. Raises RuleError where a source of rules does not exist or holds
    none.
    """
    paths = [paths] if isinstance(paths, str | Path) else list(paths)
    rules = [rules] if isinstance(rules, str | Path) else rules
    rule_set = load_rules(rules, similarity=similarity(), logsource=logsource)
    check_loaded(rules, rule_set)
    if problems is None and rule_set.problems:
        raise rule_set.problems[0]
    if problems is not None:
        problems += rule_set.problems
    loud = [number for number, rule in enumerate(rule_set.rules) if _at_least(rule.level, level)]
    live = is_live(paths)
    blocks = read_live(text_column, problems) if live else read(paths, text_column=text_column, problems=problems)
    moment = now()
    correlator = Correlator(rule_set)
    for block in blocks:
        moment = now() if live else moment
        fired = rule_set.fired(block)
        completed = correlator.add(block, fired)
        hits = fired.without(rule_set.silent).by_row()
        if len(loud) < len(rule_set.rules):
            hits = hits.filter(pl.col("rule").is_in(loud))
        if hits.height:
            yield from _fired(rule_set, block, hits, moment, events=events)
        for hit in completed:
            if _at_least(rule_set.correlations[hit.rule - len(rule_set.rules)].level, level):
                yield _completed(rule_set, block, hit, moment)
    if untried is not None:
        untried += [(rule_set.rules[number], why) for number, why in rule_set.untried()]
    if seen is not None and (said := rule_set.events_seen):
        seen.append(said)
    if problems is not None:
        problems += correlator.problems()


def _completed(rule_set: RuleSet, block: pl.DataFrame, hit: Hit, moment: datetime) -> dict[str, Any]:
    """What `matches` says of a record of a block that completes a correlation."""
    one = rule_set.correlations[hit.rule - len(rule_set.rules)]
    place = block.select("source", "line", "time").row(hit.row, named=True)
    said = (
        _rule(one)
        | {"group": hit.group, ("value" if one.kind in METRICS else "count"): hit.value}
        | {"first": hit.first, "last": hit.last, "size": hit.size}
        | {"records": [{"source": source, "line": line} for source, line in hit.records]}
    )
    head = {"kind": "correlation", "schema_version": SCHEMA_VERSION}
    return head | place | {"detected_at": moment, "correlation": said}


def _at_least(level: str, least: str) -> bool:
    return LEVELS.index(level) >= LEVELS.index(least)


def _fired(
    rule_set: RuleSet, block: pl.DataFrame, hits: pl.DataFrame, moment: datetime, *, events: bool
) -> Iterator[dict[str, Any]]:
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
            "kind": "hit",
            "schema_version": SCHEMA_VERSION,
            "source": record["source"],
            "line": record["line"],
            "time": record["time"],
            "detected_at": moment,
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
            **({"event": _event(raw[at])} if events and raw[at] is not None else {}),
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


def _event(raw: str) -> Any:
    """An event as it is to be written again: its own JSON, where that is JSON to everybody."""
    try:
        msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return decoded(raw)
    return msgspec.Raw(raw.encode())


def _rule(rule: Rule | Correlation) -> dict[str, Any]:
    named: dict[str, Any] = {"id": rule.id, "title": rule.title, "level": rule.level}
    more: dict[str, Any] = {"tags": list(rule.tags), "file": rule.path}
    if isinstance(rule, Rule):
        more |= {
            "references": list(rule.references),
            "falsepositives": list(rule.falsepositives),
            "author": rule.author,
        }
    return named | {name: it for name, it in more.items() if it}
