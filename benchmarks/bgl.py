"""BGL: of 2,000 lines of a supercomputer's log, how many of the 143 real alert lines are among the best 200.

In: `loghub/BGL_2k.log`; its first column is the label (`-` = normal) and is cut off before the scan. Out: alert lines
caught by the fused score and by each of its parts, and by the fused score once the twenty texts that `forewarn label`
asks for have a label. Nothing else is fitted on this file.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.benchmark import Benchmark, Context, Table
from benchmarks.measures import auroc, average_precision
from forewarn.alerting.selection import rank
from forewarn.frames import SIGNALS
from forewarn.options import Options
from forewarn.pipeline import scan
from forewarn.scan_result import Scan
from forewarn.scoring.model_folder import save_model
from forewarn.training.active_learning import most_useful
from forewarn.training.fit_options import FitOptions
from forewarn.training.fitting import fit

BEST = 200
LABELS = (10, 20, 40)


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
    best = best_lines(found, per_line)
    rows: list[list[float | int | str | None]] = [
        [
            "fused",
            int(alert[best].sum()),
            int(alert[best[: alert.sum()]].sum()),
            auroc(alert, per_line["log_odds"].to_numpy()),
            average_precision(alert, per_line["log_odds"].to_numpy()),
        ]
    ]
    for name in SIGNALS:
        if per_line[name].is_not_null().any():
            column = per_line[name].fill_null(strategy="min").to_numpy()
            top = np.lexsort((np.arange(len(column)), -column))[:BEST]
            exact = int(alert[top[: alert.sum()]].sum())
            rows.append([name, int(alert[top].sum()), exact, auroc(alert, column), average_precision(alert, column)])
    note = f"{int(alert.sum())} of {len(alert)} lines are real alerts."
    return [
        Table(
            "Alert lines among the best 200 lines of BGL",
            ["score", f"caught of {int(alert.sum())}", f"in the best {int(alert.sum())}", "AUROC", "AP"],
            rows,
            note,
        ),
        _with_labels(log, alert, context),
    ]


def _with_labels(log: Path, alert: np.ndarray, context: Context) -> Table:
    """What the first labels bring: each asked for, given as the file has it, and fitted."""
    per_line = context.scratch / "scores.parquet"
    rows: list[list[float | int | str | None]] = []
    for number in (0, *LABELS):
        options = Options(seed=context.seed)
        crises = 0
        if number:
            found = scan([log], Options(seed=context.seed))
            asked = most_useful(found, number)
            taught = asked.with_columns(label=pl.Series(alert[asked["line"].to_numpy() - 1].astype(int).astype(str)))
            crises = int((taught["label"] == "1").sum())
            folder = context.scratch / f"model-{number}"
            save_model(fit(taught.select("text", "label"), FitOptions(seed=context.seed)), folder, "")
            options = Options(model=folder, seed=context.seed)
        found = scan([log], options, line_scores=per_line)
        best = best_lines(found, pl.read_parquet(per_line))
        rows.append([number, crises, int(alert[best].sum())])
    columns = ["labels", "of them alerts", f"caught of {int(alert.sum())}"]
    return Table("The same with the labels that `forewarn label` asks for", columns, rows)


def best_lines(found: Scan, per_line: pl.DataFrame) -> np.ndarray:
    """The rows of the 200 most alarming lines, int64 (200,)."""
    places = rank(found.scores.whole(), found.texts.whole()["count"]).select("text_id").with_row_index("place")
    ordered = per_line.with_row_index("row").join(places, on="text_id").sort("place", "row")
    return ordered["row"].to_numpy()[:BEST]


BENCHMARK = Benchmark(
    "bgl", "Alert lines of a supercomputer's log, no labels and a few", ("loghub/BGL_2k.log",), run, beside=True
)
