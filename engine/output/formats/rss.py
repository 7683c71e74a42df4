"""Incidents, warnings and alerts as an RSS 2.0 feed, the newest first.

In: findings. Out: XML. Titles and descriptions are plain text, escaped twice as readers of feeds expect: what looks
like markup in a finding is shown, not obeyed.
"""

from __future__ import annotations

import html
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from email.utils import format_datetime

from forewarn.findings import Finding
from forewarn.output.formats.cap import xml_text
from forewarn.output.formats.facets import Facets, facets

_MOST = 1000
"""Items of a feed: a reader takes in no more at once."""


def feed(findings: Iterable[Finding]) -> Iterator[bytes]:
    """Findings as one feed. Alerts that belong to an incident of the same input stand in its item, not beside it."""
    found = list(map(facets, findings))
    members = {member for one in found for member in one.members}
    shown = sorted((one for one in found if one.id not in members), key=lambda one: one.moment, reverse=True)[:_MOST]
    root = ET.Element("rss", version="2.0")
    channel = ET.SubElement(root, "channel")
    for name, value in (
        ("title", "forewarn"),
        ("link", "urn:forewarn:findings"),
        ("description", "First signs of crises that forewarn found"),
    ):
        ET.SubElement(channel, name).text = value
    for one in shown:
        _item(channel, one)
    ET.indent(root)
    yield b"<?xml version='1.0' encoding='utf-8'?>\n" + ET.tostring(root, encoding="utf-8") + b"\n"


def _item(channel: ET.Element, found: Facets) -> None:
    item = ET.SubElement(channel, "item")
    facts = [f"{found.level} {found.kind}", f"{found.records:,} records", f"{found.place.source}:{found.place.line}"]
    if found.confidence is not None:
        facts.insert(1, f"probability {found.confidence:.3f}")
    said = "\n".join([", ".join(facts), found.text, *(f"First: {step}" for step in found.steps[:3])])
    for name, value in (
        ("title", html.escape(found.title)),
        ("description", html.escape(said)),
        ("category", found.category),
        ("pubDate", format_datetime(found.moment)),
    ):
        if value:
            ET.SubElement(item, name).text = xml_text(value)
    ET.SubElement(item, "guid", isPermaLink="false").text = xml_text(found.id)
