"""`forewarn drift`: a model and new texts in, whether they have moved away from what it was fitted on out."""

from __future__ import annotations

import sys
from pathlib import Path

import rich_click as click


@click.command("drift")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("paths", nargs=-1, required=True, metavar="PATH…")
@click.option("--labelled", multiple=True, metavar="FILE", help="Labelled new texts (CSV, JSON lines, Parquet).")
@click.option("--text-column", help="The column of the text.")
@click.option("--label-column", default="label", show_default=True, help="The column of the label.")
@click.option("--format", "form", type=click.Choice(["table", "jsonl"]), default="table", help="What to print.")
@click.option("--device", help="cpu or cuda (default: cuda where there is one).")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of every random choice.")
def command(
    model: Path,
    paths: tuple[str, ...],
    labelled: tuple[str, ...],
    text_column: str | None,
    label_column: str,
    form: str,
    device: str | None,
    seed: int,
) -> int:
    """Compare new texts with those that a model was fitted on, and say whether a refit is due.

    Exit status: 0 no refit is due, 1 a refit is due, 2 could not run.

    \b
    forewarn drift model/ exports/this-week
    forewarn drift model/ exports/this-week --labelled looked-at.csv
    """
    import msgspec

    from forewarn.output.terminal import Terminal
    from forewarn.reading.labelled import read_labelled
    from forewarn.training.drift import find_drift

    given = read_labelled(labelled, text_column=text_column, label_column=label_column) if labelled else None
    found = find_drift(model, paths, labelled=given, text_column=text_column, device=device, seed=seed)
    if form == "jsonl":
        sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n")
        sys.stdout.buffer.flush()
    else:
        Terminal().drift(found)
    return 1 if found.reasons else 0
