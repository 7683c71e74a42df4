"""Which fields of rows or events hold the time, by what is in them.

In: a few values of each field. Out: the fields that hold times, for files that call theirs by a name of their own. A
field counts where nearly all of its values are times with a clock; a bare number or a day alone only under a name that
speaks of time, for identifiers and birthdays look the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import polars as pl

from forewarn.reading import timestamps

_MOST_VALUES = 60
_NEARLY_ALL = 0.8
_CLOCK = r"[0-9]{1,2}[:.时時시点點][0-9]{2}|[0-9]T?[0-9]{6}"
_SPEAKS_OF_TIME = re.compile(
    r"time|date|stamp|(?:^|[^a-z])ts(?:$|[^a-z])|zeit|datum|fecha|heure|hora|时|時|日期|일시|시간", re.I
)
_OF_SOMETHING_ELSE = re.compile(r"birth|expir|until|valid|due|not_?(?:before|after)|deadline", re.I)


def by_content(values: Mapping[str, Sequence[str]]) -> list[str]:
    """The fields whose values (a sample of each) are times: those whose name speaks of time first, then by place."""
    found: list[tuple[bool, int, str]] = []
    for place, (name, sample) in enumerate(values.items()):
        cells = [value for value in sample if value and value.strip()][:_MOST_VALUES]
        if not cells or _OF_SOMETHING_ELSE.search(name):
            continue
        speaks = _SPEAKS_OF_TIME.search(name) is not None
        series = pl.Series(cells, dtype=pl.String)
        if not speaks and not series.str.contains(_CLOCK).all():
            continue
        digits = series.str.contains(r"^\s*[0-9.]+\s*$").any()
        if (digits and not speaks) or len(max(cells, key=len)) > 64:
            continue
        (formats,) = timestamps.recognise(series, cells=True)
        latest = pl.Series(["2099-12-31"]).str.to_datetime(time_unit="us", time_zone="UTC")
        times = timestamps.parse(series, formats, latest)
        if times.count() >= _NEARLY_ALL * len(cells):
            found.append((not speaks, place, name))
    return [name for _, _, name in sorted(found)]
