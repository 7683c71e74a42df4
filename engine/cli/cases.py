"""`forewarn cases …`: what an analyst keeps past crises with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from forewarn.cli import options as shared
from forewarn.cli.commands import Group
from forewarn.cli.options import printed

if TYPE_CHECKING:
    from forewarn.cases.importing import CaseColumns
    from forewarn.embeddings.case_changes import Change
    from forewarn.output.terminal import Terminal

BASE = click.option(
    "--cases", type=click.Path(path_type=Path), required=True, metavar="DIR", help="The case base folder."
)
JOIN = click.option(
    "--join",
    type=click.FloatRange(0, min_open=True),
    metavar="COSINE",
    help="Similarity from which on texts of one label within a month are one case (default: 0.92; above 1: never).",
)
_FIELDS = ("id", "time", "title", "text", "category", "outcome", "source", "label")


def _columns(command: Callable[..., int]) -> Callable[..., int]:
    """The options that say which columns hold what."""
    for name in reversed(_FIELDS):
        command = click.option(f"--{name}-column", metavar="COLUMN", help=f"The column of the {name}.")(command)
    return click.option(
        "--positive", metavar="LABEL", multiple=True, help="A label of a crisis (repeat; default: 1, true, yes)."
    )(command)


@click.group("cases", cls=Group)
def command() -> None:
    """Build and keep a base of past crises, for `forewarn similar` and `forewarn scan --cases`.

    \b
    forewarn cases build incidents.csv -o cases/
    forewarn cases add alerts.jsonl --cases cases/ --outcome "backlog cleared after three weeks"
    """


@command.command("build")
@click.argument("paths", nargs=-1, required=True, metavar="LABELLED…")
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), metavar="DIR", help="The folder to write."
)
@click.option(
    "--with",
    "start",
    type=click.Choice(["nothing", "contrast", "shipped"]),
    default="contrast",
    show_default=True,
    help="What else goes in: the shipped ordinary texts and first signs, which let the base vote in a scan; those and "
    "the shipped past crises; or nothing.",
)
@click.option("--replace", is_flag=True, help="Put it in place of the base that is there.")
@shared.encoder
@shared.device
@JOIN
@_columns
def build(
    paths: tuple[str, ...],
    output: Path,
    start: str,
    replace: bool,
    encoder: str,
    device: str | None,
    join: float | None,
    positive: tuple[str, ...],
    **columns: str | None,
) -> int:
    """Build a case base of files (CSV, JSON lines, Parquet). Without a column of labels, every row is a crisis.

    \b
    forewarn cases build incidents.csv -o cases/ --title-column headline --time-column reported
    forewarn cases build tweets.csv -o cases/ --label-column kind --positive on-topic --with nothing
    """
    from forewarn.cases import importing as case_input
    from forewarn.embeddings import load_encoder
    from forewarn.embeddings.case_changes import JOINED, build
    from forewarn.output.guard import check_outputs
    from forewarn.output.terminal import Terminal

    check_outputs(paths, folders=[output])
    cases = case_input.with_shipped(case_input.read_cases(paths, _named(positive, columns)), start)
    with Terminal().stage("embedding the cases"):
        change = build(output, cases, load_encoder(encoder, device=device), join=join or JOINED, anew=replace)
    _report(change, output)
    return 0


@command.command("add")
@click.argument("paths", nargs=-1, required=True, metavar="LABELLED|ALERTS…")
@BASE
@click.option("--only", multiple=True, metavar="ALERT-ID", help="Of a file of alerts, only this one (repeat).")
@click.option("--outcome", metavar="WORDS", help="How it went, for the cases that do not say.")
@shared.device
@JOIN
@_columns
def add(
    paths: tuple[str, ...],
    cases: Path,
    only: tuple[str, ...],
    outcome: str | None,
    device: str | None,
    join: float | None,
    positive: tuple[str, ...],
    **columns: str | None,
) -> int:
    """Add cases to a base: labelled files, or alerts that `forewarn scan -o` wrote and a person confirmed.

    \b
    forewarn cases add new-incidents.csv --cases cases/
    forewarn cases add alerts.jsonl --only fw-3f9a --cases cases/ --outcome "two hours without payments"
    """
    from forewarn.cases import importing as case_input
    from forewarn.cases.similar import open_encoder
    from forewarn.embeddings.case_changes import JOINED, add
    from forewarn.output.terminal import Terminal

    new = case_input.read_cases(paths, _named(positive, columns), outcome=outcome, only=only)
    with Terminal().stage("embedding the cases"):
        change = add(cases, new, open_encoder(cases, None, device), join=join or JOINED)
    _report(change, cases)
    return 0


@command.command("remove")
@click.argument("ids", nargs=-1, required=True, metavar="ID…")
@BASE
def remove(ids: tuple[str, ...], cases: Path) -> int:
    """Take cases out of a base.

    \b
    forewarn cases remove fw-3f9a0c12ab34 --cases cases/
    forewarn cases remove case-0012 case-0013 --cases cases/
    """
    from forewarn.embeddings.case_changes import remove

    _report(remove(cases, ids), cases)
    return 0


@command.command("merge")
@click.argument("bases", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="DIR DIR…")
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), metavar="DIR", help="The folder to write."
)
@JOIN
def merge(bases: tuple[Path, ...], output: Path, join: float | None) -> int:
    """Make one new base of several that have the same encoder; nothing is encoded again.

    \b
    forewarn cases merge north/ south/ -o all/
    forewarn cases merge 2023/ 2024/ 2025/ -o years/ --join 0.99
    """
    from forewarn.embeddings.case_changes import JOINED, merge
    from forewarn.output.guard import check_outputs

    check_outputs([], folders=[output])
    _report(merge(output, bases, join=join or JOINED), output)
    return 0


@command.command("list")
@shared.cases
@click.option("--category", metavar="NAME", help="Only cases of this category.")
@click.option("--all", "everything", is_flag=True, help="Ordinary texts and first signs too.")
@printed()
def list_(cases: Path | None, category: str | None, everything: bool, form: str, terminal: Terminal) -> int:
    """List a base's past crises, by time.

    \b
    forewarn cases list --category finance
    forewarn cases list --cases cases/ --all --format jsonl > cases.jsonl
    """
    import polars as pl

    from forewarn.cases.listing import counted, listed
    from forewarn.embeddings.case_store import CASES

    rows = listed(cases, category, everything=everything)
    terminal.rows(rows, form, hide=("title_zh", "text", "outcome", "source", "label", "sign", "joined"))
    if form == "table":
        terminal.note(counted(pl.DataFrame(rows, schema=CASES)) or "no case is of that kind")
    return 0


@command.command("show")
@click.argument("ids", nargs=-1, required=True, metavar="ID…")
@shared.cases
@printed()
def show(ids: tuple[str, ...], cases: Path | None, form: str, terminal: Terminal) -> int:
    """Show everything about cases.

    \b
    forewarn cases show svb-2023
    forewarn cases show case-0012 --cases cases/ --format jsonl
    """
    from forewarn.cases.listing import shown

    terminal.cases(shown(cases, ids), form)
    return 0


def _named(positive: tuple[str, ...], columns: dict[str, str | None]) -> CaseColumns:
    from forewarn.cases.importing import CaseColumns

    named = {option.removesuffix("_column"): column for option, column in columns.items() if column}
    return CaseColumns(named, positive)


def _report(change: Change, folder: Path) -> None:
    from forewarn.cases.listing import counted
    from forewarn.embeddings.cases import whole
    from forewarn.output.terminal import Terminal

    Terminal().change(change, folder, counted(whole(folder)))
