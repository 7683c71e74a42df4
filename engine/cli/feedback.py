"""`forewarn feedback`: an alert and yes or no in, a file of labels out."""

from __future__ import annotations

from pathlib import Path

import rich_click as click


@click.command("feedback")
@click.argument("alert_id", metavar="ALERT-ID")
@click.argument("answer", type=click.Choice(["yes", "no"]))
@click.argument("alerts", type=click.Path(path_type=Path), default=Path("alerts.jsonl"), metavar="[FILE]")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("feedback.csv"),
    show_default=True,
    help="The file that answers are added to.",
)
def command(alert_id: str, answer: str, alerts: Path, output: Path) -> int:
    """Say whether an alert was right (yes: a crisis) or not, for `forewarn update` and `forewarn fit` to learn from.

    The alert is one of FILE, which `forewarn scan -o` wrote (default: alerts.jsonl); `1` is the first of it.

    \b
    forewarn feedback fw-3f9a yes
    forewarn feedback 2 no alerts.jsonl -o feedback.csv
    """
    from forewarn.findings import find_alert, read_alerts
    from forewarn.output.guard import check_outputs
    from forewarn.output.terminal import Terminal
    from forewarn.training.feedback import keep_answer

    check_outputs([alerts], [output])
    alert = find_alert(read_alerts(alerts), alert_id, alerts)
    answers = keep_answer(alert, answer == "yes", output)
    right = (answers["label"] == "1").sum()
    Terminal().out.print(
        f"{output}: {len(answers)} answers, {right} yes; next: forewarn update model/ {output} -o model/", markup=False
    )
    return 0
