"""`forewarn update`: a model and new labels in, a model that goes on from it out, both side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from forewarn.cli import options as shared
from forewarn.cli.commands import Command
from forewarn.cli.options import printed

if TYPE_CHECKING:
    from forewarn.output.terminal import Terminal


@click.command("update", cls=Command)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("paths", nargs=-1, required=True, metavar="LABELLED…")
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), metavar="DIR", help="The folder to write."
)
@printed()
@click.option("--text-column", metavar="COLUMN", help="The column of the text (default: text, or a known name).")
@shared.label_column
@click.option(
    "--group-column", metavar="COLUMN", help="Texts of one group (an event, a day, a source) are never parted."
)
@click.option("--time-column", metavar="COLUMN", help="The column of the time, for --split time.")
@click.option(
    "--split",
    type=click.Choice(["random", "group", "time"]),
    default="random",
    show_default=True,
    help="How the texts for comparing are kept apart.",
)
@click.option(
    "--test",
    type=float,
    metavar="SHARE",
    default=0.2,
    show_default=True,
    help="The share of new texts kept for comparing.",
)
@click.option(
    "--replay", type=int, metavar="N", default=10_000, show_default=True, help="Old texts that are taught again."
)
@click.option("--force", is_flag=True, help="Write the new model even where the old one is better.")
@click.option("--resume", is_flag=True, help="Go on with a fine-tuning that was killed.")
@shared.device
def command(
    model: Path,
    paths: tuple[str, ...],
    output: Path,
    form: str,
    terminal: Terminal,
    text_column: str | None,
    label_column: str,
    group_column: str | None,
    time_column: str | None,
    split: str,
    test: float,
    replay: int,
    force: bool,
    resume: bool,
    device: str | None,
) -> int:
    """Teach a model new labels, and write it only where it is better than before.

    Exit status: 0 written, 1 the old model is better and nothing was written, 2 could not run.

    \b
    forewarn update model/ labelled-in-march.csv -o model/
    forewarn update model/ to-label.csv -o model2/ --force
    """
    from forewarn.output.guard import check_outputs
    from forewarn.reading.labelled import read_labelled
    from forewarn.runtime.atomic import work_folder
    from forewarn.scoring.model_folder import check_target, save_model
    from forewarn.training.model_card import model_card
    from forewarn.training.updating import update

    check_outputs(paths, folders=[output])
    check_target(output)
    texts = read_labelled(
        paths, text_column=text_column, label_column=label_column, group_column=group_column, time_column=time_column
    )
    with terminal.progress() as progress, work_folder(output, needed=(model / "network").is_dir()) as work:
        made = update(
            model,
            texts,
            how=split,
            test=test,
            replay=replay,
            device=device,
            work=work,
            resume=resume,
            progress=lambda stage: progress(stage, texts.height),
        )
    terminal.rows(made.compared, form)
    if made.worse and not force:
        terminal.done("The old model is better on the texts kept apart: nothing written (--force writes it).")
        return 1
    save_model(made.model, output, model_card(made.model))
    if made.worse is None:
        terminal.done("No text was kept apart: the two were not compared.")
    terminal.done(f"{output} written; next: forewarn scan PATH… --model {output}")
    return 0
