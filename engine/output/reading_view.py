"""How a file is read, drawn for a terminal.

In: a `Reading`. Out: a rich table of its parts and its first records. Prints nothing.
"""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from forewarn.reading.explained import Reading
from forewarn.text_gate import printable

_TEXT = 200
"""Characters of a record's text that are shown."""


def reading_table(reading: Reading) -> Table:
    """The parts of a reading, a row each."""
    table = Table(
        box=None, show_header=False, pad_edge=False, title_justify="left", title=Text(printable(reading.path))
    )
    timed = f"{reading.timed:,} of the first {reading.looked_at:,} records have one"
    parts = [
        ("format", f"{reading.title} ({reading.format})" if reading.format else "none that is read"),
        ("stored as", reading.stored),
        ("text", reading.text),
        ("time", f"{reading.time}; {timed}" if reading.time else timed if reading.looked_at else ""),
        ("zone", reading.zone),
        ("level", reading.level),
        ("fields", reading.fields),
        *(("record", _record(record)) for record in reading.records),
        *(("problem", problem) for problem in reading.problems),
        ("to do", reading.remedy),
    ]
    for name, value in parts:
        if value:
            table.add_row(Text(name, style="bold" if name in ("problem", "to do") else "dim"), Text(printable(value)))
    return table


def _record(record: dict[str, object]) -> str:
    time = record["time"]
    parts = [f"line {record['line']}", f"{time:%Y-%m-%d %H:%M:%S}" if time else "no time"]
    parts += [str(record["level"])] if record["level"] else []
    parts += [f"status {record['status']}"] if record["status"] else []
    return f"{', '.join(parts)}: {str(record['text'])[:_TEXT]}"
