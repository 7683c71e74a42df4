"""`forewarn score`: a text in; its probability, stage, domain and evidence printed."""

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


@click.command("score", cls=Command)
@click.argument("text")
@shared.rules
@shared.cases
@shared.encoder
@shared.device
@shared.model
@printed()
def command(
    text: str,
    rules: tuple[str, ...],
    cases: Path | None,
    encoder: str,
    device: str | None,
    model: Path | None,
    form: str,
    terminal: Terminal,
) -> int:
    """Say how probable it is that TEXT (- = standard input) tells of a crisis, and why.

    One text alone: a scan also compares its texts with one another.

    \b
    forewarn score "third pharmacy in our street out of fever medicine"
    forewarn score "小学门口有人持刀砍人" --json
    """
    from forewarn.cases.similar import read_text
    from forewarn.options import Options
    from forewarn.resident import score

    said = read_text(sys.stdin.buffer) if text == "-" else text
    with terminal.stage("preparing rules, once"):
        found = score(
            said, Options(rules=rules or None, cases=cases, encoder=encoder, device=device, model=model, cache=False)
        )
    if form == "jsonl":
        terminal.json(found)
    else:
        terminal.explain(found)
    return 0
