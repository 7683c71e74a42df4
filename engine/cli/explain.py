"""`forewarn explain`: one alert's whole calculation."""

from __future__ import annotations

from pathlib import Path

import rich_click as click


@click.command("explain")
@click.argument("alert_id", metavar="ALERT-ID")
@click.argument("alerts", type=click.Path(path_type=Path), default=Path("alerts.jsonl"), metavar="[FILE]")
@click.option("--format", "form", type=click.Choice(["table", "jsonl"]), default="table", help="What to print.")
def command(alert_id: str, alerts: Path, form: str) -> int:
    """Show the whole calculation behind one alert of a file that `forewarn scan -o` wrote (default: alerts.jsonl).

    The first characters of an ALERT-ID are enough; `1` is the first alert of the file.

    \b
    forewarn explain fw-3f9a alerts.jsonl
    forewarn explain 1
    """
    from forewarn.findings import find_alert, read_alerts
    from forewarn.output.terminal import Terminal
    from forewarn.output.writers import jsonl

    alert = find_alert(read_alerts(alerts), alert_id, alerts)
    if form == "jsonl":
        click.echo(b"".join(jsonl([alert])), nl=False)
    else:
        Terminal().explain(alert)
    return 0
