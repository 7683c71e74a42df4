"""`forewarn similar`: a text in, the past crises like it printed."""

from __future__ import annotations

import sys
from pathlib import Path

import rich_click as click


@click.command("similar")
@click.argument("text", required=False)
@click.option("-f", "--file", type=click.Path(path_type=Path), help="Read the text from this file.")
@click.option("-k", type=int, default=5, show_default=True, help="How many cases.")
@click.option("--category", help="Only cases of this category.")
@click.option("--before", metavar="DATE", help="Only cases before 2008, 2008-05 or 2008-05-12.")
@click.option("--after", metavar="DATE", help="Only cases from this date on.")
@click.option("--source", metavar="WORDS", help="Only cases whose source contains this.")
@click.option("--mmr", type=float, metavar="0–1", help="Spread the results: not five reports of one event (try 0.3).")
@click.option(
    "--cases",
    "--in",
    "cases",
    type=click.Path(path_type=Path),
    help="A case base, or the folder of `scan --index` (default: the shipped past crises).",
)
@click.option("--encoder", help="The base's encoder (default: the one that it was built with).")
@click.option("--device", help="cpu or cuda (default: cuda where there is one).")
@click.option("--format", "form", type=click.Choice(["table", "jsonl"]), default="table", help="What to print.")
def command(
    text: str | None,
    file: Path | None,
    k: int,
    category: str | None,
    before: str | None,
    after: str | None,
    source: str | None,
    mmr: float | None,
    cases: Path | None,
    encoder: str | None,
    device: str | None,
    form: str,
) -> int:
    """Find past crises like TEXT (- = standard input), in any of the encoder's languages.

    \b
    forewarn similar "customers queue to withdraw their savings" --after 2000
    forewarn similar "connection pool exhausted" --in texts/
    forewarn similar -f report.txt -k 10 --mmr 0.3 --format jsonl
    """
    from forewarn.cases.similar import READ, read_text, similar
    from forewarn.output.terminal import Terminal

    if (text is None) == (file is None):
        raise click.UsageError("say TEXT, or -f FILE, or - for standard input")
    said = read_text(file or sys.stdin.buffer) if file or text == "-" else text or ""
    terminal = Terminal()
    found = similar(
        said,
        k=k,
        cases=cases,
        category=category,
        before=before,
        after=after,
        source=source,
        mmr=mmr,
        encoder=encoder,
        device=device,
    )
    terminal.similar(found, form)
    if len(said) > READ:
        terminal.note(f"only the first {READ:,} characters of {len(said):,} were compared")
    if len(found) < k:
        terminal.note(f"{k} cases were asked for, {len(found)} are all that there are")
    return 0
