"""What people should know of the shipped classifier, in Markdown.

In: the classifier, its corpus, what it says of the texts that were held out. Out: its card. No figure is written by
hand.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.arrays import Floats, Truth
from forewarn.detectors.crisis_classifier import CrisisClassifier
from forewarn.detectors.crisis_corpus import CRISIS, ORDINARY, STAGES

_AGAINST = (("quiet_sign", ("harmless",)), ("quiet_sign", ("neighbour",)), ("first_report", ("harmless", "plain")))


def ranking(held: pl.DataFrame, stage: str, others: tuple[str, ...]) -> float:
    """How often a text of a stage is louder than one of others (AUROC); `held` has `stage` and `log_odds`."""
    loud, quiet = (
        held.filter(pl.col("stage").is_in(names))["log_odds"].to_numpy() for names in ([stage], list(others))
    )
    return auroc(loud, quiet)


def auroc(loud: Floats, quiet: Floats) -> float:
    """The chance that one of n scores is above one of m, ties by half (Mann & Whitney 1947)."""
    both = np.sort(quiet)
    below = np.searchsorted(both, loud, side="left") + np.searchsorted(both, loud, side="right")
    return float(below.mean() / 2 / max(1, len(quiet)))


def card(classifier: CrisisClassifier, corpus: pl.DataFrame, held: pl.DataFrame) -> str:
    """The card of a classifier, `corpus` with near-duplicates dropped, `held` of `fit_crisis_classifier`."""
    about = classifier.about
    languages = corpus["language"].value_counts(sort=True)
    spoken = ", ".join(f"{name} {count:,}" for name, count in languages.iter_rows())
    told = ", ".join(f"{stage} {int((corpus['stage'] == stage).sum()):,}" for stage in STAGES)
    lines = [
        "# The shipped crisis classifier",
        "",
        "It says of a short text how probable it is that someone tells of a crisis, at which stage, and in",
        "which domain, from the bundled encoder's vector alone: multinomial logistic regression on a radial kernel "
        f"with {len(classifier.stages.landmarks):,} landmarks.",
        "",
        f"* Learnt from {about.texts:,} texts: the project's own corpus ({about.corpus}), and the examples of its",
        "  rules and cases. All of them were written for the project; no data set is in it.",
        f"* In the corpus: {told}; {spoken}.",
        f"* Domains: {', '.join(about.domains)}.",
        "* Not of log lines and events: the scan does not ask it about a text of a machine's form.",
        "* Its log-odds are those of a world in which half of all texts are of a crisis. The scan weighs them beside",
        "  its other signals.",
        "* Not meant to judge people, to decide without a person, or for texts much longer than a paragraph.",
        "",
        f"## Of {held.height:,} texts of situations and genres that it never saw",
        "",
        "| what | figure |",
        "|---|---|",
    ]
    for stage, others in _AGAINST:
        named = " and ".join(others)
        lines.append(f"| {stage} against {named}, AUROC | {ranking(held, stage, others):.3f} |")
    for language in [name for name, count in languages.iter_rows() if count >= 1_000]:
        own = held.filter(pl.col("language") == language)
        of_crisis = own["stage"].is_in(CRISIS)
        figure = auroc(own.filter(of_crisis)["log_odds"].to_numpy(), own.filter(~of_crisis)["log_odds"].to_numpy())
        lines.append(f"| crisis against all others, {language}, AUROC | {figure:.3f} |")
    loud = held.with_columns(loud=pl.col("log_odds") > 0)
    for stage in STAGES:
        share = _share(loud, (loud["stage"] == stage).to_numpy())
        lines.append(f"| {stage}: share above even odds | {share:.3f} |")
    ordinary = _share(loud, ((loud["domain"] == ORDINARY) & (loud["stage"] == "plain")).to_numpy())
    lines.append(f"| plain texts of genres that were not taught: share above even odds | {ordinary:.3f} |")
    return "\n".join([*lines, ""])


def _share(held: pl.DataFrame, rows: NDArray[np.bool_] | Truth) -> float:
    return float(held["loud"].to_numpy()[rows].mean()) if rows.any() else float("nan")
