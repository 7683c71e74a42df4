"""What could not be read: collected, one entry for each file and kind of problem, or raised at once.

In: a message with its place. Out: `InputError`s in the caller's list. A kind of problem that a file has on many lines
stays one entry: it names the first line and how many more there are, so that a damaged file cannot fill the memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from forewarn.errors import ForewarnError, InputError
from forewarn.names import shown


class Noted(msgspec.Struct):
    """A kind of problem of one file, as it is noted: first at `line`, on `times` lines in all; `unread` = all of it."""

    path: str
    message: str
    line: int | None
    remedy: str | None
    times: int
    unread: bool = False


class Problems:
    """Collects into the list that the caller gave; without a list, the first problem is raised.

    While it is `muted` nothing is collected: what is read again has been noted.
    """

    def __init__(self, into: list[ForewarnError] | None) -> None:
        self._into = into
        self._seen: dict[tuple[str, str], tuple[InputError, int]] = {}
        self.muted = False

    def note(
        self,
        path: str,
        message: str,
        *,
        line: int | None = None,
        remedy: str | None = None,
        times: int = 1,
        unread: bool = False,
    ) -> None:
        """Note that `message` holds for `path`, first at `line` and on `times` lines in all, or for all of it.

        Raises `InputError` where there is no list to collect into.
        """
        if self.muted:
            return
        path = shown(path)
        error, before = self._seen.get((path, message), (None, 0))
        if error is None:
            error = InputError(message, path=path, line=line, remedy=remedy)
            error.unread = unread
            if self._into is None:
                raise error
            self._into.append(error)
        self._seen[path, message] = error, before + times
        if before + times > 1:
            error.message = f"{message} (and {before + times - 1:,} more such lines)"

    def noted(self) -> list[Noted]:
        """Everything so far: given to `note` in this order, it comes out the same."""
        return [
            Noted(path, message, error.line, error.remedy, times, error.unread)
            for (path, message), (error, times) in self._seen.items()
        ]

    def taken(self) -> list[Noted]:
        """Everything so far, which is forgotten here."""
        noted = self.noted()
        self._seen.clear()
        if self._into:
            self._into.clear()
        return noted

    def restore(self, noted: list[Noted]) -> None:
        """Go on after what was noted before."""
        for one in noted:
            self.note(one.path, one.message, line=one.line, remedy=one.remedy, times=one.times, unread=one.unread)


def not_read(paths: Iterable[str | Path], problems: Iterable[ForewarnError]) -> list[str]:
    """Which of the files and folders that were asked for by name could not be read at all."""
    named = {shown(str(path)) for path in paths}
    return sorted({str(one.path) for one in problems if isinstance(one, InputError) and one.unread} & named)
