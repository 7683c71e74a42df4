"""Other detectors of a change in a stream, beside which the e-detector is measured.

In: records in order of time (`prepared`: `clock` microseconds, and what each detector looks at) and a threshold. Out:
the rows at which it gives alarm. Each has a grid of thresholds; none has a promise, so the benchmark chooses one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Alarms = list[int]
MINUTE = 60_000_000


def prepared(records: pl.DataFrame) -> pl.DataFrame:
    """Records with what the other detectors look at."""
    scores = records["score"].to_numpy()
    return records.with_columns(standardised=pl.Series(_standardised(scores)), loud=pl.Series(_loud(scores)))


def cusum(records: pl.DataFrame, threshold: float) -> Alarms:
    """Page 1954 on log-odds, standardised by all the past, with an allowance of half a deviation."""
    total, alarms = 0.0, []
    for at, z in enumerate(records["standardised"].to_list()):
        total = max(0.0, total + z - 0.5)
        if total > threshold:
            alarms.append(at)
            total = 0.0
    return alarms


def page_hinkley(records: pl.DataFrame, threshold: float) -> Alarms:
    """`river.drift.PageHinkley`, upwards."""
    from river.drift import PageHinkley

    return _river(PageHinkley(threshold=threshold, mode="up"), records)


def adwin(records: pl.DataFrame, threshold: float) -> Alarms:
    """`river.drift.ADWIN` (Bifet & Gavalda 2007); `threshold` is 1 / delta."""
    from river.drift import ADWIN

    return _river(ADWIN(delta=1 / threshold), records)


def _river(found: object, records: pl.DataFrame) -> Alarms:
    alarms = []
    for at, z in enumerate(records["standardised"].to_list()):
        found.update(z)  # type: ignore[attr-defined]
        if found.drift_detected:  # type: ignore[attr-defined]
            alarms.append(at)
    return alarms


def kleinberg(records: pl.DataFrame, threshold: float) -> Alarms:
    """Kleinberg 2002, online, on the gaps between loud texts: when the burst state is ahead by `threshold` nats.

    There are two states; in the burst state loud texts come five times as often as in all the past.
    """
    ahead, alarms, count, last = 0.0, [], 0, None
    clock = records["clock"].to_numpy() / MINUTE
    for at in np.flatnonzero(records["loud"].to_numpy()):
        if last is not None and count > 5:
            rate = count / max(clock[at] - clock[0], 1.0)
            ahead = max(0.0, ahead + np.log(5.0) - 4.0 * rate * (clock[at] - last))
            if ahead > threshold:
                alarms.append(int(at))
                ahead = 0.0
        count, last = count + 1, clock[at]
    return alarms


def counted(records: pl.DataFrame, threshold: float) -> Alarms:
    """So many loud texts in an hour."""
    clock, alarms, recent = records["clock"].to_numpy() / MINUTE, [], list[float]()
    for at in np.flatnonzero(records["loud"].to_numpy()):
        recent = [when for when in recent if when > clock[at] - 60] + [clock[at]]
        if len(recent) > threshold:
            alarms.append(int(at))
            recent = []
    return alarms


def _standardised(scores: Floats) -> Floats:
    """Each score by the mean and deviation of those before it; 0 for the first hundred."""
    count = np.arange(1, len(scores) + 1)
    mean = np.cumsum(scores) / count
    deviation = np.sqrt(np.maximum(np.cumsum(scores**2) / count - mean**2, 1e-6))
    out = np.zeros(len(scores))
    out[100:] = (scores[100:] - mean[99:-1]) / deviation[99:-1]
    return out


def _loud(scores: Floats) -> NDArray[np.bool_]:
    """Whether a score is among the loudest 2 % of the (up to) thousand before it."""
    out = np.zeros(len(scores), dtype=bool)
    for at in range(100, len(scores)):
        out[at] = scores[at] > np.quantile(scores[max(0, at - 1_000) : at], 0.98)
    return out


OTHERS: dict[str, Callable[[pl.DataFrame, float], Alarms]] = {
    "CUSUM": cusum,
    "Page-Hinkley (river)": page_hinkley,
    "ADWIN (river)": adwin,
    "Kleinberg bursts": kleinberg,
    "count in an hour": counted,
}
GRID = {
    "CUSUM": np.geomspace(2, 200, 16),
    "Page-Hinkley (river)": np.geomspace(2, 2_000, 16),
    "ADWIN (river)": np.geomspace(10, 1e12, 12),
    "Kleinberg bursts": np.geomspace(1, 60, 14),
    "count in an hour": np.arange(2, 30, dtype=float),
}
