"""What a person says of an alert, kept so that `update` and `fit` can learn from it.

In: an alert, yes or no, a CSV file. Out: the file with one row more, or with the answer of that alert replaced.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from forewarn.errors import InputError, OutputError
from forewarn.findings import Alert
from forewarn.reading.labelled import in_cells, read_rows
from forewarn.runtime.atomic import atomic_write, is_written_through, one_writer

_ANSWERS = ("label", "text", "alert", "source", "line")


def keep_answer(alert: Alert, crisis: bool, path: str | Path) -> pl.DataFrame:
    """Put the answer on one alert into `path` and return all answers there: `label`, `text`, `alert`, `source`, `line`.

    A later answer replaces an earlier one on the same alert. Two processes may write at once. Raises InputError where
    the file holds something else, OutputError where it cannot be written.
    """
    path = Path(path)
    if is_written_through(path):
        raise OutputError("keeps no answers", path=path, remedy="Name a file with -o.")
    answer = (str(int(crisis)), alert.text, alert.id, alert.first.source, str(alert.first.line))
    with one_writer(path):
        answers = in_cells(pl.DataFrame([answer], schema=_ANSWERS, orient="row"))
        if path.exists():
            earlier = read_rows(path)
            if tuple(earlier.columns) != _ANSWERS:
                raise InputError(
                    f"has the columns {', '.join(earlier.columns)}, not {', '.join(_ANSWERS)}",
                    path=path,
                    remedy="Name another file with -o: this one holds no answers on alerts.",
                )
            answers = pl.concat([earlier.filter(pl.col("alert").ne_missing(alert.id)), answers])
        with atomic_write(path, private=True) as part:
            answers.write_csv(part)
    return answers
