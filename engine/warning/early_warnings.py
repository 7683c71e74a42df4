"""From a stream that has changed to a warning that a person can read.

In: what `detector` raised, and what is known of the distinct texts so far. Out: `EarlyWarning`s. Nothing that came
after a warning is looked at, so that the same warning comes of a file that goes on and of one that ends there.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.alerting.correlated import Completed, correlated
from forewarn.alerting.evidence import nearest_crises
from forewarn.arrays import Floats, Vectors
from forewarn.findings import EarlyWarning, Moved, Place, Reason, level_of
from forewarn.grouping.deobfuscation import plain
from forewarn.grouping.function_words import content_runs, is_function_word
from forewarn.grouping.templates import text_key
from forewarn.options import Promise
from forewarn.runtime.chunked_frame import ChunkedFrame
from forewarn.warning.detector import Raised, StreamRows
from forewarn.warning.volume import FEWER

if TYPE_CHECKING:
    from forewarn.embeddings import CaseBase, Encoder
    from forewarn.grouping.rule_sets import RuleSets
    from forewarn.rules import RuleSet

_MOVED = 5
_LEADING = 30
"""The loudest texts since the beginning, from which the new words, the centre and the past cases are taken."""
_WORDS = 8
_IDEOGRAPHS = re.compile("[\u3400-\u9fff]{2,}")
_TOGETHER = 16
"""Warnings whose past cases are looked up at once: from 20 on FAISS has other routines, which round otherwise."""
_MOST_WORDS = 1 << 16
"""Words that are remembered; those of texts may be sixteen times as many."""
_MOST_EMBEDDED = 1 << 13
"""Vectors of warnings' texts that are remembered, and past cases of their centres."""
_NEW = 1.4
"""Log of how much more often a new word is said than before."""
_LONGEST = 12
"""Ideographs of a new word at most: what is longer is a sentence that is said again."""
_SAME = 0.5
"""Cosine from which two centres are one incident."""


@dataclass
class TextIndex:
    """The distinct texts that have been scored: `texts` frames with at least `template`, `rule_set`, `example`.

    `steady` says that the encoder gives the same bits whatever it embeds together; then `made`, float32 (n, d), may be
    the vectors that there are. Else they are made anew for the few texts of a warning, which must not hang on what else
    was read. `completed` are the correlations that texts complete.
    """

    texts: ChunkedFrame
    encoder: Encoder
    rules: RuleSet
    rule_sets: RuleSets
    cases: CaseBase
    steady: bool = False
    made: Vectors | None = None
    embedded: dict[str, Vectors] = field(default_factory=dict)
    similar: dict[bytes, list[Reason]] = field(default_factory=dict)
    completed: Completed = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.words = Words(self.texts)

    def about(self, texts: set[int]) -> dict[int, tuple[str, int]]:
        """The example and the rule set of texts."""
        numbers = sorted(texts)
        rows = self.texts.rows(np.array(numbers)).select("example", "rule_set").rows()
        return dict(zip(numbers, rows, strict=True))

    def correlations(self, texts: Sequence[int]) -> list[Reason]:
        """The correlations that texts complete, by their numbers, each once."""
        rows = self.texts.rows(np.array(texts)).select(text_key(), "rule_set").rows()
        found: dict[int, Reason] = {}
        for key, rule_set in rows:
            found |= correlated(self.completed, self.rules, key, self.rule_sets.sets[rule_set])
        return list(found.values())

    def vectors(self, texts: list[int], examples: list[str]) -> Vectors:
        """The vectors of n of the texts, float32 (n, d), by their numbers and examples."""
        if self.made is not None:
            found: Vectors = self.made[texts]
            return found
        return self.encode(examples)

    def encode(self, texts: list[str]) -> Vectors:
        """The vectors of any n texts, float32 (n, d); some earlier ones are remembered."""
        if len(self.embedded) > _MOST_EMBEDDED:
            self.embedded.clear()
        written = plain(pl.Series(texts, dtype=pl.String)).to_list()
        new = [text for text in dict.fromkeys(written) if text not in self.embedded]
        if new:
            self.embedded |= zip(new, self.encoder.encode(new), strict=True)
        return np.stack([self.embedded[text] for text in written])

    def nearest(self, centres: list[Vectors]) -> list[list[Reason]]:
        """The past crises nearest to each of n vectors, float32 (d,); streams come back to what they were."""
        named = [centre.tobytes() for centre in centres]
        if len(self.similar) > _MOST_EMBEDDED:
            self.similar.clear()
        new = {name: centre for name, centre in zip(named, centres, strict=True) if name not in self.similar}
        found = nearest_crises(self.cases, np.array(list(new.values())), together=_TOGETHER)
        self.similar |= zip(new, found, strict=True)
        return [self.similar[name] for name in named]


class Incidents:
    """Which incident a warning belongs to: one of the same meaning that is not long past."""

    def __init__(self, hours: float = 6.0) -> None:
        self.hours = hours
        self.open: dict[str, tuple[Vectors, int]] = {}

    def of(self, centre: Vectors, clock: int, warning: str) -> str:
        """The incident of the next warning, by its id: that of its first one."""
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
class UnassignedWarning:
    """A warning that is in no incident yet.

    `centre` float32 (d,) of the vectors of its loudest texts; `central` the number of the text nearest to it; `clock`
    when it was raised, microseconds since 1970.
    """

    warning: EarlyWarning
    centre: Vectors
    central: int
    clock: int


def explain(events: Sequence[Raised], known: TextIndex, promise: Promise) -> list[UnassignedWarning]:
    """What streams that have changed warn of, in the order given.

    Where a number of records has changed, no past crisis is named: what they say is not what the warning is about.
    """
    since = [event.since[event.since.clock >= event.onset["clock"]] for event in events]
    loud = [_loudest(some, event.earlier.score) for some, event in zip(since, events, strict=True)]
    texts = [some.text[rows].tolist() for some, rows in zip(since, loud, strict=True)]
    about = known.about({text for some in texts for text in some})
    if known.steady and known.made is None:
        known.encode([example for example, _ in about.values()])
    vectors = [known.vectors(some, [about[text][0] for text in some]) for some in texts]
    centres = [_centre(each) for each in vectors]
    nearest = known.nearest(centres)
    similar = [[] if event.volume else found for event, found in zip(events, nearest, strict=True)]
    leads = []
    for at, event in enumerate(events):
        central = int(np.argmax(vectors[at] @ centres[at]))
        warning = _warning(event, since[at], loud[at], texts[at], central, about, similar[at], known, promise)
        leads.append(UnassignedWarning(warning, centres[at], texts[at][central], event.at["clock"]))
    return leads


def _centre(vectors: Vectors) -> Vectors:
    middle = vectors.mean(axis=0)
    centre: Vectors = (middle / max(float(np.linalg.norm(middle)), 1e-9)).astype(np.float32)
    return centre


def _warning(
    raised: Raised,
    since: StreamRows,
    loud: NDArray[np.int64],
    texts: list[int],
    central: int,
    about: dict[int, tuple[str, int]],
    similar: list[Reason],
    known: TextIndex,
    promise: Promise,
) -> EarlyWarning:
    """The warning of a change, of the texts `since` its onset the rows `loud` of which are the loudest.

    `texts` are the distinct texts of those rows, `central` which of them is the nearest to all. What is shown is what
    the records themselves say, not the first record of their template.
    """
    at, scores = raised.at, since.score[loud[:_MOVED]]
    content = f"{raised.stream}\0{at['source']}\0{at['line']}\0{at['clock']}\0{raised.raised_by}"
    fired = [known.rules.known[rule] for text in texts for rule in known.rule_sets.sets[about[text][1]]]
    categories = Counter(rule.category for rule in fired if rule.category)
    probability = float(1 / (1 + np.exp(-np.clip(float(scores.mean()), -40, 40))))
    return EarlyWarning(
        id="fw-w" + hashlib.sha256(content.encode()).hexdigest()[:12],
        incident="",
        level=level_of(max(probability, 0.5)),
        stream=raised.stream,
        raised=place(at),
        onset=place(raised.onset),
        onset_low=place(raised.low),
        onset_high=place(raised.high),
        false_warnings=promise.said(in_log=raised.in_log),
        value=_short(at["value"]),
        size=len(since) if raised.size is None else raised.size,
        text=since.text_of(int(loud[central])),
        category=categories.most_common(1)[0][0] if categories else similar[0].category if similar else None,
        sources=[since.names[number] for number in list(dict.fromkeys(since.source.tolist()))[:20]],
        moved=[
            Moved(place(since.row(int(row))), since.text_of(int(row)), score)
            for row, score in zip(loud[:_MOVED], scores.tolist(), strict=True)
        ],
        # The last words before a silence are not what it is about.
        new_words=[] if raised.raised_by == FEWER else known.words.new(texts, raised.earlier.text),
        similar=similar,
        playbook=list(dict.fromkeys(rule.playbook.strip() for rule in fired if rule.playbook)),
        curve=[(time, _short(value)) for time, value in raised.curve],
        raised_by=raised.raised_by,
        volume=raised.volume,
        correlations=known.correlations(texts) if known.completed else [],
    )


def _loudest(since: StreamRows, earlier: Floats) -> NDArray[np.int64]:
    """The rows with the loudest texts, loudest first, each text once.

    Only those above nine of ten `earlier` scores, float64 (n,); the newest row where there are none.
    """
    loud = np.arange(len(since))
    if len(earlier):
        tenth = int(0.9 * (len(earlier) - 1) + 0.5)
        loud = np.flatnonzero(since.score > np.partition(earlier, tenth)[tenth])
        if not len(loud):
            return np.array([len(since) - 1])
    ranked = loud[np.lexsort((since.clock[loud], -since.score[loud]))]
    first = np.unique(since.text[ranked], return_index=True)[1]
    first.sort()
    return ranked[first[:_LEADING]]


def place(row: dict[str, Any]) -> Place:
    """Where a row of a timeline stands."""
    return Place(row["source"], row["line"], row["time"])


def _short(value: float) -> float:
    return float(f"{value:.4g}")


class Words:
    """Which words the texts have, found when they are asked for and remembered; `texts` have a `template`."""

    def __init__(self, texts: ChunkedFrame) -> None:
        self._texts = texts
        self._forget()

    def _forget(self) -> None:
        self._numbers: dict[str, int] = {}
        self._words: list[str] = []
        # The numbers of the words of the texts met so far, one text after the other, and where those of a text begin
        # and end; 0 = not met. Zeros that are never written take no memory.
        self._flat, self._used = np.zeros(1 << 12, dtype=np.int32), 1
        self._ends = np.zeros((2, self._texts.height), dtype=np.int32)

    def new(self, loud: list[int], earlier: NDArray[np.uint32]) -> list[str]:
        """The words that the loud texts share and the earlier records hardly have, by their lift; both are texts."""
        if max(len(self._words), self._used >> 4) > _MOST_WORDS:
            self._forget()
        shared, before = self._counted(np.array(loud)), self._counted(earlier)
        words = np.flatnonzero(shared >= (2 if len(loud) > 2 else 1))
        count = shared[words].astype(np.float64)
        lift = count * np.log((count / len(loud)) / ((before[words] + 1) / (len(earlier) + 1)))
        new = lift > _NEW * count
        ranked = sorted(zip(-lift[new], (self._words[word] for word in words[new]), strict=True))
        texts = self._texts.rows(np.array(loud))["template"].to_list()
        return _whole_words([word for _, word in ranked], texts)[:_WORDS]

    def _counted(self, texts: NDArray[Any]) -> NDArray[np.int64]:
        """How often each word known so far is said in texts, each as often as it is given."""
        first, end = self._ends[0][texts], self._ends[1][texts]
        if not end.all():
            self._meet(np.unique(texts[end == 0]))
            first, end = self._ends[0][texts], self._ends[1][texts]
        many = end - first
        until = np.cumsum(many)
        total = int(until[-1]) if len(until) else 0
        places = np.repeat(end - until, many) + np.arange(total)
        counted: NDArray[np.int64] = np.bincount(self._flat[places], minlength=len(self._words))
        return counted

    def _meet(self, texts: NDArray[Any]) -> None:
        """Find the words of texts that are new."""
        for text, template in zip(texts.tolist(), self._texts.rows(texts)["template"].to_list(), strict=True):
            words = _words(template)
            for word in words - self._numbers.keys():
                self._numbers[word] = len(self._words)
                self._words.append(word)
            first, self._used = self._used, self._used + len(words)
            if self._used > len(self._flat):
                self._flat = np.append(self._flat, np.zeros(self._used + len(self._flat), dtype=np.int32))
            self._flat[first : self._used] = [self._numbers[word] for word in words]
            self._ends[:, text] = first, self._used


@lru_cache(maxsize=1 << 14)
def _words(text: str) -> frozenset[str]:
    """Words of three letters or more, and pairs of neighbouring ideographs; none that says nothing of a subject."""
    from forewarn.detectors.ngrams import words_of

    pairs = {run[at : at + 2] for run in _runs(text) for at in range(len(run) - 1)}
    words = pairs | {word for word in words_of(text) if len(word) > 2}
    return frozenset(word for word in words if not is_function_word(word))


def _runs(text: str) -> list[str]:
    return [piece for run in _IDEOGRAPHS.findall(text) for piece in content_runs(run)]


def _whole_words(words: list[str], texts: list[str]) -> list[str]:
    """Pairs of ideographs to the words of `texts` that they are halves of, in the same order; other words as they are.

    A pair goes on, to either side, as long as all its texts go on with the same ideograph: 湾银 becomes 青湾银行 where
    it stands in nothing else. Of a word that holds one that more texts have (青湾银行理财), the rest is given.
    """
    runs = [_runs(text) for text in texts]
    whole = list(dict.fromkeys(_closed(word, runs) if _IDEOGRAPHS.fullmatch(word) else word for word in words))
    having = {word: sum(word in text for text in texts) for word in whole if _IDEOGRAPHS.match(word)}
    pieces: dict[str, None] = {}
    for word in whole:
        more = [one for one in having if one in word and having[one] > having[word]]
        parts = re.split("|".join(sorted(more, key=len, reverse=True)), word) if word in having and more else [word]
        pieces |= dict.fromkeys(part for part in parts if word not in having or 1 < len(part) <= _LONGEST)
    ideographs = [word for word in pieces if _IDEOGRAPHS.match(word)]
    return [word for word in pieces if not any(word != one and word in one for one in ideographs)]


def _closed(word: str, runs: list[list[str]]) -> str:
    """The longest piece that stands wherever `word` does in `runs`, the runs of ideographs of each text."""
    while True:
        places = [(run, at) for text in runs for run in text if (at := run.find(word)) >= 0]
        after = {run[at + len(word) : at + len(word) + 1] for run, at in places}
        before = {run[at - 1 : at] for run, at in places}
        if len(after) == 1 and "" not in after:
            word += after.pop()
        elif len(before) == 1 and "" not in before:
            word = before.pop() + word
        else:
            return word
