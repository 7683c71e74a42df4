"""The corpus to the shipped classifier: `python -m forewarn.training.crisis_fitting detectors/corpus OUT.safetensors`.

In: the corpus (`detectors.crisis_corpus`), what rules and past cases have as examples. Out: the classifier's file, its
card beside it, with figures of the held-out tenth of the situations. Run by the project when the corpus grows, never by
a user's command.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.arrays import Floats, Truth
from forewarn.detectors.crisis_classifier import About, CrisisClassifier, crisis_difference
from forewarn.detectors.crisis_corpus import CRISIS, ORDINARY, STAGES, read_corpus, tenths
from forewarn.detectors.kernel_machine import KernelMachine, fit_kernel_machine
from forewarn.grouping.deobfuscation import plain
from forewarn.training.crisis_card import card

LANDMARKS, GAMMA, PENALTY = 1_000, 1.0, 1e-5
"""Chosen on the held-out situations among 300 to 3,000 landmarks, gammas of .5 to 4, penalties of 1e-5 to 1e-4
(docs/decisions.md)."""
_EXAMPLES = 0.5
"""What an example of a rule or a case weighs: its stage is not known, only whether it is of a crisis."""


@dataclass(frozen=True)
class Lesson:
    """n texts: their vectors float32 (n, d), the stages that each may be of, bool (n, 7), its domain, bool (n, j), its
    weight in each of both questions, float64 (n,)."""

    vectors: NDArray[np.float32]
    stages: Truth
    domains: Truth
    weights: Floats
    domain_weights: Floats

    def machines(self, rows: Truth, seed: int) -> list[KernelMachine]:
        """What some of them teach: of the stages, and of the domains."""
        return fit_kernel_machine(
            self.vectors[rows],
            [self.stages[rows], self.domains[rows]],
            [self.weights[rows], self.domain_weights[rows]],
            landmarks=min(LANDMARKS, int(rows.sum())),
            gamma=GAMMA,
            penalty=PENALTY,
            seed=seed,
        )


def fit_crisis_classifier(
    corpus: pl.DataFrame, crises: Sequence[str], others: Sequence[str], *, seed: int = 0
) -> tuple[CrisisClassifier, pl.DataFrame]:
    """The classifier of a corpus (`crisis_corpus.COLUMNS`) and of examples of crises and of other texts.

    The tenth 0 of the situations is held out; what it says of those texts is the second result: the corpus's columns
    and `log_odds`. Calibrated on the tenth 1 by a machine that has not seen it.
    """
    from forewarn.embeddings import load_encoder

    encoder = load_encoder("bundled")
    examples = [*crises, *others]
    vectors = encoder.encode(plain(pl.concat([corpus["text"], pl.Series("text", examples, pl.String)])).to_list())
    names = sorted(set(corpus["domain"].unique().to_list()) - {ORDINARY})
    lesson = _lesson(corpus, vectors, names, len(crises), len(others))
    tenth = np.concatenate([tenths(corpus), np.full(len(examples), -1)])
    stages, _ = lesson.machines((tenth != 0) & (tenth != 1), seed)
    calibrating = tenth == 1
    difference = crisis_difference(stages.log_probabilities(vectors[calibrating]), list(STAGES))
    of_crisis = np.array([stage in CRISIS for stage in corpus["stage"]] + [False] * len(examples))
    slope, offset = _calibrated(difference, of_crisis[calibrating])
    final, domains = lesson.machines(tenth != 0, seed)
    about = About(
        encoder.checksum, list(STAGES), names, GAMMA, slope, offset, "detectors/corpus", int((tenth != 0).sum())
    )
    classifier = CrisisClassifier(about, final, domains)
    held = corpus.filter(pl.Series(tenth[: corpus.height] == 0))
    return classifier, held.with_columns(log_odds=pl.Series(classifier.log_odds(vectors[tenth == 0])))


def _lesson(corpus: pl.DataFrame, vectors: NDArray[np.float32], names: list[str], crises: int, others: int) -> Lesson:
    stages = np.stack([(corpus["stage"] == stage).to_numpy() for stage in STAGES], axis=1)
    of_crisis = np.array([stage in CRISIS for stage in STAGES])
    guessed = np.repeat(np.stack([of_crisis, ~of_crisis]), [crises, others], axis=0)
    domains = np.stack([(corpus["domain"] == name).to_numpy() for name in names], axis=1)
    known = domains.any(axis=1) & stages[:, of_crisis].any(axis=1)
    return Lesson(
        vectors,
        np.concatenate([stages, guessed]),
        np.concatenate([domains, np.zeros((crises + others, len(names)), dtype=bool)]),
        np.concatenate([np.ones(corpus.height), np.full(crises + others, _EXAMPLES)]),
        np.concatenate([known.astype(np.float64), np.zeros(crises + others)]),
    )


def _calibrated(difference: Floats, crisis: Truth) -> tuple[float, float]:
    """Slope and offset of the log-odds in a world with as many crises as other texts (Platt 1999)."""
    from scipy.optimize import minimize

    weights = np.where(crisis, 0.5 / crisis.mean(), 0.5 / (1 - crisis.mean()))

    def loss(numbers: Floats) -> float:
        odds = numbers[0] * difference + numbers[1]
        return float(np.mean(weights * np.logaddexp(0.0, np.where(crisis, -odds, odds))))

    found = minimize(loss, np.array([1.0, 0.0]), method="L-BFGS-B", bounds=[(0.05, 20.0), (None, None)]).x
    return float(found[0]), float(found[1])


def examples_of_the_project() -> tuple[list[str], list[str]]:
    """The examples of the shipped rules and the shipped cases: of crises, and of other texts."""
    from forewarn.embeddings.cases import embedded_texts, shipped
    from forewarn.rules import load_rules

    rules = load_rules().rules
    crises = [text for rule in rules for text in rule.match if isinstance(text, str)]
    others = [text for rule in rules for text in rule.no_match if isinstance(text, str)]
    cases = shipped()
    crises += embedded_texts(cases.filter(pl.col("label") == 1))[0]
    others += embedded_texts(cases.filter(pl.col("label") == 0))[0]
    return list(dict.fromkeys(crises)), list(dict.fromkeys(others))


def main(corpus: Path, out: Path) -> None:
    """Fit, write the file and its card."""
    texts = read_corpus(corpus)
    classifier, held = fit_crisis_classifier(texts, *examples_of_the_project())
    classifier.save(out)
    out.with_suffix(".md").write_text(card(classifier, texts, held), "utf-8")
    print(out.with_suffix(".md").read_text("utf-8"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
