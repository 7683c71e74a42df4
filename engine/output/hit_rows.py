"""Hits of rules for people and other programs: rows, CSV, Timesketch, a summary, a layer of ATT&CK's Navigator.

In: hits as `match_rules` gives them. Out: flat rows of texts in which nothing is a formula or steers a terminal; counts
by rule and technique. Writes nothing.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from forewarn.rules.language.rule import LEVELS
from forewarn.text_gate import printable, spreadsheet_cell

Hit = Mapping[str, Any]
COLUMNS = (
    *("time", "level", "rule", "rule_id", "host", "user", "channel", "event_id", "record_id", "tags", "matched"),
    *("source", "line", "file"),
)
"""The columns of a row, of CSV too."""
ON_TERMINAL = ("time", "level", "rule", "host", "user", "event_id", "matched")
_TECHNIQUE = re.compile(r"attack\.(t[0-9]{4}(?:\.[0-9]{3})?)", re.IGNORECASE)
_TACTIC = re.compile(r"attack\.([a-z][a-z_-]+)")
_NAVIGATOR = {"attack": "17", "navigator": "5.1.0", "layer": "4.5"}
_MOST_HOSTS = 10_000


def rows(hit: Hit) -> Iterator[dict[str, str]]:
    """One row of texts for each rule that fired on a record."""
    for rule in _rules(hit):
        yield {
            "time": _moment(hit.get("time")),
            "level": rule["level"],
            "rule": rule["title"],
            "rule_id": rule["id"],
            **{name: _text(hit.get(name)) for name in ("host", "user", "channel", "event_id", "record_id")},
            "tags": " ".join(rule.get("tags", ())),
            "matched": matched(rule, str(hit.get("text") or "")),
            "source": _text(hit["source"]),
            "line": _text(hit["line"]),
            "file": rule.get("file", ""),
        }


def matched(rule: Mapping[str, Any], text: str) -> str:
    """What made a rule fire, on one line: fields with their values, or the pieces of a text."""
    if "fields" in rule:
        return "; ".join(f"{name or 'keyword'}={' | '.join(values)}" for name, values in rule["fields"].items())
    if "group" in rule:
        value = rule.get("count", rule.get("value"))
        return "; ".join([*(f"{name}={one}" for name, one in rule["group"].items()), f"{value} of {rule['size']}"])
    return "; ".join(dict.fromkeys(text[start:end] for start, end in rule.get("spans", ())))


def csv_line(cells: Mapping[str, str] | None = None) -> str:
    """A row as a line of CSV in which no cell is a formula; the header without one."""
    out = io.StringIO()
    written = COLUMNS if cells is None else [spreadsheet_cell(cells[name]) for name in COLUMNS]
    csv.writer(out, lineterminator="\n").writerow(written)
    return out.getvalue()


def timesketch(hit: Hit) -> Iterator[dict[str, Any]]:
    """Rows for Timesketch, which wants a message, a time and what that is the time of."""
    for rule, row in zip(_rules(hit), rows(hit), strict=True):
        known = hit.get("time") is not None
        yield {
            "message": f"{rule['title']} ({rule['level']}): {row['matched']}",
            "datetime": row["time"] if known else _moment(hit.get("detected_at")),
            "timestamp_desc": "Event Time" if known else "Detection Time",
            **{name: value for name, value in row.items() if name not in ("time", "tags") and value},
            "tag": list(rule.get("tags", ())),
        }


@dataclass
class _Count:
    """What is counted of one rule, or one technique."""

    title: str
    level: str = ""
    tags: tuple[str, ...] = ()
    hits: int = 0
    hosts: set[str] = field(default_factory=set)
    rules: set[str] = field(default_factory=set)
    first: datetime | None = None
    last: datetime | None = None

    def add(self, hit: Hit) -> None:
        self.hits += 1
        host = hit.get("host")
        if host is not None and len(self.hosts) < _MOST_HOSTS:
            self.hosts.add(str(host))
        time = hit.get("time")
        if time is not None:
            self.first = time if self.first is None else min(self.first, time)
            self.last = time if self.last is None else max(self.last, time)


class Summary:
    """Counts of hits, by rule and by ATT&CK technique; as large as the rules that fired, whatever their number."""

    def __init__(self) -> None:
        self._rules: dict[str, _Count] = {}
        self._techniques: dict[str, _Count] = {}

    def add(self, hit: Hit) -> None:
        """Count one record."""
        for rule in _rules(hit):
            key = rule["id"] or rule["title"]
            if key not in self._rules:
                self._rules[key] = _Count(rule["title"], rule["level"], tuple(rule.get("tags", ())))
            self._rules[key].add(hit)
            for technique in dict.fromkeys(
                found[1].upper() for tag in rule.get("tags", ()) if (found := _TECHNIQUE.fullmatch(tag))
            ):
                counted = self._techniques.setdefault(technique, _Count(technique))
                counted.add(hit)
                counted.rules.add(rule["title"])

    def rules(self) -> list[dict[str, Any]]:
        """Rules that fired, the highest level and the most hits first."""
        ordered = sorted(self._rules.items(), key=lambda item: (-LEVELS.index(item[1].level), -item[1].hits, item[0]))
        return [
            {
                "level": one.level,
                "rule": one.title,
                "hits": one.hits,
                **_where_and_when(one),
                "id": key,
                "tags": list(one.tags),
            }
            for key, one in ordered
        ]

    def techniques(self) -> list[dict[str, Any]]:
        """ATT&CK techniques of these rules, those with the most hits first, with the tactics that rules name beside."""
        return [
            {"technique": key, "hits": one.hits, "rules": len(one.rules), **_where_and_when(one)}
            for key, one in sorted(self._techniques.items(), key=lambda item: (-item[1].hits, item[0]))
        ]

    def tactics(self) -> list[dict[str, Any]]:
        """ATT&CK tactics of the rules, those with the most hits first."""
        counts: dict[str, int] = {}
        for one in self._rules.values():
            for tag in one.tags:
                if (found := _TACTIC.fullmatch(tag)) and not _TECHNIQUE.fullmatch(tag):
                    name = found[1].replace("_", "-")
                    counts[name] = counts.get(name, 0) + one.hits
        return [
            {"tactic": name, "hits": count}
            for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        ]

    def navigator(self) -> dict[str, Any]:
        """A layer for ATT&CK Navigator: each technique with its hits as score and its rules as comment."""
        return {
            "name": "forewarn",
            "versions": _NAVIGATOR,
            "domain": "enterprise-attack",
            "description": "Hits of rules, by technique",
            "techniques": [
                {"techniqueID": key, "score": one.hits, "comment": "; ".join(sorted(map(printable, one.rules)))}
                for key, one in sorted(self._techniques.items())
            ],
            "gradient": {
                "colors": ["#ffffff", "#ff6666"],
                "minValue": 0,
                "maxValue": max((one.hits for one in self._techniques.values()), default=1),
            },
        }


def _where_and_when(one: _Count) -> dict[str, Any]:
    return {"hosts": len(one.hosts), "first": _moment(one.first), "last": _moment(one.last)}


def _rules(hit: Hit) -> list[Mapping[str, Any]]:
    """The rules of a hit; a correlation is one."""
    found: list[Mapping[str, Any]] = hit.get("rules") or [hit["correlation"]]
    return found


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _moment(time: datetime | None) -> str:
    return "" if time is None else time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
