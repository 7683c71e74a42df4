"""Why: from the numbers of a chosen text to an alert that a person can check.

In: the frames of a scan, the rules, the case base. Out: alerts whose evidence adds up to their log-odds. Python objects
are made here and nowhere earlier, and only for the texts that were chosen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.alerting.correlated import Completed, correlated
from forewarn.cases.similar import title_of
from forewarn.detectors.crisis_corpus import CRISIS
from forewarn.findings import Alert, Evidence, Place, Reason, alert_id, level_of
from forewarn.frames import SIGNALS
from forewarn.grouping.deobfuscation import plain
from forewarn.grouping.function_words import is_function_word
from forewarn.grouping.templates import text_key
from forewarn.scoring.crisis_signal import crisis_classifier

if TYPE_CHECKING:
    from forewarn.detectors.crisis_classifier import CrisisClassifier
    from forewarn.embeddings import CaseBase
    from forewarn.grouping.rule_sets import RuleSets
    from forewarn.rules import RuleSet
    from forewarn.runtime.chunked_frame import ChunkedFrame
    from forewarn.scoring.scorer import Scorer

SIMILAR_CASES = 3
ALIKE = 0.40
"""Cosine, on the bundled encoder, from which on a past crisis is named beside an alert or a warning.

All shipped past crises but five have another one as near; of the first signs that have one, 67 % have it of their own
domain, of the others 40 %; 85 % of ordinary texts have none (docs/decisions.md).
"""
_WORDS = 5
_HELD = Reason(note="a rule of level high or critical fires: no other signal carries the text below the threshold")


@dataclass(frozen=True)
class Explainer:
    """Everything that the alerts of one scan are explained from.

    The distinct texts' `scorer` and what it `scored`; `completed` the correlations.
    """

    scorer: Scorer
    scored: ChunkedFrame
    rules: RuleSet
    rule_sets: RuleSets
    completed: Completed = field(default_factory=dict)

    def alerts(self, text_ids: pl.Series) -> tuple[list[Alert], NDArray[np.float32]]:
        """The alerts of k chosen texts, in the order given, and their vectors, float32 (k, d)."""
        numbers, model = text_ids.to_numpy(), self.scorer.model
        texts, vectors = self.scorer.texts.rows(numbers).with_columns(text_key()), self.scorer.vectors(numbers)
        if text_ids.is_empty():
            return [], vectors
        categories: list[str | None] = [None] * len(numbers)
        if model and model.categories:
            kinds = model.classify(vectors, plain(texts["example"]))
            if kinds is not None:
                categories = [model.categories[kind] for kind in kinds[:, 1:].argmax(axis=1)]
        similar = nearest_crises(self.scorer.cases, vectors)
        taught = model is not None and model.classifier is not None
        known = None if taught else crisis_classifier(self.scorer.encoder.checksum)
        told: list[Reason | None] = stages_told(known, vectors) if known else [None] * len(numbers)
        rows = zip(
            texts.iter_rows(named=True),
            self.scored.rows(numbers).iter_rows(named=True),
            similar,
            categories,
            told,
            strict=True,
        )
        return [self._alert(*row) for row in rows], vectors

    def _alert(
        self,
        text: dict[str, Any],
        score: dict[str, Any],
        similar: list[Reason],
        category: str | None,
        told: Reason | None,
    ) -> Alert:
        fired = [self.rules.known[rule] for rule in self.rule_sets.sets[text["rule_set"]]]
        why = {"rules": self._rules(text), "cases": similar, "outliers": []}
        why["classifier"] = [told] if told and score["classifier"] is not None else self._train_rows(text["example"])
        why["adapted"] = self._learnt(text["template"])
        evidence = [Evidence("prior", score["base"])]
        evidence += [
            Evidence(name, score[f"{name}_log_odds"], score[name], why[name])
            for name in SIGNALS
            if score[name] is not None
        ]
        if score["calibration_log_odds"]:
            evidence.append(Evidence("calibration", score["calibration_log_odds"]))
        if score["held_log_odds"]:
            evidence.append(Evidence("held", score["held_log_odds"], why=[_HELD]))
        # What a missing signal says where there are labels.
        evidence += [
            Evidence(name, score[f"{name}_log_odds"])
            for name in SIGNALS
            if score[name] is None and score[f"{name}_log_odds"]
        ]
        return Alert(
            id=alert_id(text["template"], [rule.id for rule in fired]),
            score=score["probability"],
            low=score["low"],
            high=score["high"],
            p_value=score["p_value"],
            log_odds=score["log_odds"],
            level=level_of(score["probability"]),
            # That which the model was taught, where it was taught several; else that of a rule or a past case.
            category=category or next((one.category for one in why["rules"] or similar if one.category), None),
            text=text["example"],
            count=text["count"],
            first=Place(text["first_source"], text["first_line"], text["first_time"]),
            last=Place(text["last_source"], text["last_line"], text["last_time"]),
            evidence=evidence,
            origin=self.scorer.origin,
        )

    def _rules(self, text: dict[str, Any]) -> list[Reason]:
        members = self.rule_sets.sets[text["rule_set"]]
        if not members:
            return []
        numbers = self.scorer.numbers
        parts = numbers.parts_of_set(self.rule_sets, text["rule_set"], self.rules)
        correlations = correlated(self.completed, self.rules, text["text_key"], members)
        reasons = [
            msgspec.structs.replace(correlations[rule], log_odds=float(part))
            if rule in correlations
            else Reason(
                id=self.rules.known[rule].id,
                title=self.rules.known[rule].title,
                level=self.rules.known[rule].level,
                category=self.rules.known[rule].category,
                playbook=self.rules.known[rule].playbook,
                decision=self.rules.known[rule].decision,
                log_odds=float(part),
                spans=self.rules.spans(rule, text["example"]),
            )
            for rule, part in zip(members, parts, strict=True)
        ]
        return sorted(reasons, key=lambda reason: -(reason.log_odds or 0.0))

    def _train_rows(self, text: str) -> list[Reason]:
        model = self.scorer.model
        weighed = model.classifier.words(text) if model and model.classifier else []
        words = [word for word, weight in weighed if weight > 0 and not is_function_word(word)][:_WORDS]
        return [Reason(note="as in labelled crises", words=words)] if words else []

    def _learnt(self, template: str) -> list[Reason]:
        adaptation = self.scorer.adaptation
        words = adaptation.words(template)[:_WORDS] if adaptation else []
        return [Reason(note="as in other texts of this scan", words=words)] if words else []


def stages_told(classifier: CrisisClassifier, vectors: NDArray[np.float32]) -> list[Reason | None]:
    """What the shipped classifier takes n vectors, float32 (n, d), for: a stage, and of a crisis the domain."""
    opinion, about = classifier.opinion(vectors), classifier.about
    told: list[Reason | None] = []
    for stage, domain in zip(opinion.stages.argmax(axis=1), opinion.domains, strict=True):
        likely = about.domains[int(domain.argmax())]
        note = f"reads like {about.stages[stage].replace('_', ' ')}"
        told.append(Reason(note=f"{note} in {likely.replace('_', ' ')}" if about.stages[stage] in CRISIS else note))
    return told


def nearest_crises(
    cases: CaseBase, vectors: NDArray[np.float32], number: int = SIMILAR_CASES, together: int | None = None
) -> list[list[Reason]]:
    """The past crises like each of n vectors, float32 (n, d), most similar first, with what happened next.

    Those nearer than `ALIKE`, which may be none; one that was written as an example has no outcome, and says so.
    `together` how many are looked up at once, None = all. The similarity keeps three digits: on a GPU, vectors differ
    in their last ones by what they are embedded with.
    """
    if not len(vectors):
        return []
    step = together or len(vectors)
    looked_up = [cases.search(vectors[at : at + step], number) for at in range(0, len(vectors), step)]
    similarity, found = (np.concatenate(part) for part in zip(*looked_up, strict=True))
    numbers = np.unique(found[similarity >= ALIKE]).tolist()
    rows = dict(zip(numbers, cases.rows(numbers).iter_rows(named=True), strict=True))
    return [
        [
            Reason(
                id=case["id"],
                title=title_of(case),
                similarity=round(near, 3),
                date=case["time"],
                category=case["category"],
                outcome=None if case["example"] else case["outcome"],
                note="(a written example)" if case["example"] else None,
            )
            for near, case in ((near, rows[case]) for near, case in zip(nears, row, strict=True) if near >= ALIKE)
        ]
        for nears, row in zip(similarity.tolist(), found.tolist(), strict=True)
    ]
