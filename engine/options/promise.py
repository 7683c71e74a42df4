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
    """At most one false warning in `texts` texts or, where `period` is given, in `texts` such periods.

    In a log (a stream most texts of which are of kinds that it had before) at most one in `log_period` as well, unless
    that is None. `text` and `log_text` say it as a person would.
    """

    texts: float = 100_000.0
    period: timedelta | None = None
    text: str = "1/100000"
    log_period: timedelta | None = None
    log_text: str = ""

    def said(self, *, in_log: bool) -> str:
        """The promise for one stream."""
        return self.log_text if in_log and self.log_period else self.text


AUTO = "auto"
DEFAULT_PROMISE = Promise(log_period=timedelta(days=30), log_text="1/30d")
"""What `auto` asks for: one in a hundred thousand texts, and in a log no more than one in thirty days."""


def parse_promise(text: str) -> Promise:
    """The promise of `--false-warnings`: `1/100000` (texts), `1/30d` (also h, w) or `auto`. Raises ForewarnError."""
    if text.strip() == AUTO:
        return DEFAULT_PROMISE
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
