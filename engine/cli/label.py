"""`forewarn label`: files in, the texts that are most worth a label out, in a file to fill in."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from forewarn.cli.options import terminal_beside


@click.command("label")
@click.argument("paths", nargs=-1, required=True, metavar="[MODEL] PATH…")
@click.option("-n", "--number", type=click.IntRange(min=1), default=20, show_default=True, help="How many texts.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default=Path("to-label.csv"), show_default=True, help="The file."
)
@click.option("--text-column", help="The column that holds the text, for CSV, JSON and Parquet.")
@click.option("--device", help="cpu or cuda (default: cuda where there is one).")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of every random choice.")
def command(
    paths: tuple[str, ...], number: int, output: Path, text_column: str | None, device: str | None, seed: int
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
    from forewarn.scoring.model import load_model
    from forewarn.training.active_learning import most_useful, write_sheet

    first = Path(paths[0])
    model = first if (first / "model.json").is_file() else None
    check_outputs(paths, [output])
    terminal = terminal_beside(output)
    with terminal.progress() as progress:
        options = Options(model=model, text_column=text_column, device=device, seed=seed)
        found = scan(paths[1:] if model else paths, options, progress=progress)
    chosen = most_useful(found, number, load_model(model).training["text"] if model else None)
    write_sheet(chosen, output)
    terminal.problems(found.problems)
    terminal.rows(chosen.drop("label").to_dicts(), "table")
    then = f"forewarn update {model} {output} -o {model}" if model else f"forewarn fit {output} -o model/"
    terminal.out.print(f"{output} written: put 1 (crisis) or 0 into the column label, then: {then}", markup=False)
    return 0
