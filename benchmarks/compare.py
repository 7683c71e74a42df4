"""What got worse from one kept result to another: qualities only, never times.

In: two files of `results/`. Out: a line for each figure that moved by more than noise. Rows are matched by their words
and by their columns that are no quality. Measures nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import msgspec

from benchmarks.benchmark import Result, Table, Value
from benchmarks.report import cell

NOISE = 0.005
"""How far a figure may move before it counts, as a share of the older one where that is above 1."""
_HIGHER = re.compile(
    r"\bAUROC\b|\bAP\b|\brecall\b|\bprecision\b|\bcaught\b|\bkept\b|^after$|^(AP|AUROC|recall) before$", re.I
)
_LOWER = re.compile(r"\bECE\b|\bBrier\b|\bfalse\b|\bmissed\b", re.I)
_NUMBERED = re.compile(r" \(\d+\)$")
_TIMES = re.compile(r"^s$|\bs$|/s\b|\bMiB\b|\bMB\b|\bCPU\b|\bminutes\b|^ratio\b|× ", re.I)


@dataclass(frozen=True)
class Change:
    """One quality that moved: where, from what to what, and whether that is worse. None = the figure is gone."""

    table: str
    row: str
    column: str
    before: float
    after: float | None
    worse: bool


def changes(before: list[Table], after: list[Table], noise: float = NOISE) -> list[Change]:
    """Every quality that moved by more than `noise`, in the order of the tables; one that is gone is worse."""
    newer = {table.title: table for table in after}
    moved = []
    for table in before:
        other = dict(_figures(newer[table.title])) if table.title in newer else {}
        for (row, column), figure in _figures(table):
            now = other.get((row, column))
            gain = 0.0 if now is None else (now - figure) * direction(table, column)
            if now is None or abs(gain) > noise * max(1.0, abs(figure)):
                moved.append(Change(table.title, " · ".join(row), column, figure, now, now is None or gain < 0))
    return moved


def direction(table: Table, column: str) -> int:
    """1 where more is better, -1 where less is, 0 where the column is no quality; `after (2)` is a column `after`."""
    column = _NUMBERED.sub("", column)
    if column in table.higher:
        return 1
    if column in table.lower:
        return -1
    if _TIMES.search(column):
        return 0
    return -1 if _LOWER.search(column) else 1 if _HIGHER.search(column) else 0


def _figures(table: Table) -> Iterator[tuple[tuple[tuple[str, ...], str], float]]:
    """Each quality of a table with its row's name and its column's; columns of one name are counted."""
    names = [
        f"{name} ({table.columns[:at].count(name) + 1})" if table.columns.count(name) > 1 else name
        for at, name in enumerate(table.columns)
    ]
    way = [direction(table, name) for name in table.columns]
    named = [at for at, name in enumerate(table.columns) if not way[at] and not _TIMES.search(name)]
    for row in table.rows:
        key = tuple(cell(row[at]) for at in named if row[at] is not None)
        for at, value in enumerate(row):
            if way[at] and isinstance(value, int | float):
                yield (key, names[at]), float(value)


def read(file: Path) -> Result:
    """A kept result. Raises click.ClickException where the file is none."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Result)
    except (OSError, msgspec.DecodeError) as error:
        raise click.ClickException(
            f"{file} is no kept result: {error}; name a file that `python -m benchmarks` wrote"
        ) from None


@click.command()
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option("--noise", default=NOISE, show_default=True, help="How far a figure may move before it counts.")
def compare(before: Path, after: Path, noise: float) -> None:
    """Print what got worse (and better) from one kept result to another; exit status 1 where something got worse."""
    moved = changes(read(before).tables, read(after).tables, noise)
    for change in sorted(moved, key=lambda change: not change.worse):
        click.echo(line(change))
    worse = sum(change.worse for change in moved)
    click.echo(f"{worse} figures worse, {len(moved) - worse} better, beyond {noise:g}")
    raise SystemExit(1 if worse else 0)


def line(change: Change) -> str:
    """A change as one line."""
    what = "worse" if change.worse else "better"
    now: Value = "gone" if change.after is None else change.after
    return f"{what:6}  {change.table}: {change.row}: {change.column}: {cell(change.before)} → {cell(now)}"
