"""`forewarn label`: files in, the texts that are most worth a label out, in a file to fill in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from forewarn.cli import options as shared
from forewarn.cli.commands import Command
from forewarn.cli.options import on_standard_error, printed

if TYPE_CHECKING:
    from forewarn.output.terminal import Terminal


@click.command("label", cls=Command)
@click.argument("paths", nargs=-1, required=True, metavar="[MODEL] PATH…")
@click.option(
    "-n", "--number", type=click.IntRange(min=1), metavar="N", default=20, show_default=True, help="How many texts."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    default=Path("to-label.csv"),
    show_default=True,
    help="The file to write.",
)
@printed()
@shared.text_column
@shared.device
@shared.seed
def command(
    paths: tuple[str, ...],
    number: int,
    output: Path,
    form: str,
    terminal: Terminal,
    text_column: str | None,
    device: str | None,
    seed: int,
) -> int:
    """Choose the texts whose labels would teach most, and write them to a file with an empty column `label`.

    A model folder as the first argument says what is known already; without one the shipped opinion does.

    \b
    forewarn label /var/log -n 20 -o to-label.csv
    forewarn label model/ exports/ -n 50
    """
    from forewarn.options import Options
    from forewarn.output.guard import check_outputs
    from forewarn.pipeline import scan
    from forewarn.scoring.model_folder import load_model
    from forewarn.training.active_learning import most_useful, write_sheet

    first = Path(paths[0])
    model = first if (first / "model.json").is_file() else None
    check_outputs(paths, [output])
    terminal = on_standard_error(terminal, output)
    with terminal.progress() as progress:
        options = Options(model=model, text_column=text_column, device=device, seed=seed)
        found = scan(paths[1:] if model else paths, options, progress=progress)
    chosen = most_useful(found, number, load_model(model).training["text"] if model else None)
    write_sheet(chosen, output)
    terminal.problems(found.problems)
    terminal.rows(chosen.drop("label").to_dicts(), form)
    then = f"forewarn update {model} {output} -o {model}" if model else f"forewarn fit {output} -o model/"
    terminal.done(f"{output} written: put 1 (crisis) or 0 into the column label, then: {then}")
    return 0
