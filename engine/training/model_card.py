"""A model for people: its card, with the figures on texts that it never saw.

In: a `Model`. Out: Markdown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from forewarn.scoring.model import Model


def model_card(model: Model) -> str:
    """What the model is, what it was fitted on, how good it was before and after, and how far to believe it."""
    about = model.report
    lines = ["# A forewarn model", ""]
    if model.baseline is not None:
        lines += [
            f"Ordinary is what {model.baseline.lines:,} lines ({model.baseline.texts.height:,} distinct texts) are "
            f"like: a text is unusual against them ({', '.join(model.detectors)}).",
            "",
        ]
    if model.classifier is None:
        return "\n".join([*lines, "No labels: the shipped opinion, ranked against that baseline.", ""])
    weights = ", ".join(f"{name} {weight:.2f}" for name, weight in about["weights"].items())
    kind = model.fusion.calibration.kind if model.fusion.calibration else "none"
    lines += [
        f"Fitted on {about['texts']:,} texts, {about['crises']:,} of them crises ({', '.join(model.positive)}); "
        f"encoder {model.encoder}; seed {about['seed']}.",
        "",
    ]
    if model.network is not None:
        lines += [f"Beside the head, {model.network.base} fine-tuned ({model.network.strategy}).", ""]
    if model.share is not None:
        lines += [
            "It says how probable it is that a text is about a crisis like these, in input of which "
            f"{model.share:.0%} is; `forewarn scan --prior` says otherwise.",
            "",
        ]
    lines += [f"Weights: {weights}; calibration: {kind}.", ""]
    lines += [line for warning in about.get("warnings", []) for line in (f"**Mind**: {warning}.", "")]
    if "epochs" in about:
        lines += ["Fine-tuning:", "", *table(about["epochs"]), ""]
    lines += ["Penalties of the head (vectors, words) and their log loss out of fold: "]
    lines[-1] += "; ".join(f"{name}: {loss:.4f}" for name, loss in about["penalties"].items()) + "."
    lines += [""]
    if "scores" not in about:
        return "\n".join([*lines, "No test part with both classes was kept: how good it is, is not known.", ""])
    lines += [
        f"On {about['test_texts']:,} texts that it never saw, {about['test_crises']:,} of them crises "
        f"(split: {about['split']}):",
        "",
        *table([{"score": name} | found for name, found in about["scores"].items()]),
        "",
    ]
    for when, heading in (("before", "Before, with no labels"), ("after", "After")):
        decided = about[when]
        counts = ", ".join(f"{count:,} {name}" for name, count in decided["confusion"].items())
        lines += [f"{heading}, at a probability of one half: {counts}.", "", *_classes(decided["classes"]), ""]
    if "categories" in about:
        lines += ["Kinds of crisis:", "", *_classes(about["categories"]), ""]
    lines += [
        f"Said and true probability, expected calibration error {about['calibration_error']:.3f}:",
        "",
        *table(about["reliability"]),
        "",
    ]
    if "update" in about:
        lines += ["This model and the one that it goes on from:", "", *table(about["update"]), ""]
    return "\n".join(lines)


def _classes(found: Mapping[str, Mapping[str, float]]) -> list[str]:
    return table([{"class": name} | dict(measures) for name, measures in found.items()])


def table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Rows of the same keys as lines of a Markdown table; a key that a row lacks is left empty."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    head = [
        "| " + " | ".join(_HEADS.get(name, name.replace("_", " ")) for name in names) + " |",
        "|---" * len(names) + "|",
    ]
    return head + ["| " + " | ".join(_cell(row.get(name)) for name in names) + " |" for row in rows]


_HEADS = {"auroc": "AUROC", "ap": "AP", "recall_at_1_fpr": "recall at 1 % FPR", "average_precision": "AP", "f1": "F1"}


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.4f}"
    return f"{int(value):,}" if isinstance(value, int | float) else str(value)
