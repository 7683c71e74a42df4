"""What a person says of an alert or a warning, kept so that `update` and `fit` can learn from it.

In: an alert or a warning, yes or no, a CSV file. Out: the file with one row more for each text that the answer is
about, or with the earlier answer replaced.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from forewarn.errors import InputError, OutputError
from forewarn.findings import Alert, Finding, Incident, Place
from forewarn.reading.labelled import in_cells, read_rows
from forewarn.runtime.atomic import atomic_write, is_written_through, one_writer

_ANSWERS = ("label", "text", "alert", "source", "line")


def keep_answer(finding: Finding, crisis: bool, path: str | Path) -> pl.DataFrame:
    """Put the answer on one finding into `path` and return all there are: `label`, `text`, `alert`, `source`, `line`.

    Of a false warning every text that moved it is an ordinary one; of a right one the loudest is of a crisis, and
    nothing is known of the others. A later answer replaces an earlier one of the same id; an answer on an alert goes
    before one on a warning with its text. Two processes may write at once. Raises InputError where the finding has no
    text to learn from or the file holds something else, OutputError where it cannot be written.
    """
    rows = [(str(int(crisis)), text, finding.id, at.source, str(at.line)) for text, at in _texts(finding, crisis)]
    return _kept(rows, finding.id, isinstance(finding, Alert), Path(path))


def keep_text(text: str, crisis: bool, path: str | Path, name: str = "") -> pl.DataFrame:
    """Put the answer on one text into `path`, as `keep_answer` does; `name` the id of its alert, where it has one.

    Without an id the text is its own: a later answer on the same text replaces an earlier one. Raises as `keep_answer`.
    """
    name = name or f"text-{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:12]}"
    return _kept([(str(int(crisis)), text, name, "", "")], name, True, Path(path))


def _kept(rows: Sequence[tuple[str, ...]], name: str, of_alert: bool, path: Path) -> pl.DataFrame:
    if is_written_through(path):
        raise OutputError("keeps no answers", path=path, remedy="Name a file with -o.")
    with one_writer(path):
        answers = in_cells(pl.DataFrame(rows, schema=dict.fromkeys(_ANSWERS, pl.String), orient="row"))
        if path.exists():
            earlier = read_rows(path)
            if tuple(earlier.columns) != _ANSWERS:
                raise InputError(
                    f"has the columns {', '.join(earlier.columns)}, not {', '.join(_ANSWERS)}",
                    path=path,
                    remedy="Name another file with -o: this one holds no answers on alerts.",
                )
            same, of_warning = pl.col("text").is_in(answers["text"].implode()), pl.col("alert").str.starts_with("fw-w")
            if of_alert:
                earlier = earlier.filter(~(same & of_warning).fill_null(False))
            else:
                told = earlier.filter(same & ~of_warning)["text"]
                answers = answers.filter(~pl.col("text").is_in(told.implode()))
            answers = pl.concat([earlier.filter(pl.col("alert").ne_missing(name)), answers])
        with atomic_write(path, private=True) as part:
            answers.write_csv(part)
    return answers


def _texts(finding: Finding, crisis: bool) -> list[tuple[str, Place]]:
    """The texts that an answer is about, and where they stand."""
    if isinstance(finding, Alert):
        return [(finding.text, finding.first)]
    if isinstance(finding, Incident):
        raise InputError(
            f"{finding.id} is an incident: some of it may be right and some not",
            remedy=f"Answer on one of {', '.join([*finding.warnings, *finding.alerts][:8])}.",
        )
    if finding.volume is not None:
        raise InputError(
            f"{finding.id} is about how many records came, and a model learns from what they say",
            remedy="Ask for fewer such warnings with --false-warnings, such as 1/1000000.",
        )
    moved = {one.text: one.at for one in (finding.moved if not crisis else finding.moved[:1])}
    return list(moved.items())
