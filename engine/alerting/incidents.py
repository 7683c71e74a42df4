"""Alerts and warnings to incidents: what belongs together, by meaning and time.

In: the warnings and alerts of a scan, with the vectors of their texts, or the warnings of a watch as they begin and
end. Out: `Incident`s, of a scan the most alarming first. A thousand alerts about one thing are one incident.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
import numpy as np
from numpy.typing import NDArray

from forewarn.findings import ALERT_LEVELS, Alert, EarlyWarning, Incident, Place, Reason

Encode = Callable[[list[str]], NDArray[np.float32]]
"""The vectors of n texts, float32 (n, d)."""
_SAME = 0.45
"""Cosine to an incident's centre from which a text belongs to it."""
_APART = timedelta(hours=6)


class _Group:
    """What is said of the warnings and alerts of an incident; warnings are added before alerts."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.alerts: list[Alert] = []
        # By their vectors: a thousand records of one template are one text.
        self.texts: dict[bytes, str] = {}
        self.first: dict[str, Place] = {}
        self.last: Place | None = None
        self.span: tuple[datetime, datetime] | None = None
        self.size = 0
        self.level = len(ALERT_LEVELS)
        self.categories = Counter[str]()
        self.new_words: list[str] = []
        self.similar: list[Reason] = []
        self.playbook: dict[str, None] = {}
        self._sum: NDArray[np.float64] | float = 0.0

    def centre(self) -> NDArray[np.float64]:
        middle = self._sum / (len(self.warnings) + len(self.alerts))
        return np.asarray(middle / max(float(np.linalg.norm(middle)), 1e-9))

    def add(self, item: Alert | EarlyWarning, vector: NDArray[np.float32]) -> None:
        if isinstance(item, Alert):
            self.alerts.append(item)
            self.size += item.count
            reasons = [reason for evidence in item.evidence for reason in evidence.why]
            playbook = [reason.playbook.strip() for reason in reasons if reason.playbook]
        else:
            if not self.warnings:
                self.size = item.size
            self.similar = self.similar or item.similar
            self.warnings.append(item.id)
            self.new_words = self.new_words or item.new_words
            playbook = item.playbook
        self.playbook |= dict.fromkeys(playbook)
        self.level = min(self.level, list(ALERT_LEVELS).index(item.level))
        self.categories.update([item.category] if item.category else [])
        self.texts.setdefault(vector.astype(np.float32).tobytes(), item.text)
        self._sum = self._sum + vector.astype(np.float64)
        for place in (item.first, item.last) if isinstance(item, Alert) else (item.onset, item.raised):
            self._reach(place)

    def _reach(self, place: Place) -> None:
        self.first[place.source] = min(self.first.get(place.source, place), place, key=_order)
        self.last = max(self.last or place, place, key=_order)
        if place.time:
            first, last = self.span or (place.time, place.time)
            self.span = min(first, place.time), max(last, place.time)


def _order(place: Place) -> tuple[bool, datetime, str, int]:
    return place.time is None, place.time or datetime.min, place.source, place.line


def incidents(
    warnings: Sequence[EarlyWarning],
    warned: Mapping[str, NDArray[np.float32]],
    alerts: Sequence[Alert],
    alerted: NDArray[np.float32],
) -> list[Incident]:
    """Join warnings and n alerts; `warned` float32 (d,) by id and `alerted` float32 (n, d) are their texts' vectors.

    Warnings keep the incident that they were raised with; an alert goes to the nearest incident close in meaning and
    time, or begins one. Alerts are taken in the order of their first times, so that the same alerts give the same
    incidents.
    """
    groups: dict[str, _Group] = {}
    for warning in warnings:
        groups.setdefault(warning.incident, _Group()).add(warning, warned[warning.id])
    order = sorted(range(len(alerts)), key=lambda at: (_time(alerts[at]), alerts[at].id))
    for at in order:
        alert, vector = alerts[at], alerted[at]
        near = {name: float(group.centre() @ vector) for name, group in groups.items() if _meets(group, alert)}
        best = max(near, key=lambda name: near[name]) if near else None
        if best is None or near[best] < _SAME:
            best = "fw-i" + hashlib.sha256(alert.id.encode()).hexdigest()[:12]
            groups[best] = _Group()
        groups[best].add(alert, vector)
    made = [_incident(name, group) for name, group in groups.items()]
    return sorted(made, key=lambda one: (not one.warnings, list(ALERT_LEVELS).index(one.level), -one.size, one.id))


@dataclass
class OpenIncidents:
    """The incidents of a watch: a record of each whenever it changes.

    A warning opens its incident and says all that is known of it; from the second one on, and when the last of them has
    ended, there is an incident to be written. `warnings` those of each incident, `lasting` the incident of each warning
    that lasts, by its stream and kind.
    """

    warnings: dict[str, list[EarlyWarning]] = field(default_factory=dict)
    lasting: dict[str, str] = field(default_factory=dict)

    def begun(self, warning: EarlyWarning, encode: Encode) -> list[Incident]:
        """A warning was raised."""
        known = self.warnings.setdefault(warning.incident, [])
        known.append(warning)
        self.lasting[_kind(warning.stream, warning.volume is not None)] = warning.incident
        return [self._record(warning.incident, "open", encode)] if len(known) > 1 else []

    def ended(self, stream: str, by_volume: bool, at: Place, encode: Encode) -> list[Incident]:
        """The warning of a stream, of its texts or of its volume, has ended."""
        name = self.lasting.pop(_kind(stream, by_volume), None)
        if name is None or name in self.lasting.values():
            return []
        return [msgspec.structs.replace(self._record(name, "closed", encode), last=at)]

    def forget(self, joinable: Iterable[str]) -> None:
        """Keep the incidents that last and those that a warning can still join."""
        kept = {*joinable, *self.lasting.values()}
        self.warnings = {name: known for name, known in self.warnings.items() if name in kept}

    def _record(self, name: str, state: str, encode: Encode) -> Incident:
        group, known = _Group(), self.warnings[name]
        for warning, vector in zip(known, encode([warning.text for warning in known]), strict=True):
            group.add(warning, vector)
        return msgspec.structs.replace(_incident(name, group), state=state)


def _kind(stream: str, by_volume: bool) -> str:
    return f"{'volume' if by_volume else 'texts'} of {stream}"


def _time(alert: Alert) -> float:
    return alert.first.time.timestamp() if alert.first.time else float("inf")


def _meets(group: _Group, alert: Alert) -> bool:
    if group.span is None or alert.first.time is None or alert.last.time is None:
        return True
    return alert.first.time - _APART <= group.span[1] and group.span[0] <= alert.last.time + _APART


def _incident(name: str, group: _Group) -> Incident:
    vectors = np.array([np.frombuffer(vector, dtype=np.float32) for vector in group.texts])
    central = int(np.argmax(vectors @ group.centre()))
    first = sorted(group.first.values(), key=_order)
    hours = (group.span[1] - group.span[0]).total_seconds() / 3600 if group.span else 0.0
    return Incident(
        id=name,
        title=list(group.texts.values())[central],
        level=list(ALERT_LEVELS)[group.level],
        category=group.categories.most_common(1)[0][0] if group.categories else None,
        first=first[0],
        last=group.last or first[-1],
        size=group.size,
        speed=round(group.size / hours, 2) if hours else None,
        sources=[place.source for place in first[:20]],
        new_words=group.new_words,
        similar=group.similar if group.warnings else _similar(group.alerts),
        playbook=list(group.playbook),
        warnings=group.warnings,
        alerts=[alert.id for alert in group.alerts],
    )


def _similar(alerts: Sequence[Alert]) -> list[Reason]:
    """The past cases that the alerts name, each once, the most similar first."""
    found: dict[str | None, Reason] = {}
    for reason in (reason for alert in alerts for item in alert.evidence for reason in item.why):
        known = found.get(reason.id)
        if reason.similarity is not None and (known is None or reason.similarity > (known.similarity or 0.0)):
            found[reason.id] = reason
    return sorted(found.values(), key=lambda reason: -(reason.similarity or 0.0))[:3]
