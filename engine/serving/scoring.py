"""Requests to scores: texts of several requests are scored together, a moment after they come.

In: lists of texts. Out: alerts, in their order. One thread scores; rules are swapped between two rounds, whole.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from forewarn.findings import Alert
from forewarn.resident import Resident, check_texts

AT_ONCE = 256
"""Texts of a round at most."""
_MOST_WAITING = 4096
"""Texts that wait at most; who comes later is told to come again."""


class Busy(Exception):
    """So many texts wait that no more are taken."""


@dataclass
class _Asked:
    texts: Sequence[str]
    done: asyncio.Future[list[Alert]]


@dataclass
class Scoring:
    """Scores texts by a resident, round by round; whoever puts another in its place changes the next round.

    Used from one event loop.
    """

    resident: Resident
    waiting: deque[_Asked] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="forewarn-score")
        self._running: asyncio.Task[None] | None = None

    async def score(self, texts: Sequence[str]) -> list[Alert]:
        """What is said of each text. Raises Busy, and InputError before others share a round with it."""
        check_texts(texts)
        if sum(len(asked.texts) for asked in self.waiting) + len(texts) > _MOST_WAITING:
            raise Busy
        asked = _Asked(texts, asyncio.get_running_loop().create_future())
        self.waiting.append(asked)
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        return await asked.done

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self.waiting:
            taken = [self.waiting.popleft()]
            size = len(taken[0].texts)
            while self.waiting and size + len(self.waiting[0].texts) <= AT_ONCE:
                size += len(self.waiting[0].texts)
                taken.append(self.waiting.popleft())
            texts = [text for asked in taken for text in asked.texts]
            try:
                alerts = await loop.run_in_executor(self._thread, self.resident.score, texts)
            except Exception as error:
                for asked in taken:
                    if not asked.done.done():
                        asked.done.set_exception(error)
                continue
            for asked in taken:
                own, alerts = alerts[: len(asked.texts)], alerts[len(asked.texts) :]
                if not asked.done.done():
                    asked.done.set_result(own)

    def close(self) -> None:
        """No more rounds."""
        self._thread.shutdown(wait=False, cancel_futures=True)
