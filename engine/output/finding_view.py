"""Everything that a warning or an incident rests on: what `forewarn explain` shows below its first lines.

In: an `EarlyWarning`, or an `Incident` and the findings of its file. Out: lines for a console, in which no character
of the input can steer it. Prints nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import RenderableType
from rich.text import Text

from forewarn.findings import Alert, EarlyWarning, Finding, Incident, Moved, Place, Reason
from forewarn.output import rendering
from forewarn.output.printed import printed_score, printed_time
from forewarn.text_gate import printable


def warning_view(warning: EarlyWarning) -> list[RenderableType]:
    """The records that moved a warning, its new words, the past crises like it, and how its detector rose."""
    facts = {
        "raised at": _at(warning.raised),
        "began at": _at(warning.onset),
        "between": f"{_at(warning.onset_low)} and {_at(warning.onset_high)}",
        "records since": f"{warning.size:,}",
        "detector": _rise(warning),
        "false by chance": f"at most {warning.false_warnings}, where nothing changes",
        "new words": ", ".join(map(printable, warning.new_words)) or "none",
        "incident": warning.incident,
    }
    return [
        _heading(f"what moved it: {warning.raised_by}"),
        *(line for one in warning.moved for line in _record(f"log-odds {one.log_odds:+.2f}", one.at, one.text)),
        *_correlated(warning.correlations),
        _heading("when"),
        *_facts(facts),
        *_past(warning.similar),
        *_first(warning.playbook),
    ]


def incident_view(incident: Incident, findings: Sequence[Finding]) -> list[RenderableType]:
    """The warnings and alerts of an incident, each with its record, and what else is known of it."""
    own = {*incident.warnings, *incident.alerts}
    members: list[RenderableType] = []
    for one in findings:
        if isinstance(one, Alert) and one.id in own:
            members += _record(f"{printed_score(one.score)} alert", one.first, one.text, one.id)
        elif isinstance(one, EarlyWarning) and one.id in own:
            # Its loudest record: what is shown stands at the place that is named.
            loudest = one.moved[0] if one.moved else Moved(one.raised, one.raised_by, 0.0)
            members += _record("warning", loudest.at, loudest.text, one.id)
    facts = {
        "records": f"{incident.size:,}" + (f", {incident.speed:,.1f} an hour" if incident.speed else ""),
        "files": ", ".join(map(printable, incident.sources)),
        "new words": ", ".join(map(printable, incident.new_words)) or "none",
        "not in this file": ", ".join(sorted(own - {one.id for one in findings})),
    }
    return [
        _heading("what belongs to it"),
        *members,
        _heading("in all"),
        *_facts(facts),
        *_past(incident.similar),
        *_first(incident.playbook),
    ]


def _record(said: str, at: Place, text: str, name: str = "") -> list[RenderableType]:
    head = (
        Text(said, style="default")
        .append(f"  {_at(at)}", style="bold default")
        .append(f"  {name}" if name else "", style="dim")
    )
    return [head, rendering.indented(Text(printable(text), style="default"))]


def _rise(warning: EarlyWarning) -> str:
    before = warning.curve[0][1] if warning.curve else 0.0
    return f"{before:,.4g} some {len(warning.curve)} texts before, {warning.value:,.4g} when it was raised"


def _at(at: Place) -> str:
    return f"{printable(at.source)}:{at.line}  {printed_time(at.time)}"


def _heading(said: str) -> Text:
    return Text(f"\n{said}", style="bold")


def _facts(facts: dict[str, str]) -> Iterable[RenderableType]:
    return [Text(f"{name}: ", style="dim").append(value, style="default") for name, value in facts.items() if value]


def _correlated(correlations: Sequence[Reason]) -> list[RenderableType]:
    if not correlations:
        return []
    return [_heading("rules about several records"), *(rendering.reasoned(reason, "") for reason in correlations)]


def _past(similar: Sequence[Reason]) -> list[RenderableType]:
    if not similar:
        return [Text("past crises: none is like it", style="dim")]
    return [_heading("past crises like it"), *(rendering.reasoned(reason, "") for reason in similar)]


def _first(playbook: Sequence[str]) -> list[RenderableType]:
    return [Text(f"first: {printable(line)}", style="green") for line in playbook]
