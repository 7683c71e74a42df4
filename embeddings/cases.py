"""The case base: labelled past texts, and the nearest of them to a new one.

In: cases (shipped, or a folder), an encoder. Out: the k nearest cases of a text, and a vote between crises and
ordinary texts. A case is matched by its title and by its text, each embedded; the better of the two counts. Beside the
past crises stand the words in which people tell of one as it begins: they vote, and are never shown as a past crisis.
"""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from forewarn.arrays import Rows, Vectors
from forewarn.embeddings import case_store
from forewarn.embeddings.case_store import CASES, Stored
from forewarn.embeddings.encoder import Encoder
from forewarn.embeddings.nearest import FEW, Flat, Indexed, Nearest, unpacked
from forewarn.errors import CaseBaseError
from forewarn.runtime.cache import cache_folder, checked_array, keep_array

NEAR = 0.15
"""Cosine below which no text is near: two texts of the bundled encoder on different subjects are at .2."""
SAME = 0.9995
"""Cosine from which on a case is the text itself (a stored vector is its own original to .9999)."""
_SHARPNESS = 0.1
"""The cosine that multiplies a voter's weight by e."""
_VOTERS = 256
_TOGETHER = 1 << 12
"""Vectors that are voted on at once: some 50 MiB."""
_COUNTED = 2_048
"""Vectors that a side counts as at most: else every case added to a large base would weaken the others' votes."""
_POOL = 24
"""Vectors looked at for each case that is wanted, before parts are averaged or results spread out, up to 1,200."""
SHIPPED = ("shipped_cases.jsonl", "first_signs.jsonl", "ordinary_texts.jsonl")


class CaseBase:
    """Labelled past texts and their vectors.

    `cases` a frame of n cases with at least `case_store.LIGHT`; `parts` (n,) how many vectors each has, in order;
    `nearest` those m vectors, unit length. `stored` is the folder that it was opened from, if any: whole cases are then
    read from there when they are asked for.
    """

    def __init__(
        self, cases: pl.DataFrame, parts: NDArray[np.integer], nearest: Nearest, stored: Stored | None = None
    ) -> None:
        self.cases = cases
        self._stored = stored
        self._nearest = nearest
        self._owner = np.repeat(np.arange(len(parts)), parts)
        self._first = np.concatenate([[0], np.cumsum(parts, dtype=np.int64)])
        crisis, sign = (cases["label"] == 1).to_numpy(), cases["sign"].to_numpy()
        sides = {"past": crisis & ~sign, "signs": crisis & sign, "ordinary": ~crisis}
        self._past = sides["past"]
        self._sides = {side: nearest.only(self._vectors_of(members)) for side, members in sides.items()}

    @classmethod
    def open(cls, path: str | Path | None, *, encoder: Encoder) -> CaseBase:
        """The case base of a folder, or the shipped one (None).

        Raises CaseBaseError where the folder is none, is damaged, or was built with another encoder.
        """
        if path is None:
            return cls.of(shipped(), encoder)
        path = Path(path)
        stored = case_store.read(path)
        check_encoder(stored, path, encoder)
        nearest = Indexed(stored.vectors, stored.index) if stored.index is not None else Flat(unpacked(stored.vectors))
        return cls(stored.light, stored.parts, nearest, stored)

    @classmethod
    def of(cls, cases: pl.DataFrame, encoder: Encoder) -> CaseBase:
        """A base in memory, of n cases (`CASES`); the vectors are kept in the user's cache."""
        texts, parts = embedded_texts(cases)
        return cls(cases, parts, Flat(_cached_vectors(texts, encoder)))

    def __len__(self) -> int:
        return self.cases.height

    @property
    def is_own(self) -> bool:
        """Whether it is a user's own base: one that was opened from a folder."""
        return self._stored is not None

    def rows(self, numbers: list[int]) -> pl.DataFrame:
        """Whole cases (`CASES`) by their numbers, in the order given."""
        if not numbers:
            return pl.DataFrame(schema=CASES)
        return self._stored.rows(numbers) if self._stored else self.cases[numbers]

    def search(self, vectors: Vectors, k: int) -> tuple[Vectors, Rows]:
        """The k nearest past crises of each of n vectors: cosines float32 (n, k) and rows of `cases` int64 (n, k).

        A case is found once, by the better of its title and its text. Where there are fewer than k, the row is -1 and
        the cosine -1.
        """
        # A case has at most three vectors.
        near, place = self._sides["past"].search(vectors, 3 * k)
        cases = np.where(place < 0, -1, self._owner[place])
        # A case's second vector is not a second case: keep the first of each row, in order.
        order = np.argsort(cases, axis=1, kind="stable")
        ordered = np.take_along_axis(cases, order, axis=1)
        repeated = np.zeros_like(cases, dtype=bool)
        np.put_along_axis(repeated, order[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
        repeated |= cases < 0
        kept = np.argsort(repeated, axis=1, kind="stable")[:, :k]
        again = np.take_along_axis(repeated, kept, axis=1)
        return (
            np.where(again, np.float32(-1.0), np.take_along_axis(near, kept, axis=1)),
            np.where(again, -1, np.take_along_axis(cases, kept, axis=1)),
        )

    def look_up(
        self, parts: Vectors, k: int, *, keep: NDArray[np.bool_] | None = None, mmr: float | None = None
    ) -> tuple[Vectors, Rows]:
        """The past crises nearest to one text of p parts (its title and its body, say), most similar first.

        `parts` float32 (p, d). Each part counts by the better of a case's title and text, and the parts are averaged
        (332 Chinese emergencies, leave one out, right category first: .985; by the best pair alone .976). `keep` bool
        (n,) says which cases may be found. With `mmr` 0 to 1, results are spread out: each is chosen by
        `(1 - mmr) * similarity - mmr * (similarity to the nearest chosen)` (maximal marginal relevance, Carbonell &
        Goldstein 1998). Out: similarities float32 and rows of `cases` int64, at most k.
        """
        side = self._sides["past"]
        if keep is not None:
            side = self._nearest.only(self._vectors_of(self._past & keep))
        _, place = side.search(parts, max(min(_POOL * k, 1_200), 3 * k, 64))
        candidates = np.unique(self._owner[place[place >= 0]])
        similarity: Vectors = self.similarities(parts, candidates).mean(axis=0)
        order = np.argsort(-similarity, kind="stable")
        if mmr:
            order = self._spread(candidates, similarity, order[: _POOL * k], k, mmr)
        order = order[:k]
        return similarity[order], candidates[order]

    def similarities(self, vectors: Vectors, numbers: Rows) -> Vectors:
        """The cosines of n vectors to m cases, each by the better of its title and text: float32 (n, m)."""
        return np.array([self._similarity(vector, numbers) for vector in vectors], dtype=np.float32)

    def _similarity(self, vector: Vectors, cases: Rows) -> Vectors:
        """The cosine of one vector to the nearest vector of each of these cases: float32."""
        rows, starts = self._rows_of(cases)
        if not len(rows):
            return np.empty(0, dtype=np.float32)
        best: Vectors = np.maximum.reduceat(self._nearest.vectors(rows) @ vector, starts)
        return best

    def _spread(self, cases: Rows, similarity: Vectors, order: Rows, k: int, mmr: float) -> Rows:
        chosen: list[int] = []
        left = list(order)
        nearest = np.full(len(cases), -1.0, dtype=np.float32)
        while left and len(chosen) < k:
            worth = (1 - mmr) * similarity[left] - (mmr * nearest[left] if chosen else 0.0)
            best = left.pop(int(np.argmax(worth)))
            chosen.append(best)
            own = self._nearest.vectors(self._rows_of(cases[[best]])[0])
            nearest = np.maximum(nearest, np.max([self._similarity(vector, cases) for vector in own], axis=0))
        return np.array(chosen, dtype=np.int64)

    def vote(self, vectors: Vectors) -> NDArray[np.float64]:
        """How much nearer each of n vectors is to crises than to ordinary texts: float64 (n,), a log-ratio.

        The logarithm of the mean weight of a crisis over that of an ordinary text, the weight of a text at cosine c
        being `exp(c / 0.1)` (a kernel density estimate on the sphere; the 256 nearest of each side, the rest weigh
        next to nothing; a side of more than 2,048 vectors counts as so many). Past crises and first signs count as two
        voices, however many there are of each. A text that is itself in the base is asked as if it were not. NaN where
        no text is near, or the base has only one of the two kinds. On the six events of CrisisLexT6, without a label,
        mean AUROC .909; eight nearest .753.
        """
        # A text has 256 neighbours on each side: more memory than its vector.
        blocks = [vectors[first : first + _TOGETHER] for first in range(0, len(vectors), _TOGETHER)]
        with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as pool:
            return np.concatenate([np.empty(0), *pool.map(self._vote, blocks)])

    def _vote(self, vectors: Vectors) -> NDArray[np.float64]:
        """The votes of n vectors, float64 (n,), all at once."""
        votes = {}
        nearest = np.full(len(vectors), -1.0)
        for name, side in self._sides.items():
            if side.size:
                near, others = self._heard(side, vectors)
                nearest = np.maximum(nearest, near.max(axis=1))
                near *= 1 / _SHARPNESS
                weight = np.exp(near, out=near).sum(axis=1).astype(np.float64)
                with np.errstate(divide="ignore"):
                    votes[name] = np.log(weight) - np.log(np.clip(others, 1, _COUNTED))
        crises = [votes[side] for side in ("past", "signs") if side in votes]
        if not crises or "ordinary" not in votes:
            return np.full(len(vectors), np.nan)
        with np.errstate(invalid="ignore"):
            ratio = np.logaddexp.reduce(crises, axis=0) - np.log(len(crises)) - votes["ordinary"]
        return np.where((nearest >= NEAR) & np.isfinite(ratio), ratio, np.nan)

    def _heard(self, side: Nearest, vectors: Vectors) -> tuple[Vectors, Rows]:
        """The cosines of the voters of n vectors on one side, float32 (n, k) in no order, -inf where it is the text
        itself; and how many others that side has, int64 (n,)."""
        voters = min(_VOTERS, side.size)
        others = np.full(len(vectors), side.size)
        if isinstance(side, Flat) and side.size <= FEW:
            found = side.cosines(vectors, voters)
            rows_asked = np.flatnonzero(found.max(axis=1) >= SAME)
        else:
            found = np.empty((len(vectors), voters), dtype=np.float32)
            rows_asked = np.arange(len(vectors))
        if len(rows_asked):
            near, place = side.search(vectors[rows_asked], voters)
            own = self._own(near, place)
            found[rows_asked] = np.where(own, -np.inf, near)
            others[rows_asked] -= own.sum(axis=1)
        return found, others

    def _own(self, near: Vectors, place: Rows) -> NDArray[np.bool_]:
        """Which of the found vectors (n, k) belong to a case that is the asked text itself."""
        own = place < 0
        for row in np.flatnonzero((near >= SAME).any(axis=1)):
            owners = self._owner[place[row]]
            own[row] |= np.isin(owners, owners[near[row] >= SAME])
        return own

    def _vectors_of(self, members: NDArray[np.bool_]) -> Rows:
        """The vectors' rows of the cases of a mask (n,), ascending."""
        return np.flatnonzero(members[self._owner])

    def _rows_of(self, cases: Rows) -> tuple[Rows, Rows]:
        """The vectors' rows of some cases one after the other, and where each case's begin among them."""
        counts = self._first[cases + 1] - self._first[cases]
        starts = np.cumsum(counts) - counts
        return np.arange(counts.sum()) - np.repeat(starts - self._first[cases], counts), starts


def check_encoder(stored: Stored, path: Path, encoder: Encoder) -> None:
    """Raises CaseBaseError where a base was built with another encoder."""
    if stored.manifest.encoder_checksum != encoder.checksum:
        raise CaseBaseError(
            f"was built with the encoder {stored.manifest.encoder} ({stored.manifest.encoder_checksum[:8]}), "
            f"not with {encoder.name} ({encoder.checksum[:8]})",
            path=path,
            remedy=f"Use --encoder {stored.manifest.encoder}, or build the base anew with {encoder.name}.",
        )


def shipped(*, past: bool = True) -> pl.DataFrame:
    """The shipped cases (`CASES`): past crises (left out if not `past`), first signs, ordinary texts."""
    folder = Path(str(resources.files("forewarn.embeddings")))
    frames = []
    for name, label, sign in zip(SHIPPED, (1, 1, 0), (False, True, False), strict=True):
        if past or name != SHIPPED[0]:
            rows = pl.read_ndjson(folder / name, infer_schema_length=None)
            rows = rows.rename({"date": "time"}) if "date" in rows.columns else rows
            frames.append(complete(rows.with_columns(label=pl.lit(label), sign=pl.lit(sign))))
    return pl.concat(frames)


def whole(path: Path | None) -> pl.DataFrame:
    """Every case (`CASES`) of a folder, or of the shipped base (None), without its vectors. Raises CaseBaseError."""
    return shipped() if path is None else case_store.read(path).all_rows()


def complete(cases: pl.DataFrame) -> pl.DataFrame:
    """Cases with every column of `CASES`: a missing `label` is 1, `sign` and `example` false, `count` 1, else null."""
    given = {
        "label": pl.lit(1),
        "sign": pl.lit(False),
        "example": pl.lit(False),
        "count": pl.lit(1),
        "joined": pl.lit([], dtype=pl.List(pl.String)),
    }
    nothing = pl.lit(None)
    return cases.select(
        (pl.col(name).fill_null(given.get(name, nothing)) if name in cases.columns else given.get(name, nothing))
        .cast(dtype)
        .alias(name)
        for name, dtype in CASES.items()
    )


def embedded_texts(cases: pl.DataFrame) -> tuple[list[str], NDArray[np.uint8]]:
    """The texts that cases are matched by (title, Chinese title, text), and how many of them each has: uint8 (n,)."""
    each = pl.concat_list("title", "title_zh", "text").list.drop_nulls()
    long = cases.select(text=each)
    return long["text"].explode(empty_as_null=False).to_list(), long["text"].list.len().cast(pl.UInt8).to_numpy()


def _cached_vectors(texts: list[str], encoder: Encoder) -> Vectors:
    """The vectors of a base's texts, kept in the user's cache by encoder and content."""
    digest = hashlib.sha256("\x00".join([encoder.checksum, *texts]).encode()).hexdigest()[:32]
    file = cache_folder() / "cases" / f"{digest}.checked.npy"
    kept: Vectors | None = checked_array(file, (len(texts), encoder.dimension), np.float32)
    if kept is not None and np.isfinite(kept).all():
        return np.array(kept)
    vectors = encoder.encode(texts)
    keep_array(file, vectors)
    return vectors
