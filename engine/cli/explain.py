"""`forewarn explain`: all that is behind one alert, warning or incident."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from forewarn.cli.commands import Command
from forewarn.cli.options import printed

if TYPE_CHECKING:
    from forewarn.output.terminal import Terminal


@click.command("explain", cls=Command)
@click.argument("alert_id", metavar="ID")
@click.argument("alerts", type=click.Path(path_type=Path), default=Path("alerts.jsonl"), metavar="[FILE]")
@printed()
def command(alert_id: str, alerts: Path, form: str, terminal: Terminal) -> int:
    """Show what is behind one alert, warning or incident of FILE, which `scan -o` wrote (default: alerts.jsonl).

    Of an alert the whole calculation, of a warning the records that moved it, of an incident what belongs to it. The
    first characters of an ID are enough; `1` is the first alert of the file.

    \b
    forewarn explain fw-3f9a alerts.jsonl
    forewarn explain 1
    forewarn explain fw-w50 ~/.local/state/forewarn/warnings.jsonl
    """
    from forewarn.findings import Alert, EarlyWarning, find, read_findings
    from forewarn.output.finding_view import incident_view, warning_view
    from forewarn.output.writers import jsonl

    findings = read_findings(alerts)
    found = find(findings, alert_id, alerts)
    if form == "jsonl":
        click.echo(b"".join(jsonl([found])), nl=False)
    elif isinstance(found, Alert):
        terminal.explain(found)
    else:
        terminal.notification(found)
        for piece in warning_view(found) if isinstance(found, EarlyWarning) else incident_view(found, findings):
            terminal.out.print(piece)
    return 0
