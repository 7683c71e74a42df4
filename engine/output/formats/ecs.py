"""Findings as documents of the Elastic Common Schema, one a line, with `event.kind` alert.

In: findings. Out: JSON lines of ECS 8 with nested fields; what ECS has no field for is under `forewarn`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from forewarn.findings import Finding
from forewarn.output.formats.facets import Facets, facets
from forewarn.text_gate import json_line

_SEVERITIES = {"low": 21, "medium": 47, "high": 73, "critical": 99}
"""Risk scores of Elastic's own levels."""


def lines(findings: Iterable[Finding]) -> Iterator[bytes]:
    """Findings as JSON lines."""
    return (json_line(document(facets(finding))) for finding in findings)


def document(found: Facets) -> dict[str, Any]:
    """A finding as one document."""
    event = {
        "id": found.id,
        "kind": "alert",
        "module": "forewarn",
        "dataset": f"forewarn.{found.kind}",
        "severity": _SEVERITIES.get(found.level, 1),
        "start": found.begin,
        "end": found.end,
        "created": found.said,
        "reason": found.title,
    }
    if found.confidence is not None:
        event["risk_score"] = round(100 * found.confidence, 2)
    row: dict[str, Any] = {
        "@timestamp": found.moment,
        "ecs": {"version": "8.17.0"},
        "message": found.text,
        "event": {name: value for name, value in event.items() if value is not None},
        "log": {"file": {"path": found.place.source}, "level": found.level},
        "forewarn": {
            "kind": found.kind,
            "line": found.place.line,
            "records": found.records,
            "category": found.category,
            "members": list(found.members),
            "false_warnings": found.promise,
        },
    }
    if found.rules:
        row["rule"] = {"id": [rule.id for rule in found.rules], "name": [rule.title for rule in found.rules]}
    return row
