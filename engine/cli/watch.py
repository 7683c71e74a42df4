"""`forewarn watch`: arguments in, warnings printed as they arise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from forewarn.cli import options as shared
from forewarn.cli.commands import Command
from forewarn.cli.options import panels, printed, streams

if TYPE_CHECKING:
    from forewarn.output.terminal import Terminal


@click.command("watch", cls=Command)
@panels(
    Choose=("--false-warnings",),
    Look_with=("--rules", "--logsource", "--cases", "--model", "--encoder", "--device"),
    Read=("--text-column", "--time-column", "--time-format", "--arrival-times"),
    Streams=("--late", "--one-stream", "--stream-by", "--by-category", "--count-repeats"),
    Output=("--output", *shared.PRINTED, "--exec", "--notify"),
    Checkpoint=("--state", "--help"),
)
@click.argument("paths", nargs=-1, required=True, metavar="PATH…|-")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Keep the warnings in this file (JSON lines).",
)
@printed("table", "compact", findings=True)
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where the state is kept (default: one for these paths).",
)
@click.option("--exec", "command_", metavar="CMD", help="Run this for each warning, with it as JSON on standard input.")
@click.option("--notify", metavar="URL", help="Post each warning as JSON to this address.")
@click.option(
    "--false-warnings",
    default="auto",
    show_default=True,
    metavar="N/TEXTS|N/TIME",
    help="How seldom a warning may be false, such as 1/10000 or 1/30d (auto: 1/100000, in a log 1/30d as well).",
)
@streams
@click.option("--arrival-times", is_flag=True, help="A record's time is that of its arrival: for input without times.")
@shared.rules
@shared.logsource
@shared.cases
@shared.encoder
@shared.device
@shared.model
@shared.text_column
@shared.time_column
@shared.time_format
def command(
    paths: tuple[str, ...],
    output: Path | None,
    form: str,
    terminal: Terminal,
    state: Path | None,
    command_: str | None,
    notify: str | None,
    false_warnings: str,
    late: str,
    one_stream: bool,
    stream_by: str | None,
    by_category: bool,
    count_repeats: bool,
    arrival_times: bool,
    rules: tuple[str, ...],
    logsource: str | None,
    cases: Path | None,
    encoder: str,
    device: str | None,
    model: Path | None,
    text_column: str | None,
    time_column: str | None,
    time_format: str | None,
) -> int:
    """Follow files, folders or standard input (-) as they grow, and warn early.

    Ends at the end of standard input, at Ctrl-C or SIGTERM; started again, it goes on where it stood.
    Exit status: 0 no warning, or ended by SIGTERM; 1 warnings raised; 2 could not run.

    \b
    forewarn watch /var/log/app --exec 'tee -a warned.jsonl'
    tail -F app.log | forewarn watch - --format jsonl
    """
    import signal
    import threading

    from forewarn.options import Options, parse_late, parse_promise
    from forewarn.output.guard import check_outputs
    from forewarn.rules.language.sources import parse_logsource
    from forewarn.runtime.atomic import is_standard_output
    from forewarn.watching.watch import Receivers, watch

    if "-" in paths and len(paths) > 1:
        raise click.UsageError("- (standard input) is watched alone")
    if output is not None and is_standard_output(output):
        output, form = None, "jsonl"
    if command_ is not None and not command_.strip():
        raise click.UsageError("--exec is empty: name a command")
    check_outputs([*paths, *rules, cases, model], [output], [state], growing=True)
    options = Options(
        text_column=text_column,
        time_column=time_column,
        time_format=time_format,
        rules=rules or None,
        logsource=parse_logsource(logsource),
        cases=cases,
        encoder=encoder,
        device=device,
        model=model,
        promise=parse_promise(false_warnings),
        late=parse_late(late),
        one_stream=one_stream,
        stream_by=stream_by,
        by_category=by_category,
        voices=not count_repeats,
    )
    stop = threading.Event()
    asked: list[int] = []

    def end(number: int, _: object) -> None:
        asked.append(number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    with terminal.watching() as status:
        ended = watch(
            paths,
            options,
            state or _state_of(paths),
            Receivers(terminal.teller(form), command_, notify),
            stop,
            log=output,
            arrival=arrival_times,
            status=status,
            problem=lambda error: terminal.problems([error]),
        )
    terminal.events_seen(ended.events_seen)
    # Who stops a service is not warned by how it ended.
    return 1 if ended.warnings and signal.SIGTERM not in asked else 0


def _state_of(paths: tuple[str, ...]) -> Path:
    """A folder for these paths, among the user's own state."""
    import hashlib

    from platformdirs import user_state_path

    joined = "\0".join(str(Path(path).absolute()) if path != "-" else path for path in paths)
    return user_state_path("forewarn") / f"watch-{hashlib.sha256(joined.encode()).hexdigest()[:12]}"
