"""Findings as OCSF: class Detection Finding (2004), one JSON object a line, as security lakes and SIEMs take it in.

In: findings. Out: JSON lines of OCSF 1.5 (schema.ocsf.io). `type_uid` is class and activity; times are milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from importlib.metadata import version
from typing import Any

from forewarn.findings import Finding
from forewarn.output.formats.facets import Facets, facets
from forewarn.text_gate import json_line

_CLASS, _CREATE, _UPDATE, _CLOSE = 2004, 1, 2, 3
_ACTIVITIES = {_CREATE: "Create", _UPDATE: "Update", _CLOSE: "Close"}
_SEVERITIES = {"low": (2, "Low"), "medium": (3, "Medium"), "high": (4, "High"), "critical": (5, "Critical")}
_OTHER = 99, "Other"
_CONFIDENCES = (0.85, 3, "High"), (0.5, 2, "Medium"), (0.0, 1, "Low")


def lines(findings: Iterable[Finding]) -> Iterator[bytes]:
    """Findings as JSON lines."""
    return (json_line(detection(facets(finding))) for finding in findings)


def detection(found: Facets) -> dict[str, Any]:
    """A finding as one Detection Finding."""
    activity = {None: _CREATE, "open": _UPDATE, "closed": _CLOSE}.get(found.state, _CREATE)
    severity_id, severity = _SEVERITIES.get(found.level, _OTHER)
    row: dict[str, Any] = {
        "class_uid": _CLASS,
        "class_name": "Detection Finding",
        "category_uid": 2,
        "category_name": "Findings",
        "activity_id": activity,
        "activity_name": _ACTIVITIES[activity],
        "type_uid": _CLASS * 100 + activity,
        "type_name": f"Detection Finding: {_ACTIVITIES[activity]}",
        "severity_id": severity_id,
        "severity": severity,
        "status_id": 4 if activity == _CLOSE else 1,
        "status": "Resolved" if activity == _CLOSE else "New",
        "time": _milliseconds(found.moment),
        "count": found.records,
        "message": found.title,
        "metadata": {
            "version": "1.5.0",
            "uid": found.id,
            "product": {"name": "forewarn", "vendor_name": "forewarn", "version": version("forewarn")},
        },
        "finding_info": {
            "uid": found.id,
            "title": found.title,
            "desc": found.text,
            "types": [kind for kind in (found.kind, found.category) if kind],
            "data_sources": list(found.sources),
        },
        "unmapped": {"line": found.place.line, "false_warnings": found.promise},
    }
    times = {"first_seen_time": found.begin, "last_seen_time": found.end, "created_time": found.said}
    row["finding_info"] |= {name: _milliseconds(time) for name, time in times.items() if time}
    if found.begin:
        row["start_time"] = _milliseconds(found.begin)
    if found.end:
        row["end_time"] = _milliseconds(found.end)
    if found.rules:
        first = found.rules[0]
        row["finding_info"]["analytic"] = {"type_id": 1, "type": "Rule", "uid": first.id, "name": first.title}
        row["finding_info"]["related_analytics"] = [
            {"type_id": 1, "type": "Rule", "uid": rule.id, "name": rule.title} for rule in found.rules[1:]
        ]
    if found.members:
        row["finding_info"]["related_events"] = [{"uid": member} for member in found.members]
    if found.confidence is not None:
        row["confidence_score"] = round(100 * found.confidence)
        _, row["confidence_id"], row["confidence"] = next(one for one in _CONFIDENCES if found.confidence >= one[0])
    if found.steps:
        row["remediation"] = {"desc": "\n".join(found.steps)}
    return row


def _milliseconds(time: datetime) -> int:
    return round(time.timestamp() * 1000)
