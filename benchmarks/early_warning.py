"""Early warning: minutes and tweets from the true beginning of three sudden crises to the first warning.

In: `crisislex_t6/*.csv`. Out: the e-detector with a model of the five other events and without labels, beside CUSUM,
Page-Hinkley, ADWIN, Kleinberg's bursts and a plain count, each at the least threshold that keeps the same rate of false
warnings on off-topic tweets; the promise on simulated streams; the cost of a text. A chart of the detector over time.
"""

from __future__ import annotations

import time
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
from forewarn import fusion, surge_kernel
from forewarn.early import past_scores
from forewarn.embeddings import CaseBase, Encoder, load_encoder
from forewarn.fitting import FitOptions, fit
from forewarn.frames import SIGNAL_FRAME
from forewarn.model import Model
from forewarn.rule_sets import RuleSets
from forewarn.rules import load_rules
from forewarn.spelling import plain
from forewarn.surge import Promise, Stream, run
from forewarn.texts import mask_of

Floats = NDArray[np.float64]
Alarms = list[int]
ONSETS = {
    "2013_Boston_Bombings": datetime(2013, 4, 15, 18, 49, tzinfo=UTC),
    "2013_West_Texas_Explosion": datetime(2013, 4, 18, 0, 50, tzinfo=UTC),
    "2013_Oklahoma_Tornado": datetime(2013, 5, 20, 19, 56, tzinfo=UTC),
}
RATES = (100_000, 10_000)
LABELS = ("five other events", "none")
_TWITTER = 1_288_834_974_657
"""Milliseconds since 1970 from which tweet ids count."""
_ORDERS = 4
"""Random orders of the off-topic tweets on which the others are tuned."""
_MINUTE = 60_000_000


@dataclass(frozen=True)
class Event:
    """The tweets of one event in order of time, n of them: microseconds, hashes, labels, scores by kind of labels."""

    name: str
    clock: NDArray[np.int64]
    key: NDArray[np.uint64]
    kind: NDArray[np.uint64]
    crisis: NDArray[np.bool_]
    scores: dict[str, Floats]

    def records(self, labels: str) -> pl.DataFrame:
        """What a stream is fed."""
        return pl.DataFrame({"score": self.scores[labels], "key": self.key, "kind": self.kind, "clock": self.clock})


def prepared(records: pl.DataFrame) -> pl.DataFrame:
    """Records with what the other detectors look at."""
    scores = records["score"].to_numpy()
    return records.with_columns(standardised=pl.Series(_standardised(scores)), loud=pl.Series(_loud(scores)))


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
            number = sets.number(rules.match(records), records.height).to_numpy()
            cased = cases.vote(vectors)
            scores = {}
            for labels in LABELS:
                numbers = model.fusion if labels != "none" else fusion.prior()
                signals = {"rules": sets.log_odds(rules, numbers)[number], "cases": cased}
                if labels != "none":
                    signals["classifier"] = model.classify(vectors, written)[:, 0]
                scores[labels] = past_scores(numbers, _frame(signals))
            found.append(
                Event(
                    name,
                    read["clock"].to_numpy(),
                    read["tweet"].hash(seed=0).to_numpy(),
                    mask_of(read["tweet"]).hash(seed=0).to_numpy(),
                    (read["label"] == "on-topic").to_numpy(),
                    scores,
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
    codes = run(Stream(), records, Promise(texts))[1]
    return np.flatnonzero(codes == surge_kernel.RAISED).tolist()


def cusum(records: pl.DataFrame, threshold: float) -> Alarms:
    """Page 1954 on log-odds, standardised by all the past, with an allowance of half a deviation."""
    total, alarms = 0.0, []
    for at, z in enumerate(records["standardised"].to_list()):
        total = max(0.0, total + z - 0.5)
        if total > threshold:
            alarms.append(at)
            total = 0.0
    return alarms


def page_hinkley(records: pl.DataFrame, threshold: float) -> Alarms:
    """`river.drift.PageHinkley`, upwards."""
    from river.drift import PageHinkley

    return _river(PageHinkley(threshold=threshold, mode="up"), records)


def adwin(records: pl.DataFrame, threshold: float) -> Alarms:
    """`river.drift.ADWIN` (Bifet & Gavalda 2007); `threshold` is 1 / delta."""
    from river.drift import ADWIN

    return _river(ADWIN(delta=1 / threshold), records)


def _river(found: object, records: pl.DataFrame) -> Alarms:
    alarms = []
    for at, z in enumerate(records["standardised"].to_list()):
        found.update(z)  # type: ignore[attr-defined]
        if found.drift_detected:  # type: ignore[attr-defined]
            alarms.append(at)
    return alarms


def kleinberg(records: pl.DataFrame, threshold: float) -> Alarms:
    """Kleinberg 2002, online, on the gaps between loud texts: when the burst state is ahead by `threshold` nats.

    There are two states; in the burst state loud texts come five times as often as in all the past.
    """
    ahead, alarms, count, last = 0.0, [], 0, None
    clock = records["clock"].to_numpy() / _MINUTE
    for at in np.flatnonzero(records["loud"].to_numpy()):
        if last is not None and count > 5:
            rate = count / max(clock[at] - clock[0], 1.0)
            ahead = max(0.0, ahead + np.log(5.0) - 4.0 * rate * (clock[at] - last))
            if ahead > threshold:
                alarms.append(int(at))
                ahead = 0.0
        count, last = count + 1, clock[at]
    return alarms


def counted(records: pl.DataFrame, threshold: float) -> Alarms:
    """So many loud texts in an hour."""
    clock, alarms, recent = records["clock"].to_numpy() / _MINUTE, [], list[float]()
    for at in np.flatnonzero(records["loud"].to_numpy()):
        recent = [when for when in recent if when > clock[at] - 60] + [clock[at]]
        if len(recent) > threshold:
            alarms.append(int(at))
            recent = []
    return alarms


def _standardised(scores: Floats) -> Floats:
    """Each score by the mean and deviation of those before it; 0 for the first hundred."""
    count = np.arange(1, len(scores) + 1)
    mean = np.cumsum(scores) / count
    deviation = np.sqrt(np.maximum(np.cumsum(scores**2) / count - mean**2, 1e-6))
    out = np.zeros(len(scores))
    out[100:] = (scores[100:] - mean[99:-1]) / deviation[99:-1]
    return out


def _loud(scores: Floats) -> NDArray[np.bool_]:
    """Whether a score is among the loudest 2 % of the (up to) thousand before it."""
    out = np.zeros(len(scores), dtype=bool)
    for at in range(100, len(scores)):
        out[at] = scores[at] > np.quantile(scores[max(0, at - 1_000) : at], 0.98)
    return out


OTHERS: dict[str, Callable[[pl.DataFrame, float], Alarms]] = {
    "CUSUM": cusum,
    "Page-Hinkley (river)": page_hinkley,
    "ADWIN (river)": adwin,
    "Kleinberg bursts": kleinberg,
    "count in an hour": counted,
}
_GRID = {
    "CUSUM": np.geomspace(2, 200, 16),
    "Page-Hinkley (river)": np.geomspace(2, 2_000, 16),
    "ADWIN (river)": np.geomspace(10, 1e12, 12),
    "Kleinberg bursts": np.geomspace(1, 60, 14),
    "count in an hour": np.arange(2, 30, dtype=float),
}


def quiet_streams(found: list[Event], labels: str, orders: int) -> list[pl.DataFrame]:
    """The off-topic tweets of all events as one stream, one a minute, in random orders: only chance changes it."""
    parts = [event.records(labels).filter(pl.Series(~event.crisis)) for event in found]
    rows = pl.concat(parts).sort("clock", maintain_order=True)
    made = []
    for seed in range(orders):
        order = np.random.default_rng(seed).permutation(rows.height)
        minutes = pl.int_range(rows.height, dtype=pl.Int64) * _MINUTE
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
            alarms = {at: sum(len(method(stream, at)) for stream in streams) for at in _GRID[name]}
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
        _simulated(40 if context.quick else 400),
        _cost(),
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
        minutes.append(float(event.clock[first] - onset) / _MINUTE)
        tweets.append(int((event.crisis & (event.clock >= onset))[: first + 1].sum()))
        off = _onset(records, rate, first, onset) if name == "e-detector" else None
        cells += [minutes[-1], tweets[-1], off]
    missed = len(minutes) < len(sudden)
    means: list[Value] = [None, None] if missed else [float(np.mean(minutes)), float(np.mean(tweets))]
    return [name, labels, rate, int(false), *means, *cells]


def _onset(records: pl.DataFrame, rate: float, raised: int, onset: int) -> float:
    """Minutes from the true onset to the estimated one."""
    _, codes, onsets = run(Stream(), records[: raised + 1], Promise(rate))
    counted_ = np.flatnonzero(codes != surge_kernel.REPEATED)
    began = counted_[len(counted_) - 1 - onsets[raised][0]]
    return (int(records["clock"][int(began)]) - onset) / _MINUTE


DRAWN: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "normal": lambda chance, count: chance.normal(size=count),
    "log-odds, normal(-4, 2.5)": lambda chance, count: chance.normal(-4, 2.5, count),
    "Pareto (1.5)": lambda chance, count: chance.pareto(1.5, size=count),
    "five values": lambda chance, count: chance.integers(0, 5, count).astype(float),
    "one in 500 loud": lambda chance, count: (chance.random(count) < 0.002) * 8.0 - 4.0,
}


def _simulated(streams: int) -> Table:
    chance = np.random.default_rng(0)
    texts = 20_000
    rows: list[list[Value]] = []
    for name, draw_scores in DRAWN.items():
        false = dict.fromkeys(RATES, 0)
        for _ in range(streams):
            scores = draw_scores(chance, texts)
            keys = chance.integers(0, 2**63, texts).astype(np.uint64)
            records = pl.DataFrame({"score": scores, "key": keys, "clock": np.arange(texts)})
            for rate in RATES:
                false[rate] += len(detector(records, rate))
        rows += [[name, streams, rate, texts / rate, false[rate] / streams] for rate in RATES]
    columns = ["scores", "streams", "one false in", "promised a stream", "false a stream"]
    return Table("Simulated exchangeable streams of 20,000 texts", columns, rows)


def _cost() -> Table:
    chance = np.random.default_rng(0)
    texts = 1_000_000
    records = pl.DataFrame(
        {
            "score": chance.normal(size=texts),
            "key": chance.integers(0, 2**63, texts).astype(np.uint64),
            "clock": np.arange(texts),
        }
    )
    run(Stream(), records.head(1_000), Promise())
    began = time.perf_counter()
    run(Stream(), records, Promise())
    return Table("Cost", ["texts", "microseconds a text"], [[texts, (time.perf_counter() - began) * 1e6 / texts]])


def draw(sudden: list[Event], path: Path) -> None:
    """The detector over the hours around each onset, as SVG."""
    import altair as alt

    charts = []
    for event in sudden:
        onset = int(ONSETS[event.name].timestamp() * 1e6)
        hours = (event.clock - onset) / (60 * _MINUTE)
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
