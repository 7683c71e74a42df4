"""Scores to alerts: which distinct texts are worth a person's attention.

In: the scores frame and one policy of four (budget, false-discovery rate, threshold, cost). Out: the chosen text ids,
most alarming first. Ties are broken by meaning (rarer texts first), never by the order of lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from forewarn.block_frame import BlockFrame
from forewarn.errors import ForewarnError

DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True)
class Policy:
    """One of four ways to decide; exactly one field is set.

    `budget` at most so many alerts, `per_hours` the span they are for (None = the whole input); `fdr` the expected
    share of false alerts among the alerts (Benjamini & Hochberg 1995, on the conformal p-values); `threshold` the
    least probability.
    """

    budget: float | None = None
    per_hours: float | None = None
    fdr: float | None = None
    threshold: float | None = None


def parse_policy(budget: str | None, fdr: float | None, threshold: float | None, cost: str | None) -> Policy:
    """The policy that the options of a command describe.

    `budget` is `N`, `N/hour` or `N/day`; `cost` is `MISS:FALSE`, what a missed crisis and a false alert cost, which
    makes the threshold `FALSE / (MISS + FALSE)`. Raises ForewarnError where more than one is given
    or one is malformed.
    """
    given = [
        name
        for name, value in (("--budget", budget), ("--fdr", fdr), ("--threshold", threshold), ("--cost", cost))
        if value is not None
    ]
    if len(given) > 1:
        raise ForewarnError(f"{' and '.join(given)} each decide alone", remedy=f"Keep one of {', '.join(given)}.")
    if budget is not None:
        found = re.fullmatch(r"(\d{1,9})(?:/(hour|day))?", budget.strip())
        if not found or int(found[1]) == 0:
            raise ForewarnError(
                f"--budget {budget!r} is not understood",
                remedy="Write --budget 20, --budget 5/hour or --budget 50/day.",
            )
        return Policy(budget=float(found[1]), per_hours={"hour": 1.0, "day": 24.0, None: None}[found[2]])
    if fdr is not None:
        if not 0 < fdr < 1:
            raise ForewarnError(
                f"--fdr {fdr} is not a share", remedy="Write a number between 0 and 1, such as --fdr 0.05."
            )
        return Policy(fdr=fdr)
    if cost is not None:
        parts = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?):(\d{1,9}(?:\.\d{1,9})?)", cost.strip())
        if not parts or float(parts[1]) + float(parts[2]) == 0:
            raise ForewarnError(
                f"--cost {cost!r} is not understood",
                remedy="Write what a miss and a false alert cost, such as --cost 20:1.",
            )
        return Policy(threshold=float(parts[2]) / (float(parts[1]) + float(parts[2])))
    if threshold is not None and not 0 <= threshold <= 1:
        raise ForewarnError(f"--threshold {threshold} is not a probability", remedy="Write a number between 0 and 1.")
    return Policy(threshold=DEFAULT_THRESHOLD if threshold is None else threshold)


def parse_prior(share: float | None) -> float | None:
    """The share of `--prior`. Raises ForewarnError where it is none between 0 and 1."""
    if share is not None and not 0 < share < 1:
        raise ForewarnError(
            f"--prior {share} is no share", remedy="Write a number between 0 and 1, such as --prior 0.01."
        )
    return share


def decide(
    scores: pl.DataFrame,
    counts: pl.Series,
    policy: Policy,
    hours: float | None = None,
    last_words: pl.Series | None = None,
    p_limit: float | None = None,
) -> pl.Series:
    """The text ids to raise, most alarming first.

    `scores` is a scores frame of n rows, `counts` the number of records of each text (length n), `hours` the span of
    the input's times (None = no times), `last_words` what a rule's `decision:` says of each text: true = always raise,
    false = never, null = let the score decide; `p_limit` that of `discovery_limit`, which a policy of `fdr` needs. With
    a budget, a text for which no signal speaks is never raised. What is raised of all texts is also raised of any part
    of them that holds it.
    """
    open_to_all = pl.Series([None], dtype=pl.Boolean).new_from_index(0, scores.height)
    last_word = (open_to_all if last_words is None else last_words).alias("last_word")
    ranked = rank(scores.with_columns(last_word), counts).filter(pl.col("last_word").fill_null(True))
    always = pl.col("last_word").fill_null(False)
    if policy.budget is not None:
        share = 1.0 if policy.per_hours is None else max(1.0, (hours or 0.0) / policy.per_hours)
        speaks = (pl.col("log_odds") > pl.col("base")).cum_sum() <= int(policy.budget * share)
        chosen = (pl.col("log_odds") > pl.col("base")) & speaks
    elif policy.fdr is not None:
        limit = discovery_limit([scores["p_value"]], policy.fdr) if p_limit is None else p_limit
        chosen = pl.col("p_value") <= limit
    else:
        chosen = pl.col("probability") >= policy.threshold
    return ranked.filter(chosen | always)["text_id"]


def rank(scores: pl.DataFrame, counts: pl.Series) -> pl.DataFrame:
    """The scores frame, most alarming first; of equal scores the rarer text first, then the louder rules."""
    return scores.with_columns(counts.alias("count")).sort(
        ["log_odds", "count", "rules_log_odds", "outliers_log_odds", "text_id"],
        descending=[True, False, True, True, False],
    )


def decide_blocks(
    scored: BlockFrame, texts: BlockFrame, policy: Policy, last_words: Sequence[bool | None]
) -> pl.Series:
    """The text ids to raise of all texts, most alarming first.

    `scored` and `texts` have the same blocks; `last_words` what each rule set decides by itself (`RuleSets`).
    """
    of_sets = pl.Series(last_words, dtype=pl.Boolean)
    hours = _hours(texts) if policy.per_hours else None
    limit = None
    if policy.fdr is not None:
        limit = discovery_limit((block["p_value"] for block in scored.blocks()), policy.fdr)
    raised = [
        decide(scores, block["count"], policy, hours, of_sets.gather(block["rule_set"]), limit)
        for scores, block in zip(scored.blocks(), texts.blocks(), strict=True)
    ]
    if len(raised) == 1:
        return raised[0]
    numbers = pl.concat([pl.Series("text_id", [], pl.UInt32), *raised]).to_numpy()
    rows = texts.rows(numbers)
    return decide(scored.rows(numbers), rows["count"], policy, hours, of_sets.gather(rows["rule_set"]), limit)


def _hours(texts: BlockFrame) -> float | None:
    spans = [block.select(pl.col("first_time").min(), pl.col("last_time").max()) for block in texts.blocks()]
    first, last = pl.concat(spans).select(pl.col("first_time").min(), pl.col("last_time").max()).row(0)
    return None if first is None or last is None else (last - first).total_seconds() / 3600


def discovery_limit(p_values: Iterable[pl.Series], rate: float) -> float:
    """The largest p-value that is still raised at a false-discovery rate of `rate`; -1 where none is.

    `p_values` of all texts, in any number of parts (Benjamini & Hochberg 1995).
    """
    counted = [part.alias("p_value").value_counts(name="texts") for part in p_values]
    summed = pl.concat(counted).group_by("p_value").agg(pl.col("texts").sum()).sort("p_value")
    p_value, at_most = summed["p_value"].to_numpy(), summed["texts"].to_numpy().cumsum(dtype=np.int64)
    passed = np.flatnonzero(p_value <= rate * at_most / max(1, at_most.max(initial=0)))
    return float(p_value[passed[-1]]) if len(passed) else -1.0
