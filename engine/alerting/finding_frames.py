"""Findings as frames, for a script that goes on with them.

In: alerts, warnings or incidents. Out: a polars frame, one row each, in their order; what is a list in a finding is a
list column here. The evidence is one column of log-odds a signal; its reasons are in `Alert.evidence`.
"""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from forewarn.findings import Alert, EarlyWarning, Incident
from forewarn.frames import SIGNALS

_PARTS = ("prior", *SIGNALS, "calibration", "held")
_TIME = pl.Datetime("us", "UTC")
ALERTS: dict[str, pl.DataType] = {
    "id": pl.String(),
    "level": pl.String(),
    "score": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "p_value": pl.Float64(),
    "log_odds": pl.Float64(),
    "category": pl.String(),
    "text": pl.String(),
    "count": pl.UInt64(),
    "source": pl.String(),
    "line": pl.UInt64(),
    "time": _TIME,
    "last_source": pl.String(),
    "last_line": pl.UInt64(),
    "last_time": _TIME,
    **{f"{part}_log_odds": pl.Float64() for part in _PARTS},
    "rules": pl.List(pl.String()),
    "origin": pl.String(),
}
"""The fields of `Alert`; the `*_log_odds` of its evidence add up to `log_odds`; `source`, `line`, `time` are its first
record's, `rules` the titles of those that fired."""
WARNINGS: dict[str, pl.DataType] = {
    "id": pl.String(),
    "incident": pl.String(),
    "level": pl.String(),
    "stream": pl.String(),
    "raised_by": pl.String(),
    "source": pl.String(),
    "line": pl.UInt64(),
    "time": _TIME,
    "onset_line": pl.UInt64(),
    "onset_time": _TIME,
    "false_warnings": pl.String(),
    "value": pl.Float64(),
    "size": pl.UInt64(),
    "category": pl.String(),
    "text": pl.String(),
    "new_words": pl.List(pl.String()),
}
"""The fields of `EarlyWarning`; `source`, `line`, `time` are where it was raised."""
INCIDENTS: dict[str, pl.DataType] = {
    "id": pl.String(),
    "level": pl.String(),
    "category": pl.String(),
    "title": pl.String(),
    "size": pl.UInt64(),
    "speed": pl.Float64(),
    "first_time": _TIME,
    "last_time": _TIME,
    "sources": pl.List(pl.String()),
    "new_words": pl.List(pl.String()),
    "warnings": pl.List(pl.String()),
    "alerts": pl.List(pl.String()),
    "state": pl.String(),
}
"""The fields of `Incident`; `speed` records an hour, `warnings`, `alerts` their ids."""


def alerts_frame(alerts: Iterable[Alert]) -> pl.DataFrame:
    """Alerts as a frame (`ALERTS`)."""
    return pl.DataFrame([_alert(alert) for alert in alerts], schema=ALERTS)


def warnings_frame(warnings: Iterable[EarlyWarning]) -> pl.DataFrame:
    """Warnings as a frame (`WARNINGS`)."""
    return pl.DataFrame([_warning(warning) for warning in warnings], schema=WARNINGS)


def incidents_frame(incidents: Iterable[Incident]) -> pl.DataFrame:
    """Incidents as a frame (`INCIDENTS`)."""
    return pl.DataFrame([_incident(incident) for incident in incidents], schema=INCIDENTS)


def _alert(alert: Alert) -> dict[str, object]:
    added = {item.signal: item for item in alert.evidence}
    row = {name: getattr(alert, name) for name in ALERTS if hasattr(alert, name)}
    row |= {"source": alert.first.source, "line": alert.first.line, "time": alert.first.time}
    row |= {"last_source": alert.last.source, "last_line": alert.last.line, "last_time": alert.last.time}
    row |= {f"{signal}_log_odds": added[signal].log_odds if signal in added else 0.0 for signal in _PARTS}
    fired = added["rules"].why if "rules" in added else []
    return row | {"rules": [reason.title for reason in fired if reason.title]}


def _warning(warning: EarlyWarning) -> dict[str, object]:
    row = {name: getattr(warning, name) for name in WARNINGS if hasattr(warning, name)}
    row |= {"source": warning.raised.source, "line": warning.raised.line, "time": warning.raised.time}
    return row | {"onset_line": warning.onset.line, "onset_time": warning.onset.time}


def _incident(incident: Incident) -> dict[str, object]:
    row = {name: getattr(incident, name) for name in INCIDENTS if hasattr(incident, name)}
    return row | {"first_time": incident.first.time, "last_time": incident.last.time}
