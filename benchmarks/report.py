"""Results to text: a table on the terminal, `RESULTS.md` from the kept JSON.

In: `Result`s. Out: Markdown. Measures nothing.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from benchmarks.benchmark import Result, Table, Value


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
    for file in sorted(folder.glob("*.json")):
        result = msgspec.json.decode(file.read_bytes(), type=Result)
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
