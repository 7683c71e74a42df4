"""`forewarn convert`: the findings of a scan or a watch in the formats of other programs."""

from __future__ import annotations

import sys
from pathlib import Path

import rich_click as click

from forewarn.cli.commands import Command
from forewarn.output.formats import FORMATS

_REPORT = "html"


@click.command("convert", cls=Command)
@click.argument("alerts", type=click.Path(path_type=Path), default=Path("alerts.jsonl"), metavar="[FILE]")
@click.option(
    "--to",
    "wanted",
    type=click.Choice([*FORMATS, _REPORT]),
    required=True,
    help="The format: " + "; ".join(f"{one.name} ({one.title})" for one in FORMATS.values()) + "; html (a report).",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write to this file (default: print)."
)
def command(alerts: Path, wanted: str, output: Path | None) -> int:
    """Write the alerts, warnings and incidents of FILE (default: alerts.jsonl) in another program's format.

    FILE is what `forewarn scan -o` or the log of `forewarn watch` wrote.

    \b
    forewarn convert alerts.jsonl --to ocsf -o findings.ocsf.jsonl
    forewarn convert --to html -o report.html
    forewarn convert alerts.jsonl --to alertmanager | curl --json @- http://localhost:9093/api/v2/alerts
    """
    from forewarn.findings import read_findings
    from forewarn.output.formats import write_converted
    from forewarn.output.guard import check_outputs
    from forewarn.output.report.facts import facts_of_file
    from forewarn.output.report.page import report_of, write_report

    check_outputs([alerts], [output])
    findings = read_findings(alerts)
    if wanted == _REPORT:
        facts = facts_of_file(str(alerts))
        if output:
            write_report(findings, facts, output)
        else:
            sys.stdout.buffer.write(report_of(findings, facts).encode())
    elif output:
        write_converted(findings, FORMATS[wanted], output)
    else:
        sys.stdout.buffer.writelines(FORMATS[wanted].write(findings))
    return 0
