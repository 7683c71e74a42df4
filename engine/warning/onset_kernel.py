"""Where a change began, compiled.

In: what the bets on a score have grown to, text by text. Out: how many texts ago it began, and bounds for that.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from forewarn.runtime.kernels import part


@part
def beginning(growth: Any, since: int, onset: Any) -> None:
    """How many texts ago it began: most likely, and the bounds of 95 % of the weight over every s.

    The weight of s is the product, from s to now, of the mean of the bets on the score that raised the warning (that on
    the odds without its discount, which belongs to the promise).
    """
    # The sum before the first text of the history is needed too, so the history holds one text less.
    reach = min(since, len(growth) - 1)
    lowest, likely = np.inf, since - reach
    for i in range(reach):
        below = _grown(growth, since - reach + i)
        if below < lowest:
            lowest, likely = below, since - reach + i
    total = 0.0
    for i in range(reach):
        total += np.exp(lowest - _grown(growth, since - reach + i))
    onset[0] = since - 1 - likely
    onset[1], onset[2] = reach - 1, 0
    mass = 0.0
    for i in range(reach):
        mass += np.exp(lowest - _grown(growth, since - reach + i))
        if mass <= 0.025 * total:
            onset[1] = reach - 2 - i
        if mass < 0.975 * total:
            onset[2] = reach - 2 - i
    onset[1], onset[2] = max(onset[1], onset[0]), min(max(onset[2], 0), onset[0])


@part
def _grown(growth: Any, s: int) -> float:
    """What the bets had grown to before text number s since the detector was at 0."""
    return growth[(s - 1) % len(growth)] if s > 0 else 0.0
