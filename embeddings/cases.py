"""The case base: labelled past texts, and the nearest of them to a new one.

In: cases (shipped, or a folder), an encoder. Out: the k nearest cases of each vector, and a vote between crises and
ordinary texts. A case is matched by its title and by its text, each embedded; the better of the two counts. Beside the
past crises, which have a title and an outcome, stand the words in which people tell of one as it begins: they vote, and
are never shown as a similar crisis.
"""

from __future__ import annotations

import hashlib
import os
from importlib import resources
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from platformdirs import user_cache_path

from forewarn.embeddings.encoder import Encoder
from forewarn.errors import CaseBaseError

CASES: dict[str, pl.DataType] = {
    "id": pl.String(),
    "time": pl.String(),
    "title": pl.String(),
    "title_zh": pl.String(),
    "text": pl.String(),
    "category": pl.String(),
    "language": pl.String(),
    "outcome": pl.String(),
    "source": pl.String(),
    "label": pl.Int8(),
}
"""One row for each case: `time` ISO 8601, as precise as it is known, or null; `label` 1 = crisis, 0 = ordinary."""

NEAR = 0.15
"""Cosine below which no text is near: two texts of the bundled encoder on different subjects are at .2."""
_SHARPNESS = 0.1
"""The cosine that multiplies a voter's weight by e."""
_VOTERS = 256
_SIDES = ("past", "signs", "ordinary")
Floats = NDArray[np.float32]


class CaseBase:
    """Labelled past texts and their vectors.

    `cases` a frame of n cases (`CASES`); `vectors` float32 (m, d), unit length; `owner` int64 (m,), the case that each
    vector belongs to.
    """

    def __init__(self, cases: pl.DataFrame, vectors: Floats, owner: NDArray[np.int64]) -> None:
        import faiss

        self.cases = cases
        self._owner = owner
        crisis = cases["label"].to_numpy() == 1 if cases.height else np.empty(0, dtype=bool)
        titled = cases["title"].is_not_null().to_numpy() if cases.height else crisis
        self._indexes = {}
        for side, members in zip(_SIDES, (crisis & titled, crisis & ~titled, ~crisis), strict=True):
            own = members[owner]
            index = faiss.IndexFlatIP(vectors.shape[1])
            index.add(np.ascontiguousarray(vectors[own]))
            self._indexes[side] = (index, owner[own])

    @classmethod
    def open(cls, path: Path | None, *, encoder: Encoder) -> CaseBase:
        """The case base of a folder, or the shipped one (None). Raises CaseBaseError."""
        folder = Path(str(resources.files("forewarn.embeddings"))) if path is None else path
        files = [folder / name for name in ("shipped_cases.jsonl", "first_signs.jsonl", "ordinary_texts.jsonl")]
        if not files[0].is_file():
            raise CaseBaseError(
                "is no case base", path=folder, remedy="Name a folder that `forewarn cases build` wrote."
            )
        cases = _read(files)
        texts, owner = _embedded_texts(cases)
        return cls(cases, _vectors(texts, encoder), owner)

    def search(self, vectors: Floats, k: int) -> tuple[Floats, NDArray[np.int64]]:
        """The k nearest past crises of each of n vectors: cosines float32 (n, k) and rows of `cases` int64 (n, k).

        A case is found once, by the better of its title and its text. Where there are fewer than k, the row is -1 and
        the cosine -1.
        """
        index, owner = self._indexes["past"]
        similarity = np.full((len(vectors), k), -1.0, dtype=np.float32)
        found = np.full((len(vectors), k), -1, dtype=np.int64)
        if not index.ntotal or not len(vectors):
            return similarity, found
        near, place = index.search(np.ascontiguousarray(vectors), min(3 * k, index.ntotal))
        cases = owner[place]
        # A case's second vector is not a second case: keep the first of each row, in order.
        order = np.argsort(cases, axis=1, kind="stable")
        ordered = np.take_along_axis(cases, order, axis=1)
        repeated = np.zeros_like(cases, dtype=bool)
        np.put_along_axis(repeated, order[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
        kept = np.argsort(repeated, axis=1, kind="stable")[:, :k]
        width = kept.shape[1]
        again = np.take_along_axis(repeated, kept, axis=1)
        similarity[:, :width] = np.where(again, -1.0, np.take_along_axis(near, kept, axis=1))
        found[:, :width] = np.where(again, -1, np.take_along_axis(cases, kept, axis=1))
        return similarity, found

    def vote(self, vectors: Floats) -> NDArray[np.float64]:
        """How much nearer each of n vectors is to crises than to ordinary texts: float64 (n,), a log-ratio.

        The logarithm of the mean weight of a crisis over that of an ordinary text, the weight of a text at cosine c
        being `exp(c / 0.1)` (a kernel density estimate on the sphere; the 256 nearest of each side, the rest weigh
        next to nothing). Past crises and first signs count as two voices, however many there are of each. NaN where
        no text is near. On the six events of CrisisLexT6, without a label, mean AUROC .909; eight nearest .753.
        """
        voices = {}
        nearest = np.full(len(vectors), -1.0)
        for side, (index, _) in self._indexes.items():
            if index.ntotal and len(vectors):
                near, _ = index.search(np.ascontiguousarray(vectors), min(_VOTERS, index.ntotal))
                nearest = np.maximum(nearest, near[:, 0])
                voices[side] = np.log(np.exp(near.astype(np.float64) / _SHARPNESS).sum(axis=1) / index.ntotal)
        crises = [voices[side] for side in ("past", "signs") if side in voices]
        if not crises or "ordinary" not in voices:
            return np.full(len(vectors), np.nan)
        ratio = np.logaddexp.reduce(crises, axis=0) - np.log(len(crises)) - voices["ordinary"]
        return np.where(nearest >= NEAR, ratio, np.nan)


def _read(files: list[Path]) -> pl.DataFrame:
    frames = []
    for label, file in zip((1, 1, 0), files, strict=True):
        rows = pl.read_ndjson(file, infer_schema_length=None)
        rows = rows.rename({"date": "time"}) if "date" in rows.columns else rows
        frames.append(
            rows.select(
                (pl.col(name) if name in rows.columns else pl.lit(label if name == "label" else None))
                .cast(dtype)
                .alias(name)
                for name, dtype in CASES.items()
            )
        )
    return pl.concat(frames)


def _embedded_texts(cases: pl.DataFrame) -> tuple[list[str], NDArray[np.int64]]:
    long = (
        cases.with_row_index("owner")
        .select("owner", pl.concat_list("title", "title_zh", "text").alias("text"))
        .explode("text")
        .drop_nulls()
    )
    return long["text"].to_list(), long["owner"].to_numpy().astype(np.int64)


def _vectors(texts: list[str], encoder: Encoder) -> Floats:
    """The vectors of a base's texts, kept in the user's cache by encoder and content."""
    digest = hashlib.sha256("\x00".join([encoder.checksum, *texts]).encode()).hexdigest()[:32]
    folder = os.environ.get("FOREWARN_CACHE")
    file = (Path(folder) if folder else user_cache_path("forewarn")) / "cases" / f"{digest}.npy"
    try:
        kept: Floats = np.load(file, allow_pickle=False)
        if kept.shape == (len(texts), encoder.dimension):
            return kept
    except (OSError, ValueError):
        pass  # Not kept yet, or damaged: made anew.
    vectors = encoder.encode(texts)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(f".{os.getpid()}.npy")
        np.save(part, vectors)
        part.replace(file)
    except OSError:
        pass  # No cache is no error.
    return vectors
