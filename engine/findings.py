"""What a person reads: alerts, each with its evidence, and their JSON form.

In: one distinct text's row of numbers and reasons. Out: an `Alert`, written and read as one JSON object. The evidence
of an alert adds up to its `log_odds`, to the last digit that is printed. Whoever takes an output file reads it here.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from forewarn.errors import InputError

SCHEMA_VERSION = 1
"""The version of the lines' form; it grows when a field changes its meaning or goes, not when one comes."""
ALERT_LEVELS = {"critical": 0.97, "high": 0.85, "medium": 0.5, "low": 0.0}
"""The least probability of each level, the highest level first."""


class Place(msgspec.Struct, frozen=True):
    """Where a record is: file as the user named it, 1-based line, UTC time where one was recognised."""

    source: str
    line: int
    time: datetime | None = None


class Reason(msgspec.Struct, frozen=True, omit_defaults=True):
    """One item behind a signal.

    `id` and `title` name a rule or a past case; `log_odds` its own share of the signal's contribution, where the signal
    is a sum; `spans` character ranges [start, end) of the alert's text; `similarity` cosine, −1 to 1; `words` those
    that moved the score most; `note` a sentence for people; `records` those that a correlation rests on, at most the
    latest twenty.
    """

    id: str | None = None
    title: str | None = None
    log_odds: float | None = None
    level: str | None = None
    spans: list[tuple[int, int]] = []
    similarity: float | None = None
    date: str | None = None
    category: str | None = None
    outcome: str | None = None
    playbook: str | None = None
    decision: str | None = None
    words: list[str] = []
    note: str | None = None
    records: list[Place] = []


class Evidence(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one signal added to the log-odds, and why. `score` is the signal itself, before its weight."""

    signal: str
    log_odds: float
    score: float | None = None
    why: list[Reason] = []


class Alert(msgspec.Struct, frozen=True, tag_field="kind", tag="alert"):
    """One distinct text that is worth a person's attention.

    `score` is the probability of crisis, `low` and `high` its Venn–Abers interval (null before any label), `p_value`
    how seldom an ordinary record of this input scores as high; `origin` says whose opinion the score is.
    """

    id: str
    score: float
    low: float | None
    high: float | None
    p_value: float | None
    log_odds: float
    level: str
    category: str | None
    text: str
    count: int
    first: Place
    last: Place
    evidence: list[Evidence]
    origin: str
    schema_version: int = SCHEMA_VERSION
    time: datetime | None = None
    detected_at: datetime | None = None


class Moved(msgspec.Struct, frozen=True):
    """A text that moved a warning, where it stood, and its log-odds at that time.

    `text` is what the record at that place says, of a long one the first 2,000 characters.
    """

    at: Place
    text: str
    log_odds: float


class Volume(msgspec.Struct, frozen=True):
    """How many records came: `records` in the last `seconds`, `usual` the median of such spans before."""

    records: int
    usual: float
    seconds: int


class EarlyWarning(msgspec.Struct, frozen=True, tag_field="kind", tag="warning"):
    """A stream has changed: nothing in it comes from later than `raised`.

    `onset` the most likely first record of the change, `onset_low` and `onset_high` the bounds of its 95 % interval;
    `false_warnings` how seldom such a warning comes by chance; `value` the detector's; `moved` the loudest texts since;
    `new_words` what they say and earlier texts did not; `size` how many texts since the onset; `curve` the detector
    before the warning; `incident` the incident that it belongs to; `raised_by` what changed: "alarming texts", "new
    kinds", "a new alarming kind that keeps coming", "more records than usual" or "fewer records than usual". With the
    last two there is a `volume`; `raised`,
    `onset` and its bounds are then moments between two records, at the place of the last one before, and `moved` the
    texts of the burst or the last ones before the silence. `correlations` are the rules about several records that its
    loudest texts complete.
    """

    id: str
    incident: str
    level: str
    stream: str
    raised: Place
    onset: Place
    onset_low: Place
    onset_high: Place
    false_warnings: str
    value: float
    size: int
    text: str
    category: str | None
    sources: list[str]
    moved: list[Moved]
    new_words: list[str]
    similar: list[Reason]
    playbook: list[str]
    curve: list[tuple[datetime | None, float]]
    raised_by: str = "alarming texts"
    volume: Volume | None = None
    correlations: list[Reason] = []
    schema_version: int = SCHEMA_VERSION
    time: datetime | None = None
    detected_at: datetime | None = None

    @property
    def key(self) -> str:
        """What this line is known by."""
        return self.id


class Incident(msgspec.Struct, frozen=True, tag_field="kind", tag="incident"):
    """Alerts and warnings of one meaning in one stretch of time.

    `title` its most central text; `size` records, `speed` records an hour; `warnings`, `alerts` their ids. In `watch`
    an incident is written anew whenever it changes, the last line of an `id` is how it stands: `state` is "open" while
    one of its warnings lasts, then "closed"; a warning of the same meaning within six hours opens it again. A scan,
    which sees the whole of it, writes it once, with no state.
    """

    id: str
    title: str
    level: str
    category: str | None
    first: Place
    last: Place
    size: int
    speed: float | None
    sources: list[str]
    new_words: list[str]
    similar: list[Reason]
    playbook: list[str]
    warnings: list[str]
    alerts: list[str]
    state: str | None = None
    schema_version: int = SCHEMA_VERSION
    time: datetime | None = None
    detected_at: datetime | None = None

    @property
    def key(self) -> str:
        """What this line is known by: the incident, how it stands, what belongs to it."""
        content = "\0".join([self.state or "", self.last.source, str(self.last.line), *sorted(self.warnings)])
        return f"{self.id}.{hashlib.sha256(content.encode()).hexdigest()[:12]}"


class FiredRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """A rule that fired on a record: what it says of itself, and what it found.

    `fields` are those of an event by which it holds, with their values (what keywords found is under ""); `spans`
    character ranges [start, end) of a text; `file` is where the rule stands.
    """

    id: str
    title: str
    level: str
    tags: list[str] = []
    references: list[str] = []
    falsepositives: list[str] = []
    author: str = ""
    file: str = ""
    fields: dict[str, list[str]] = {}
    spans: list[tuple[int, int]] = []


class Hit(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="hit"):
    """A record on which rules fired, as `forewarn rules match` says it.

    `time` is that of the record, `detected_at` when it was said; `host`, `channel`, `event_id`, `record_id` and `user`
    are those of an event, which stands whole under `event`; `text` is that of a record on which a rule about texts
    fired.
    """

    schema_version: int
    source: str
    line: int
    time: datetime | None
    detected_at: datetime
    rules: list[FiredRule]
    host: str | None = None
    channel: str | None = None
    event_id: str | None = None
    record_id: str | None = None
    user: str | None = None
    text: str | None = None
    event: Any = None


Finding = Alert | EarlyWarning | Incident
"""One output line. `schema_version` the version of its form; `time` of the event: of an alert's first record, of the
moment at which a warning was raised, of an incident's first record; `detected_at` when forewarn said so; UTC."""


_KINDS = ("alert", "warning", "incident")
_REMEDY = "Name a file that `forewarn scan -o` wrote."
_F = TypeVar("_F", bound=Finding)


def now() -> datetime:
    """The moment at which something is said, in whole milliseconds; `SOURCE_DATE_EPOCH` (seconds) stands for it."""
    fixed = os.environ.get("SOURCE_DATE_EPOCH", "")
    if fixed.isdecimal():
        return datetime.fromtimestamp(int(fixed), UTC)
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def dated(finding: _F, detected_at: datetime) -> _F:
    """The finding with the times that an output line carries: its event's, and when it was said."""
    place = finding.raised if isinstance(finding, EarlyWarning) else finding.first
    time = place.time if place.time is None or place.time.tzinfo else place.time.replace(tzinfo=UTC)
    return msgspec.structs.replace(finding, time=time, detected_at=detected_at)


def alert_id(template: str, rule_ids: list[str]) -> str:
    """A stable name for a distinct text: the same text and rules have the same id in every scan."""
    content = "\x00".join([template, *sorted(rule_ids)])
    return "fw-" + hashlib.sha256(content.encode()).hexdigest()[:12]


def level_of(probability: float) -> str:
    """The level that a probability stands for."""
    return next(level for level, least in ALERT_LEVELS.items() if probability >= least)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of one output line, of a hit of rules too."""
    schema: dict[str, Any] = msgspec.json.schema(Finding | Hit) | {
        "$schema": "https://json-schema.org/draft/2020-12/schema"
    }
    for name in ("Alert", "EarlyWarning", "Incident"):
        # Lines of earlier versions are read without them; those that are written have them.
        schema["$defs"][name]["required"] += ["schema_version", "time", "detected_at"]
    return schema


def holds_findings(path: Path) -> bool:
    """Whether the first line of a file is a finding, whole or damaged; false where it cannot be read."""
    try:
        with path.open("rb") as content:
            first = next((line for line in content if line.strip()), b"")
    except OSError:
        return False
    try:
        row = msgspec.json.decode(first)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return first.lstrip().startswith(tuple(b'{"kind":"%b"' % kind.encode() for kind in _KINDS))
    return isinstance(row, dict) and row.get("kind") in _KINDS and str(row.get("id")).startswith("fw-")


def read_findings(path: str | Path) -> list[Finding]:
    """Everything in an output of `scan -o` or in the log of a watch, in the order of its lines.

    An incident that a watch wrote several times is given once, as it stands last. Raises InputError, naming the line,
    where the file is missing or a line is neither an alert, nor a warning, nor an incident.
    """
    try:
        lines = Path(path).read_bytes().splitlines()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", path=path, remedy=_REMEDY) from None
    findings: dict[str, Finding] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                found: Finding = msgspec.json.decode(line, type=Finding)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise InputError(f"is not an alert: {error}", path=path, line=number, remedy=_REMEDY) from None
            findings[found.id] = found
    return list(findings.values())


def read_alerts(path: str | Path) -> list[Alert]:
    """The alerts of an output, without its warnings and incidents. Raises InputError as `read_findings`."""
    return [found for found in read_findings(path) if isinstance(found, Alert)]


def find(findings: Sequence[Finding], wanted: str, path: str | Path | None = None) -> Finding:
    """The finding whose id begins with `wanted`, or the `wanted`-th alert of the file.

    Raises InputError where none or more than one fits.
    """
    alerts = [one for one in findings if isinstance(one, Alert)]
    if wanted.isdecimal() and 1 <= int(wanted) <= len(alerts):
        return alerts[int(wanted) - 1]
    fitting = [one for one in findings if one.id.startswith(wanted) or one.id.startswith(f"fw-{wanted}")]
    exact = [one for one in fitting if one.id in (wanted, f"fw-{wanted}")]
    if len(exact or fitting) == 1:
        return (exact or fitting)[0]
    known = ", ".join(one.id for one in (fitting or findings)[:8]) or "none: nothing was found in the scan"
    problem = "fits more than one" if fitting else "is no alert, warning or incident of this file"
    raise InputError(f"{wanted!r} {problem}", path=path, remedy=f"There are {known}.")


def find_alert(findings: Sequence[Finding], wanted: str, path: str | Path | None = None) -> Alert:
    """The same, where only an alert will do. Raises InputError where it is a warning or an incident."""
    found = find(findings, wanted, path)
    if isinstance(found, Alert):
        return found
    own = found.alerts if isinstance(found, Incident) else []
    raise InputError(
        f"{found.id} is {kind_of(found)}, not an alert",
        path=path,
        remedy=f"Its alerts are {', '.join(own[:8])}." if own else "Name an alert.",
    )


def kind_of(finding: Finding) -> str:
    """What a finding is, in a sentence: `a warning`."""
    return {Alert: "an alert", EarlyWarning: "a warning", Incident: "an incident"}[type(finding)]
