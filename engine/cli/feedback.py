"""`forewarn feedback`: an alert or a warning and yes or no in, a file of labels out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from forewarn.cli.commands import Command
from forewarn.cli.options import printed

if TYPE_CHECKING:
    from forewarn.output.terminal import Terminal


@click.command("feedback", cls=Command)
@click.argument("alert_id", metavar="ID")
@click.argument("answer", type=click.Choice(["yes", "no"]))
@click.argument("alerts", type=click.Path(path_type=Path), default=Path("alerts.jsonl"), metavar="[FILE]")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    default=Path("feedback.csv"),
    show_default=True,
    help="The file that answers are added to.",
)
@printed()
def command(alert_id: str, answer: str, alerts: Path, output: Path, form: str, terminal: Terminal) -> int:
    """Say whether an alert or a warning was right (yes: a crisis) or not, for `update` and `fit` to learn from.

    It is one of FILE, which `forewarn scan -o` wrote (default: alerts.jsonl); `1` is its first alert. Of a false
    warning all texts that moved it are kept as ordinary, of a right one the loudest as a crisis.

    \b
    forewarn feedback fw-3f9a yes
    forewarn feedback 2 no alerts.jsonl -o feedback.csv
    forewarn feedback fw-w50 no
    """
    from forewarn.findings import find, read_findings
    from forewarn.output.guard import check_outputs
    from forewarn.training.feedback import keep_answer

    check_outputs([alerts], [output])
    answers = keep_answer(find(read_findings(alerts), alert_id, alerts), answer == "yes", output)
    right = int((answers["label"] == "1").sum())
    terminal.answers(output, right, len(answers) - right, form)
    return 0
