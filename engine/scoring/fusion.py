"""Signals to scores: one calibrated number for each distinct text, and what each signal added to it.

In: the signals frame, the rules that fired. Out: the scores frame. `log_odds = base + sum of contributions`; each
contribution is a monotone, non-decreasing function of its signal, so a louder signal never lowers the result, and a
signal without opinion contributes nothing. Before any label the numbers are those of `prior.json`, or of
`prior_unusual.json` where a scan is asked for what is unusual, whatever it means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import polars as pl

from forewarn.arrays import Floats
from forewarn.frames import SCORES, SIGNALS
from forewarn.scoring.calibration import Calibration

if TYPE_CHECKING:
    from forewarn.grouping.rule_sets import RuleSets
    from forewarn.rules import RuleSet

_DECIMALS = 3
"""A score keeps so many: vectors differ in their seventh digit by which texts are embedded together."""
IN_LOG_ODDS = ("rules", "adapted")
"""Signals that are what they add."""
_SOFT = 0.25
"""Log-odds over which a held score bends: what is louder stays louder."""


@dataclass(frozen=True)
class Slope:
    """A signal's contribution: `clip(slope * score + offset, low, high)`, `slope >= 0`; `missing` without a score."""

    slope: float
    offset: float
    low: float
    high: float
    missing: float = 0.0

    def contribution(self, score: pl.Expr) -> pl.Expr:
        """Log-odds added by `score`; `missing` where it is null."""
        return (score * self.slope + self.offset).clip(self.low, self.high).fill_null(self.missing)


@dataclass(frozen=True)
class Fusion:
    """The numbers of the additive scorer.

    `base` log-odds of a text about which no signal says anything; `rule_levels` log-odds of one rule of each level;
    `rule_discount` the share that the rules of each further category add, `rule_repeat` that of each further rule of
    one category (they see the same words, and say one fact); `slopes` one `Slope` for each other signal; `rule_scale`
    what rules count in all; `held` the log-odds below which no text is carried on which rules fire that are worth one
    of level high (None = no text is held); `calibration` the map from their sum to calibrated log-odds, where there are
    labels; `shift` what another base rate has added to it; `fitted_on` what the numbers come from.
    """

    fitted_on: str
    base: float
    rule_levels: dict[str, float]
    rule_discount: float
    slopes: dict[str, Slope]
    rule_scale: float = 1.0
    rule_repeat: float = 0.25
    held: float | None = None
    calibration: Calibration | None = None
    shift: float = 0.0

    def with_prior(self, share: float, fitted: float | None) -> Fusion:
        """The same for input of which a `share` is crisis; `fitted` the share that the numbers were fitted on."""
        known = 1 / (1 + np.exp(-self.base)) if fitted is None else fitted
        moved = float(np.log(share / (1 - share)) - np.log(known / (1 - known)))
        if self.calibration is None:
            return self.moved(moved)
        return replace(self, calibration=self.calibration.shifted(moved), shift=self.shift + moved)

    def moved(self, log_odds: float) -> Fusion:
        """The same, every uncalibrated score moved by `log_odds`, and with them what is held."""
        return replace(self, base=self.base + log_odds, held=None if self.held is None else self.held + log_odds)

    def rule_weights(self, weights: Sequence[float | None], levels: Sequence[str]) -> Floats:
        """Log-odds of each rule of a set on its own, from its own weight or its level. Shape (number of rules,)."""
        own = [
            self.rule_levels[level] if weight is None else weight for weight, level in zip(weights, levels, strict=True)
        ]
        return self.rule_scale * np.asarray(own, dtype=np.float64)

    def rule_set_parts(self, weights: Floats, categories: Sequence[str | None]) -> Floats:
        """What each rule of one set adds: its weight, by what is said already.

        Of one category the heaviest adds its whole weight, the next `rule_repeat` of it, the third the square of that;
        a category adds `rule_discount` of that, to the power of how many heavier ones there are. A rule without a
        category is one of its own. `weights` has shape (k,), so has the result; its sum is the score of the set.
        """
        groups: dict[str, list[int]] = {}
        for place in np.argsort(-weights, kind="stable").tolist():
            groups.setdefault(categories[place] or f"/{place}", []).append(place)
        parts = np.empty(len(weights))
        for members in groups.values():
            parts[members] = weights[members] * self.rule_repeat ** np.arange(len(members))
        by_worth = sorted(groups.values(), key=lambda members: -float(parts[members].sum()))
        for rank, members in enumerate(by_worth):
            parts[members] *= self.rule_discount**rank
        return parts

    def parts_of_set(self, sets: RuleSets, index: int, rules: RuleSet) -> Floats:
        """What each rule of one set adds: shape (rules of the set,)."""
        members = sets.members(index, rules)
        weights = self.rule_weights([rule.weight for rule in members], [rule.level for rule in members])
        return self.rule_set_parts(weights, [rule.category for rule in members])

    def log_odds_of_sets(self, sets: RuleSets, rules: RuleSet) -> Floats:
        """What each set adds to the log-odds: shape (number of sets,), NaN for the empty set, which has no opinion."""
        worth = [self.parts_of_set(sets, index, rules).sum() for index in range(len(sets.sets))]
        worth[0] = np.nan
        return np.asarray(worth, dtype=np.float64)

    def fuse(self, signals: pl.DataFrame) -> pl.DataFrame:
        """Add up the signals.

        `signals` is a signals frame of n rows (`frames.SIGNAL_FRAME`), `rules` and `adapted` already in log-odds. The
        result is a scores frame of n rows in the same order, `low`, `high` and `p_value` null.
        """
        contributions = [
            (
                pl.col(name).fill_null(0.0) if name in IN_LOG_ODDS else self.slopes[name].contribution(pl.col(name))
            ).alias(f"{name}_log_odds")
            for name in SIGNALS
        ]
        summed = signals.select("text_id", *contributions).with_columns(base=pl.lit(self.base, pl.Float64))
        known = [f"{name}_log_odds" for name in SIGNALS if name != "adapted"]
        plain = summed.select(pl.sum_horizontal("base", *known)).to_series().to_numpy()
        calibrated = plain if self.calibration is None else self.calibration(plain)
        adapted = summed["adapted_log_odds"].to_numpy()
        after = self._held_up(calibrated, adapted, summed["rules_log_odds"].to_numpy())
        summed = summed.with_columns(
            calibration_log_odds=pl.Series(calibrated - plain),
            held_log_odds=pl.Series(after - adapted - calibrated),
            log_odds=pl.Series(after),
        )
        return summed.select(
            (pl.col(name) if name in summed.columns else _derived(name)).cast(dtype).alias(name)
            for name, dtype in SCORES.items()
        )

    def _held_up(self, log_odds: Floats, adapted: Floats, rules: Floats) -> Floats:
        """The sum of log-odds (n,) and what the scan taught, above `held` where heavy rules fire, in the same order."""
        if self.held is None:
            return log_odds + adapted
        heavy = rules >= self.rule_scale * self.rule_levels["high"] - 1e-9
        bent = self.held + _SOFT * np.logaddexp(0.0, (log_odds - self.held) / _SOFT)
        # What a scan taught may carry a text down to where it is held, not below.
        return np.where(heavy, np.maximum(bent + adapted, np.minimum(bent, self.held + _SOFT)), log_odds + adapted)


def _derived(name: str) -> pl.Expr:
    if name == "probability":
        return 1 / (1 + (-pl.col("log_odds")).exp())
    return pl.lit(None)


LABELLED = Slope(1.0, 0.0, -6.0, 6.0)
"""What a classifier of few labels adds, before there are enough of them to weigh it."""


def prior(*, unusual: bool = False) -> Fusion:
    """The shipped numbers, used until labels replace them; `unusual`: those by which only being unusual counts."""
    name = "prior_unusual.json" if unusual else "prior.json"
    return _decode(resources.files("forewarn.scoring").joinpath(name).read_bytes())


class _PriorFile(msgspec.Struct):
    schema: int
    fitted_on: str
    base: float
    rule_levels: dict[str, float]
    rule_discount: float
    slopes: dict[str, dict[str, Any]]
    rule_scale: float = 1.0
    rule_repeat: float = 0.25
    held: float | None = None


def _decode(content: bytes) -> Fusion:
    read = msgspec.json.decode(content, type=_PriorFile)
    slopes = {name: Slope(**numbers) for name, numbers in read.slopes.items()}
    return Fusion(
        read.fitted_on,
        read.base,
        read.rule_levels,
        read.rule_discount,
        slopes,
        read.rule_scale,
        read.rule_repeat,
        read.held,
    )


def past_scores(numbers: Fusion, signals: pl.DataFrame) -> Floats:
    """What is said of each text by what was known before the scan: rules, classifier and cases, float64 (n,).

    Outliers and what the scan taught are left out: both look at all of the input. So is calibration, whose steps would
    only make ties.
    """
    blind = signals.with_columns(outliers=pl.lit(None, pl.Float64), adapted=pl.lit(None, pl.Float64))
    fused = numbers.fuse(blind)
    score: Floats = (fused["log_odds"] - fused["calibration_log_odds"]).to_numpy()
    return np.round(score, _DECIMALS)


def conformal_p_values(scores: Floats, reference: Floats, weights: Floats) -> Floats:
    """How seldom an ordinary record scores as high: `(1 + #{reference >= score}) / (1 + #reference)`.

    `scores` has shape (n,), `reference` and its `weights` (records each score stands for) shape (m,); the result
    shape (n,), in (0, 1]. Valid whatever the distribution of the scores, as long as an ordinary record and the
    reference are exchangeable (Vovk, Gammerman & Shafer 2005; Bates et al. 2023).
    """
    order = np.argsort(reference, kind="stable")
    at_least = np.concatenate([np.cumsum(weights[order][::-1])[::-1], [0.0]])
    p: Floats = (1.0 + at_least[np.searchsorted(reference[order], scores, side="left")]) / (1.0 + weights.sum())
    return np.minimum(p, 1.0)


def monotone_p_values(log_odds: Floats, p_values: Floats) -> Floats:
    """The p-values of n scores before adaptation, handed out in the order of the scores after it: float64 (n,).

    A score that has learnt from the other texts is not exchangeable with theirs: it orders the texts, but is no
    measurement. So adaptation says which texts are raised at a false-discovery rate, never how many.
    """
    handed = np.empty(len(p_values))
    handed[np.lexsort((p_values, -log_odds))] = np.sort(p_values)
    return handed
