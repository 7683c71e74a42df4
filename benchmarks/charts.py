"""Pictures of tables, where a picture says it better: altair charts as HTML (whole, no network needed) and SVG.

In: tables. Out: charts, and the two files of each. Measures nothing.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.benchmark import Draw, Table, Value

if TYPE_CHECKING:
    import altair

_WIDTH, _HEIGHT = 460, 280


def lines(table: Table, *, across: str, up: str, series: str) -> altair.Chart:
    """A line for each value of `series` over the column `across`."""
    import altair as alt

    return (
        alt.Chart(alt.Data(values=_records(table)), title=table.title)
        .mark_line(point=True)
        .encode(
            x=alt.X(field=across, type="quantitative", title=across),
            y=alt.Y(field=up, type="quantitative", title=up, scale=alt.Scale(zero=False)),
            color=alt.Color(field=series, type="nominal", title=None),
        )
        .properties(width=_WIDTH, height=_HEIGHT)
    )


def dots(table: Table, *, name: str, columns: list[str], rows: list[str], across: str) -> altair.Chart:
    """One row for each of `columns`, in it a dot for each of the table's `rows`, by their column `name`."""
    import altair as alt

    chosen = [record for record in _records(table) if record[name] in rows]
    values = [
        {"set": column, name: record[name], across: record[column]}
        for record in chosen
        for column in columns
        if record[column] is not None
    ]
    return (
        alt.Chart(alt.Data(values=values), title=table.title)
        .mark_point(filled=True, size=90)
        .encode(
            x=alt.X(field=across, type="quantitative", scale=alt.Scale(zero=False)),
            y=alt.Y(field="set", type="nominal", sort=columns, title=None),
            color=alt.Color(field=name, type="nominal", title=None, legend=alt.Legend(labelLimit=400)),
            shape=alt.Shape(field=name, type="nominal", title=None),
        )
        .properties(width=_WIDTH, height=_HEIGHT)
    )


def bars(table: Table, *, across: str, name: str, parts: str) -> altair.Chart:
    """A bar for each `name`, in the order of the table; a panel with its own scale for each value of `parts`."""
    import altair as alt

    values = _records(table)
    order = list(dict.fromkeys(str(record[name]) for record in values))
    return (
        alt.Chart(alt.Data(values=values), title=table.title)
        .mark_bar()
        .encode(
            x=alt.X(field=across, type="quantitative"),
            y=alt.Y(field=name, type="nominal", sort=order, title=None),
            row=alt.Row(field=parts, type="nominal"),
        )
        .properties(width=_WIDTH, height=_HEIGHT // 2)
        .resolve_scale(x="independent")
    )


def save(draw: Draw | None, tables: list[Table], folder: Path, benchmark: str) -> list[str]:
    """Write each chart as `BENCHMARK-NAME.html` and `.svg`; returns their names. Without altair there are none."""
    if draw is None or find_spec("altair") is None or find_spec("vl_convert") is None:
        return []
    names = []
    for name, chart in draw(tables).items():
        folder.mkdir(parents=True, exist_ok=True)
        stem = f"{benchmark}-{name}"
        chart.save(folder / f"{stem}.html", inline=True)
        chart.save(folder / f"{stem}.svg")
        names.append(stem)
    return names


def _records(table: Table) -> list[dict[str, Value]]:
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]
