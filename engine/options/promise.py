"""How seldom a false warning may come, and how late a record may be: the data, and how a person writes them.

In: the values of `--false-warnings` and `--late`. Out: a `Promise`, a duration.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

from forewarn.errors import ForewarnError

_UNITS = {"h": 1, "d": 24, "w": 168}
"""Hours in a unit of `--false-warnings`."""


@dataclass(frozen=True)
class Promise:
    """At most one false warning in `texts` texts or, where `period` is given, in `texts` such periods."""

    texts: float = 100_000.0
    period: timedelta | None = None
    text: str = "1/100000"


def parse_promise(text: str) -> Promise:
    """The promise of `--false-warnings`: `1/100000` (texts) or `1/30d` (also h, w). Raises ForewarnError."""
    found = re.fullmatch(r"(\d{1,6})/(\d{1,12})([hdw]?)", text.strip())
    if not found or int(found[1]) == 0 or int(found[2]) < 1:
        raise ForewarnError(
            f"--false-warnings {text!r} is not understood",
            remedy="Write 1/100000 for one in so many texts, or 1/30d for one in thirty days.",
        )
    often, unit = int(found[1]), found[3]
    if unit:
        return Promise(1.0 / often, timedelta(hours=int(found[2]) * _UNITS[unit]), text.strip())
    if int(found[2]) / often < 100:
        raise ForewarnError(
            f"--false-warnings {text!r} is too often to tell a change from chance",
            remedy="Write one in a hundred texts or more, such as 1/10000.",
        )
    return Promise(int(found[2]) / often, None, text.strip())


def parse_late(text: str) -> timedelta:
    """The time of `--late`, such as `5m`, `30s`, `2h`. Raises ForewarnError."""
    found = re.fullmatch(r"(\d{1,6})([smh])", text.strip())
    if not found:
        raise ForewarnError(f"--late {text!r} is not understood", remedy="Write 30s, 5m or 2h.")
    return timedelta(seconds=int(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]])
