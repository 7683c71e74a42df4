"""The command line: a thin skin over the library, one module a command.

In: arguments. Out: printed results and an exit status: 0 = ran, nothing alarming; 1 = ran, alerts raised; 2 = could not
run, or not on all that was named (docs/scanning.md, "Exit status"). A command's module is imported when the command is
used, and heavy libraries only by the library itself.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import rich_click as click

from forewarn.cli.commands import Group

COMMANDS = (
    *("scan", "watch", "score", "explain", "convert", "feedback", "similar", "cases"),
    *("fit", "update", "drift", "label", "rules", "serve", "token", "audit", "schema", "doctor"),
)


class _Commands(Group):
    """A group that imports each command on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"forewarn.cli.{cmd_name}").command
        return command


@click.command(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "FOREWARN"}
)
@click.version_option(None, "-V", "--version", package_name="forewarn")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Options from this file (default: forewarn.toml in this folder).",
)
@click.pass_context
def cli(context: click.Context, config: Path | None) -> None:
    """Find the first signs of a crisis in text: logs, feeds, news, reports, events; Chinese and English first.

    \b
    forewarn scan examples/logs
    forewarn scan /var/log --budget 20 -o alerts.jsonl
    """
    from forewarn.cli.configuration import default_map

    context.default_map = default_map(cli, config)


def _end(number: int, _: object) -> None:
    """End as a signal asks: what is open is closed, and what is temporary goes."""
    raise SystemExit(128 + number)


def _as_text(argument: str) -> str:
    """An argument as text that any library takes; the name of what is there stays as it is."""
    from forewarn.names import shown

    value = argument.partition("=")[2] if argument.startswith("--") else argument
    return argument if "\0" in value or os.path.lexists(value) else shown(argument)


def main() -> None:
    """Run the command line and exit."""
    before = None
    with suppress(ValueError):  # Not in the main thread: whoever runs us there ends us.
        before = signal.signal(signal.SIGTERM, _end)
    try:
        cli.main([_as_text(argument) for argument in sys.argv[1:]])
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)
