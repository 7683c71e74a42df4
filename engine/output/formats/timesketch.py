"""Findings as lines of a Timesketch timeline, JSON or CSV, with the three fields that one must have.

In: findings. Out: `message`, `datetime`, `timestamp_desc` and what else is known, by time. A finding without a time
stands where forewarn said it, which its `timestamp_desc` says.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

from forewarn.findings import Finding
from forewarn.output.formats.facets import Facets, facets
from forewarn.text_gate import json_line, spreadsheet_cell

_DESCRIBED = {"alert": "First record", "warning": "Onset of the change", "incident": "First record"}


def lines(findings: Iterable[Finding]) -> Iterator[bytes]:
    """Findings as JSON lines."""
    return (json_line(event(facets(finding))) for finding in findings)


def table(findings: Iterable[Finding]) -> Iterator[bytes]:
    """Findings as CSV, in which no spreadsheet finds a formula."""
    for number, finding in enumerate(findings):
        row = event(facets(finding))
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        if number == 0:
            writer.writerow(row)
        writer.writerow(
            [
                spreadsheet_cell(value) if isinstance(value, str) else "" if value is None else value
                for value in row.values()
            ]
        )
        yield out.getvalue().encode("utf-8", "replace")


def event(found: Facets) -> dict[str, Any]:
    """A finding as one event."""
    return {
        "message": f"{found.title} — {found.text}" if found.title != found.text else found.text,
        "datetime": found.moment.isoformat(timespec="milliseconds"),
        "timestamp": round(found.moment.timestamp() * 1_000_000),
        "timestamp_desc": _DESCRIBED[found.kind] if found.begin else "Said by forewarn",
        "data_type": f"forewarn:{found.kind}",
        "id": found.id,
        "level": found.level,
        "score": found.confidence,
        "category": found.category,
        "source": found.place.source,
        "line": found.place.line,
        "count": found.records,
        "rules": "; ".join(rule.title or "" for rule in found.rules),
        "tag": f"forewarn-{found.level}",
    }
