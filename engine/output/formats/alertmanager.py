"""Findings as alerts of Prometheus' Alertmanager: the body of `POST /api/v2/alerts`.

In: findings. Out: one JSON list. Labels are what an alert is known and routed by, and few; the rest are annotations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from forewarn.findings import Finding
from forewarn.output.formats.facets import Facets, facets
from forewarn.text_gate import json_line

_MOST = 2000
"""Characters of an annotation: pages and messages are made of them."""


def body(findings: Iterable[Finding]) -> Iterator[bytes]:
    """Findings as one list."""
    yield json_line([alert(facets(finding)) for finding in findings])


def alert(found: Facets) -> dict[str, Any]:
    """A finding as one alert."""
    labels = {
        "alertname": f"Forewarn{found.kind.capitalize()}",
        "id": found.id,
        "severity": found.level,
        "category": found.category,
        "source": found.place.source,
    }
    annotations = {
        "summary": found.title,
        "description": found.text[:_MOST],
        "place": f"{found.place.source}:{found.place.line}",
        "probability": None if found.confidence is None else f"{found.confidence:.4f}",
        "false_warnings": found.promise,
        "records": str(found.records),
        "runbook": "\n".join(found.steps)[:_MOST],
    }
    row: dict[str, Any] = {
        "labels": {name: value for name, value in labels.items() if value},
        "annotations": {name: value for name, value in annotations.items() if value},
        "startsAt": found.moment.isoformat(),
    }
    if found.state == "closed" and found.end:
        row["endsAt"] = found.end.isoformat()
    return row
