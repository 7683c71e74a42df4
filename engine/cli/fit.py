"""`forewarn fit`: labelled texts in, a model folder out, and the report on texts that it never saw."""

from __future__ import annotations

from pathlib import Path

import rich_click as click


@click.command("fit")
@click.argument("paths", nargs=-1, required=True, metavar="LABELLED…")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The folder to write.")
@click.option("--text-column", help="The column of the text (default: text, or a known name).")
@click.option("--label-column", default="label", show_default=True, help="The column of the label.")
@click.option("--positive", multiple=True, default=("1",), show_default=True, help="A label of a crisis (repeat).")
@click.option("--group-column", help="Texts of one group (an event, a day, a source) are never parted.")
@click.option("--time-column", help="The column of the time, for --split time.")
@click.option("--split", type=click.Choice(["random", "group", "time"]), default="random", show_default=True)
@click.option("--test", type=float, default=0.2, show_default=True, help="The share of texts kept for the report.")
@click.option("--encoder", default="bundled", show_default=True, help="bundled, or a sentence-transformers name.")
@click.option("--device", help="cpu or cuda (default: cuda where there is one).")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of every random choice.")
@click.option("--no-cache", is_flag=True, help="Neither use nor keep the vectors of texts from other runs.")
def command(
    paths: tuple[str, ...],
    output: Path,
    text_column: str | None,
    label_column: str,
    positive: tuple[str, ...],
    group_column: str | None,
    time_column: str | None,
    split: str,
    test: float,
    encoder: str,
    device: str | None,
    seed: int,
    no_cache: bool,
) -> int:
    """Fit a model on labelled texts (CSV, JSON lines, Parquet).

    \b
    forewarn fit tweets.csv -o model/ --positive on-topic --group-column event --split group
    forewarn fit news.csv -o model/ --text-column body --time-column date --split time
    """
    from forewarn.fit import FitOptions, fit
    from forewarn.labelled import read_labelled
    from forewarn.model import save_model
    from forewarn.report import model_card
    from forewarn.terminal import Terminal

    texts = read_labelled(
        paths, text_column=text_column, label_column=label_column, group_column=group_column, time_column=time_column
    )
    options = FitOptions(positive, split, test, encoder, device, seed, not no_cache)
    terminal = Terminal()
    with terminal.progress() as progress:
        model = fit(texts, options, progress=lambda stage: progress(stage, texts.height))
    card = model_card(model)
    save_model(model, output, card)
    terminal.out.print(card, markup=False)
    terminal.out.print(f"{output} written; next: forewarn scan PATH… --model {output}", markup=False)
    return 0
