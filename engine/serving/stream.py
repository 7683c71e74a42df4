"""The watch inside a service: warnings and incidents as they arise, kept, and told to whoever listens.

In: what the watch says, from its thread. Out: the latest findings, and a queue for each listener. A listener that does
not keep up is let go; it may ask again for what came after the last that it saw.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from forewarn.watching.delivery import Notification, WarningLog

_KEPT = 1000
_MOST_LISTENERS = 500
_WAITING = 200
"""Findings that wait for one listener at most."""


@dataclass
class _Listener:
    queue: asyncio.Queue[tuple[int, Notification]]
    loop: asyncio.AbstractEventLoop


@dataclass
class Findings:
    """The latest findings, each with its number, from 1: its place in the log of the watch."""

    number: int = 0
    latest: deque[tuple[int, Notification]] = field(default_factory=lambda: deque(maxlen=_KEPT))
    listeners: list[_Listener] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    @classmethod
    def of(cls, log: Path) -> Findings:
        """Those of an earlier run, by its log: a number means the same finding after a restart. Raises OutputError."""
        made = cls()
        for found in WarningLog(log).read() if log.exists() else ():
            made.add(found)
        return made

    def named(self, name: str) -> Notification | None:
        """The latest finding with an id."""
        with self._lock:
            return next((found for _, found in reversed(self.latest) if found.id == name), None)

    def add(self, found: Notification) -> None:
        """Take in what the watch says; called by its thread."""
        with self._lock:
            self.number += 1
            item = self.number, found
            self.latest.append(item)
            listeners = list(self.listeners)
        for listener in listeners:
            listener.loop.call_soon_threadsafe(self._tell, listener, item)

    def after(self, number: int) -> list[tuple[int, Notification]]:
        """What came after a number, so far as it is kept."""
        with self._lock:
            return [item for item in self.latest if item[0] > number]

    @property
    def full(self) -> bool:
        """Whether no more listeners are taken."""
        return len(self.listeners) >= _MOST_LISTENERS

    async def listen(self, after: int) -> AsyncIterator[tuple[int, Notification]]:
        """What came after a number, then whatever comes."""
        listener = _Listener(asyncio.Queue(_WAITING), asyncio.get_running_loop())
        with self._lock:
            known = [item for item in self.latest if item[0] > after]
            self.listeners.append(listener)
        try:
            for item in known:
                yield item
            while listener in self.listeners:
                yield await listener.queue.get()
        finally:
            with self._lock:
                if listener in self.listeners:
                    self.listeners.remove(listener)

    def _tell(self, listener: _Listener, item: tuple[int, Notification]) -> None:
        try:
            listener.queue.put_nowait(item)
        except asyncio.QueueFull:
            with self._lock:
                if listener in self.listeners:
                    self.listeners.remove(listener)
