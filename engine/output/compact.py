"""Findings for other programs' eyes: one a line, `path:line: level score text`, as grep, editors and lnav read them.

In: a finding. Out: one line, never wrapped, in which no character of the input can steer a terminal.
"""

from __future__ import annotations

from forewarn.findings import Alert, EarlyWarning, Finding, Place
from forewarn.output import rendering
from forewarn.output.printed import printed_score
from forewarn.text_gate import printable


def line(finding: Finding) -> str:
    """A finding as one line. Where an alert has its score, the others say what they are: `warning`, `incident`."""
    if isinstance(finding, Alert):
        return f"{_place(finding.first)}: {finding.level} {printed_score(finding.score)} {printable(finding.text)}"
    if isinstance(finding, EarlyWarning):
        about = f"{finding.raised_by} since {rendering.clock(finding.onset.time)} in {printable(finding.stream)}"
        return f"{_place(finding.raised)}: {finding.level} warning {about}: {printable(finding.text)}"
    about = f"{finding.state} " if finding.state else ""
    about += f"{rendering.members(finding)}, {rendering.counted(finding.size, 'record')}"
    return f"{_place(finding.first)}: {finding.level} incident {about}: {printable(finding.title)}"


def _place(place: Place) -> str:
    return f"{printable(place.source)}:{place.line}"
