"""From a stream that has changed to a warning that a person can read.

In: what `surge` raised, and what is known of the distinct texts so far. Out: `EarlyWarning`s. Nothing that came after a
warning is looked at, so that the same warning comes of a file that goes on and of one that ends there.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.alerts import EarlyWarning, Moved, Place, Reason, level_of
from forewarn.block_frame import BlockFrame
from forewarn.evidence import nearest_crises
from forewarn.spelling import plain
from forewarn.surge import Raised
from forewarn.volume import FEWER

Floats = NDArray[np.float64]
Vectors = NDArray[np.float32]
if TYPE_CHECKING:
    from forewarn.embeddings import CaseBase, Encoder
    from forewarn.rule_sets import RuleSets
    from forewarn.rules import RuleSet

_MOVED = 5
_LEADING = 30
"""The loudest texts since the beginning, from which the new words, the centre and the past cases are taken."""
_WORDS = 8
_IDEOGRAPHS = re.compile("[\u3400-\u9fff]{2,}")
_TOGETHER = 16
"""Warnings whose past cases are looked up at once: from 20 on FAISS has other routines, which round otherwise."""
_NEW = 1.4
"""Log of how much more often a new word is said than before."""
_SAME = 0.5
"""Cosine from which two centres are one incident."""


@dataclass
class Known:
    """The distinct texts that have been scored: `texts` frames with at least `template`, `rule_set`, `example`.

    `made` float32 (n, d) their vectors, where an encoder made them that gives the same bits whatever it embeds
    together. Others are made anew for the few texts of a warning: a warning must not hang on what else was read.
    """

    texts: BlockFrame
    encoder: Encoder
    rules: RuleSet
    rule_sets: RuleSets
    cases: CaseBase
    made: Vectors | None = None
    embedded: dict[str, Vectors] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.words = Words(self.texts)

    def vectors(self, texts: list[int]) -> Vectors:
        """The vectors of n of the texts, float32 (n, d); those of earlier warnings are remembered."""
        if self.made is not None:
            found: Vectors = self.made[texts]
            return found
        return self.encode(self.texts.rows(np.array(texts))["example"].to_list())

    def encode(self, texts: list[str]) -> Vectors:
        """The vectors of any n texts, float32 (n, d); those of earlier ones are remembered."""
        written = plain(pl.Series(texts, dtype=pl.String)).to_list()
        new = [text for text in dict.fromkeys(written) if text not in self.embedded]
        if new:
            self.embedded |= zip(new, self.encoder.encode(new), strict=True)
        return np.stack([self.embedded[text] for text in written])


class Incidents:
    """Which incident a warning belongs to: one of the same meaning that is not long past."""

    def __init__(self, hours: float = 6.0) -> None:
        self.hours = hours
        self.open: dict[str, tuple[Vectors, int]] = {}

    def of(self, centre: Vectors, clock: int, warning: str) -> str:
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


@dataclass(frozen=True)
class Lead:
    """A stream that has changed, and the texts that this is told from.

    `raised` without its frames, which hold on to the block that they are part of; `size`, `sources` of the records
    since; of the loudest texts `texts`, `probability`, the `central` one, `centre` float32 (d,) of their vectors,
    `moved` and `new_words`.
    """

    raised: Raised
    size: int
    sources: list[str]
    texts: list[int]
    probability: float
    central: str
    centre: Vectors
    moved: list[Moved]
    new_words: list[str]


def lead(raised: Raised, known: Known) -> Lead:
    """Which texts a stream's change is told from."""
    since = raised.since.filter(pl.col("clock") >= raised.onset["clock"])
    rows, scores = _loudest(since, raised.earlier["score"].to_numpy())
    texts = since["text"].gather(rows).to_list()
    vectors = known.vectors(texts)
    middle = vectors.mean(axis=0)
    centre = (middle / max(float(np.linalg.norm(middle)), 1e-9)).astype(np.float32)
    examples = known.texts.rows(np.array(texts))["example"].to_list()
    places = since.select("source", "line", "time")[rows[:_MOVED]].rows()
    return Lead(
        replace(raised, since=raised.since.clear(), earlier=raised.earlier.clear()),
        since.height if raised.size is None else raised.size,
        list(dict.fromkeys(since["source"].to_list()))[:20],
        texts,
        float(1 / (1 + np.exp(-np.clip(float(scores[:_MOVED].mean()), -40, 40)))),
        examples[int(np.argmax(vectors @ centre))],
        centre,
        [
            Moved(Place(*where), text, score)
            for where, text, score in zip(places, examples, scores.tolist(), strict=False)
        ],
        # The last words before a silence are not what it is about.
        [] if raised.raised_by == FEWER else known.words.new(texts, raised.earlier["text"].to_numpy()),
    )


def explain(leads: Sequence[Lead], known: Known, incidents: Incidents, false_warnings: str) -> list[EarlyWarning]:
    """The warnings of streams that have changed, in the order given."""
    similar: list[list[Reason]] = []
    for at in range(0, len(leads), _TOGETHER):
        similar += nearest_crises(known.cases, np.stack([one.centre for one in leads[at : at + _TOGETHER]]))
    return [_warning(one, near, known, incidents, false_warnings) for one, near in zip(leads, similar, strict=True)]


def _warning(led: Lead, similar: list[Reason], known: Known, incidents: Incidents, false_warnings: str) -> EarlyWarning:
    raised, at = led.raised, led.raised.at
    content = f"{raised.stream}\0{at['source']}\0{at['line']}\0{at['clock']}\0{raised.raised_by}"
    name = "fw-w" + hashlib.sha256(content.encode()).hexdigest()[:12]
    sets = known.texts.rows(np.array(led.texts))["rule_set"].to_list()
    fired = [known.rules.rules[rule] for number in sets for rule in known.rule_sets.sets[number]]
    categories = Counter(rule.category for rule in fired if rule.category)
    return EarlyWarning(
        id=name,
        incident=incidents.of(led.centre, at["clock"], name),
        level=level_of(max(led.probability, 0.5)),
        stream=raised.stream,
        raised=place(at),
        onset=place(raised.onset),
        onset_low=place(raised.low),
        onset_high=place(raised.high),
        false_warnings=false_warnings,
        value=_short(at["value"]),
        size=led.size,
        text=led.central,
        category=categories.most_common(1)[0][0] if categories else similar[0].category if similar else None,
        sources=led.sources,
        moved=led.moved,
        new_words=led.new_words,
        similar=similar,
        playbook=list(dict.fromkeys(rule.playbook.strip() for rule in fired if rule.playbook)),
        curve=[(time, _short(value)) for time, value in raised.curve],
        raised_by=raised.raised_by,
        volume=raised.volume,
    )


def _loudest(since: pl.DataFrame, earlier: Floats) -> tuple[NDArray[np.int64], Floats]:
    """The rows of a timeline with its loudest texts, loudest first, each once, and their scores.

    Only those above nine of ten `earlier` scores, float64 (n,); the newest row where there are none.
    """
    scores, clocks, texts = (since[name].to_numpy() for name in ("score", "clock", "text"))
    ranked = np.lexsort((clocks, -scores))
    loud = ranked[np.sort(np.unique(texts[ranked], return_index=True)[1])[:_LEADING]]
    if len(earlier):
        tenth = int(0.9 * (len(earlier) - 1) + 0.5)
        loud = loud[scores[loud] > np.partition(earlier, tenth)[tenth]]
    if not len(loud):
        loud = np.array([since.height - 1])
    return loud, scores[loud]


def place(row: dict[str, Any]) -> Place:
    """Where a row of a timeline stands."""
    return Place(row["source"], row["line"], row["time"])


def _short(value: float) -> float:
    return float(f"{value:.4g}")


class Words:
    """Which words the texts have, each text's found once and only when it is asked for; `texts` have a `template`."""

    def __init__(self, texts: BlockFrame) -> None:
        self._texts = texts
        self._numbers: dict[str, int] = {}
        self._words: list[str] = []
        # The numbers of the words of the texts met so far, one text after the other.
        self._flat = np.empty(0, dtype=np.int64)
        # Zeros take no memory before they are written to.
        self._first = np.zeros(texts.height, dtype=np.int64)
        self._many = np.zeros(texts.height, dtype=np.int64)
        self._met = np.zeros(texts.height, dtype=np.bool_)

    def new(self, loud: list[int], earlier: NDArray[np.uint32]) -> list[str]:
        """The words that the loud texts share and the earlier records hardly have, by their lift; both are texts."""
        shared, before = self._counted(np.array(loud)), self._counted(earlier)
        words = np.flatnonzero(shared >= (2 if len(loud) > 2 else 1))
        count = shared[words].astype(np.float64)
        lift = count * np.log((count / len(loud)) / ((before[words] + 1) / (len(earlier) + 1)))
        new = lift > _NEW * count
        ranked = sorted(zip(-lift[new], (self._words[word] for word in words[new]), strict=True))
        return [word for _, word in ranked[:_WORDS]]

    def _counted(self, texts: NDArray[Any]) -> NDArray[np.int64]:
        """How often each word known so far is said in texts, each as often as it is given."""
        self._meet(np.unique(texts[~self._met[texts]]))
        many = self._many[texts]
        ends = np.cumsum(many)
        total = int(ends[-1]) if len(ends) else 0
        places = np.repeat(self._first[texts] - ends + many, many) + np.arange(total)
        counted: NDArray[np.int64] = np.bincount(self._flat[places], minlength=len(self._words))
        return counted

    def _meet(self, texts: NDArray[Any]) -> None:
        """Find the words of texts that are new."""
        met: list[int] = []
        self._met[texts] = True
        for text, template in zip(texts.tolist(), self._texts.rows(texts)["template"].to_list(), strict=True):
            words = _words(template)
            for word in words - self._numbers.keys():
                self._numbers[word] = len(self._words)
                self._words.append(word)
            self._first[text], self._many[text] = len(self._flat) + len(met), len(words)
            met += [self._numbers[word] for word in words]
        if met:
            self._flat = np.append(self._flat, met)


@lru_cache(maxsize=1 << 16)
def _words(text: str) -> frozenset[str]:
    """Words of three letters or more, and pairs of neighbouring ideographs."""
    from forewarn.detectors.ngrams import words_of

    pairs = {run[at : at + 2] for run in _IDEOGRAPHS.findall(text) for at in range(len(run) - 1)}
    return frozenset(pairs | {word for word in words_of(text) if len(word) > 2})
