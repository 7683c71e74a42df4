"""Rules about rules: so many hits, so many values, or several rules, within a span of time.

In: which rules fired on which records, with their times. Out: which correlations fired, and on which record. The order
in which records come does not matter; a record without a time takes no part.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from forewarn.rules.events.fields import Events
from forewarn.rules.language.rule import Correlation
from forewarn.rules.rule_set import RuleSet

CORRELATED: dict[str, pl.DataType] = {
    "row": pl.UInt64(),
    "correlation": pl.UInt32(),
    "time": pl.Datetime("us", "UTC"),
}
"""`row` the record that completed it; `correlation` index into `RuleSet.correlations`; `time` of that record."""

_BOUND = {"gte": "ge", "gt": "gt", "lte": "le", "lt": "lt", "eq": "eq", "neq": "ne"}


def partakers(rules: RuleSet, records: pl.DataFrame, hits: pl.DataFrame, first_row: int) -> pl.DataFrame:
    """The records of one block that take part in a correlation, with all that `correlate` needs of them.

    `records` is a records frame of n rows, `hits` what `RuleSet.match` gave for it, `first_row` the number of records
    before it. Blocks may be concatenated in any order.
    """
    wanted = [number for number, rule in enumerate(rules.rules) if _names(rules, number) & _mentioned(rules)]
    rows = hits.filter(pl.col("rule").is_in(wanted))
    fields = sorted({name for c in rules.correlations for name in (*c.group_by, *([c.field] if c.field else []))})
    chosen = records[rows["row"]]
    values = Events(chosen["raw"].fill_null("null"), fields)
    own = [values.dense(name).alias(f"field:{name}") for name in fields if name != "source"]
    number = (rows["row"].cast(pl.UInt64) + first_row).alias("row")
    return chosen.select(number, rows["rule"], "time", "source", "line", *own)


def _names(rules: RuleSet, number: int) -> set[str]:
    rule = rules.rules[number]
    return {rule.id, rule.name, rule.title} - {""}


def _mentioned(rules: RuleSet) -> set[str]:
    return {name for correlation in rules.correlations for name in correlation.rules}


def correlate(rules: RuleSet, taking_part: pl.DataFrame) -> pl.DataFrame:
    """Which correlations fired, and on which record: `CORRELATED`, sorted by time, then correlation.

    `taking_part` is what `partakers` gave, of all blocks. A correlation fires on each record that completes its
    condition.
    """
    timed = taking_part.filter(pl.col("time").is_not_null()).sort("time", "row")
    found = []
    for number, correlation in enumerate(rules.correlations):
        members = [[i for i in range(len(rules.rules)) if name in _names(rules, i)] for name in correlation.rules]
        fired = _fired(correlation, members, timed)
        found.append(fired.select(pl.col("row"), correlation=pl.lit(number, pl.UInt32), time="time"))
    if not found:
        return pl.DataFrame(schema=CORRELATED)
    return pl.concat(found).cast(pl.Schema(CORRELATED)).unique().sort("time", "correlation", "row")


def _fired(correlation: Correlation, members: Sequence[Sequence[int]], timed: pl.DataFrame) -> pl.DataFrame:
    place = {rule: at for at, rules in enumerate(members) for rule in rules}
    keys = [f"field:{name}" if f"field:{name}" in timed.columns else name for name in correlation.group_by]
    own = (
        timed.filter(pl.col("rule").is_in(list(place)))
        .with_columns(pl.col("rule").replace_strict(place, return_dtype=pl.UInt32).alias("member"))
        .drop_nulls(keys)
    )
    if own.is_empty():
        return own
    if correlation.kind == "temporal_ordered":
        return _in_order(correlation, own, keys, len(members))
    counted = {
        "event_count": pl.col("row").n_unique(),
        "value_count": pl.col(f"field:{correlation.field}").drop_nulls().n_unique(),
        "temporal": pl.col("member").n_unique(),
    }[correlation.kind]
    bound = len(members) if correlation.kind == "temporal" else correlation.number
    operator = "ge" if correlation.kind == "temporal" else _BOUND[correlation.operator]
    window = own.rolling("time", period=f"{correlation.seconds}s", closed="both", group_by=keys or None).agg(
        counted.alias("counted"), pl.col("row").last()
    )
    return window.filter(getattr(pl.col("counted"), operator)(bound)).select("row", "time")


def _in_order(correlation: Correlation, own: pl.DataFrame, keys: list[str], length: int) -> pl.DataFrame:
    """One member after the other: each carries the latest start of a chain that it continues."""
    chain = own.filter(pl.col("member") == 0).with_columns(start=pl.col("time"))
    for member in range(1, length):
        following = own.filter(pl.col("member") == member)
        before = chain.select(*keys, "time", "start").sort("time")
        chain = (
            following.sort("time")
            .join_asof(before, on="time", by=keys or None, strategy="backward", check_sortedness=False)
            .drop_nulls("start")
        )
    return chain.filter(pl.col("time") - pl.col("start") <= pl.duration(seconds=correlation.seconds)).select(
        "row", "time"
    )
