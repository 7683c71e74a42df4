"""Options that several commands share, so that they are named and explained once.

In: a command's function. Out: the same with the options.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import rich_click as click

if TYPE_CHECKING:
    from forewarn.output.terminal import Terminal

Command = TypeVar("Command", bound=Callable[..., Any])
_STREAMS = (
    click.option("--late", default="5m", show_default=True, help="How far behind its source's clock a record may be."),
    click.option("--one-stream", is_flag=True, help="The files are parts of one stream, not a stream each."),
    click.option("--stream-by", metavar="COLUMN", help="A field whose values are streams of their own."),
    click.option(
        "--by-category", is_flag=True, help="The texts of each category of rules are a stream of their own too."
    ),
    click.option("--count-repeats", is_flag=True, help="Count a text that is said again soon (a retweet) every time."),
)


def streams(command: Command) -> Command:
    """How records with times form streams: `--late`, `--one-stream`, `--stream-by` and those after it."""
    for option in reversed(_STREAMS):
        command = option(command)
    return command


def terminal_beside(*outputs: Path | None) -> Terminal:
    """Where a command prints: on standard error what else goes to standard output, where a result is written there."""
    from forewarn.output.console import GatedConsole
    from forewarn.output.terminal import Terminal
    from forewarn.runtime.atomic import is_standard_output

    taken = any(output is not None and is_standard_output(output) for output in outputs)
    return Terminal(GatedConsole(stderr=True) if taken else None)


def names(said: str) -> tuple[str, ...]:
    """The names of a comma-separated list."""
    return tuple(name.strip() for name in said.split(",") if name.strip())
