"""BGL: of 2,000 lines of a supercomputer's log, how many of the 143 real alert lines are among the best 200.

In: `loghub/BGL_2k.log`; its first column is the label (`-` = normal) and is cut off before the scan. Out: alert lines
caught by the fused score and by each of its parts. Nothing is fitted on this file.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.benchmark import Benchmark, Context, Table
from benchmarks.measures import auroc, average_precision
from forewarn.decision import rank
from forewarn.frames import SIGNALS
from forewarn.pipeline import Options, scan

BEST = 200


def labelled_lines(file: Path) -> tuple[list[str], np.ndarray]:
    """The lines without their label column, and whether each is a real alert. Shapes (n,), (n,)."""
    split = [line.split(" ", 1) for line in file.read_text("utf-8", "replace").splitlines()]
    return [rest for _, rest in split], np.array([label != "-" for label, _ in split])


def run(context: Context) -> list[Table]:
    """Scan the file and count."""
    lines, alert = labelled_lines(context.need("loghub/BGL_2k.log"))
    log, scores = context.scratch / "bgl.log", context.scratch / "scores.parquet"
    log.write_text("\n".join(lines) + "\n")
    found = scan([log], Options(), line_scores=scores)
    per_line = pl.read_parquet(scores)
    places = rank(found.scores, found.texts["count"]).select("text_id").with_row_index("place")
    ordered = per_line.with_row_index("row").join(places, on="text_id").sort("place", "row")
    best = ordered["row"].to_numpy()[:BEST]
    rows: list[list[float | int | str | None]] = [
        [
            "fused",
            int(alert[best].sum()),
            auroc(alert, per_line["log_odds"].to_numpy()),
            average_precision(alert, per_line["log_odds"].to_numpy()),
        ]
    ]
    for name in SIGNALS:
        if per_line[name].is_not_null().any():
            column = per_line[name].fill_null(strategy="min").to_numpy()
            top = np.lexsort((np.arange(len(column)), -column))[:BEST]
            rows.append([name, int(alert[top].sum()), auroc(alert, column), average_precision(alert, column)])
    note = f"{int(alert.sum())} of {len(alert)} lines are real alerts."
    return [
        Table(
            "Alert lines among the best 200 lines of BGL",
            ["score", f"caught of {int(alert.sum())}", "AUROC", "AP"],
            rows,
            note,
        )
    ]


BENCHMARK = Benchmark("bgl", "Alert lines of a supercomputer's log, no labels", ("loghub/BGL_2k.log",), run)
