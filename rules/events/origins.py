"""Events that no field makes known: of which log source they are, where someone said so or their text looks like it.

In: the columns of a block of events and their texts. Out: for a log source, the events that are of it. A log source is
what the user named (`--logsource`), or looks as `logsources.yaml` says: an event that names its program (journald,
syslog in JSON) looks like the line that this program writes to syslog, another one like its text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl

from forewarn.arrays import Rows
from forewarn.rules.events.fields import Events
from forewarn.rules.language.sources import fits, look_of

PROGRAM = ("SYSLOG_IDENTIFIER", "_COMM", "syslog.identifier", "syslog.appname", "process.name", "program", "appname")
"""Fields that say which program wrote an event."""
Origins = Callable[[Mapping[str, str], bool], Rows]
"""A rule's log source, and whether the rule has keywords, to the events (sorted) that are of it."""
_NONE: Rows = np.empty(0, dtype=np.int64)


def origins_of(events: Events, texts: pl.Series, named: Mapping[str, str]) -> Origins:
    """What is known of n events, of which `texts` (String, n) are the texts; `named` what the user says they are.

    Windows events are known by their channels and are not among them.
    """
    known: dict[tuple[tuple[str, str], ...], Rows] = {}

    def of(logsource: Mapping[str, str], keywords: bool) -> Rows:
        if fits(logsource, named):
            return events.others
        look = look_of(logsource) if keywords and len(events.others) else None
        if look is None:
            return _NONE
        key = tuple(sorted(logsource.items()))
        if key not in known:
            rows = events.others
            known[key] = rows[_as_lines(events, texts).gather(rows).str.contains(look).fill_null(False).to_numpy()]
        return known[key]

    return of


def _as_lines(events: Events, texts: pl.Series) -> pl.Series:
    """Each event as the line that its program would write; its text where it names none."""
    programs = [events.dense(name).alias(name) for name in PROGRAM if name in events.columns]
    if not programs:
        return texts
    line = pl.concat_str(pl.lit("Jan  1 00:00:00 - "), pl.col("program"), pl.lit("[0]: "), pl.col("text"))
    named = pl.DataFrame(programs).select(program=pl.coalesce(pl.all())).with_columns(text=texts)
    return named.select(pl.coalesce(line, pl.col("text"))).to_series()
