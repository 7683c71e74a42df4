"""What rules, past cases and outliers say of texts one by one, whatever other texts come with them.

In: texts, and outlier detectors fitted on a reference that stays as it is. Out: their vectors and signals. A scan
compares its texts with one another (`scoring`); here a text has the same signals alone and among thousands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.arrays import Floats
from forewarn.grouping.deobfuscation import plain
from forewarn.grouping.machine_texts import by_people
from forewarn.grouping.rule_sets import RuleSets
from forewarn.grouping.templates import mask_of
from forewarn.scoring import fusion
from forewarn.scoring.case_votes import case_votes

if TYPE_CHECKING:
    from forewarn.detectors import Outliers
    from forewarn.embeddings import CaseBase, Encoder
    from forewarn.rules import RuleSet


@dataclass(frozen=True)
class TextSignals:
    """What judges a text: `outliers` are fitted on the reference."""

    encoder: Encoder
    rules: RuleSet
    cases: CaseBase
    outliers: Outliers

    def of(self, texts: pl.Series) -> tuple[pl.Series, NDArray[np.float32], dict[str, Floats]]:
        """Of n texts: as they were meant (`deobfuscation.plain`), vectors float32 (n, d), signals float64 (n,)."""
        written = plain(texts)
        vectors = self.encoder.encode(written.to_list())
        signals = {
            "rules": rule_log_odds(self.rules, texts),
            "cases": case_votes(self.cases, vectors, by_people(texts)),
            "outliers": self.outliers.score(vectors, mask_of(written), in_sample=False),
        }
        return written, vectors, signals


def rule_log_odds(rules: RuleSet, texts: pl.Series) -> Floats:
    """The log-odds of the rules that fire on each of n texts, at their shipped weight: float64 (n,)."""
    sets = RuleSets()
    records = pl.DataFrame({"text": texts}).with_columns(raw=pl.lit(None, pl.String))
    number = sets.number(rules.fired(records).without(rules.silent)).to_numpy()
    summed: Floats = fusion.prior().log_odds_of_sets(sets, rules)[number]
    return summed
