"""From a stream that has changed to a warning that a person can read.

In: what `surge` raised, and what is known of the distinct texts so far. Out: `EarlyWarning`s. Nothing that came after a
warning is looked at, so that the same warning comes of a file that goes on and of one that ends there.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.alerts import EarlyWarning, Moved, Place, level_of
from forewarn.evidence import nearest_crises
from forewarn.surge import Raised
from forewarn.volume import FEWER

if TYPE_CHECKING:
    from forewarn.embeddings import CaseBase, Encoder
    from forewarn.fusion import Fusion
    from forewarn.rule_sets import RuleSets
    from forewarn.rules import RuleSet

_MOVED = 5
_LEADING = 30
"""The loudest texts since the beginning, from which the new words, the centre and the past cases are taken."""
_WORDS = 8
_IDEOGRAPHS = re.compile("[\u3400-\u9fff]{2,}")
_NEW = 1.4
"""Log of how much more often a new word is said than before."""
_SAME = 0.5
"""Cosine from which two centres are one incident."""
_DECIMALS = 3
"""A score keeps so many: vectors differ in their seventh digit by which texts are embedded together."""


@dataclass
class Known:
    """The distinct texts that have been scored: `texts` a frame with at least `template`, `rule_set`, `example`.

    Vectors are made anew for the few texts of a warning: they differ in their last digits by what they are embedded
    together with, and a warning must not.
    """

    texts: pl.DataFrame
    encoder: Encoder
    rules: RuleSet
    rule_sets: RuleSets
    cases: CaseBase
    embedded: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    def vectors(self, texts: list[str]) -> NDArray[np.float32]:
        """The vectors of n texts, float32 (n, d); those of earlier warnings are remembered."""
        new = [text for text in dict.fromkeys(texts) if text not in self.embedded]
        self.embedded |= zip(new, self.encoder.encode(new), strict=True)
        return np.stack([self.embedded[text] for text in texts])


def past_scores(numbers: Fusion, signals: pl.DataFrame) -> NDArray[np.float64]:
    """What is said of each text by what was known before the scan: rules, classifier and cases, float64 (n,).

    Outliers and what the scan taught are left out: both look at all of the input. So is calibration, whose steps would
    only make ties.
    """
    blind = signals.with_columns(outliers=pl.lit(None, pl.Float64), adapted=pl.lit(None, pl.Float64))
    fused = numbers.fuse(blind)
    score: NDArray[np.float64] = (fused["log_odds"] - fused["calibration_log_odds"]).to_numpy()
    return np.round(score, _DECIMALS)


class Incidents:
    """Which incident a warning belongs to: one of the same meaning that is not long past."""

    def __init__(self, hours: float = 6.0) -> None:
        self.hours = hours
        self.open: dict[str, tuple[NDArray[np.float32], int]] = {}

    def of(self, centre: NDArray[np.float32], clock: int, warning: str) -> str:
        """The incident's id: that of its first warning."""
        oldest = clock - int(self.hours * 3600e6)
        self.open = {name: kept for name, kept in self.open.items() if kept[1] >= oldest}
        near = {name: float(kept[0] @ centre) for name, kept in self.open.items()}
        best = max(near, key=lambda name: near[name]) if near else None
        if best is None or near[best] < _SAME:
            best = f"fw-i{warning[4:]}"
            self.open[best] = (centre, clock)
        self.open[best] = (self.open[best][0], clock)
        return best


def explain(raised: Raised, known: Known, incidents: Incidents, false_warnings: str) -> EarlyWarning:
    """The warning of a stream that has changed."""
    since = raised.since.filter(pl.col("clock") >= raised.onset["clock"])
    ranked = since.sort("score", "clock", descending=[True, False], maintain_order=True)
    loud = ranked.unique("text", keep="first", maintain_order=True).head(_LEADING)
    loud = loud.filter(pl.col("score") > raised.earlier["score"].quantile(0.9)) if raised.earlier.height else loud
    if loud.is_empty():
        loud = since.tail(1)
    vectors = known.vectors(known.texts["example"].gather(loud["text"]).to_list())
    middle = vectors.mean(axis=0)
    centre = (middle / max(float(np.linalg.norm(middle)), 1e-9)).astype(np.float32)
    central = int(loud["text"][int(np.argmax(vectors @ centre))])
    examples = known.texts["example"]
    at = raised.at
    content = f"{raised.stream}\0{at['source']}\0{at['line']}\0{at['clock']}\0{raised.raised_by}"
    name = "fw-w" + hashlib.sha256(content.encode()).hexdigest()[:12]
    fired = [known.rules.rules[rule] for text in loud["text"] for rule in known.rule_sets.sets[_rule_set(known, text)]]
    categories = Counter(rule.category for rule in fired if rule.category)
    probability = 1 / (1 + np.exp(-np.clip(float(loud["score"].head(_MOVED).mean()), -40, 40)))  # type: ignore[arg-type]
    similar = nearest_crises(known.cases, centre[None])[0]
    return EarlyWarning(
        id=name,
        incident=incidents.of(centre, raised.at["clock"], name),
        level=level_of(max(float(probability), 0.5)),
        stream=raised.stream,
        raised=place(raised.at),
        onset=place(raised.onset),
        onset_low=place(raised.low),
        onset_high=place(raised.high),
        false_warnings=false_warnings,
        value=_short(raised.at["value"]),
        size=since.height if raised.size is None else raised.size,
        text=examples[central],
        category=categories.most_common(1)[0][0] if categories else similar[0].category if similar else None,
        sources=since["source"].unique(maintain_order=True).to_list()[:20],
        moved=[
            Moved(place(row), examples[row["text"]], row["score"]) for row in loud.head(_MOVED).iter_rows(named=True)
        ],
        # The last words before a silence are not what it is about.
        new_words=[]
        if raised.raised_by == FEWER
        else _new_words(known.texts["template"], loud["text"], raised.earlier["text"]),
        similar=similar,
        playbook=list(dict.fromkeys(rule.playbook.strip() for rule in fired if rule.playbook)),
        curve=[(time, _short(value)) for time, value in raised.curve],
        raised_by=raised.raised_by,
        volume=raised.volume,
    )


def place(row: dict[str, Any]) -> Place:
    """Where a row of a timeline stands."""
    return Place(row["source"], row["line"], row["time"])


def _rule_set(known: Known, text: int) -> int:
    return int(known.texts["rule_set"][text])


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def _new_words(templates: pl.Series, loud: pl.Series, earlier: pl.Series) -> list[str]:
    """The words that the loud texts share and the earlier records hardly have, by their lift."""
    shared = Counter(word for text in loud for word in _words(templates[text]))
    wanted, before = frozenset(shared), dict.fromkeys(shared, 0)
    counted = earlier.value_counts(name="count")
    for template, count in zip(templates.gather(counted[:, 0]).to_list(), counted["count"].to_list(), strict=True):
        for word in wanted & _words(template):
            before[word] += count
    least = 2 if len(loud) > 2 else 1
    lift = {
        word: count * float(np.log((count / len(loud)) / ((before[word] + 1) / (len(earlier) + 1))))
        for word, count in shared.items()
        if count >= least
    }
    return sorted((word for word in lift if lift[word] > _NEW * shared[word]), key=lambda word: (-lift[word], word))[
        :_WORDS
    ]


@lru_cache(maxsize=1 << 16)
def _words(text: str) -> frozenset[str]:
    """Words of three letters or more, and pairs of neighbouring ideographs."""
    from forewarn.detectors.ngrams import words_of

    pairs = {run[at : at + 2] for run in _IDEOGRAPHS.findall(text) for at in range(len(run) - 1)}
    return frozenset(pairs | {word for word in words_of(text) if len(word) > 2})
