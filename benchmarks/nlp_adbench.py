"""NLP-ADBench's protocol: what is normal is learnt from normal texts alone, and the rest is told apart.

In: the two sets of `tad_bench/` that are also in NLP-ADBench (Li et al. 2024, arXiv 2412.04784). Out: AUROC on 30 % of
the normal texts and all anomalies, after fitting on the other 70 %; mean and extremes of several random splits. No text
of the test part is used in fitting.
"""

from __future__ import annotations

from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from benchmarks.benchmark import Benchmark, Context, Table, Value
from benchmarks.measures import auroc
from benchmarks.tad_bench import SETS, read
from forewarn.detectors import fit_outliers
from forewarn.embeddings import load_encoder

Floats = NDArray[np.float64]
PUBLISHED = {"EmailSpam": 0.9697, "SMSSpam": 0.9398}
"""The best of the published table (DATE, on both)."""
_TRAINED = 0.7
_SPLITS = 3
_PEERS = ("KNN", "LOF", "ECOD")


def run(context: Context) -> list[Table]:
    """Fit on normals, score the rest, split by split."""
    encoder = load_encoder("bundled", cache=True)
    figures: dict[str, dict[str, list[float]]] = {}
    for name in PUBLISHED:
        one = read(context, name, SETS[name])
        vectors = encoder.encode(one.texts.to_list())
        for split in range(1 if context.quick else _SPLITS):
            normal = np.random.default_rng(context.seed + split).permutation(np.flatnonzero(~one.anomaly))
            taught = np.sort(normal[: round(len(normal) * _TRAINED)])
            asked = np.setdiff1d(np.arange(len(one.texts)), taught)
            seen, texts = one.texts.gather(taught), one.texts.gather(asked)
            outliers = fit_outliers(vectors[taught], seen, np.ones(len(taught), dtype=np.int64), seed=context.seed)
            words, pairs, characters = outliers.views_of_wording(texts, in_sample=False)
            scores: dict[str, Floats] = {
                "outliers": outliers.score(vectors[asked], texts, in_sample=False),
                "outliers: meaning alone": -outliers.meaning(vectors[asked], in_sample=False),
                "outliers: words alone": -words,
                "outliers: word pairs alone": -pairs,
                "outliers: characters alone": -characters,
                **{f"peer: bundled encoder + PyOD's {peer}": _peer(peer, vectors, taught, asked) for peer in _PEERS},
            }
            for way, values in scores.items():
                figures.setdefault(way, {}).setdefault(name, []).append(auroc(one.anomaly[asked], values))
    rows: list[list[Value]] = [["published best (DATE)", *[v for best in PUBLISHED.values() for v in (best, None)]]]
    for way, of_sets in figures.items():
        rows.append(
            [way, *[v for name in PUBLISHED for v in (float(np.mean(of_sets[name])), float(np.min(of_sets[name])))]]
        )
    columns = ["score", *[column for name in PUBLISHED for column in (name, f"{name}, worst split")]]
    note = (
        f"AUROC, mean of {_SPLITS} random splits. The files are TAD-Bench's, with fewer anomalies than NLP-ADBench's."
    )
    return [Table("Fitted on 70 % of the normal texts", columns, rows, note)]


def _peer(name: str, vectors: NDArray[np.float32], taught: NDArray[np.int64], asked: NDArray[np.int64]) -> Floats:
    from sklearn.preprocessing import StandardScaler

    scale = StandardScaler().fit(vectors[taught])
    detector = getattr(import_module(f"pyod.models.{name.lower()}"), name)().fit(scale.transform(vectors[taught]))
    scored: Floats = detector.decision_function(scale.transform(vectors[asked]))
    return scored


BENCHMARK = Benchmark(
    "nlp_adbench",
    "Spam among messages, taught by normal messages alone",
    ("tad_bench/email_spam.csv", "tad_bench/smsspam.csv"),
    run,
    beside=True,
)
