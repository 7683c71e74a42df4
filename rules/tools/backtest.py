"""How rules would have done on labelled texts.

In: a rule set, texts with labels. Out: one row for each rule: hits, precision, recall, what only it catches, what it
costs; and what changed between two versions of the same rules. Columnar; prints nothing.
"""

from __future__ import annotations

import polars as pl

from forewarn.rules.rule_set import RuleSet

BACKTEST: dict[str, pl.DataType] = {
    "rule": pl.String(),
    "title": pl.String(),
    "level": pl.String(),
    "hits": pl.UInt32(),
    "right": pl.UInt32(),
    "wrong": pl.UInt32(),
    "precision": pl.Float64(),
    "recall": pl.Float64(),
    "only": pl.UInt32(),
    "verdict": pl.String(),
}
"""`right`, `wrong` hits on crises and on ordinary texts; `precision` right / hits, null without a hit; `recall` right /
all crises; `only` crises that no other rule catches; `verdict` `dead` (no hit), `noisy` (more wrong than right) or
empty."""


def backtest(rules: RuleSet, texts: pl.Series, crisis: pl.Series) -> pl.DataFrame:
    """The record of each rule on n texts; `crisis` is Boolean, length n. The result is `BACKTEST`, in rule order."""
    hits = _hits(rules, texts).join(
        pl.DataFrame({"crisis": crisis}).with_row_index("row"), on="row", maintain_order="left"
    )
    alone = pl.len().over("row") == 1
    crises = int(crisis.sum())
    by_rule = (
        hits.with_columns(alone=alone)
        .group_by("rule")
        .agg(
            hits=pl.len(),
            right=pl.col("crisis").sum(),
            only=(pl.col("alone") & pl.col("crisis")).sum(),
        )
    )
    named = pl.DataFrame(
        {
            "number": range(len(rules.rules)),
            "rule": [rule.id for rule in rules.rules],
            "title": [rule.title for rule in rules.rules],
            "level": [rule.level for rule in rules.rules],
        },
        schema={"number": pl.UInt32, "rule": pl.String, "title": pl.String, "level": pl.String},
    )
    counted = named.join(by_rule, left_on="number", right_on="rule", how="left", maintain_order="left").with_columns(
        pl.col("hits", "right", "only").fill_null(0)
    )
    return counted.with_columns(
        wrong=pl.col("hits") - pl.col("right"),
        precision=pl.when(pl.col("hits") > 0).then(pl.col("right") / pl.col("hits")),
        recall=pl.col("right") / crises if crises else pl.lit(None, pl.Float64),
        verdict=pl.when(pl.col("hits") == 0)
        .then(pl.lit("dead"))
        .when(pl.col("hits") > 2 * pl.col("right"))
        .then(pl.lit("noisy"))
        .otherwise(pl.lit("")),
    ).select(pl.col(name).cast(dtype) for name, dtype in BACKTEST.items())


def compare(new: RuleSet, old: RuleSet, texts: pl.Series, crisis: pl.Series) -> pl.DataFrame:
    """What changed, hit by hit: `rule` (id), `change` (`new`, `missed` or `kept`), `crisis`, `text`."""
    sides = [_hits_by_id(rules, texts) for rules in (new, old)]
    joined = (
        sides[0]
        .with_columns(now=True)
        .join(sides[1].with_columns(before=True), on=["row", "rule"], how="full", coalesce=True)
    )
    change = (
        pl.when(pl.col("now").is_null())
        .then(pl.lit("missed"))
        .when(pl.col("before").is_null())
        .then(pl.lit("new"))
        .otherwise(pl.lit("kept"))
    )
    known = pl.DataFrame({"text": texts, "crisis": crisis}).with_row_index("row")
    return (
        joined.with_columns(change=change)
        .join(known, on="row")
        .select("rule", "change", "crisis", "text", "row")
        .sort("rule", "change", "row")
        .drop("row")
    )


def _hits(rules: RuleSet, texts: pl.Series) -> pl.DataFrame:
    return rules.match(
        pl.DataFrame({"text": texts, "raw": pl.Series([None], dtype=pl.String).new_from_index(0, len(texts))})
    )


def _hits_by_id(rules: RuleSet, texts: pl.Series) -> pl.DataFrame:
    hits = _hits(rules, texts)
    ids = pl.Series([rule.id for rule in rules.rules], dtype=pl.String)
    return hits.select("row", ids.gather(hits["rule"]).alias("rule")).unique(maintain_order=True)
