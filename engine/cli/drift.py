"""`forewarn drift`: a model and new texts in, whether they have moved away from what it was fitted on out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from forewarn.cli import options as shared
from forewarn.cli.commands import Command
from forewarn.cli.options import printed

if TYPE_CHECKING:
    from forewarn.output.terminal import Terminal


@click.command("drift", cls=Command)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("paths", nargs=-1, required=True, metavar="PATH…")
@click.option("--labelled", multiple=True, metavar="FILE", help="Labelled new texts (CSV, JSON lines, Parquet).")
@shared.text_column
@shared.label_column
@printed()
@shared.device
@shared.seed
def command(
    model: Path,
    paths: tuple[str, ...],
    labelled: tuple[str, ...],
    text_column: str | None,
    label_column: str,
    form: str,
    terminal: Terminal,
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

    from forewarn.reading.labelled import read_labelled
    from forewarn.training.drift import find_drift

    given = read_labelled(labelled, text_column=text_column, label_column=label_column) if labelled else None
    with terminal.stage("comparing the texts"):
        found = find_drift(model, paths, labelled=given, text_column=text_column, device=device, seed=seed)
    if form == "jsonl":
        sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n")
        sys.stdout.buffer.flush()
    else:
        terminal.drift(found)
    return 1 if found.reasons else 0
