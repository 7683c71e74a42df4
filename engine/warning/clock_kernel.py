"""The clock of one source, compiled: what time it is at each of its records, and which of them come too late.

In: the times of n records and what is kept of their source, which is changed in place. Out: a clock for each record.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from forewarn.runtime.kernels import array, kernel

LEAP = 86_400_000_000
"""Microseconds: a time so far ahead of its source's clock is believed when the next one is no earlier."""
CLOCK, _LATE, FIRST, _LEAPT, LIVE = range(5)
"""What is kept of a source: its clock, the run of late records, its first clock, a time not believed yet, and whether
it was written while it was read."""
STEPPED = 20
"""Late records in a row after which the clock of a source is taken to have been set back."""
INTS, BOOLS = np.dtype(np.int64), np.dtype(np.bool_)


@kernel(int, INTS, int, INTS, INTS, BOOLS)
def clocks(n: int, times_at: Any, late: int, state_at: Any, clock_at: Any, kept_at: Any) -> None:
    """The clock of one source at each of n records: the newest time so far.

    `times` int64 (n,) microseconds, -1 = none: such a record has the time of the one before, and so has one that leaps
    ahead alone. A record more than `late` behind is left out, unless STEPPED of them come in a row: then the clock was
    set back. `state` int64 (5,) what is kept of the source (-1 = none yet), changed in place; `clock` int64 (n,) and
    `kept` bool (n,) are filled.
    """
    times, state, clock, kept = array(times_at, n), array(state_at, 5), array(clock_at, n), array(kept_at, n)
    for t in range(n):
        time = times[t]
        if state[CLOCK] >= 0 and time > state[CLOCK] + LEAP and (state[_LEAPT] < 0 or time < state[_LEAPT] - late):
            state[_LEAPT] = time
        elif time >= 0:
            state[_LEAPT] = -1
            if time >= state[CLOCK] - late or state[_LATE] >= STEPPED:
                state[CLOCK] = time if state[_LATE] >= STEPPED else max(state[CLOCK], time)
                state[_LATE] = 0
            else:
                state[_LATE] += 1
        if state[FIRST] < 0:
            state[FIRST] = state[CLOCK]
        clock[t] = state[CLOCK]
        kept[t] = state[CLOCK] >= 0 and state[_LATE] == 0
