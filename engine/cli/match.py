"""`forewarn rules match`: rules alone over files, live too; hits for people, programs and spreadsheets."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from forewarn.cli import options as shared
from forewarn.cli.commands import Command

if TYPE_CHECKING:
    from forewarn.output.terminal import Terminal

FORMS = ("jsonl", "csv", "table", "timesketch")
_MOST_ROWS = 10_000
"""Rows of a table that is drawn; more are for files."""


@click.command("match", cls=Command)
@click.argument("paths", nargs=-1, required=True, metavar="PATH…")
@click.option("--rules", "sources", multiple=True, metavar="PACK|PATH", help="Which rules (default: all packs).")
@click.option(
    "--level",
    type=click.Choice(["informational", "low", "medium", "high", "critical"]),
    metavar="LEVEL",
    default="informational",
    show_default=True,
    help="The least level of a rule that is told.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMS),
    metavar="|".join(FORMS),
    help="What to print: a line a record, or a row for each rule that fired (default: jsonl, of a summary table).",
)
@click.option("--no-event", is_flag=True, help="Leave the event itself out of JSON lines.")
@click.option("--summary", is_flag=True, help="Print what fired how often, on how many hosts, when, in place of hits.")
@click.option(
    "--navigator",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a layer for ATT&CK Navigator: techniques by hits.",
)
@shared.text_column
@shared.logsource
@click.option("--explain-skipped", is_flag=True, help="Say which rules were not tried, and why.")
@click.option("--quiet", "-q", is_flag=True, help="Print results and errors only.")
def match(
    paths: tuple[str, ...],
    sources: tuple[str, ...],
    level: str,
    form: str | None,
    no_event: bool,
    summary: bool,
    navigator: Path | None,
    text_column: str | None,
    logsource: str | None,
    explain_skipped: bool,
    quiet: bool,
) -> int:
    """Print a JSON object for each record on which rules fire; a line from a pipe is judged as it comes.

    Exit status: 0 nothing fired, 1 something fired, 2 could not run, or nothing fired and a PATH could not be read.

    \b
    forewarn rules match --rules security /var/log/auth.log
    forewarn rules match --rules sigma/rules Security.evtx --level high --format table
    tail -f app.log | forewarn rules match -
    """
    from forewarn.alerting.rule_matches import matches
    from forewarn.errors import ForewarnError
    from forewarn.output.guard import check_outputs
    from forewarn.output.hit_rows import Summary
    from forewarn.output.terminal import Terminal
    from forewarn.reading.problems import not_read
    from forewarn.rules.language.rule import Rule
    from forewarn.rules.language.sources import parse_logsource

    form = form or ("table" if summary else "jsonl")
    check_outputs([*paths, *sources], [navigator])
    problems: list[ForewarnError] = []
    untried: list[tuple[Rule, str]] = []
    seen: list[str] = []
    counted = Summary() if summary or navigator else None
    found = matches(
        paths,
        sources or None,
        text_column=text_column,
        logsource=parse_logsource(logsource),
        level=level,
        events=form == "jsonl" and not (no_event or summary),
        untried=untried,
        problems=problems,
        seen=seen,
    )
    if counted:
        found = _counted(found, counted.add)
    terminal = Terminal(quiet=quiet)
    told = _count(found) if summary else _tell(found, form, terminal)
    if counted and summary:
        _summarise(counted, form, terminal)
    if counted and navigator:
        _write(counted.navigator(), navigator)
    terminal.problems(problems)
    for said in seen:
        terminal.events_seen(said)
    if explain_skipped:
        terminal.untried(untried)
    return 1 if told else 2 if not_read(paths, problems) else 0


def _counted(found: Iterator[dict[str, Any]], add: Callable[[Mapping[str, Any]], None]) -> Iterator[dict[str, Any]]:
    for hit in found:
        add(hit)
        yield hit


def _count(found: Iterator[dict[str, Any]]) -> int:
    return sum(1 for _ in found)


def _tell(found: Iterator[dict[str, Any]], form: str, terminal: Terminal) -> int:
    """Print hits as they come; how many there were."""
    from forewarn.output import hit_rows
    from forewarn.text_gate import json_line

    out, told = sys.stdout.buffer, 0
    shown: list[dict[str, str]] = []
    if form == "csv":
        out.write(hit_rows.csv_line().encode())
    for hit in found:
        if form == "jsonl":
            out.write(json_line(hit))
        elif form == "csv":
            out.writelines(hit_rows.csv_line(row).encode() for row in hit_rows.rows(hit))
        elif form == "timesketch":
            out.writelines(json_line(row) for row in hit_rows.timesketch(hit))
        else:
            shown += ({name: row[name] for name in hit_rows.ON_TERMINAL} for row in hit_rows.rows(hit))
            if len(shown) >= _MOST_ROWS:
                terminal.rows(shown, "table")
                shown = []
        told += 1
        out.flush()
    if form == "table":
        terminal.rows(shown, "table")
    out.flush()
    return told


def _summarise(counted: Any, form: str, terminal: Terminal) -> None:
    """Print what fired how often: tables, or JSON lines of rules and techniques."""
    form = "jsonl" if form == "jsonl" else "table"
    terminal.rows(counted.rules(), form, hide=("id", "tags"))
    for rows in (counted.tactics(), counted.techniques()):
        if rows:
            if form == "table":
                terminal.line("")
            terminal.rows(rows, form)


def _write(layer: Mapping[str, Any], path: Path) -> None:
    import msgspec

    from forewarn.runtime.atomic import atomic_write

    with atomic_write(path) as part:
        part.write_bytes(msgspec.json.format(msgspec.json.encode(layer), indent=1))
