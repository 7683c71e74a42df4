"""Early warning: minutes and tweets from the true beginning of three sudden crises to the first warning.

In: `crisislex_t6/*.csv`. Out: the e-detector with a model of the five other events and without labels, beside CUSUM,
Page-Hinkley, ADWIN, Kleinberg's bursts and a plain count, each at the least threshold that keeps the same rate of false
warnings on off-topic tweets; the promise on simulated streams; the cost of a text. A chart of the detector over time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.benchmark import ROOT, Benchmark, Context, Table, Value
from benchmarks.burst_detectors import GRID, MINUTE, OTHERS, Alarms, Floats, prepared
from benchmarks.simulated_streams import RATES, simulated
from forewarn.embeddings import CaseBase, Encoder, load_encoder
from forewarn.frames import SIGNAL_FRAME
from forewarn.grouping.deobfuscation import plain
from forewarn.grouping.machine_texts import by_people
from forewarn.grouping.rule_sets import RuleSets
from forewarn.grouping.templates import mask_of, plain_words
from forewarn.options import Promise
from forewarn.rules import load_rules
from forewarn.scoring import fusion
from forewarn.scoring.case_votes import case_votes
from forewarn.scoring.crisis_signal import crisis_signal
from forewarn.scoring.model import Model
from forewarn.training.fit_options import FitOptions
from forewarn.training.fitting import fit
from forewarn.warning import detector_kernel as surge_kernel
from forewarn.warning.detector import Stream, run

ONSETS = {
    "2013_Boston_Bombings": datetime(2013, 4, 15, 18, 49, tzinfo=UTC),
    "2013_West_Texas_Explosion": datetime(2013, 4, 18, 0, 50, tzinfo=UTC),
    "2013_Oklahoma_Tornado": datetime(2013, 5, 20, 19, 56, tzinfo=UTC),
}
LABELS = ("five other events", "none")
_TWITTER = 1_288_834_974_657
"""Milliseconds since 1970 from which tweet ids count."""
_ORDERS = 4
"""Random orders of the off-topic tweets on which the others are tuned."""


@dataclass(frozen=True)
class Event:
    """The tweets of one event in order of time, n of them: microseconds, hashes, labels, scores by kind of labels."""

    name: str
    clock: NDArray[np.int64]
    key: NDArray[np.uint64]
    kind: NDArray[np.uint64]
    crisis: NDArray[np.bool_]
    scores: dict[str, Floats]
    floors: dict[str, float]

    def records(self, labels: str) -> pl.DataFrame:
        """What a stream is fed, and above which `floor` its texts are alarming by themselves."""
        columns = {"score": self.scores[labels], "key": self.key, "kind": self.kind, "clock": self.clock}
        return pl.DataFrame(columns).with_columns(floor=pl.lit(self.floors[labels]))


class Remembering:
    """An encoder that embeds every text once."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._known: dict[str, NDArray[np.float32]] = {}
        self.name, self.dimension, self.checksum = encoder.name, encoder.dimension, encoder.checksum

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """As the encoder does."""
        new = list(dict.fromkeys(text for text in texts if text not in self._known))
        if new:
            self._known.update(zip(new, self._encoder.encode(new), strict=True))
        return np.stack([self._known[text] for text in texts])


def events(context: Context) -> list[Event]:
    """The six events, scored with no hindsight: by what was known before, and by labels of the five others."""
    encoder: Encoder = Remembering(load_encoder("bundled"))
    rules, cases = load_rules(), CaseBase.open(None, encoder=encoder)
    tweets, samples = {}, {}
    for file in sorted(context.need("crisislex_t6").glob("*.csv")):
        name = file.name.split("-")[0]
        read = pl.read_csv(file, infer_schema=False)
        read = read.rename({column: column.strip() for column in read.columns})
        samples[name] = read.sample(500 if context.quick else 2_000, seed=context.seed, shuffle=True)
        ids = pl.col("tweet id").str.strip_chars("'").cast(pl.Int64)
        tweets[name] = read.with_columns(clock=(ids // (1 << 22) + _TWITTER) * 1_000, id=ids).sort("id")
    found = []
    with patch("forewarn.embeddings.load_encoder", return_value=encoder):
        for name, read in tweets.items():
            model = _model({other: sample for other, sample in samples.items() if other != name})
            records = read.select(text="tweet", raw=pl.lit(None, pl.String))
            written = plain(records["text"])
            vectors = encoder.encode(written.to_list())
            sets = RuleSets()
            number = sets.number(rules.fired(records)).to_numpy()
            cased = case_votes(cases, vectors, by_people(records["text"]))
            scores, floors = {}, {}
            for labels in LABELS:
                numbers = model.fusion if labels != "none" else fusion.prior()
                signals = {"rules": numbers.log_odds_of_sets(sets, rules)[number], "cases": cased}
                signals["classifier"] = (
                    model.classify(vectors, written)[:, 0]
                    if labels != "none"
                    else crisis_signal(encoder.checksum, vectors, by_people(records["text"]))
                )
                scores[labels], floors[labels] = fusion.past_scores(numbers, _frame(signals)), numbers.base
            found.append(
                Event(
                    name,
                    read["clock"].to_numpy(),
                    read["tweet"].hash(seed=0).to_numpy(),
                    kinds_of(read["tweet"]).to_numpy(),
                    (read["label"] == "on-topic").to_numpy(),
                    scores,
                    floors,
                )
            )
    return found


def _model(samples: dict[str, pl.DataFrame]) -> Model:
    texts = pl.concat(
        sample.select(
            text="tweet",
            label=(pl.col("label") == "on-topic").cast(pl.Int8).cast(pl.String),
            group=pl.lit(name),
        )
        for name, sample in samples.items()
    )
    return fit(texts, FitOptions(test=0.0))


def _frame(signals: dict[str, Floats]) -> pl.DataFrame:
    columns = {"text_id": np.arange(len(signals["rules"]), dtype=np.uint32)} | {
        name: signals.get(name) for name in SIGNAL_FRAME if name != "text_id"
    }
    return pl.DataFrame(columns, schema=SIGNAL_FRAME, nan_to_null=True)


def detector(records: pl.DataFrame, texts: float) -> Alarms:
    """The e-detector at one false warning in `texts`."""
    codes = run(Stream(), records, Promise(texts), floor=_floor(records))[1]
    return np.flatnonzero(codes == surge_kernel.RAISED).tolist()


def _floor(records: pl.DataFrame) -> float:
    return float(records["floor"][0])


def kinds_of(texts: pl.Series) -> pl.Series:
    """The hash of each text's kind, UInt64 (n,), as a scan has it."""
    return mask_of(texts).to_frame("template").select(plain_words(pl.col("template")).hash(seed=0)).to_series()


def quiet_streams(found: list[Event], labels: str, orders: int) -> list[pl.DataFrame]:
    """The off-topic tweets of all events as one stream, one a minute, in random orders: only chance changes it."""
    parts = [event.records(labels).filter(pl.Series(~event.crisis)) for event in found]
    rows = pl.concat(parts).sort("clock", maintain_order=True)
    made = []
    for seed in range(orders):
        order = np.random.default_rng(seed).permutation(rows.height)
        minutes = pl.int_range(rows.height, dtype=pl.Int64) * MINUTE
        made.append(prepared(rows[order].with_columns(clock=minutes)))
    return made


def run_benchmark(context: Context) -> list[Table]:
    """Every table."""
    found = events(context)
    sudden = [event for event in found if event.name in ONSETS]
    rows: list[list[Value]] = []
    quiet: list[list[Value]] = []
    for labels in LABELS:
        streams = quiet_streams(found, labels, 1 if context.quick else _ORDERS)
        texts = sum(stream.height for stream in streams)
        rows += [_row("e-detector", labels, rate, sudden, detector, rate) for rate in RATES]
        for name, method in OTHERS.items():
            alarms = {at: sum(len(method(stream, at)) for stream in streams) for at in GRID[name]}
            for rate in RATES:
                kept = [at for at, count in alarms.items() if count <= texts / rate]
                if kept:
                    rows.append(_row(name, labels, rate, sudden, method, min(kept)))
                else:
                    rows.append([name, labels, rate, *[None] * 12])
        in_time = pl.concat([event.records(labels).filter(pl.Series(~event.crisis)) for event in found]).sort("clock")
        for rate in RATES:
            each = [len(detector(stream, rate)) for stream in streams]
            quiet.append(
                [labels, rate, streams[0].height, float(np.mean(each)), max(each), len(detector(in_time, rate))]
            )
    draw(sudden, ROOT.parent / "docs" / "early-warning.svg")
    names = [event.name[5:].replace("_", " ") for event in sudden]
    columns = ["detector", "labels", "one false in", "false before", "minutes, mean", "tweets, mean"]
    for name in names:
        columns += [f"{name}: minutes", "on-topic tweets", "onset off by, minutes"]
    note = (
        "From the true onset to the first warning after it; on-topic tweets up to and with the one that raised it. The "
    )
    note += (
        "others at the least threshold that keeps the rate on off-topic tweets in random order. The detector's bets "
    )
    note += "and least reference were chosen on these events."
    about = (
        "In random order nothing changes but chance; in order of time the off-topic tweets are also full of the six "
    )
    about += "crises (courthouse evacuated by a bomb threat, hurricane warnings), and most warnings there are of these."
    return [
        Table("Three sudden crises", columns, rows, note),
        Table(
            "Off-topic tweets of all six events as one stream",
            ["labels", "one false in", "tweets", "false in random order, mean", "most", "warnings in order of time"],
            quiet,
            about,
        ),
        *simulated(context),
    ]


def _row(
    name: str,
    labels: str,
    rate: int,
    sudden: list[Event],
    method: Callable[[pl.DataFrame, float], Alarms],
    threshold: float,
) -> list[Value]:
    false, cells, minutes, tweets = 0, list[Value](), list[float](), list[int]()
    for event in sudden:
        onset = int(ONSETS[event.name].timestamp() * 1e6)
        records = prepared(event.records(labels))
        alarms = method(records, threshold)
        false += sum(event.clock[at] < onset for at in alarms)
        first = next((at for at in alarms if event.clock[at] >= onset), None)
        if first is None:
            cells += [None, None, None]
            continue
        minutes.append(float(event.clock[first] - onset) / MINUTE)
        tweets.append(int((event.crisis & (event.clock >= onset))[: first + 1].sum()))
        off = _onset(records, rate, first, onset) if name == "e-detector" else None
        cells += [minutes[-1], tweets[-1], off]
    missed = len(minutes) < len(sudden)
    means: list[Value] = [None, None] if missed else [float(np.mean(minutes)), float(np.mean(tweets))]
    return [name, labels, rate, int(false), *means, *cells]


def _onset(records: pl.DataFrame, rate: float, raised: int, onset: int) -> float:
    """Minutes from the true onset to the estimated one."""
    _, codes, onsets = run(Stream(), records[: raised + 1], Promise(rate), floor=_floor(records))
    counted_ = np.flatnonzero(codes != surge_kernel.REPEATED)
    began = counted_[len(counted_) - 1 - onsets[raised][0]]
    return (int(records["clock"][int(began)]) - onset) / MINUTE


def draw(sudden: list[Event], path: Path) -> None:
    """The detector over the hours around each onset, as SVG."""
    import altair as alt

    charts = []
    for event in sudden:
        onset = int(ONSETS[event.name].timestamp() * 1e6)
        hours = (event.clock - onset) / (60 * MINUTE)
        near = (hours > -6) & (hours < 2)
        values = run(Stream(), event.records(LABELS[0]), Promise(100_000))[0]
        shown = np.stack([hours[near], np.maximum(values[near], 0.1)], axis=1)
        curve = _drawable([{"hours": float(hour), "M": float(value)} for hour, value in shown])
        line = (
            alt.Chart(curve)
            .mark_line(interpolate="step-after", color="#b03030")
            .encode(
                x=alt.X("hours:Q", title="hours from the true onset", scale=alt.Scale(domain=[-6, 2])),
                y=alt.Y("M:Q", scale=alt.Scale(type="log", domain=[0.1, 1e6]), title="detector"),
            )
        )
        limits = alt.Chart(_drawable([{"M": 1e4}, {"M": 1e5}])).mark_rule(strokeDash=[4, 3]).encode(y="M:Q")
        begin = alt.Chart(_drawable([{"hours": 0.0}])).mark_rule(color="#3060b0").encode(x="hours:Q")
        title = event.name[5:].replace("_", " ")
        charts.append((line + limits + begin).properties(width=260, height=170, title=title))
    alt.hconcat(*charts).save(str(path))


def _drawable(rows: list[dict[str, float]]) -> Any:
    import altair as alt

    return alt.Data(values=rows)


BENCHMARK = Benchmark(
    "early_warning", "Minutes from the start of a crisis to the warning", ("crisislex_t6",), run_benchmark, beside=True
)
