"""Distinct texts to scores: each signal, and what they come to together.

In: the distinct texts of a scan, the rules that fired on them, options. Out: a frame of signals and scores, one row for
each text, and what alerts are explained from. All that is learnt from the scanned texts is learnt from at most `HELD`
of them, the most frequent and some of the others; the rest is scored a block at a time, so that memory does not grow
with the number of texts.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.arrays import Floats, Vectors
from forewarn.checkpoint import Checkpoint
from forewarn.frames import SCORED, SIGNAL_FRAME, SIGNALS
from forewarn.grouping.deobfuscation import plain, templates_of_plain
from forewarn.grouping.machine_texts import by_people
from forewarn.grouping.rule_sets import RuleSets
from forewarn.runtime.chunked_frame import ChunkedFrame
from forewarn.runtime.spill import SpilledFrames
from forewarn.runtime.timings import Stopwatch
from forewarn.scoring import fusion
from forewarn.scoring.adaptation import Adaptation, adapt, new_words, shift_to
from forewarn.scoring.case_votes import case_votes
from forewarn.scoring.crisis_signal import crisis_signal
from forewarn.scoring.embedding import embed, weights_of
from forewarn.scoring.parts import Parts

if TYPE_CHECKING:
    from forewarn.options import Options
    from forewarn.rules import RuleSet
    from forewarn.runtime.timings import Progress
    from forewarn.scoring.baseline import Baseline

HELD = 1 << 15
"""Texts that a scan learns from at most."""
_LOUDEST = 300
"""Texts whose words are looked at for what is new in this scan."""


class Scorer:
    """Scores the distinct texts of one scan: `texts` (`frames.TEXTS`), whose `rule_set` is one of `rule_sets`.

    `encoder`, `cases`, `model`, `numbers` are those of the `parts`; each text is judged as if it were `alone`, or among
    the others; `adaptation` is what the scan taught, None before `score` or where it taught nothing.
    """

    def __init__(
        self,
        texts: ChunkedFrame,
        rules: RuleSet,
        rule_sets: RuleSets,
        options: Options,
        parts: Parts,
        *,
        alone: bool = False,
    ) -> None:
        self.texts, self.options, self.alone = texts, options, alone
        self.model, self.numbers, self.encoder, self.cases = parts.model, parts.numbers, parts.encoder, parts.cases
        self._rule_scores = self.numbers.log_odds_of_sets(rule_sets, rules)
        self.adaptation: Adaptation | None = None
        self._sample, self._stand_for = sample_of(texts)

    @property
    def origin(self) -> str:
        """Whose opinion the scores are."""
        if self.options.unusual:
            return "ranked by how unusual each text is"
        return self.model.origin if self.model else "no labels yet: ranked by the shipped prior"

    def score(self, watch: Stopwatch, work: Checkpoint | None = None, progress: Progress | None = None) -> ChunkedFrame:
        """The scores of all texts: `frames.SCORED`, a row for each, in their order.

        `work` keeps what a killed scan is taken up from. Raises DetectorError where detectors cannot be fitted,
        OutputError where what does not fit in memory cannot be written.
        """
        learnt = self._learn(watch, work, progress)
        scored = ChunkedFrame(SCORED, on_disk=self.texts.on_disk)
        if learnt.height == self.texts.height:
            scored.append(learnt)
            return scored
        with ExitStack() as stack:
            waiting: SpilledFrames | None = None
            if work:
                name = f"scores-{weights_of(self.encoder)}"
                waiting = stack.enter_context(SpilledFrames(work.place(name)))
                work.wait(name, waiting)
                for file in waiting.files():
                    scored.append(pl.read_ipc(file))
            for block in self.texts.blocks():
                if block["text_id"][0] < scored.height:
                    continue
                known = learnt.join(block.select("text_id"), on="text_id", how="semi")
                others = block.join(known.select("text_id"), on="text_id", how="anti", maintain_order="left")
                scores = pl.concat([known, self._others(others, watch)]).sort("text_id")
                scored.append(scores)
                if work and waiting:
                    waiting.keep(scores)
                    if work.due:
                        work.write()
                if progress:
                    progress("texts scored", scored.height)
        return scored

    def vectors(self, numbers: NDArray[np.integer]) -> Vectors:
        """The vectors of k of the texts, float32 (k, d): those that were learnt from are kept, others made anew."""
        place = np.searchsorted(self._sample, numbers).clip(max=len(self._sample) - 1)
        if (self._sample[place] == numbers).all():
            kept: Vectors = self._vectors[place]
            return kept
        return embed(self.encoder, plain(self.texts.rows(numbers)["example"]).to_list())

    @property
    def all_vectors(self) -> Vectors | None:
        """The vectors of all texts, float32 (n, d), where all were learnt from."""
        return self._vectors if len(self._sample) == self.texts.height else None

    def new_words(self, scored: ChunkedFrame) -> list[str]:
        """What the loudest texts have in common that the scan itself taught; of the texts that were learnt from."""
        if self.adaptation is None:
            return []
        scores = scored.rows(self._sample)
        ranked = scores.sort("log_odds", descending=True)["text_id"]
        loud = ranked.head(min(_LOUDEST, int((scores["log_odds"] > 0).sum())))
        others = ranked.slice(len(loud)).gather_every(max(1, (len(ranked) - len(loud)) // _LOUDEST))
        loudest, quieter = (self.texts.rows(some.to_numpy())["template"].to_list() for some in (loud, others))
        return new_words(self.adaptation, loudest, quieter)

    def _learn(self, watch: Stopwatch, work: Checkpoint | None, progress: Progress | None) -> pl.DataFrame:
        """Fit outliers, adaptation and the reference of p-values on the sample, and score its texts."""
        from forewarn.detectors import fit_outliers

        model, options, texts = self.model, self.options, self.texts.rows(self._sample)
        examples, templates = _written(texts)
        vectors = self._vectors = embed(self.encoder, examples.to_list(), work, progress)
        watch.lap("embed", texts.height)
        people = by_people(texts["example"])
        votes = case_votes(self.cases, vectors, people)
        watch.lap("look up cases", texts.height)
        detectors = options.detectors or (model.detectors if model else ("KNN",))
        baseline = model.baseline if model else None
        if baseline:
            self._outliers = baseline.outliers(detectors, options.seed)
            unusual = self._outliers.score(vectors, templates, in_sample=False)
        elif self.alone:
            # One text is not unusual, nor ordinary, among itself.
            unusual = np.full(texts.height, np.nan)
        else:
            self._outliers = fit_outliers(vectors, templates, self._stand_for, detectors=detectors, seed=options.seed)
            unusual = self._outliers.score(vectors, templates, in_sample=True)
        watch.lap("find outliers", texts.height)
        signals = self._signals(texts, examples, vectors, people, votes, unusual)
        scores = self.numbers.fuse(signals)
        if options.prior is not None and model is None:
            # Without labels nothing says at which share the numbers are right: so many texts are to be crises.
            self.numbers = self.numbers.moved(shift_to(scores["log_odds"].to_numpy(), options.prior))
            scores = self.numbers.fuse(signals)
        before = scores["log_odds"].to_numpy()
        watch.lap("fuse", texts.height)
        if options.adapt:
            strength = model.novelty(vectors, seed=options.seed) if model else 1.0
            self.adaptation = adapt(
                before, vectors, templates, strength=strength, known=None if model else options.prior, seed=options.seed
            )
            if self.adaptation is not None:
                signals = signals.with_columns(adapted=pl.Series(self.adaptation.log_odds))
                scores = self.numbers.fuse(signals)
            watch.lap("adapt", texts.height)
        self._reference = Reference.of(scores, before, self._stand_for, baseline)
        return self._scored(signals, scores, self._reference.own)

    def _others(self, texts: pl.DataFrame, watch: Stopwatch) -> pl.DataFrame:
        """Score texts that are not of the sample."""
        examples, templates = _written(texts)
        vectors = embed(self.encoder, examples.to_list())
        watch.lap("embed", texts.height)
        people = by_people(texts["example"])
        votes = case_votes(self.cases, vectors, people)
        watch.lap("look up cases", texts.height)
        unusual = self._outliers.score(vectors, templates, in_sample=False)
        watch.lap("find outliers", texts.height)
        signals = self._signals(texts, examples, vectors, people, votes, unusual)
        scores = self.numbers.fuse(signals)
        before = scores["log_odds"].to_numpy()
        watch.lap("fuse", texts.height)
        if self.adaptation is not None:
            added = self.adaptation.added(before, vectors, templates)
            signals = signals.with_columns(adapted=pl.Series(added))
            scores = self.numbers.fuse(signals)
            watch.lap("adapt", texts.height)
        return self._scored(signals, scores, self._reference.p_values(scores, before))

    def _signals(
        self,
        texts: pl.DataFrame,
        examples: pl.Series,
        vectors: Vectors,
        people: NDArray[np.bool_],
        votes: Floats,
        unusual: Floats,
    ) -> pl.DataFrame:
        given = {"rules": self._rule_scores[texts["rule_set"].to_numpy()], "outliers": unusual, "cases": votes}
        kinds = self.model.classify(vectors, examples) if self.model else None
        if kinds is not None:
            given["classifier"] = kinds[:, 0]
        elif self.numbers.slopes["classifier"].slope:
            given["classifier"] = crisis_signal(self.encoder.checksum, vectors, people)
        columns = {"text_id": texts["text_id"]} | {name: given.get(name) for name in SIGNALS}
        return pl.DataFrame(columns, schema=SIGNAL_FRAME, nan_to_null=True)

    def _scored(self, signals: pl.DataFrame, scores: pl.DataFrame, p_values: Floats) -> pl.DataFrame:
        scores = scores.with_columns(p_value=pl.Series(p_values))
        interval = self.model.interval(scores, self.numbers.shift) if self.model else None
        if interval:
            scores = scores.with_columns(low=pl.Series(interval[0]), high=pl.Series(interval[1]))
        scored = scores.with_columns(
            *signals.drop("text_id"), past=pl.Series(fusion.past_scores(self.numbers, signals))
        )
        return scored.select(pl.col(name).cast(dtype) for name, dtype in SCORED.items())


def _written(texts: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
    """The examples of texts as they were meant, and the templates of those."""
    examples = plain(texts["example"])
    return examples, templates_of_plain(texts["template"], texts["example"], examples)


@dataclass(frozen=True)
class Reference:
    """What p-values are measured against: records of the baseline, or those that no rule speaks for.

    Those are the ordinary part of the input, and what no rule knows of yet. `known` float64 (m,) their log-odds before
    adaptation and `weights` float64 (m,) how many records each stands for; `scores` and `own` float64 (n,) the log-odds
    of the texts that were learnt from, and their p-values.
    """

    known: Floats
    weights: Floats
    scores: Floats
    own: Floats

    @classmethod
    def of(
        cls, scores: pl.DataFrame, before: Floats, record_weights: NDArray[np.int64], baseline: Baseline | None
    ) -> Reference:
        """By the scores of n texts, their log-odds before adaptation, and `record_weights` int64 (n,) records each."""
        log_odds = scores["log_odds"].to_numpy()
        if baseline:
            known, ordinary, weights = baseline.log_odds, baseline.silent, baseline.texts["count"].to_numpy()
        else:
            known, ordinary, weights = before, (scores["rules_log_odds"] <= 0).to_numpy(), record_weights
        known, weights = known[ordinary], weights[ordinary].astype(np.float64)
        p_values = fusion.conformal_p_values(before, known, weights)
        return cls(known, weights, log_odds, fusion.monotone_p_values(log_odds, p_values))

    def p_values(self, scores: pl.DataFrame, before: Floats) -> Floats:
        """The p-values of k other texts, float64 (k,), whose log-odds were `before` adaptation, float64 (k,).

        Where there is adaptation, that of the next louder text of the sample: so adaptation orders these texts, too,
        and says nothing of how many are raised (`fusion.monotone_p_values`).
        """
        if not (scores["adapted_log_odds"] != 0.0).any():
            return fusion.conformal_p_values(before, self.known, self.weights)
        order = np.argsort(self.scores)
        louder = len(order) - np.searchsorted(self.scores[order], scores["log_odds"].to_numpy(), side="right")
        found: Floats = self.own[order][::-1][louder.clip(max=len(order) - 1)]
        return found


def sample_of(texts: ChunkedFrame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The numbers of the texts to learn from, int64 (m,), ascending, and how many records each stands for, int64 (m,).

    All, where they are at most `HELD`. Else the most frequent, up to a half; the others are evenly spread, and each
    stands for the records of as many texts as there are for one of them.
    """
    counts = texts.array("count")
    if texts.height <= HELD:
        return np.arange(texts.height), counts.astype(np.int64)
    least = np.partition(counts.astype(np.float32), -HELD // 2)[-HELD // 2]
    frequent = np.flatnonzero(counts > least)
    spread = np.linspace(0, texts.height - 1, HELD - len(frequent)).astype(np.int64)
    others = np.setdiff1d(spread, frequent)
    numbers = np.concatenate([frequent, others])
    each = np.ones(len(numbers))
    each[len(frequent) :] = (texts.height - len(frequent)) / len(others)
    order = np.argsort(numbers)
    return numbers[order], np.rint(counts[numbers] * each).astype(np.int64)[order]
