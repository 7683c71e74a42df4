"""`forewarn similar`: a text in, the past crises like it printed."""

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


@click.command("similar", cls=Command)
@click.argument("text", required=False)
@click.option("-f", "--file", type=click.Path(path_type=Path), metavar="FILE", help="Read the text from this file.")
@click.option("-k", type=int, metavar="N", default=5, show_default=True, help="How many cases.")
@click.option("--category", metavar="NAME", help="Only cases of this category.")
@click.option("--before", metavar="DATE", help="Only cases before 2008, 2008-05 or 2008-05-12.")
@click.option("--after", metavar="DATE", help="Only cases from this date on.")
@click.option("--source", metavar="WORDS", help="Only cases whose source contains this.")
@click.option("--mmr", type=float, metavar="0–1", help="Spread the results: not five reports of one event (try 0.3).")
@click.option(
    "--cases",
    "--in",
    "cases",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where to look: a case base that `forewarn cases build` wrote, or the texts of `forewarn scan … --index DIR`. "
    "--cases and --in do the same (default: the shipped past crises).",
)
@click.option(
    "--encoder", metavar="NAME", help="Refuse a base that another encoder built (default: the one that built it)."
)
@shared.device
@printed()
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
    terminal: Terminal,
) -> int:
    """Find past crises like TEXT (- = standard input), in any of the encoder's languages.

    \b
    forewarn similar "customers queue to withdraw their savings" --after 2000
    forewarn similar "connection pool exhausted" --in texts/
    forewarn similar -f report.txt -k 10 --mmr 0.3 --format jsonl
    """
    from forewarn.cases.similar import READ, read_text, similar

    if (text is None) == (file is None):
        raise click.UsageError("say TEXT, or -f FILE, or - for standard input")
    said = read_text(file or sys.stdin.buffer) if file or text == "-" else text or ""
    with terminal.stage("preparing the case base, once"):
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
