"""`forewarn token`: who may ask a service."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from forewarn.cli.commands import Command
from forewarn.serving.access import SCOPES


@click.command("token", cls=Command)
@click.argument("name")
@click.option(
    "--to", "file", type=click.Path(path_type=Path), required=True, metavar="FILE", help="The file that serve is given."
)
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(SCOPES),
    default=("read",),
    show_default=True,
    help="What it may do (repeat).",
)
def command(name: str, file: Path, scopes: tuple[str, ...]) -> int:
    """Make a token for NAME and print it once: FILE keeps its hash alone.

    One of the same name is replaced, which is how a token is taken back.

    \b
    forewarn token analyst --to tokens.json --scope read --scope feedback
    """
    from forewarn.serving.access import add_token

    click.echo(add_token(file, name, scopes))
    return 0
