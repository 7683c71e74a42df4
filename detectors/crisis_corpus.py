"""The corpus that the shipped classifier is fitted on: short texts written for it, and how they are parted.

In: a folder of JSON lines, a file for each domain. Out: one frame of texts, no two of them nearly the same, and which
are held out: whole situations, whole genres, so that no model has seen another telling of what it is asked about.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

COLUMNS = {name: pl.String() for name in ("text", "domain", "stage", "language", "register", "scenario")}
CRISIS = ("quiet_sign", "first_report", "unfolding", "aftermath")
STAGES = (*CRISIS, "harmless", "neighbour", "plain")
"""What a text may be of: four stages of a crisis; ordinary, with words of alarm, like a quiet sign, or neither."""
ORDINARY = "ordinary"
"""The domain of texts of every genre that have nothing to do with a crisis."""
_ALIKE = 0.55
"""Share of two texts' runs of characters from which on one is left out."""
_RUNS = {True: 4, False: 2}
"""How long the runs are, in ASCII and in other writing."""
_COMMON = 200
"""Texts with a run from which on it finds no near-duplicate: it is a common word."""


def read_corpus(folder: Path) -> pl.DataFrame:
    """The texts of `COLUMNS`, near-duplicates dropped, in the order of their files.

    Raises ValueError where a stage is unknown or a text empty.
    """
    files = sorted(folder.glob("*.jsonl"))
    texts = pl.concat([pl.DataFrame(schema=COLUMNS), *(pl.read_ndjson(file, schema=COLUMNS) for file in files)])
    wrong = texts.filter(~pl.col("stage").is_in(STAGES) | (pl.col("text").str.strip_chars().str.len_chars() == 0))
    if wrong.height:
        raise ValueError(f"{wrong.height} texts have no stage or no words, such as {wrong.row(0)}")
    return texts.filter(distinct(texts["text"].to_list()))


def distinct(texts: list[str]) -> NDArray[np.bool_]:
    """Which of n texts are not nearly the same as one before them: bool (n,)."""
    holding: defaultdict[str, list[int]] = defaultdict(list)
    runs: list[set[str]] = []
    kept = np.ones(len(texts), dtype=bool)
    for number, text in enumerate(texts):
        letters = "".join(letter for letter in text.lower() if letter.isalnum())
        size = _RUNS[letters.isascii()]
        own = {letters[at : at + size] for at in range(max(1, len(letters) - size + 1))}
        runs.append(own)
        near = Counter(other for run in own for other in holding[run] if len(holding[run]) < _COMMON)
        kept[number] = not any(shared > _ALIKE * len(own | runs[other]) for other, shared in near.most_common(3))
        if kept[number]:
            for run in own:
                holding[run].append(number)
    return kept


def situations(texts: pl.DataFrame) -> pl.Series:
    """What each text is kept together with: its situation, or of ordinary texts its whole genre. String (n,)."""
    genre = pl.col("scenario").str.split("-").list.first()
    of_it = pl.when(pl.col("domain") == ORDINARY).then(genre).otherwise(pl.col("scenario"))
    return texts.select(pl.concat_str("domain", pl.lit(":"), of_it)).to_series()


def tenths(texts: pl.DataFrame) -> NDArray[np.int64]:
    """Which tenth of the situations each text is of, 0 to 9, by a hash of its name: int64 (n,). 0 is held out."""
    names = situations(texts)
    tenth = {name: int(hashlib.sha256(name.encode()).hexdigest(), 16) % 10 for name in names.unique()}
    return np.array([tenth[name] for name in names], dtype=np.int64)
