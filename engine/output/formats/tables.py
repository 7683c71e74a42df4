"""Findings as one table, in CSV or Parquet: a row each, whatever kind it is.

In: findings. Out: bytes of the file. In CSV no spreadsheet finds a formula.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator

import polars as pl

from forewarn.findings import Finding
from forewarn.output.formats.facets import Facets, facets
from forewarn.text_gate import spreadsheet_cell

_TIME = pl.Datetime("us", "UTC")
COLUMNS: dict[str, pl.DataType] = {
    "id": pl.String(),
    "kind": pl.String(),
    "level": pl.String(),
    "score": pl.Float64(),
    "category": pl.String(),
    "title": pl.String(),
    "text": pl.String(),
    "records": pl.UInt64(),
    "source": pl.String(),
    "line": pl.UInt64(),
    "begin": _TIME,
    "end": _TIME,
    "detected_at": _TIME,
    "rules": pl.String(),
    "false_warnings": pl.String(),
    "members": pl.String(),
}
"""What a row has; `begin` of a warning is its onset; `members` the ids of what belongs to an incident."""
_TIME_FORM = "%Y-%m-%dT%H:%M:%S%.3fZ"


def csv(findings: Iterable[Finding]) -> Iterator[bytes]:
    """Findings as CSV."""
    rows = frame(findings)
    safe = rows.with_columns(
        pl.col(pl.String).map_elements(spreadsheet_cell, return_dtype=pl.String),
        pl.col(_TIME).dt.strftime(_TIME_FORM),
    )
    yield safe.write_csv().encode("utf-8", "replace")


def parquet(findings: Iterable[Finding]) -> Iterator[bytes]:
    """Findings as Parquet."""
    out = io.BytesIO()
    frame(findings).write_parquet(out)
    yield out.getvalue()


def frame(findings: Iterable[Finding]) -> pl.DataFrame:
    """Findings as a frame (`COLUMNS`)."""
    return pl.DataFrame([_row(facets(finding)) for finding in findings], schema=COLUMNS)


def _row(found: Facets) -> dict[str, object]:
    return {
        "id": found.id,
        "kind": found.kind,
        "level": found.level,
        "score": found.confidence,
        "category": found.category,
        "title": found.title,
        "text": found.text,
        "records": found.records,
        "source": found.place.source,
        "line": found.place.line,
        "begin": found.begin,
        "end": found.end,
        "detected_at": found.said,
        "rules": "; ".join(rule.title or "" for rule in found.rules),
        "false_warnings": found.promise,
        "members": " ".join(found.members),
    }
