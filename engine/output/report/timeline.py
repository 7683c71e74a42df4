"""The pictures of a report: alerts over time, and how a detector rose to its limit. SVG, drawn by hand.

In: findings. Out: numbers for a picture, in its own coordinates; colours are those of the page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from forewarn.findings import ALERT_LEVELS, Alert, EarlyWarning, Finding

WIDTH, HEIGHT = 960, 150
_BARS = 72
_STEPS = [
    timedelta(seconds=seconds)
    for seconds in (1, 5, 10, 30, 60, 300, 600, 1800, 3600, 10800, 21600, 43200, 86400, 604800, 2592000)
]


@dataclass(frozen=True)
class Bar:
    """A stack of alerts of one level within one span of time: left, top, width, height, and what it says."""

    x: float
    y: float
    width: float
    height: float
    level: str
    said: str


@dataclass(frozen=True)
class Mark:
    """A warning on the line of time: onset interval from `low` to `high`, the moment at which it was raised."""

    low: float
    high: float
    raised: float
    id: str
    said: str


@dataclass(frozen=True)
class Timeline:
    """Bars, marks, and the times beneath, each with its place from the left; `most` alerts in one span."""

    bars: Sequence[Bar]
    marks: Sequence[Mark]
    ticks: Sequence[tuple[float, str]]
    most: int
    step: str


@dataclass(frozen=True)
class Curve:
    """A detector before a warning: the points of a line, the height of its limit where that is known."""

    points: str
    limit: float | None
    first: str
    last: str


def timeline(findings: Sequence[Finding]) -> Timeline | None:
    """Alerts by level and warnings over time; None where fewer than two moments are known."""
    alerts = [one for one in findings if isinstance(one, Alert) and one.first.time]
    warnings = [one for one in findings if isinstance(one, EarlyWarning) and one.raised.time]
    times = [_utc(one.first.time) for one in alerts] + [_utc(one.last.time) for one in alerts if one.last.time]
    for warning in warnings:
        times += [_utc(place.time) for place in (warning.onset_low, warning.raised) if place.time]
    if len(set(times)) < 2:
        return None
    begin, end = min(times), max(times)
    step = next((step for step in _STEPS if (end - begin) / step <= _BARS), (end - begin) / _BARS)
    count = int((end - begin) / step) + 1
    stacks = [dict.fromkeys(ALERT_LEVELS, 0) for _ in range(count)]
    for one in alerts:
        stacks[int((_utc(one.first.time) - begin) / step)][one.level] += 1
    most = max(sum(stack.values()) for stack in stacks)
    width = WIDTH / count
    bars = []
    for number, stack in enumerate(stacks):
        top = 0
        for level in reversed(ALERT_LEVELS):
            if stack[level]:
                size = stack[level] / most * (HEIGHT - 20)
                top += stack[level]
                y = HEIGHT - top / most * (HEIGHT - 20)
                when = f"{begin + number * step:%Y-%m-%d %H:%M:%S}Z"
                bar = Bar(number * width, y, max(width - 1, 0.6), size, level, f"{when}: {stack[level]} {level}")
                bars.append(bar)

    def across(time: datetime | None, other: datetime) -> float:
        return round((_utc(time or other) - begin) / (step * count) * WIDTH, 1)

    marks = []
    for warning in warnings:
        raised = _utc(warning.raised.time)
        low, high = across(warning.onset_low.time, raised), across(warning.onset_high.time, raised)
        marks.append(Mark(low, max(high - low, 2.0), across(raised, raised), warning.id, warning.raised_by))
    form = "%H:%M" if end - begin < timedelta(hours=36) else "%m-%d"
    ticks = [
        (at / 6 * WIDTH, f"{begin + step * count * (at / 6):{'%Y-%m-%d %H:%M' if at == 0 else form}}")
        for at in range(6)
    ]
    return Timeline(bars, marks, ticks, most, _long(step))


def curve(warning: EarlyWarning, width: int = 280, height: int = 60) -> Curve | None:
    """How the detector rose, on a logarithmic scale; None where there is no line to draw."""
    values = [value for _, value in warning.curve if value > 0] + [max(warning.value, 1e-9)]
    if len(values) < 3:
        return None
    limit = _limit(warning.false_warnings)
    heights = [math.log10(max(value, 1e-9)) for value in values]
    low = min(min(heights), 0.0)
    high = max([*heights, math.log10(limit) if limit else 0.0, low + 1.0])

    def up(value: float) -> float:
        return round(height - 4 - (value - low) / (high - low) * (height - 8), 1)

    points = " ".join(f"{at / (len(heights) - 1) * width:.1f},{up(value)}" for at, value in enumerate(heights))
    times = [time for time, _ in warning.curve if time]
    first = f"{times[0]:%m-%d %H:%M}Z" if times else ""
    last = f"{warning.raised.time:%m-%d %H:%M}Z" if warning.raised.time else ""
    return Curve(points, up(math.log10(limit)) if limit else None, first, last)


def _limit(promise: str) -> float | None:
    """The value at which a detector warns, where a promise is a share of texts: 100,000 for `1/100000`."""
    share, _, texts = promise.partition(" ")[0].partition("/")
    return float(texts) / float(share) if share.isdecimal() and texts.isdecimal() and int(share) else None


def _utc(time: datetime | None) -> datetime:
    assert time is not None  # noqa: S101
    return time.replace(tzinfo=None)


def _long(step: timedelta) -> str:
    seconds = int(step.total_seconds())
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:g} {name}"
    return f"{seconds} s"
