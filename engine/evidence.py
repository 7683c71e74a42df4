"""Why: from the numbers of a chosen text to an alert that a person can check.

In: the frames of a scan, the rules, the case base. Out: alerts whose evidence adds up to their log-odds. Python objects
are made here and nowhere earlier, and only for the texts that were chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.alerts import Alert, Evidence, Place, Reason, alert_id, level_of
from forewarn.frames import SIGNALS
from forewarn.similar_cases import title_of

if TYPE_CHECKING:
    from forewarn.adaptation import Adaptation
    from forewarn.embeddings import CaseBase
    from forewarn.fusion import Fusion
    from forewarn.model import Model
    from forewarn.rule_sets import RuleSets
    from forewarn.rules import RuleSet

SIMILAR_CASES = 3
_WORDS = 5


@dataclass(frozen=True)
class Explainer:
    """Everything that the alerts of one scan are explained from.

    `texts`, `signals`, `scores` the frames of the n distinct texts; `vectors` their embeddings, float32 (n, d);
    `kinds` float64 (n, 1 + k) what the model's classifier says, of each of its k categories in the columns after the
    first.
    """

    texts: pl.DataFrame
    signals: pl.DataFrame
    scores: pl.DataFrame
    rules: RuleSet
    rule_sets: RuleSets
    cases: CaseBase
    vectors: NDArray[np.float32]
    fusion: Fusion
    adaptation: Adaptation | None
    model: Model | None
    kinds: NDArray[np.float64] | None
    origin: str

    def alerts(self, text_ids: pl.Series) -> list[Alert]:
        """The alerts of the chosen texts, in the order given."""
        if text_ids.is_empty():
            return []
        chosen = text_ids.to_numpy()
        similar = nearest_crises(self.cases, self.vectors[chosen])
        rows = zip(
            self.texts[chosen].iter_rows(named=True),
            self.signals[chosen].iter_rows(named=True),
            self.scores[chosen].iter_rows(named=True),
            similar,
            strict=True,
        )
        return [self._alert(*row) for row in rows]

    def _alert(
        self, text: dict[str, Any], signal: dict[str, Any], score: dict[str, Any], similar: list[Reason]
    ) -> Alert:
        fired = [self.rules.rules[rule] for rule in self.rule_sets.sets[text["rule_set"]]]
        why = {"rules": self._rules(text), "cases": similar, "outliers": []}
        why["classifier"] = self._taught(text["example"])
        why["adapted"] = self._learnt(text["template"])
        evidence = [Evidence("prior", score["base"])]
        evidence += [
            Evidence(name, score[f"{name}_log_odds"], signal[name], why[name])
            for name in SIGNALS
            if signal[name] is not None
        ]
        if score["calibration_log_odds"]:
            evidence.append(Evidence("calibration", score["calibration_log_odds"]))
        # What a missing signal says where there are labels.
        evidence += [
            Evidence(name, score[f"{name}_log_odds"])
            for name in SIGNALS
            if signal[name] is None and score[f"{name}_log_odds"]
        ]
        return Alert(
            id=alert_id(text["template"], [rule.id for rule in fired]),
            score=score["probability"],
            low=score["low"],
            high=score["high"],
            p_value=score["p_value"],
            log_odds=score["log_odds"],
            level=level_of(score["probability"]),
            category=self._category(text["text_id"], why["rules"] or similar),
            text=text["example"],
            count=text["count"],
            first=Place(text["first_source"], text["first_line"], text["first_time"]),
            last=Place(text["last_source"], text["last_line"], text["last_time"]),
            evidence=evidence,
            origin=self.origin,
        )

    def _category(self, text: int, reasons: list[Reason]) -> str | None:
        """The category that the model was taught, where it was taught several; else that of a rule or a past case."""
        if self.model and self.model.categories and self.kinds is not None:
            return self.model.categories[int(self.kinds[text, 1:].argmax())]
        return next((reason.category for reason in reasons if reason.category), None)

    def _rules(self, text: dict[str, Any]) -> list[Reason]:
        members = self.rule_sets.sets[text["rule_set"]]
        if not members:
            return []
        parts = self.fusion.rule_set_parts(self.rule_sets.weights(text["rule_set"], self.rules, self.fusion))
        reasons = [
            Reason(
                id=self.rules.rules[rule].id,
                title=self.rules.rules[rule].title,
                level=self.rules.rules[rule].level,
                category=self.rules.rules[rule].category,
                playbook=self.rules.rules[rule].playbook,
                decision=self.rules.rules[rule].decision,
                log_odds=float(part),
                spans=self.rules.spans(rule, text["raw"] or text["example"]),
            )
            for rule, part in zip(members, parts, strict=True)
        ]
        return sorted(reasons, key=lambda reason: -(reason.log_odds or 0.0))

    def _taught(self, text: str) -> list[Reason]:
        weighed = self.model.classifier.words(text) if self.model and self.model.classifier else []
        words = [word for word, weight in weighed if weight > 0][:_WORDS]
        return [Reason(note="as in labelled crises", words=words)] if words else []

    def _learnt(self, template: str) -> list[Reason]:
        words = self.adaptation.words(template)[:_WORDS] if self.adaptation else []
        return [Reason(note="as in other texts of this scan", words=words)] if words else []


def nearest_crises(
    cases: CaseBase, vectors: NDArray[np.float32], number: int = SIMILAR_CASES, together: int | None = None
) -> list[list[Reason]]:
    """The past crises nearest to each of n vectors, float32 (n, d), most similar first, with what happened next.

    `together` how many are looked up at once, None = all. The similarity keeps three digits: on a GPU, vectors differ
    in their last ones by what they are embedded with.
    """
    if not len(vectors):
        return []
    step = together or len(vectors)
    looked_up = [cases.search(vectors[at : at + step], number) for at in range(0, len(vectors), step)]
    similarity, found = (np.concatenate(part) for part in zip(*looked_up, strict=True))
    numbers = np.unique(found[found >= 0]).tolist()
    rows = dict(zip(numbers, cases.rows(numbers).iter_rows(named=True), strict=True))
    return [
        [
            Reason(
                id=case["id"],
                title=title_of(case),
                similarity=round(near, 3),
                date=case["time"],
                category=case["category"],
                outcome=case["outcome"],
            )
            for near, case in ((near, rows[case]) for near, case in zip(nears, row, strict=True) if case >= 0)
        ]
        for nears, row in zip(similarity.tolist(), found.tolist(), strict=True)
    ]
