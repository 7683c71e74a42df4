"""Streams in which nothing happens: how often the e-detector warns of them, and what a text costs.

In: a seed. Out: streams of exchangeable texts (scores, kinds, hashes, times), and the tables. No data is needed.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.benchmark import Context, Table, Value
from forewarn.options import Promise
from forewarn.warning import detector_kernel as surge_kernel
from forewarn.warning.detector import Stream, run

TEXTS = 20_000
RATES = (100_000, 10_000)
_MINUTE = 60_000_000
Scores = Callable[[np.random.Generator, NDArray[np.int64]], NDArray[np.float64]]
DRAWN: dict[str, Scores] = {
    "normal": lambda chance, kinds: chance.normal(size=len(kinds)),
    "log-odds, normal(-4, 2.5)": lambda chance, kinds: chance.normal(-4, 2.5, len(kinds)),
    "Pareto (1.5)": lambda chance, kinds: chance.pareto(1.5, size=len(kinds)),
    "five values": lambda chance, kinds: chance.integers(0, 5, len(kinds)).astype(float),
    "one in 500 loud": lambda chance, kinds: (chance.random(len(kinds)) < 0.002) * 8.0 - 4.0,
    "always the same": lambda chance, kinds: np.zeros(len(kinds)),
    "a log: each kind its score": lambda chance, kinds: np.round(chance.normal(-4, 2.5, kinds.max() + 1), 3)[kinds],
}
"""Scores of n texts of given kinds, float64 (n,)."""


def quiet(name: str, chance: np.random.Generator, *, working_hours: bool, texts: int = TEXTS) -> pl.DataFrame:
    """Exchangeable texts, one a minute: around the clock, or in the eight working hours of five days.

    Some kinds are frequent, most are rare, and new ones keep coming (Zipf's law).
    """
    kinds = np.minimum(chance.zipf(1.3, texts), 50_000)
    minutes = np.arange(texts)
    if working_hours:
        day, minute = minutes // 480, minutes % 480
        minutes = (day // 5 * 7 + day % 5) * 1440 + 540 + minute
    return pl.DataFrame(
        {
            "score": DRAWN[name](chance, kinds),
            "key": chance.integers(0, 2**63, texts).astype(np.uint64),
            "kind": pl.Series(kinds).hash(seed=0),
            "clock": minutes * _MINUTE,
        }
    )


def false_warnings(records: pl.DataFrame, texts: float) -> int:
    """Warnings of a stream in which nothing happens, at one in `texts`."""
    return int((run(Stream(), records, Promise(texts))[1] == surge_kernel.RAISED).sum())


def simulated(context: Context) -> list[Table]:
    """False warnings by distribution, and the cost of a text."""
    chance = np.random.default_rng(context.seed)
    streams = 40 if context.quick else 400
    rows: list[list[Value]] = []
    for name in DRAWN:
        false = dict.fromkeys(RATES, 0)
        for number in range(streams):
            records = quiet(name, chance, working_hours=number % 2 == 1)
            for rate in RATES:
                false[rate] += false_warnings(records, rate)
        rows += [[name, streams, rate, TEXTS / rate, false[rate] / streams] for rate in RATES]
    columns = ["scores", "streams", "one false in", "promised a stream", "false a stream"]
    note = "Every other stream has only working hours, so that after four weeks its reference is the hour of the week."
    return [Table("Simulated exchangeable streams of 20,000 texts", columns, rows, note), _cost()]


def _cost() -> Table:
    texts = 1_000_000
    records = quiet("normal", np.random.default_rng(0), working_hours=False, texts=texts)
    run(Stream(), records.head(1_000), Promise())
    began = time.process_time()
    run(Stream(), records, Promise())
    return Table("Cost", ["texts", "microseconds a text"], [[texts, (time.process_time() - began) * 1e6 / texts]])
