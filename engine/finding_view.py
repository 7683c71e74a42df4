"""Everything that a warning or an incident rests on: what `forewarn explain` shows below its first lines.

In: an `EarlyWarning`, or an `Incident` and the findings of its file. Out: pieces for a console, in which no character
of the input can steer it. Prints nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from forewarn.findings import Alert, EarlyWarning, Finding, Incident, Place, Reason
from forewarn.output import rendering
from forewarn.output.writers import printable
from forewarn.printed import printed_score, printed_time


def warning_view(warning: EarlyWarning) -> list[RenderableType]:
    """The records that moved a warning, its new words, the past crises like it, and how its detector rose."""
    moved = _table("log-odds", "record", "time (UTC)", "what it says")
    for one in warning.moved:
        moved.add_row(f"{one.log_odds:+.2f}", _place(one.at), _time(one.at), Text(printable(one.text)))
    facts = {
        "raised at": f"{_place(warning.raised)}  {_time(warning.raised)}",
        "began at": f"{_place(warning.onset)}  {_time(warning.onset)}",
        "between": f"{_place(warning.onset_low)} and {_place(warning.onset_high)}",
        "records since": f"{warning.size:,}",
        "detector": _rise(warning),
        "false by chance": f"at most {warning.false_warnings}, where nothing changes",
        "new words": ", ".join(map(printable, warning.new_words)) or "none",
        "incident": warning.incident,
    }
    return [
        _heading(f"what moved it: {warning.raised_by}"),
        moved,
        *_facts(facts),
        *_past(warning.similar),
        *_first(warning.playbook),
    ]


def incident_view(incident: Incident, findings: Sequence[Finding]) -> list[RenderableType]:
    """The warnings and alerts of an incident, each in a line, and what else is known of it."""
    members = _table("", "record", "time (UTC)", "what it says", "id")
    own = {*incident.warnings, *incident.alerts}
    for one in findings:
        if isinstance(one, Alert) and one.id in own:
            members.add_row(printed_score(one.score), *_row(one.first, one.text), one.id)
        elif isinstance(one, EarlyWarning) and one.id in own:
            members.add_row("warning", *_row(one.raised, one.text), one.id)
    missing = own - {one.id for one in findings}
    facts = {
        "records": f"{incident.size:,}" + (f", {incident.speed:,.1f} an hour" if incident.speed else ""),
        "files": ", ".join(map(printable, incident.sources)),
        "new words": ", ".join(map(printable, incident.new_words)) or "none",
        "not in this file": ", ".join(sorted(missing)),
    }
    return [
        _heading("what belongs to it"),
        members,
        *_facts(facts),
        *_past(incident.similar),
        *_first(incident.playbook),
    ]


def _rise(warning: EarlyWarning) -> str:
    before = warning.curve[0][1] if warning.curve else 0.0
    return f"{before:,.4g} some {len(warning.curve)} texts before, {warning.value:,.4g} when it was raised"


def _row(at: Place, text: str) -> tuple[str, str, Text]:
    return _place(at), _time(at), Text(printable(text))


def _place(at: Place) -> str:
    return f"{printable(at.source)}:{at.line}"


def _time(at: Place) -> str:
    return printed_time(at.time)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold", justify="right" if name in ("log-odds", "") else "left")
    return table


def _heading(said: str) -> Text:
    return Text(f"\n{said}", style="bold")


def _facts(facts: dict[str, str]) -> Iterable[Text]:
    return [Text(f"{name}: ", style="dim").append(value, style="default") for name, value in facts.items() if value]


def _past(similar: Sequence[Reason]) -> list[Text]:
    if not similar:
        return [Text("past crises: none is like it", style="dim")]
    return [_heading("past crises like it"), *(rendering.reasoned(reason, "") for reason in similar)]


def _first(playbook: Sequence[str]) -> list[Text]:
    return [Text(f"first: {printable(line)}", style="green") for line in playbook]
