"""`forewarn audit`: whether an audit log is as it was written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from forewarn.cli.commands import Command
from forewarn.cli.options import printed

if TYPE_CHECKING:
    from forewarn.output.terminal import Terminal


@click.command("audit", cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@printed()
def command(file: Path, form: str, terminal: Terminal) -> int:
    """Check the chain of an audit log that `forewarn serve` wrote.

    Exit status: 0 whole, 2 where a line was changed, taken out or put in. Lines that are missing at the end are seen
    only by their hash: keep the last one, which is printed, elsewhere.

    \b
    forewarn audit forewarn-service/audit.jsonl
    """
    from forewarn.serving.audit import verify

    lines, last = verify(file)
    if form == "jsonl":
        terminal.json({"lines": lines, "last": last})
    else:
        terminal.done(f"{file}: {lines:,} lines, whole; the last is {last}")
    return 0
