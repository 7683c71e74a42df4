"""What a report says of the scan itself: what was read and tried, what could not be, how it was asked.

In: a scan and what the user asked for, or the findings of a file alone. Out: `Facts`, all of it in words and numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

from forewarn.findings import ALERT_LEVELS, Alert, EarlyWarning, Finding, Incident, now

if TYPE_CHECKING:
    from forewarn.scan_result import Scan


@dataclass(frozen=True)
class Untried:
    """Why some rules had nothing to look at: the reason, how many, and one of them."""

    why: str
    rules: int
    example: str


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What there is to say of a scan beside its findings.

    `read` numbers by what they count; `tried` rules that had something to look at, None where that is not known;
    `settings` options by name as the user gave them; `packages` versions by name; `made` the moment, UTC.
    """

    made: datetime
    title: str
    read: Mapping[str, int] = field(default_factory=dict)
    seconds: float | None = None
    origin: str | None = None
    new_words: Sequence[str] = ()
    young: Sequence[str] = ()
    nearest: Alert | None = None
    tried: int | None = None
    untried: Sequence[Untried] = ()
    events_seen: str | None = None
    problems: Sequence[str] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)


def facts_of(found: Scan, paths: Sequence[str], settings: Mapping[str, object]) -> Facts:
    """Of a scan of `paths`; `settings` are the options that the user gave, those that are None or false left out."""
    reasons = Counter(why for _, why in found.untried)
    example = {why: rule.title for rule, why in reversed(found.untried)}
    return Facts(
        made=now(),
        title=", ".join(paths),
        read={"files": found.files, "records": found.lines, "texts": found.texts.height},
        seconds=sum(stage.seconds for stage in found.timings),
        origin=found.origin,
        new_words=found.new_words,
        young=found.young,
        nearest=found.nearest,
        tried=found.tried,
        untried=[Untried(why, count, example[why]) for why, count in reasons.most_common()],
        events_seen=found.events_seen,
        problems=[str(problem) for problem in found.problems],
        settings={name: _said(value) for name, value in settings.items() if value not in (None, False, (), "")},
        packages=_packages(),
    )


def facts_of_file(name: str) -> Facts:
    """Of an output file, which holds findings and nothing about the scan."""
    return Facts(made=now(), title=name, packages={"forewarn": version("forewarn")})


@dataclass(frozen=True)
class Head:
    """What a chief reads first: numbers by level and kind, since when, how sure at most, and what to do first."""

    incidents: int
    warnings: int
    alerts: int
    levels: Mapping[str, int]
    since: datetime | None
    until: datetime | None
    surest: float | None
    first_steps: Sequence[str]


def head_of(findings: Sequence[Finding]) -> Head:
    """The first lines of a report."""
    alerts = [one for one in findings if isinstance(one, Alert)]
    warnings = [one for one in findings if isinstance(one, EarlyWarning)]
    incidents = [one for one in findings if isinstance(one, Incident)]
    levels = Counter(one.level for one in alerts)
    begun = [one.first.time for one in alerts if one.first.time] + [
        one.onset.time for one in warnings if one.onset.time
    ]
    ended = [one.last.time for one in alerts if one.last.time] + [
        one.raised.time for one in warnings if one.raised.time
    ]
    books = [one.playbook for one in incidents] + [one.playbook for one in warnings]
    steps = dict.fromkeys(step.strip() for book in books for step in book)
    for alert in sorted(alerts, key=lambda one: -one.score)[:3]:
        steps |= dict.fromkeys(why.playbook.strip() for item in alert.evidence for why in item.why if why.playbook)
    return Head(
        incidents=len(incidents),
        warnings=len(warnings),
        alerts=len(alerts),
        levels={level: levels[level] for level in ALERT_LEVELS if levels[level]},
        since=min(begun, default=None),
        until=max(ended, default=None),
        surest=max((one.score for one in alerts), default=None),
        first_steps=list(steps)[:3],
    )


def _packages() -> dict[str, str]:
    names = ("forewarn", "faiss-cpu", "hyperscan", "numpy", "polars", "pysigma")
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except ImportError:
            continue
    return found


def _said(value: object) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value))
    return "yes" if value is True else str(value)
