"""`forewarn doctor`: what this installation is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from forewarn.cli.commands import Command
from forewarn.cli.options import printed

if TYPE_CHECKING:
    from forewarn.output.terminal import Terminal


@click.command("doctor", cls=Command)
@printed()
def command(form: str, terminal: Terminal) -> int:
    """Show what is installed and try it: texts are embedded and searched, a rule has to fire.

    Exit status: 0 all that a scan needs works, 2 something is broken.

    \b
    forewarn doctor
    forewarn doctor --format jsonl
    """
    import msgspec
    from rich.table import Table
    from rich.text import Text

    from forewarn.doctor import examine

    with terminal.stage("trying what is installed"):
        findings = examine()
    if form == "jsonl":
        for finding in findings:
            click.echo(msgspec.json.encode(finding))
    else:
        table = Table(box=None, show_header=False, pad_edge=False)
        for finding in findings:
            style = "bold red" if finding.broken else "bold" if finding.remedy else "default"
            # As text: to rich, `forewarn[fit]` would be a word in brackets, which is markup.
            table.add_row(finding.what, Text(finding.value), Text(finding.remedy), style=style)
        terminal.table(table)
    return 2 if any(finding.broken for finding in findings) else 0
