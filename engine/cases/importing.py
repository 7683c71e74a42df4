"""What becomes a case: labelled files, and the alerts of a scan.

In: CSV, JSON lines or Parquet with a column of texts, or alerts that `forewarn scan -o` wrote. Out: one frame of cases.
Columns are found by their usual names in English and Chinese, or as the user names them; times become ISO 8601.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from forewarn.embeddings.case_store import CASES
from forewarn.embeddings.cases import complete, shipped
from forewarn.errors import InputError
from forewarn.field_names import BODY, TIME, TITLE
from forewarn.findings import Alert, find_alert, holds_findings, read_findings
from forewarn.reading import columns as fields
from forewarn.reading import timestamps
from forewarn.reading.labelled import read_rows

_NAMES = {
    "id": ("id", "caseid", "编号"),
    "time": TIME,
    "title": TITLE,
    "title_zh": ("titlezh", "中文标题"),
    "text": BODY,
    "category": ("category", "type", "kind", "类别", "分类", "类型"),
    "outcome": ("outcome", "result", "结果", "后果"),
    "source": ("source", "publisher", "来源", "出处"),
    "label": ("label", "标签"),
}
_YES, _NO = ("1", "true", "yes", "crisis"), ("0", "false", "no", "ordinary")
_DAY = r"^(?P<y>[12][0-9]{3})[-/.年](?P<m>[0-9]{1,2})[-/.月](?P<d>[0-9]{1,2})"
_ISO_DAY = r"^[12][0-9]{3}(-[01][0-9](-[0-3][0-9])?)?$"


@dataclass(frozen=True)
class CaseColumns:
    """Which columns hold what: `named` a field of a case to a column, for those whose names are not the usual ones;
    `positive` the labels of a crisis (none = 1, true, yes or crisis).
    """

    named: dict[str, str] = field(default_factory=dict)
    positive: tuple[str, ...] = ()


def read_cases(
    paths: str | Path | Sequence[str | Path],
    columns: CaseColumns | None = None,
    *,
    outcome: str | None = None,
    only: Sequence[str] = (),
) -> pl.DataFrame:
    """The cases (`CASES`) of labelled files and of files of alerts, in the order given.

    `outcome` is given to the cases that have none; `only` the beginnings of the ids of the alerts that are meant.
    Raises InputError naming the file, and the row where there is one.
    """
    columns = columns or CaseColumns()
    frames = []
    for path in map(Path, [paths] if isinstance(paths, str | Path) else paths):
        if holds_findings(path):
            frames.append(from_alerts(path, only))
        elif only:
            raise InputError(
                f"has no alerts, of which --only {only[0]} could be one",
                path=path,
                remedy="Name a file that `forewarn scan -o` wrote, or leave --only out.",
            )
        else:
            frames.append(_from_rows(read_rows(path), columns, path))
    return pl.concat(frames).with_columns(pl.col("outcome").fill_null(pl.lit(outcome, pl.String)))


def with_shipped(cases: pl.DataFrame, start: str) -> pl.DataFrame:
    """The cases and, by `start`, nothing else; `contrast`: the shipped ordinary texts and first signs, where the cases
    have no ordinary text; `shipped`: those and the shipped past crises.
    """
    if start == "nothing" or (start == "contrast" and (cases["label"] == 0).any()):
        return cases
    return pl.concat([cases, shipped(past=start == "shipped")])


def from_alerts(path: Path, only: Sequence[str] = ()) -> pl.DataFrame:
    """The alerts of a scan as cases (`CASES`): the id is the alert's, the time its first record's.

    `only` names the alerts that are meant, as `forewarn explain` takes them; else all are, and the warnings and
    incidents of the file are left out. Raises InputError where the file has no alert, a line of it is none of the
    three, or a name fits none or several.
    """
    findings = read_findings(path)
    alerts = [one for one in findings if isinstance(one, Alert)]
    if not alerts:
        raise InputError(
            "has no alerts, only warnings and incidents",
            path=path,
            remedy="Scan the same files for alerts: `forewarn scan … --budget 20 -o alerts.jsonl`.",
        )
    alerts = list({one.id: one for one in (find_alert(findings, each, path) for each in only)}.values()) or alerts
    rows = [
        {
            "id": alert.id,
            "time": alert.first.time.isoformat(timespec="seconds") if alert.first.time else None,
            "text": alert.text,
            "category": alert.category,
            "source": f"alert of {alert.first.source}:{alert.first.line}",
            "count": alert.count,
        }
        for alert in alerts
    ]
    schema = {name: CASES[name] for name in ("id", "time", "text", "category", "source", "count")}
    return complete(pl.DataFrame(rows, schema=schema))


def from_texts(texts: pl.DataFrame) -> pl.DataFrame:
    """The distinct texts of a scan (`Scan.texts`) as cases (`CASES`), so that one can ask which are like a text.

    The id is where a text stands first (`app.log:12`).
    """
    place = pl.format("{}:{}", "first_source", "first_line")
    return complete(
        texts.select(
            id=place,
            time=pl.col("first_time").dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
            text="example",
            source="first_source",
            count="count",
        )
    )


def _from_rows(rows: pl.DataFrame, columns: CaseColumns, path: Path) -> pl.DataFrame:
    rows = rows.rename({name: name.strip() for name in rows.columns})
    for use, column in columns.named.items():
        if column not in rows.columns:
            raise InputError(
                f"has no column {column!r}",
                path=path,
                remedy=f"The columns are {', '.join(rows.columns)}; name one with --{use.replace('_', '-')}-column.",
            )
    used = {
        name: columns.named.get(name) or next(iter(fields.known(rows.columns, _NAMES[name])), None) for name in _NAMES
    }
    if used["text"] is None:
        used["text"] = used["title"]
    if used["text"] is None:
        raise InputError(
            "has no column of texts",
            path=path,
            remedy=f"Name it with --text-column; the columns are {', '.join(rows.columns)}.",
        )
    cases = rows.select(
        (pl.col(column).cast(pl.String).str.strip_chars() if column else pl.lit(None, pl.String)).alias(name)
        for name, column in used.items()
    ).with_columns(pl.when(pl.all() != "").then(pl.all()))
    empty = cases.with_row_index().filter(pl.col("text").is_null())
    if empty.height:
        raise InputError(
            f"{empty.height} rows have no text",
            path=path,
            line=int(empty["index"][0]) + (2 if path.suffix in (".csv", ".tsv") else 1),
            remedy="Fill them in or leave the rows out.",
        )
    title = pl.when(pl.col("title") != pl.col("text")).then("title")
    labels = _labels(cases["label"], columns.positive, path) if used["label"] else pl.Series([1] * cases.height)
    cases = cases.with_columns(title=title, time=_iso(cases["time"]), label=labels)
    if {"sign", "count", "joined"} <= set(rows.columns):
        # What `cases list --format jsonl` printed.
        cases = cases.with_columns(
            rows[name] for name in ("sign", "example", "count", "joined") if name in rows.columns
        )
    cases = cases.with_columns(pl.col("id").fill_null(_names(cases)), pl.col("source").fill_null(path.name))
    return complete(cases)


def _labels(labels: pl.Series, positive: tuple[str, ...], path: Path) -> pl.Series:
    """1 for a crisis, 0 for an ordinary text."""
    plain = labels.fill_null("").str.to_lowercase()
    if positive:
        return plain.is_in([label.lower() for label in positive]).cast(pl.Int8)
    strange = plain.filter(~plain.is_in([*_YES, *_NO]))
    if len(strange):
        raise InputError(
            f"has the label {strange[0]!r}",
            path=path,
            line=int(plain.index_of(strange[0]) or 0) + 2,
            remedy="Say which labels are crises with --positive.",
        )
    return plain.is_in(_YES).cast(pl.Int8)


def _iso(times: pl.Series) -> pl.Series:
    """Times as ISO 8601: a year, a month or a day as written, anything else to the second, UTC; null if unknown."""
    written = times.drop_nulls()
    formats = timestamps.recognise(written.head(timestamps.SAMPLE), cells=True)[0] if len(written) else ()
    latest = pl.Series([datetime.now(UTC)], dtype=timestamps.UTC_TIME)
    parsed = timestamps.parse(times, formats, latest).dt.to_string("%Y-%m-%dT%H:%M:%SZ")
    found = pl.col("written").str.extract_groups(_DAY).struct
    loose = pl.concat_str(*(found.field(part).str.zfill(2) for part in ("y", "m", "d")), separator="-")
    return (
        pl.DataFrame({"written": times, "parsed": parsed})
        .select(
            pl.when(pl.col("written").str.contains(_ISO_DAY))
            .then("written")
            .otherwise(pl.coalesce(pl.col("parsed").str.replace("T00:00:00Z", "", literal=True), loose))
        )
        .to_series()
    )


def _names(cases: pl.DataFrame) -> pl.Series:
    """A stable id for each case: the same title, text and time have the same id in every file."""
    content = cases.select(pl.concat_str(pl.col("title", "text", "time").fill_null(""), separator="\x00")).to_series()
    return pl.Series(["case-" + hashlib.sha256(one.encode()).hexdigest()[:12] for one in content], dtype=pl.String)
