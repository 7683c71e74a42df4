"""`forewarn fit`: labelled texts in, a model folder out, and the report on texts that it never saw."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from forewarn.cli import options as shared
from forewarn.cli.commands import Command
from forewarn.cli.options import names, panels, printed

if TYPE_CHECKING:
    from forewarn.output.terminal import Terminal


@click.command("fit", cls=Command)
@panels(
    Labels=("--text-column", "--label-column", "--positive", "--group-column", "--time-column", "--split", "--test"),
    Learn_with=("--normal", "--encoder", "--detectors", "--accept-sources", "--device", "--seed"),
    Fine_tune=(
        *("--base", "--finetune", "--epochs", "--batch", "--accumulate", "--tokens", "--learning-rate", "--track"),
        "--resume",
    ),
    Output=("--output", *shared.PRINTED, "--no-cache", "--help"),
)
@click.argument("paths", nargs=-1, metavar="LABELLED…")
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), metavar="DIR", help="The folder to write."
)
@printed()
@click.option("--text-column", metavar="COLUMN", help="The column of the text (default: text, or a known name).")
@shared.label_column
@click.option(
    "--positive",
    metavar="LABEL",
    multiple=True,
    default=("1",),
    show_default=True,
    help="A label of a crisis (repeat).",
)
@click.option(
    "--group-column", metavar="COLUMN", help="Texts of one group (an event, a day, a source) are never parted."
)
@click.option("--time-column", metavar="COLUMN", help="The column of the time, for --split time.")
@click.option(
    "--split",
    type=click.Choice(["random", "group", "time"]),
    default="random",
    show_default=True,
    help="How the texts for the report are kept apart.",
)
@click.option(
    "--test",
    type=float,
    metavar="SHARE",
    default=0.2,
    show_default=True,
    help="The share of texts kept for the report.",
)
@click.option("--normal", multiple=True, metavar="PATH", help="Files in which nothing is wrong: what is ordinary.")
@shared.encoder
@click.option("--detectors", metavar="LIST", default="KNN", show_default=True, help="PyOD detectors on the embeddings.")
@click.option(
    "--base", metavar="NAME|DIR", help="A Hugging Face model, by name or folder, to fine-tune beside the head."
)
@click.option(
    "--finetune",
    metavar="STRATEGY",
    default="head",
    show_default=True,
    help="head, top-N, full, lora, adalora, adapter or prefix.",
)
@click.option(
    "--epochs", type=int, metavar="N", default=5, show_default=True, help="Epochs of the fine-tuning at most."
)
@click.option("--batch", type=int, metavar="N", default=16, show_default=True, help="Texts of one step.")
@click.option(
    "--accumulate", type=int, metavar="N", default=1, show_default=True, help="Batches whose gradients are added up."
)
@click.option("--tokens", type=int, metavar="N", default=128, show_default=True, help="Tokens of a text that are read.")
@click.option("--learning-rate", type=float, metavar="RATE", help="Of the encoder (default: what suits the strategy).")
@click.option("--track", type=click.Choice(["tensorboard", "wandb"]), help="Send the table of epochs there.")
@click.option("--resume", is_flag=True, help="Go on with a fine-tuning that was killed.")
@click.option("--accept-sources", is_flag=True, help="Fit although every file or group has one class only.")
@shared.device
@shared.seed
@click.option("--no-cache", is_flag=True, help="Neither use nor keep the vectors of texts from other runs.")
def command(
    paths: tuple[str, ...],
    output: Path,
    form: str,
    terminal: Terminal,
    text_column: str | None,
    label_column: str,
    positive: tuple[str, ...],
    group_column: str | None,
    time_column: str | None,
    split: str,
    test: float,
    normal: tuple[str, ...],
    encoder: str,
    detectors: str,
    base: str | None,
    finetune: str,
    epochs: int,
    batch: int,
    accumulate: int,
    tokens: int,
    learning_rate: float | None,
    track: str | None,
    resume: bool,
    accept_sources: bool,
    device: str | None,
    seed: int,
    no_cache: bool,
) -> int:
    """Fit a model on labelled texts (CSV, JSON lines, Parquet), on ordinary ones (--normal), or on both.

    \b
    forewarn fit tweets.csv -o model/ --positive on-topic --group-column event --split group
    forewarn fit news.csv -o model/ --base ./xlm-roberta --finetune lora
    forewarn fit --normal /var/log/last-month -o model/
    """
    from forewarn.detectors.finetuning.settings import TrainingSettings
    from forewarn.output.guard import check_outputs
    from forewarn.reading.labelled import read_labelled
    from forewarn.runtime.atomic import work_folder
    from forewarn.scoring.model_folder import check_target, save_model
    from forewarn.training.baseline import fit_baseline
    from forewarn.training.fit_options import FitOptions
    from forewarn.training.fitting import baseline_model, fit
    from forewarn.training.model_card import model_card

    if not paths and not normal:
        raise click.UsageError("name labelled files, or ordinary ones with --normal, or both")
    options = FitOptions(
        positive=positive,
        split=split,
        test=test,
        encoder=encoder,
        device=device,
        detectors=names(detectors),
        base=base,
        finetune=finetune,
        training=TrainingSettings(
            epochs=epochs,
            batch=batch,
            accumulate=accumulate,
            tokens=tokens,
            learning_rate=learning_rate,
            track=track,
        ),
        accept_sources=accept_sources,
        seed=seed,
        cache=not no_cache,
    )
    check_outputs([*paths, *normal, base], folders=[output])
    check_target(output)
    baseline = None
    with terminal.progress() as progress:
        if normal:
            progress("what is ordinary", 0)
            baseline = fit_baseline(
                normal, text_column=text_column, encoder=encoder, device=device, seed=seed, cache=not no_cache
            )
        if not paths and baseline:
            model = baseline_model(baseline, options)
        else:
            texts = read_labelled(
                paths,
                text_column=text_column,
                label_column=label_column,
                group_column=group_column,
                time_column=time_column,
            )
            with work_folder(output, needed=base is not None) as work:
                model = fit(
                    texts,
                    options,
                    baseline=baseline,
                    folder=work,
                    resume=resume,
                    progress=lambda stage: progress(stage, texts.height),
                )
    card = model_card(model)
    save_model(model, output, card)
    terminal.card(card, model.report, form)
    terminal.done(f"{output} written; next: forewarn scan PATH… --model {output}")
    return 0
