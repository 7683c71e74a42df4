"""The gate before a terminal: whatever is printed, no character of it steers.

In: whatever rich can draw. Out: the same on a console, in which control characters and direction marks stand escaped;
plain strings are no markup and name no emoji, so that a bracket in a user's text is a bracket.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from typing import IO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from forewarn.text_gate import printable


class GatedConsole(Console):
    """A console that escapes, after layout and before any byte is written, what would steer a terminal."""

    def __init__(self, *, stderr: bool = False, file: IO[str] | None = None, width: int | None = None) -> None:
        super().__init__(stderr=stderr, file=file, width=width, highlight=False, markup=False, emoji=False)

    def on_broken_pipe(self) -> None:
        """Leave it to the command that its output is no longer read; rich would end with 1, which means an alert."""
        raise BrokenPipeError(errno.EPIPE, "the reader of the output has gone")

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of something that is drawn."""
        for segment in super().render(renderable, options):
            # What is for the terminal itself (moving the cursor) is marked so by rich, never by a text.
            if segment.control or segment.text.replace("\n", "").isprintable():
                yield segment
            else:
                yield Segment("\n".join(map(printable, segment.text.split("\n"))), segment.style)
