"""Scores to alerts: which distinct texts are worth a person's attention.

In: the scores frame and one policy of four (budget, false-discovery rate, threshold, cost). Out: the chosen text ids,
most alarming first. Ties are broken by meaning (rarer texts first), never by the order of lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import polars as pl

from forewarn.options import Policy
from forewarn.runtime.chunked_frame import ChunkedFrame

_MEANT = pl.any_horizontal(pl.col(f"{name}_log_odds") > 0.0 for name in ("rules", "classifier", "cases"))
"""Whether what a text means speaks for it, though more may speak against it."""
_SPEAKS = _MEANT | (pl.col("log_odds") > pl.col("base"))
"""Whether anything at all speaks for a text."""


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
    a budget, so many texts are raised as it says, but none for which no signal speaks. What is raised of all texts is
    also raised of any part of them that holds it.
    """
    open_to_all = pl.Series([None], dtype=pl.Boolean).new_from_index(0, scores.height)
    last_word = (open_to_all if last_words is None else last_words).alias("last_word")
    ranked = rank(scores.with_columns(last_word), counts).filter(pl.col("last_word").fill_null(True))
    always = pl.col("last_word").fill_null(False)
    if policy.budget is not None:
        share = 1.0 if policy.per_hours is None else max(1.0, (hours or 0.0) / policy.per_hours)
        chosen = _SPEAKS & (_SPEAKS.cum_sum() <= int(policy.budget * share))
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
    scored: ChunkedFrame, texts: ChunkedFrame, policy: Policy, last_words: Sequence[bool | None]
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


def nearest(scored: ChunkedFrame, texts: ChunkedFrame, last_words: Sequence[bool | None]) -> pl.Series:
    """The id of the most alarming text, raised or not, where what it means speaks for it; else none."""
    first = decide_blocks(scored, texts, Policy(budget=1), last_words).head(1)
    return scored.rows(first.to_numpy()).filter(_MEANT)["text_id"]


def _hours(texts: ChunkedFrame) -> float | None:
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
