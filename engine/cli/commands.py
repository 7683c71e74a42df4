"""How every command behaves: examples apart from prose in its help, one line for what was typed wrongly, exit codes.

In: arguments. Out: an exit status: what the command returns (0 or 1), 2 where it could not run, 130 at Ctrl-C.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import rich_click as click
from rich.text import Text

if TYPE_CHECKING:
    from rich_click.rich_context import RichContext
    from rich_click.rich_help_formatter import RichHelpFormatter

_EXAMPLES = "\b\n"
"""What parts the examples of a help text from its prose: click's own mark of lines that are not to be filled."""
_NARROW = 60
"""Columns below which an option's help stands in the same column as what it takes."""


class Command(click.RichCommand):
    """A command whose help ends its prose with examples that are never broken, so that they can be copied."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        prose, _, examples = inspect.cleandoc(kwargs.get("help") or "").partition(_EXAMPLES)
        self.examples = examples.strip().splitlines()
        super().__init__(*args, **kwargs | {"help": prose.strip() or None})

    def invoke(self, ctx: click.Context) -> Any:
        """Run; a reader of our output that has gone (`| head`) is no error. Click would end with 1: an alert."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Python must not try to flush again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0

    def format_help_text(self, ctx: RichContext, formatter: RichHelpFormatter) -> None:  # type: ignore[override]
        """Write the prose, then the examples."""
        super().format_help_text(ctx, formatter)
        if self.examples:
            formatter.write(Text(" Examples:", style="bold"))
            for line in self.examples:
                formatter.write(Text(f"   {line}"), soft_wrap=True)
            formatter.write("")

    def format_options(self, ctx: RichContext, formatter: RichHelpFormatter) -> None:  # type: ignore[override]
        """Write the panels of options; a name is never cut, however narrow the terminal."""
        from rich.table import Table
        from rich_click.rich_panel import construct_panels

        if formatter.console.width < _NARROW:
            formatter.config.options_table_column_types = ["opt_all", "help"]
            formatter.config.options_table_help_sections = ["metavar", "help", "default", "required"]
        names = len(formatter.config.options_table_column_types) - 1
        for panel in construct_panels(self, ctx, formatter):
            drawn = panel.render(self, ctx, formatter)
            if isinstance(drawn.renderable, Table):
                if not drawn.renderable.rows:
                    continue
                for column in drawn.renderable.columns[: max(1, min(names, len(drawn.renderable.columns)) - 1)]:
                    column.no_wrap = True
            formatter.write(drawn)


class Group(Command, click.RichGroup):  # type: ignore[misc]
    """A group of commands that knows what a mistyped one may have meant."""

    command_class = Command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of the first argument; an unknown one is named with the nearest that there is."""
        known = self.list_commands(ctx)
        if args and args[0] not in known and not args[0].startswith("-"):
            near = get_close_matches(args[0], known, n=1)
            other = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise click.UsageError(f"there is no command {args[0]!r}; {other}", ctx)
        return super().resolve_command(ctx, args)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run and exit; every error that a user can meet is one readable message and status 2."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        run = super().main
        sys.exit(_status(lambda: run(args, prog_name, complete_var, standalone_mode=False, **extra)))


def _status(run: Any) -> int:
    from forewarn.errors import ForewarnError
    from forewarn.text_gate import printable

    try:
        status = run()
    except click.Abort:
        return 130
    except click.ClickException as error:
        _say(*_of_usage(error))
    except ForewarnError as error:
        _say(*(printable(line) for line in str(error).splitlines()))
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        if _memory_is_short(error):
            _say("there is not memory enough", "  Give it more (ulimit -v, a container's limit), or scan fewer files.")
            return 2
        # Not all that libraries raise is an Exception: a panic in Rust is none.
        # A fault of this program: one sentence for the user, the traceback for whoever asks for it.
        if os.environ.get("FOREWARN_DEBUG"):
            raise
        _say(
            f"{type(error).__name__}: {printable(str(error))}",
            "  This is a fault of forewarn; FOREWARN_DEBUG=1 shows where.",
        )
    else:
        return status if isinstance(status, int) else 0
    return 2


def _memory_is_short(error: BaseException) -> bool:
    """Whether an error says so, whatever its class: a library that cannot be mapped is an ImportError."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or "failed to map segment" in said or "cannot allocate memory" in said


def _say(first: str, *others: str) -> None:
    click.echo("\n".join([f"error: {first}", *others]), err=True)


def _of_usage(error: click.ClickException) -> tuple[str, str]:
    """What was typed wrongly, and where the right way stands."""
    from forewarn.text_gate import printable

    context = getattr(error, "ctx", None)
    path = context.command_path if context else "forewarn"
    message = " ".join(error.format_message().split()).rstrip(".")
    if isinstance(error, click.NoSuchOption):
        near = (error.possibilities or [])[:1]
        message = f"there is no option {error.option_name}" + (f"; did you mean {near[0]}?" if near else "")
    return printable(message[:1].lower() + message[1:]), f"  {path} --help shows what it takes."
