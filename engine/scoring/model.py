"""A fitted model: what it says of texts, and what else it knows of its training.

In: texts, their vectors and signals. Out: scores as a scan gives them (`frames.SCORES`), classes of crisis, novelty.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.arrays import Floats
from forewarn.errors import ModelError
from forewarn.frames import SCORES
from forewarn.grouping.deobfuscation import plain
from forewarn.grouping.machine_texts import by_people
from forewarn.grouping.templates import mask_of
from forewarn.reading.dataframes import FrameLike, SeriesLike, texts_of
from forewarn.scoring.baseline import Baseline
from forewarn.scoring.calibration import venn_abers
from forewarn.scoring.crisis_signal import crisis_signal
from forewarn.scoring.fusion import Fusion
from forewarn.scoring.signals import scaled, signal_frame
from forewarn.scoring.text_signals import TextSignals

if TYPE_CHECKING:
    from forewarn.detectors import Classifier
    from forewarn.detectors.finetuning.model import FineTuned
    from forewarn.embeddings import Encoder

_ALIKE, _STRANGE = 0.85, 0.89
"""AUROC of the two-sample test below which new texts are of the training's kind, and above which they are of another.
Chinese company news of later months: .78; tweets of one crisis against those of five others: .89 to .92."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """What was fitted.

    `classifier` the head, None where there were no labels; `fusion` the learned numbers; `reference` float64 (m,) the
    calibrated log-odds of training texts by models that had not seen them and `crisis` bool (m,) their labels, for the
    intervals; `encoder`, `encoder_checksum` what vectors it wants; `positive` the labels of a crisis; `share` of crisis
    texts among those it was fitted on, None where the base rate is the shipped one; `training` the labelled texts, with
    the column `part`, `train` or `test`; `sample` float32 (k, d) vectors of some of those that it was fitted on;
    `report` the figures on the untouched test part; `detectors`, `seed` what outliers are found with; `baseline` what
    is ordinary, `network` a fine-tuned language model, each None where there is none; `card` all this for people, in
    Markdown.
    """

    classifier: Classifier | None
    fusion: Fusion
    reference: Floats
    crisis: NDArray[np.bool_]
    encoder: str
    encoder_checksum: str
    positive: tuple[str, ...]
    share: float | None
    training: pl.DataFrame
    sample: NDArray[np.float32]
    report: dict[str, Any]
    detectors: tuple[str, ...] = ("KNN",)
    seed: int = 0
    baseline: Baseline | None = None
    network: FineTuned | None = field(default=None, compare=False)
    card: str = field(default="", compare=False)
    _signals: dict[str | None, TextSignals] = field(default_factory=dict, init=False, compare=False)
    """What `score` judges with, by device; made when it is first asked."""

    def __repr__(self) -> str:
        known = f"labels of a crisis: {', '.join(self.positive)}; " if self.classifier else ""
        return f"<Model: {self.origin}; {known}encoder {self.encoder}>"

    def __getstate__(self) -> dict[str, Any]:
        """Without what is made again when it is needed: encoders and compiled rules cannot be copied."""
        return self.__dict__ | {"_signals": {}}

    def score(
        self,
        texts: Iterable[str] | SeriesLike | FrameLike,
        *,
        text_column: str | None = None,
        device: str | None = None,
    ) -> pl.DataFrame:
        """What the model says of each of n texts: a frame of n rows, all float64.

        `log_odds` of a crisis, `probability`, `low` and `high` (the Venn-Abers interval; null before any label), and
        what adds up to `log_odds`: `base` and a `*_log_odds` of each signal and of the calibration. Each text is judged
        on its own: its row is the same, to eight digits, whatever comes with it, while a scan also compares its texts
        with one another.
        `texts` a list, array or series of strings, or a frame whose column of texts is `text_column` or has a known
        name; `device` where vectors are made. Raises InputError where one is no text, EncoderError, ModelError.
        """
        given = texts_of(texts, text_column)
        columns = [name for name in SCORES if name not in ("text_id", "p_value", "adapted_log_odds")]
        if not len(given):
            return pl.DataFrame(schema=dict.fromkeys(columns, pl.Float64))
        if device not in self._signals:
            self._signals[device] = self._judges(device)
        written, vectors, signals = self._signals[device].of(given)
        kinds = self.classify(vectors, written)
        signals["classifier"] = (
            crisis_signal(self.encoder_checksum, vectors, by_people(given)) if kinds is None else kinds[:, 0]
        )
        scores = self.fusion.fuse(scaled(signal_frame(signals), self.fusion))
        if interval := self.interval(scores):
            scores = scores.with_columns(low=pl.Series(interval[0]), high=pl.Series(interval[1]))
        return scores.select(columns)

    def predict_proba(
        self,
        texts: Iterable[str] | SeriesLike | FrameLike,
        *,
        text_column: str | None = None,
        device: str | None = None,
    ) -> Floats:
        """The probabilities of n texts (as of `score`), ordinary and crisis: float64 (n, 2), rows that add up to 1."""
        crisis = self.score(texts, text_column=text_column, device=device)["probability"].to_numpy()
        return np.stack([1.0 - crisis, crisis], axis=1)

    def _judges(self, device: str | None) -> TextSignals:
        from forewarn.detectors import rebuild_outliers
        from forewarn.embeddings import CaseBase, load_encoder
        from forewarn.rules import load_rules

        encoder = load_encoder(self.encoder, device=device)
        self.check_encoder(encoder)
        if self.baseline is not None:
            outliers = self.baseline.outliers(self.detectors, self.seed)
        else:
            templates = mask_of(plain(self.training.filter(pl.col("part") == "train")["text"]))
            outliers = rebuild_outliers(
                self.sample,
                sample_rows(len(templates)),
                templates,
                np.ones(len(templates), dtype=np.int64),
                detectors=self.detectors,
                seed=self.seed,
            )
        return TextSignals(encoder, load_rules(), CaseBase.open(None, encoder=encoder), outliers)

    @property
    def origin(self) -> str:
        """What an alert says about where its score comes from."""
        said = []
        if self.classifier is not None:
            trained = self.training.filter(pl.col("part") == "train").height
            said.append(f"model fitted on {trained:,} labelled texts")
        else:
            said.append("no labels yet: ranked by the shipped prior")
        if self.baseline is not None:
            said.append(f"against a baseline of {self.baseline.lines:,} ordinary lines")
        return ", ".join(said)

    @property
    def categories(self) -> tuple[str, ...]:
        """The kinds of crisis that it tells apart; none where there is one label of a crisis."""
        return self.classifier.categories if self.classifier else ()

    def check_encoder(self, encoder: Encoder) -> None:
        """Raises ModelError where an encoder is not the one that the model was fitted with."""
        widths = {len(self.sample) and self.sample.shape[1], self.classifier and len(self.classifier.linear.dense)}
        if self.baseline is not None:
            widths.add(self.baseline.vectors.shape[1])
        if encoder.checksum != self.encoder_checksum or not widths <= {0, None, encoder.dimension}:
            raise ModelError(
                f"the model was fitted with another {self.encoder} encoder",
                remedy="Install the encoder it was fitted with, or fit it again with `forewarn fit`.",
            )

    def classify(self, vectors: NDArray[np.float32], texts: pl.Series) -> Floats | None:
        """Log-odds of n texts, of crisis and of each category: float64 (n, 1 + k); None where there were no labels.

        `vectors` float32 (n, d), `texts` as they were meant (`deobfuscation.plain`), numbers and all. With a fine-tuned
        network the mean of its log-odds and the head's (Genest & Zidek 1986).
        """
        if self.classifier is None:
            return None
        odds = self.classifier.log_odds(vectors, texts)
        return odds if self.network is None else (odds + network_log_odds(self.network, texts.to_list())) / 2

    def novelty(self, vectors: NDArray[np.float32], *, seed: int = 0) -> float:
        """How unlike its training n texts are, from 0 to 1: what adaptation is to count for. `vectors` float32 (n, d).

        On texts of the same kind the labels have taught all that there is to learn.
        """
        from forewarn.detectors import two_sample_test

        if not len(self.sample):
            return 1.0
        told_apart, _ = two_sample_test(self.sample, vectors, seed=seed)
        return float(np.clip((told_apart - _ALIKE) / (_STRANGE - _ALIKE), 0.0, 1.0))

    def interval(self, scores: pl.DataFrame, prior: float = 0.0) -> tuple[Floats, Floats] | None:
        """The Venn–Abers probabilities of n texts, lower and higher: float64 (n,) each.

        None where there were no labels. What adaptation adds moves both, and so does another base rate, by `prior`
        log-odds. `scores` is a scores frame.
        """
        if not len(self.reference):
            return None
        added = scores["adapted_log_odds"].to_numpy() + prior
        low, high = venn_abers(self.reference, self.crisis, scores["log_odds"].to_numpy() - added)
        return _moved(low, added), _moved(high, added)


_SAMPLE = 1_000
"""Vectors of the training that a model keeps."""


def sample_rows(trained: int) -> NDArray[np.int64]:
    """Which of so many texts of the training keep their vectors in the model: int64 (k,), evenly spread."""
    return np.linspace(0, trained - 1, min(trained, _SAMPLE)).astype(np.int64)


def network_log_odds(network: FineTuned, texts: Sequence[str]) -> Floats:
    """What a network of the categories [ordinary, crisis…] says of n texts, as a head does: float64 (n, 1 + k)."""
    odds = network.log_odds(texts)
    kinds = odds[:, 1:] if odds.shape[1] > 2 else odds[:, :0]
    return np.concatenate([-odds[:, :1], kinds], axis=1)


def _moved(probability: Floats, log_odds: Floats) -> Floats:
    inside = np.clip(probability, 1e-6, 1 - 1e-6)
    moved: Floats = 1.0 / (1.0 + (1.0 - inside) / inside * np.exp(-np.clip(log_odds, -40, 40)))
    return moved
