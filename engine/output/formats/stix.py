"""Findings as a STIX 2.1 bundle: what was seen as notes about observed artifacts, incidents as groupings of them.

In: findings. Out: one JSON object. Ids are made from ours, so that the same findings give the same bundle; nothing is
claimed of who did what: an alert is an observation with a confidence, not an indicator of compromise.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from forewarn.findings import Finding
from forewarn.output.formats.facets import NAMESPACE, Facets, facets
from forewarn.text_gate import json_line

_IDENTITY = f"identity--{uuid.uuid5(NAMESPACE, 'identity')}"
_OBSERVABLES = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")
"""Under which ids of observables are made from what they are (STIX 2.1, 2.9): the same file has one id everywhere."""


def bundle(findings: Iterable[Finding]) -> Iterator[bytes]:
    """Findings as one bundle."""
    found = list(map(facets, findings))
    moments = [one.said or one.moment for one in found]
    objects = [_identity(min(moments))] if moments else []
    objects += [_file(source) for source in dict.fromkeys(one.place.source for one in found if one.kind != "incident")]
    known = {one.id: _id("observed-data", one) for one in found if one.kind != "incident"}
    for one in found:
        objects += _grouping(one, known) if one.kind == "incident" else _observed(one)
    name = NAMESPACE if not found else found[0].uuid(f"bundle of {len(found)} to {found[-1].id}")
    yield json_line({"type": "bundle", "id": f"bundle--{name}", "objects": objects})


def _observed(found: Facets) -> list[dict[str, Any]]:
    """The record as it was seen, and a note that says what is made of it."""
    seen = found.begin or found.moment
    observed = _object("observed-data", found) | {
        "first_observed": _time(seen),
        "last_observed": _time(max(found.end or seen, seen)),
        "number_observed": min(max(found.records, 1), 999_999_999),
        "object_refs": [_file(found.place.source)["id"]],
    }
    note = _object("note", found) | {
        "abstract": found.title,
        "content": found.text or found.title,
        "object_refs": [observed["id"]],
        "labels": [one for one in (f"forewarn-{found.kind}", found.level, found.category) if one],
        "external_references": [
            {"source_name": "forewarn", "external_id": found.id},
            *({"source_name": "rule", "external_id": rule.id} for rule in found.rules if rule.id),
        ],
    }
    if found.confidence is not None:
        note["confidence"] = round(100 * found.confidence)
    return [observed, note]


def _grouping(found: Facets, known: dict[str, str]) -> list[dict[str, Any]]:
    """What belongs together; an incident whose members are not here has nothing to group."""
    members = [known[member] for member in found.members if member in known]
    if not members:
        return []
    grouping = _object("grouping", found) | {
        "name": found.title,
        "context": "suspicious-activity",
        "object_refs": members,
        "labels": [one for one in ("forewarn-incident", found.level, found.category) if one],
        "external_references": [{"source_name": "forewarn", "external_id": found.id}],
    }
    return [grouping]


def _file(source: str) -> dict[str, Any]:
    named = json.dumps({"name": source}, ensure_ascii=False, separators=(",", ":"))
    return {
        "type": "file",
        "spec_version": "2.1",
        "id": f"file--{uuid.uuid5(_OBSERVABLES, named.encode('utf-8', 'replace').decode())}",
        "name": source,
    }


def _object(kind: str, found: Facets) -> dict[str, Any]:
    said = _time(found.said or found.moment)
    return {
        "type": kind,
        "spec_version": "2.1",
        "id": _id(kind, found),
        "created_by_ref": _IDENTITY,
        "created": said,
        "modified": said,
    }


def _identity(said: datetime) -> dict[str, Any]:
    return {
        "type": "identity",
        "spec_version": "2.1",
        "id": _IDENTITY,
        "created": _time(said),
        "modified": _time(said),
        "name": "forewarn",
        "identity_class": "system",
    }


def _id(kind: str, found: Facets) -> str:
    return f"{kind}--{found.uuid(kind)}"


def _time(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03}Z"
