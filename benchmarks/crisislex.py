"""CrisisLexT6: tweets of six crises, scored without a label and with those of the five other events.

In: `crisislex_t6/*.csv`. Out: AUROC, AP, recall at 1 % false positives, ECE of the score and of each of its parts; the
same by share of crisis tweets, before and after adaptation; alerts on the off-topic tweets alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.benchmark import Benchmark, Context, Table, Value
from benchmarks.measures import auroc, average_precision, expected_calibration_error, recall_at
from forewarn.alerting.selection import discovery_limit
from forewarn.detectors import fit_outliers
from forewarn.embeddings import CaseBase, load_encoder
from forewarn.findings import ALERT_LEVELS
from forewarn.frames import SIGNAL_FRAME
from forewarn.grouping.deobfuscation import plain
from forewarn.grouping.machine_texts import by_people
from forewarn.grouping.rule_sets import RuleSets
from forewarn.grouping.templates import mask_of
from forewarn.rules import load_rules
from forewarn.scoring import fusion
from forewarn.scoring.adaptation import adapt
from forewarn.scoring.case_votes import case_votes
from forewarn.scoring.crisis_signal import crisis_signal
from forewarn.scoring.model import Model
from forewarn.training.fit_options import FitOptions
from forewarn.training.fitting import fit

Floats = NDArray[np.float64]
_CRITICAL = np.log(ALERT_LEVELS["critical"] / (1 - ALERT_LEVELS["critical"]))
SHARES = (0.93, 0.8, 0.5, 0.2, 0.1, 0.03, 0.01)


@dataclass(frozen=True)
class Event:
    """One crisis: its tweets, masked and as they were meant, their vectors, labels, each signal, float64 (n,), NaN = no
    opinion."""

    name: str
    texts: pl.Series
    raw: pl.Series
    vectors: NDArray[np.float32]
    crisis: NDArray[np.bool_]
    signals: dict[str, Floats]

    def chosen(self, rows: NDArray[np.int64]) -> Event:
        """The event as if it had only these tweets."""
        signals = {name: values[rows] for name, values in self.signals.items()}
        return Event(
            self.name, self.texts.gather(rows), self.raw.gather(rows), self.vectors[rows], self.crisis[rows], signals
        )

    def fused(self, model: Model | None = None, *, adapted: bool) -> Floats:
        """The log-odds of a scan, without labels or with a model."""
        names = {"text_id": np.arange(len(self.texts), dtype=np.uint32)}
        frame = pl.DataFrame(
            {**names, **{name: self.signals.get(name) for name in SIGNAL_FRAME if name != "text_id"}},
            schema=SIGNAL_FRAME,
            nan_to_null=True,
        )
        numbers = fusion.prior()
        if model is not None:
            numbers = model.fusion
            frame = frame.with_columns(
                pl.col("rules") * numbers.rule_scale,
                classifier=pl.Series(model.classify(self.vectors, self.raw)[:, 0]),
            )
        log_odds = numbers.fuse(frame)["log_odds"].to_numpy()
        strength = 1.0 if model is None or not adapted else model.novelty(self.vectors)
        taught = adapt(log_odds, self.vectors, self.texts, strength=strength) if adapted else None
        return log_odds if taught is None else log_odds + taught.log_odds


def run(context: Context) -> list[Table]:
    """Score every event with and without adaptation."""
    events = _events(context)
    models = {event.name: _model([other for other in events if other is not event]) for event in events}
    return [_parts(events, models), _by_share(events, models), _quiet(events)]


def _model(events: list[Event]) -> Model:
    """A model of five events, each kept whole."""
    texts = pl.concat(
        pl.DataFrame(
            {"text": event.raw, "label": event.crisis.astype(int).astype(str), "group": [event.name] * len(event.raw)}
        )
        for event in events
    )
    return fit(texts, FitOptions(test=0.0))


def _events(context: Context) -> list[Event]:
    encoder, rules = load_encoder("bundled"), load_rules()
    cases = CaseBase.open(None, encoder=encoder)
    made = []
    for file in sorted(context.need("crisislex_t6").glob("*.csv")):
        tweets = pl.read_csv(file, infer_schema=False)
        tweets = tweets.rename({name: name.strip() for name in tweets.columns})
        tweets = tweets.sample(500 if context.quick else 2_000, seed=context.seed, shuffle=True)
        records = tweets.select(text="tweet", raw=pl.lit(None, pl.String))
        written = plain(records["text"])
        texts = mask_of(written)
        vectors = encoder.encode(written.to_list())
        sets = RuleSets()
        number = sets.number(rules.fired(records)).to_numpy()
        outliers = fit_outliers(vectors, texts, np.ones(len(texts), dtype=np.int64))
        signals = {
            "rules": fusion.prior().log_odds_of_sets(sets, rules)[number],
            "cases": case_votes(cases, vectors, by_people(records["text"])),
            "outliers": outliers.score(vectors, texts, in_sample=True),
            "classifier": crisis_signal(encoder.checksum, vectors, by_people(records["text"])),
        }
        crisis = (tweets["label"] == "on-topic").to_numpy()
        made.append(Event(file.name.split("-")[0].replace("_", " "), texts, written, vectors, crisis, signals))
    return made


def _parts(events: list[Event], models: dict[str, Model]) -> Table:
    """The score beside each of its parts, without labels and with those of the five other events."""
    ways: dict[str, Callable[[Event], Floats]] = {
        "rules alone": lambda event: np.nan_to_num(event.signals["rules"]),
        "cases alone": lambda event: np.nan_to_num(event.signals["cases"]),
        "outliers alone": lambda event: event.signals["outliers"],
        "shipped classifier alone": lambda event: np.nan_to_num(event.signals["classifier"]),
        "fused, no labels": lambda event: event.fused(adapted=False),
        "fused and adapted, no labels": lambda event: event.fused(adapted=True),
        "classifier alone, labels of five other events": lambda event: models[event.name].classify(
            event.vectors, event.raw
        )[:, 0],
        "fused, labels of five other events": lambda event: event.fused(models[event.name], adapted=False),
        "fused and adapted, labels of five other events": lambda event: event.fused(models[event.name], adapted=True),
    }
    rows: list[list[Value]] = []
    for name, score in ways.items():
        figures, each = [], []
        for event in events:
            scores = score(event)
            each.append(auroc(event.crisis, scores))
            probability = 1 / (1 + np.exp(-np.clip(scores, -40, 40)))
            figures.append(
                (
                    average_precision(event.crisis, scores),
                    recall_at(event.crisis, scores, 0.01),
                    expected_calibration_error(event.crisis, probability),
                )
            )
        precision, recall, error = np.mean(figures, axis=0)
        calibrated = float(error) if name.startswith("fused") else None
        rows.append([name, float(np.mean(each)), float(precision), float(recall), calibrated, *each])
    columns = ["score", "AUROC", "AP", "recall at 1 % FPR", "ECE", *(event.name for event in events)]
    note = "Mean of six events, 2,000 tweets each; the last columns are the AUROC of each. The packs were written by "
    note += "people who know of the six crises, without looking at these tweets."
    return Table("No label of the event itself", columns, rows, note)


def _by_share(events: list[Event], models: dict[str, Model]) -> Table:
    rows: list[list[Value]] = []
    for labels, share in [(labels, share) for labels in ("none", "five other events") for share in SHARES]:
        figures = []
        for event in events:
            drawn = event.chosen(_drawn(event.crisis, share))
            for adapted in (False, True):
                scores = drawn.fused(None if labels == "none" else models[event.name], adapted=adapted)
                figures.append(
                    (
                        auroc(drawn.crisis, scores),
                        average_precision(drawn.crisis, scores),
                        recall_at(drawn.crisis, scores, 0.01),
                    )
                )
        before, after = np.mean(figures[::2], axis=0), np.mean(figures[1::2], axis=0)
        rows.append([labels, share, *(float(v) for pair in zip(before, after, strict=True) for v in pair)])
    columns = [
        "labels",
        "share of crisis tweets",
        "AUROC before",
        "after",
        "AP before",
        "after",
        "recall before",
        "after",
    ]
    return Table("Adaptation by share of crisis tweets, mean of six events", columns, rows)


def _drawn(crisis: NDArray[np.bool_], share: float) -> NDArray[np.int64]:
    """Rows of which `share` are crisis, as many as there are."""
    chance = np.random.default_rng(0)
    positive, negative = chance.permutation(np.flatnonzero(crisis)), chance.permutation(np.flatnonzero(~crisis))
    if share >= len(positive) / (len(positive) + len(negative)):
        negative = negative[: round(len(positive) * (1 - share) / share)]
    else:
        positive = positive[: max(1, round(len(negative) * share / (1 - share)))]
    return np.sort(np.concatenate([positive, negative]))


def _quiet(events: list[Event]) -> Table:
    """Off-topic tweets alone: nothing should be raised."""
    rows: list[list[Value]] = []
    for event in events:
        quiet = event.chosen(np.flatnonzero(~event.crisis))
        row: list[Value] = [event.name, len(quiet.texts)]
        plain = quiet.fused(adapted=False)
        ordinary = np.isnan(quiet.signals["rules"])
        measured = fusion.conformal_p_values(plain, plain[ordinary], np.ones(int(ordinary.sum())))
        for adapted in (False, True):
            scores = quiet.fused(adapted=True) if adapted else plain
            p_values = fusion.monotone_p_values(scores, measured)
            limit = discovery_limit([pl.Series(p_values)], 0.05)
            row += [int((p_values <= limit).sum()), int((scores > _CRITICAL).sum())]
        rows.append(row)
    columns = ["off-topic tweets of", "tweets", "raised at FDR .05", "critical", "adapted: raised", "critical"]
    return Table("A quiet stream", columns, rows)


BENCHMARK = Benchmark(
    "crisislex", "Tweets of six crises, with no label of the one that is scored", ("crisislex_t6",), run, beside=True
)
