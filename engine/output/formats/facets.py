"""What every standard format asks of a finding, whichever kind it is.

In: an alert, a warning or an incident. Out: its `Facets`. Nothing is made up: what a finding does not know is None.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from forewarn.findings import Alert, EarlyWarning, Finding, Incident, Place, Reason
from forewarn.text_gate import printable

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:forewarn:findings")
"""Under which ids of other formats are made from ours: the same finding has the same id in every file."""
_TITLE = 160


@dataclass(frozen=True)
class Facets:
    """A finding in the terms that other programs share.

    `confidence` is the probability of an alert, 0 to 1; of a warning none is known, only how seldom it is false
    (`promise`). `begin` and `end` are UTC; a warning begins at its onset. `said` is when forewarn said so.
    """

    id: str
    kind: str
    title: str
    text: str
    level: str
    category: str | None
    confidence: float | None
    promise: str | None
    begin: datetime | None
    end: datetime | None
    said: datetime | None
    place: Place
    sources: Sequence[str]
    records: int
    rules: Sequence[Reason]
    past: Sequence[Reason]
    steps: Sequence[str]
    members: Sequence[str]
    state: str | None = None

    @property
    def moment(self) -> datetime:
        """The time by which it is put in order: of its event, else when it was said, else the beginning of 1970."""
        return self.begin or self.said or datetime(1970, 1, 1, tzinfo=UTC)

    def uuid(self, kind: str = "") -> uuid.UUID:
        """An id of 128 bits, the same for the same finding."""
        return uuid.uuid5(NAMESPACE, f"{kind} {self.id}")


def facets(finding: Finding) -> Facets:
    """The facets of a finding."""
    if isinstance(finding, Alert):
        return _alert(finding)
    return _warning(finding) if isinstance(finding, EarlyWarning) else _incident(finding)


def _alert(found: Alert) -> Facets:
    why = {item.signal: item.why for item in found.evidence}
    rules = [reason for reason in why.get("rules", []) if reason.title]
    steps = dict.fromkeys(reason.playbook.strip() for reason in rules if reason.playbook)
    return Facets(
        id=found.id,
        kind="alert",
        title=_title(rules[0].title or "" if rules else found.text),
        text=found.text,
        level=found.level,
        category=found.category,
        confidence=found.score,
        promise=None,
        begin=_utc(found.first.time),
        end=_utc(found.last.time),
        said=_utc(found.detected_at),
        place=found.first,
        sources=list(dict.fromkeys([found.first.source, found.last.source])),
        records=found.count,
        rules=rules,
        past=why.get("cases", []),
        steps=list(steps),
        members=[],
    )


def _warning(found: EarlyWarning) -> Facets:
    return Facets(
        id=found.id,
        kind="warning",
        title=_title(f"{found.stream}: {found.raised_by}"),
        text=found.text,
        level=found.level,
        category=found.category,
        confidence=None,
        promise=found.false_warnings,
        begin=_utc(found.onset.time),
        end=_utc(found.raised.time),
        said=_utc(found.detected_at),
        place=found.moved[0].at if found.moved else found.raised,
        sources=found.sources,
        records=found.size,
        rules=[reason for reason in found.correlations if reason.title],
        past=found.similar,
        steps=found.playbook,
        members=[],
    )


def _incident(found: Incident) -> Facets:
    return Facets(
        id=found.id,
        kind="incident",
        title=_title(found.title),
        text=found.title,
        level=found.level,
        category=found.category,
        confidence=None,
        promise=None,
        begin=_utc(found.first.time),
        end=_utc(found.last.time),
        said=_utc(found.detected_at),
        place=found.first,
        sources=found.sources,
        records=found.size,
        rules=[],
        past=found.similar,
        steps=found.playbook,
        members=[*found.warnings, *found.alerts],
        state=found.state,
    )


def _title(text: str) -> str:
    flat = printable(text).strip()
    return flat if len(flat) <= _TITLE else f"{flat[: _TITLE - 1]}…"


def _utc(time: datetime | None) -> datetime | None:
    if time is None:
        return None
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
