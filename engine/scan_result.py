"""What a scan found.

In: what the pipeline made. Out: alerts, warnings, incidents, as objects and as frames; scores of the distinct texts.
"""

from __future__ import annotations

import html
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.alerting.finding_frames import alerts_frame, incidents_frame, warnings_frame
from forewarn.errors import ForewarnError
from forewarn.findings import Alert, EarlyWarning, Finding, Incident
from forewarn.runtime.chunked_frame import ChunkedFrame
from forewarn.runtime.timings import Stage

if TYPE_CHECKING:
    from forewarn.rules.language.rule import Rule


@dataclass(frozen=True, kw_only=True)
class Scan:
    """What a scan found.

    `alerts` most alarming first; `nearest` what would be the first of them, where none was raised and anything speaks
    for any text, else None; `warnings` in the order in which they were raised, each read from disk when it is
    asked for; `incidents` what belongs together,
    where that is more than one alert; `young` the streams that are too short for warnings; `texts` and `scores` the
    rows of the distinct texts (`frames.TEXTS`, `frames.SCORED`), `vectors` gives the vectors of k of them by their
    numbers, float32 (k, d); `problems` every file or line that could not be used;
    `files`, `lines` what was read; `new_words` what the loudest texts have in common that the scan itself taught;
    `tried` how many rules were looked at, `untried` those that no record was for, with the reason;
    `events_seen` which events there were, and for which no rule was, in words; `timings` what each stage took.
    """

    alerts: list[Alert]
    nearest: Alert | None
    warnings: Sequence[EarlyWarning]
    incidents: list[Incident]
    young: list[str]
    texts: ChunkedFrame
    scores: ChunkedFrame
    vectors: Callable[[NDArray[np.integer]], NDArray[np.float32]]
    problems: list[ForewarnError]
    files: int
    lines: int
    origin: str
    new_words: list[str]
    tried: int
    untried: list[tuple[Rule, str]]
    events_seen: str | None
    timings: list[Stage]

    def findings(self) -> Iterator[Finding]:
        """Everything that is to be written, in the order of an output."""
        return itertools.chain(self.warnings, self.incidents, self.alerts)

    def to_polars(self, what: Literal["alerts", "warnings", "incidents"] = "alerts") -> pl.DataFrame:
        """What was found as a frame, one row each (`finding_frames.ALERTS`, `WARNINGS`, `INCIDENTS`)."""
        if what == "warnings":
            return warnings_frame(self.warnings)
        if what == "incidents":
            return incidents_frame(self.incidents)
        if what != "alerts":
            raise ForewarnError(f"a scan has no {what!r}", remedy="Ask for alerts, warnings or incidents.")
        return alerts_frame(self.alerts)

    def __repr__(self) -> str:
        return (
            f"<Scan of {self.lines:,} records, {self.texts.height:,} distinct texts: {len(self.alerts):,} alerts, "
            f"{len(self.warnings):,} warnings, {len(self.incidents):,} incidents, {len(self.problems):,} problems>"
        )

    def _repr_html_(self) -> str:
        shown = self.to_polars().head(20).select("level", "score", "category", "text", "count", "source", "line")
        return f"<p>{html.escape(repr(self))}</p>{shown._repr_html_()}"
