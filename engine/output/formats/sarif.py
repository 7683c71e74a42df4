"""Findings as SARIF 2.1.0, which code-review tools and editors show at the line of the file.

In: findings. Out: one JSON object: a run with a rule for each that fired, and a result for each alert or warning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from forewarn.findings import Finding
from forewarn.output.formats.facets import Facets, facets
from forewarn.text_gate import json_line

_LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "note"}
_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def report(findings: Iterable[Finding]) -> Iterator[bytes]:
    """Findings as one object. Incidents, which have no one place, are left out: their members stand."""
    found = [one for one in map(facets, findings) if one.kind != "incident"]
    rules: dict[str, dict[str, Any]] = {}
    results = [_result(one, rules) for one in found]
    driver = {
        "name": "forewarn",
        "semanticVersion": version("forewarn").partition("+")[0],
        "rules": list(rules.values()),
    }
    yield json_line(
        {
            "$schema": _SCHEMA,
            "version": "2.1.0",
            "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
        }
    )


def _result(found: Facets, rules: dict[str, dict[str, Any]]) -> dict[str, Any]:
    own = found.rules[0] if found.rules else None
    rule_id = (own.id if own and own.id else None) or f"forewarn/{found.kind}"
    title = own.title if own and own.title else f"forewarn {found.kind}"
    known = rules.setdefault(
        rule_id, {"id": rule_id, "shortDescription": {"text": title}, "help": {"text": own_help(found)}}
    )
    properties = {"id": found.id, "records": found.records, "probability": found.confidence}
    return {
        "ruleId": rule_id,
        "ruleIndex": list(rules).index(known["id"]),
        "level": _LEVELS.get(found.level, "warning"),
        "message": {"text": found.text or found.title},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(found.place.source)},
                    "region": {"startLine": max(found.place.line, 1)},
                }
            }
        ],
        "partialFingerprints": {"forewarn/v1": found.id},
        "rank": -1.0 if found.confidence is None else round(100 * found.confidence, 2),
        "properties": {name: value for name, value in properties.items() if value is not None},
    }


def own_help(found: Facets) -> str:
    """What to do first, or where to read more."""
    return "\n".join(found.steps) or "forewarn explain shows what is behind it."


def _uri(source: str) -> str:
    path = Path(source)
    return path.as_uri() if path.is_absolute() else quote(source)
