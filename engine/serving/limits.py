"""How often one asker is served: a bucket of tokens for each.

In: a name. Out: nothing, or how long to wait. Memory is bounded by the askers of the last minutes.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from forewarn.serving.access import Refused

_MOST_ASKERS = 10_000


class Rate:
    """`each_second` requests on average, `at_once` in a burst, for each asker."""

    def __init__(self, each_second: float, at_once: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._each_second, self._at_once, self._clock = each_second, at_once, clock
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, asker: str) -> None:
        """Serve one request. Raises Refused, 429, with the seconds to wait."""
        moment = self._clock()
        left, then = self._left.pop(asker, (float(self._at_once), moment))
        left = min(self._at_once, left + (moment - then) * self._each_second)
        if left < 1:
            self._left[asker] = left, moment
            raise Refused(429, "too many requests", retry_after=int((1 - left) / self._each_second) + 1)
        self._left[asker] = left - 1, moment
        if len(self._left) > _MOST_ASKERS:
            del self._left[next(iter(self._left))]
