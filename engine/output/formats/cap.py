"""Findings as messages of the Common Alerting Protocol 1.2, drafts until a person confirms them.

In: findings. Out: XML, one `alert` a finding within one `alerts` element, or the `alert` itself where there is one.
`status` is always Draft: no program sends a public warning. Severity is the level; certainty the probability (Likely
from .85, Possible from .5, else Unlikely; of a warning Unknown); urgency Immediate for what is critical, Expected for
what is high, else Future.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from datetime import datetime

from forewarn.findings import Finding
from forewarn.output.formats.facets import Facets, facets
from forewarn.text_gate import printable

_CAP = "urn:oasis:names:tc:emergency:cap:1.2"
_SEVERITIES = {"critical": "Extreme", "high": "Severe", "medium": "Moderate", "low": "Minor"}
_URGENCIES = {"critical": "Immediate", "high": "Expected"}
_CATEGORIES = {
    "finance": "Other",
    "security": "Security",
    "public_health": "Health",
    "disaster": "Geo",
    "environment": "Env",
    "crime": "Security",
    "operations": "Infra",
    "enterprise": "Other",
    "education": "Safety",
    "care": "Safety",
    "transport": "Transport",
}
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def messages(findings: Iterable[Finding]) -> Iterator[bytes]:
    """Findings as XML."""
    ET.register_namespace("", _CAP)
    found = [_message(facets(finding)) for finding in findings]
    if len(found) == 1:
        root = found[0]
    else:
        root = ET.Element("alerts")
        root.extend(found)
    ET.indent(root)
    yield b"<?xml version='1.0' encoding='utf-8'?>\n" + ET.tostring(root, encoding="utf-8") + b"\n"


def _message(found: Facets) -> ET.Element:
    alert = ET.Element(f"{{{_CAP}}}alert")
    said = found.said or found.moment
    for name, value in (
        ("identifier", found.id),
        ("sender", "forewarn"),
        ("sent", _time(said)),
        ("status", "Draft"),
        ("msgType", "Update" if found.state == "open" else "Alert"),
        ("scope", "Restricted"),
        ("restriction", "for those who confirm findings"),
    ):
        _add(alert, name, value)
    if found.members:
        _add(alert, "incidents", " ".join(found.members))
    info = ET.SubElement(alert, f"{{{_CAP}}}info")
    for name, value in (
        ("language", "zh-CN" if re.search("[\u4e00-\u9fff]", found.text) else "en-US"),
        ("category", _CATEGORIES.get(found.category or "", "Other")),
        ("event", found.title),
        ("urgency", _URGENCIES.get(found.level, "Future")),
        ("severity", _SEVERITIES.get(found.level, "Unknown")),
        ("certainty", _certainty(found.confidence)),
    ):
        _add(info, name, value)
    if found.begin:
        _add(info, "onset", _time(found.begin))
    _add(info, "senderName", "forewarn")
    _add(info, "headline", found.title)
    _add(info, "description", found.text)
    if found.steps:
        _add(info, "instruction", "\n".join(found.steps))
    known = {
        "id": found.id,
        "place": f"{found.place.source}:{found.place.line}",
        "records": str(found.records),
        "probability": None if found.confidence is None else f"{found.confidence:.4f}",
        "falseWarnings": found.promise,
    }
    for name, given in known.items():
        if given is not None:
            parameter = ET.SubElement(info, f"{{{_CAP}}}parameter")
            _add(parameter, "valueName", name)
            _add(parameter, "value", given)
    return alert


def _certainty(probability: float | None) -> str:
    if probability is None:
        return "Unknown"
    return "Likely" if probability >= 0.85 else "Possible" if probability >= 0.5 else "Unlikely"


def _add(parent: ET.Element, name: str, value: str) -> None:
    ET.SubElement(parent, f"{{{_CAP}}}{name}").text = xml_text(value)


def xml_text(value: str) -> str:
    """Text that XML can hold and that steers nothing."""
    return _NO_XML.sub("\ufffd", "\n".join(printable(line) for line in value.split("\n")))


def _time(time: datetime) -> str:
    """A moment as CAP wants it: whole seconds, and -00:00 for UTC."""
    return f"{time:%Y-%m-%dT%H:%M:%S}-00:00"
