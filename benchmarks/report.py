"""Results to text: a table on the terminal, `RESULTS.md` from the kept JSON.

In: `Result`s. Out: Markdown. Measures nothing.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from benchmarks.benchmark import Result, Table, Value
from benchmarks.needed import NEEDED


def cell(value: Value) -> str:
    """A value as people read it: four significant digits, thousands grouped, a dash for nothing."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else value


def markdown(table: Table) -> str:
    """One table as Markdown, columns padded so that it also reads well as plain text."""
    rows = [table.columns, *[[cell(value) for value in row] for row in table.rows]]
    widths = [max(len(row[at]) for row in rows) for at in range(len(table.columns))]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    head = f"**{table.title}**\n\n"
    return head + "\n".join(lines) + (f"\n\n{table.note}" if table.note else "")


def results_page(folder: Path, beside: Path) -> str:
    """`RESULTS.md` from every JSON of a folder; the page lies in `beside`, which its pictures are named from."""
    parts = ["# Results\n\nWritten by `python -m benchmarks` from `benchmarks/results/*.json`; never by hand."]
    results = [msgspec.json.decode(file.read_bytes(), type=Result) for file in sorted(folder.glob("*.json"))]
    parts += _aims(results)
    for result in results:
        where = f"{result.machine.get('processor', '?')}, {result.machine['cores']} cores, {result.machine['memory']}"
        parts.append(
            f"## {result.name}\n\n{result.about}\n\n"
            f"`{result.command}` · {result.date} · {result.seconds:.0f} s · {where}"
        )
        parts += [markdown(table) for table in result.tables]
        for name in result.charts:
            picture = (folder / "charts" / f"{name}.svg").relative_to(beside).as_posix()
            parts.append(f"![{name.replace('-', ' ')}]({picture})")
    return "\n\n".join(parts) + "\n"


def _aims(results: list[Result]) -> list[str]:
    """What was to be reached, of every benchmark, in one table."""
    tables = {result.name: result.tables for result in results}
    rows: list[list[Value]] = []
    for need in NEEDED:
        if need.benchmark in tables:
            measured = need.measured(tables[need.benchmark])
            is_met = "not measured" if measured is None else "met" if need.met(measured) else "**missed**"
            # Four digits would round some that are missed to what they miss.
            said = f"{measured:.6g}" if measured and cell(measured) == cell(need.bar) != f"{measured:g}" else measured
            rows.append([need.benchmark, need.what, f"{need.way} {need.bar:,g}", said, is_met])
    if not rows:
        return []
    met = sum(row[-1] == "met" for row in rows)
    minutes = sum(result.seconds for result in results) / 60
    note = f"{met} of {len(rows)} met. The benchmarks below took {minutes:.0f} minutes in all; those in "
    note += "which no time is measured run two at a time."
    return [markdown(Table("What was to be reached", ["benchmark", "what", "needed", "measured", "is"], rows, note))]
