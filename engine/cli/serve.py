"""`forewarn serve`: the service and its page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from forewarn.cli.commands import Command
from forewarn.cli.options import looking_with, printed

if TYPE_CHECKING:
    from forewarn.output.terminal import Terminal


@click.command("serve", cls=Command)
@click.argument("paths", nargs=-1, metavar="[PATH…]")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=8471, show_default=True, help="The port to listen at.")
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    metavar="DIR",
    default=Path("forewarn-service"),
    show_default=True,
    help="Where feedback, rules, the audit log and the state of the watch are kept.",
)
@click.option(
    "--tokens",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Who may ask (`forewarn token`); without it only this machine is served.",
)
@click.option("--name", "names", multiple=True, metavar="HOST", help="A name that the service is asked by (repeat).")
@click.option("--certificate", type=click.Path(path_type=Path), metavar="FILE", help="TLS: certificate chain, PEM.")
@click.option("--key", type=click.Path(path_type=Path), metavar="FILE", help="TLS: private key, PEM.")
@looking_with
@printed()
def command(
    paths: tuple[str, ...],
    host: str,
    port: int,
    state: Path,
    tokens: Path | None,
    names: tuple[str, ...],
    certificate: Path | None,
    key: Path | None,
    look_with: dict[str, Any],
    form: str,
    terminal: Terminal,
) -> int:
    """Serve scores, past cases, rules and feedback over HTTP, with a page; and watch PATHs meanwhile.

    Ends at Ctrl-C or SIGTERM. Without --tokens it listens to this machine alone.

    \b
    forewarn serve /var/log/app
    forewarn serve --tokens tokens.json --host 0.0.0.0 --name warn.example.org
    """
    from forewarn.extras import require
    from forewarn.options import Options

    require("starlette", "uvicorn", "prometheus_client")
    from forewarn.output.guard import check_outputs
    from forewarn.serving.access import is_loopback
    from forewarn.serving.running import Listening, run

    if tokens is None and not is_loopback(host):
        raise click.UsageError(f"--host {host} can be reached by others: name a file of --tokens (`forewarn token`)")
    if (certificate is None) != (key is None):
        raise click.UsageError("TLS needs both --certificate and --key")
    options = Options(**look_with)
    inputs = [*paths, *(options.rules or ()), options.cases, options.model, tokens]
    check_outputs(inputs, [], [state], growing=True)
    listening = Listening(host, port, names, certificate, key)
    return run(
        paths, options, state, tokens, listening, problem=lambda error: terminal.problems([error]), say=terminal.line
    )
