"""Findings and facts → one HTML file.

In: findings, what there is to say of the scan, lines around the alerts. Out: HTML with a Content-Security-Policy that
lets run what stands in the file and nothing else, and lets nothing be fetched. Text from outside is either escaped by
the template or in a compressed block of JSON, which the script only ever shows as text.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from forewarn.findings import ALERT_LEVELS, Alert, EarlyWarning, Finding, Incident, Place
from forewarn.output.pages import page_part
from forewarn.output.printed import printed_score, printed_time
from forewarn.output.rendering import counted, share, times
from forewarn.output.report.facts import Facts, head_of
from forewarn.output.report.timeline import HEIGHT, WIDTH, curve, timeline
from forewarn.runtime.atomic import atomic_write
from forewarn.text_gate import printable

if TYPE_CHECKING:
    from jinja2 import Environment

    from forewarn.reading.surroundings import Surroundings

_WITHOUT_SCRIPT = 50
"""Alerts that are shown where no script runs."""
Around = Mapping[tuple[str, int], "Surroundings"]


def write_report(findings: Iterable[Finding], facts: Facts, path: Path, around: Around | None = None) -> None:
    """Write a report. Raises OutputError."""
    page = report_of(list(findings), facts, around)
    with atomic_write(path, private=True) as part:
        part.write_text(page, "utf-8")


def report_of(findings: Sequence[Finding], facts: Facts, around: Around | None = None) -> str:
    """The report as HTML. `around` lines before and after the alerts' places, by source and line."""
    alerts = [one for one in findings if isinstance(one, Alert)]
    warnings = [one for one in findings if isinstance(one, EarlyWarning)]
    incidents = [one for one in findings if isinstance(one, Incident)]
    style, script = page_part(__package__, "page.css"), page_part(__package__, "page.js")
    return (
        _templates()
        .get_template("page.html")
        .render(
            policy=_policy(style, script),
            style=style,
            script=script,
            data=_packed(
                {
                    "alerts": [_row(one, around or {}) for one in alerts],
                    "moved": {one.id: msgspec.to_builtins(one.moved) for one in warnings if one.volume is None},
                    "levels": list(ALERT_LEVELS),
                }
            ),
            facts=facts,
            head=head_of(findings),
            timeline=timeline(findings),
            width=WIDTH,
            height=HEIGHT,
            warnings=[(one, curve(one)) for one in warnings],
            incidents=incidents,
            first_alerts=alerts[:_WITHOUT_SCRIPT],
            several=len({one.category for one in alerts}) > 1,
        )
    )


def _row(alert: Alert, around: Around) -> dict[str, Any]:
    """An alert as the script shows it."""
    near = around.get((alert.first.source, alert.first.line))
    row: dict[str, Any] = msgspec.to_builtins(alert)
    row["shown"] = printed_score(alert.score)
    row["at"] = _place(alert.first)
    if near:
        row["before"], row["after"] = near.before, near.after
    return row


def _place(place: Place) -> str:
    return f"{printable(place.source)}:{place.line}"


def _packed(data: object) -> str:
    """JSON, compressed and in letters that are no markup. The same data give the same bytes."""
    return base64.b64encode(gzip.compress(json.dumps(data, separators=(",", ":")).encode(), 6, mtime=0)).decode()


def _policy(style: str, script: str) -> str:
    """What the page may do: run this script, look like this, offer a file to be saved; fetch nothing."""
    allowed = {
        "default-src": "'none'",
        "script-src": _digest(script),
        "style-src": _digest(style),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in allowed.items())


def _digest(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


@cache
def _templates() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("forewarn.output.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "printable": printable,
        "time": printed_time,
        "score": printed_score,
        "share": share,
        "place": _place,
        "lines": lambda text: "\n".join(printable(line) for line in str(text).split("\n")),
    }
    made.globals |= {"counted": counted, "times": times}
    return made
