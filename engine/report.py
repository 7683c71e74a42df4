"""A model for people: its card, with the figures on texts that it never saw.

In: a `Model`. Out: Markdown.
"""

from __future__ import annotations

from forewarn.model import Model


def model_card(model: Model) -> str:
    """What the model is, what it was fitted on, how good it was before and after, and how far to believe it."""
    about = model.report
    kind = model.fusion.calibration.kind if model.fusion.calibration else "none"
    weights = ", ".join(f"{name} {weight:.2f}" for name, weight in about["weights"].items())
    lines = [
        "# A forewarn model",
        "",
        f"Fitted on {about['texts']:,} texts, {about['crises']:,} of them crises ({', '.join(model.positive)}); "
        f"encoder {model.encoder}; seed {about['seed']}.",
        "It says how probable it is that a text is about a crisis like these, in input of which "
        f"{model.share:.0%} is; `forewarn scan --prior` says otherwise.",
        "",
        f"Weights: {weights}; calibration: {kind}.",
        "",
    ]
    if "scores" not in about:
        return "\n".join([*lines, "No test part with both classes was kept: how good it is, is not known.", ""])
    decided = ", ".join(f"{count:,} {name}" for name, count in about["confusion"].items())
    lines += [
        f"On {about['test_texts']:,} texts that it never saw, {about['test_crises']:,} of them crises "
        f"(split: {about['split']}):",
        "",
        "| score | AUROC | AP | recall at 1 % FPR |",
        "|---|---|---|---|",
        *(
            f"| {name} | {found['auroc']:.4f} | {found['ap']:.4f} | {found['recall_at_1_fpr']:.3f} |"
            for name, found in about["scores"].items()
        ),
        "",
        f"At a probability of one half: {decided}.",
        "",
        "| said | is | texts |",
        "|---|---|---|",
        *(f"| {row['said']:.3f} | {row['is']:.3f} | {row['texts']:,} |" for row in about["reliability"]),
        "",
    ]
    return "\n".join(lines)
