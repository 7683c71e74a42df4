"""`forewarn score`: a text in; its probability, stage, domain and evidence printed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import rich_click as click

from forewarn.cli.commands import Command
from forewarn.cli.options import looking_with, printed

if TYPE_CHECKING:
    from forewarn.output.terminal import Terminal


@click.command("score", cls=Command)
@click.argument("text")
@looking_with
@printed()
def command(
    text: str,
    look_with: dict[str, Any],
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
        found = score(said, Options(**look_with, cache=False))
    if form == "jsonl":
        terminal.json(found)
    else:
        terminal.explain(found)
    return 0
