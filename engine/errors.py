"""Every error that a user can meet.

In: what went wrong, where (file, line, column) and what to do about it. Out: one readable sentence. Nothing here
is ever printed with a traceback: the command line catches `ForewarnError` and exits with status 2.
"""

from __future__ import annotations

from pathlib import Path

from forewarn.names import shown


class ForewarnError(Exception):
    """The base of every error that a user can meet.

    `str(error)` is `path:line:column: message` (the parts that are known) and, on a second line, the remedy.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str | Path | None = None,
        line: int | None = None,
        column: int | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.path = None if path is None else shown(str(path))
        self.line = line
        self.column = column
        self.remedy = remedy

    @property
    def place(self) -> str:
        """`path:line:column`, as far as each is known; an empty string where nothing is."""
        return ":".join(str(part) for part in (self.path, self.line, self.column) if part is not None)

    def __str__(self) -> str:
        sentence = f"{self.place}: {self.message}" if self.place else self.message
        return f"{sentence}\n  {self.remedy}" if self.remedy else sentence


class InputError(ForewarnError):
    """A file, a line or a column of the user's input cannot be used; `unread` where nothing of the file was."""

    unread = False


class OutputError(ForewarnError):
    """A result cannot be written (no space, no permission, no such folder)."""


class RuleError(ForewarnError):
    """A rule cannot be used; the place is in the rule's own file."""


class EncoderError(ForewarnError):
    """An encoder is unknown, or its weights cannot be loaded."""


class CaseBaseError(ForewarnError):
    """A case base is missing, damaged, or was built with another encoder."""


class DetectorError(ForewarnError):
    """A detector is unknown, or cannot be fitted on what it was given."""


class ModelError(ForewarnError):
    """A model directory is missing, damaged or newer than this program."""
