"""Levels and statuses of structured records → words that rules, embeddings and people read.

In: the values of fields named level, severity, PRIORITY, status … as text. Out: one word for each record, from warning
upwards (below that, a level says nothing), and the HTTP status where it is that of an error. Numbers are those of
syslog (0 to 7, RFC 5424), pino and bunyan (10 to 60) or OpenTelemetry (`severityNumber`, 1 to 24), by name and size.
"""

from __future__ import annotations

import polars as pl

LEVEL = (
    *(
        "level",
        "severity",
        "lvl",
        "levelname",
        "loglevel",
        "severitytext",
        "errorseverity",
        "priority",
        "syslogseverity",
    ),
    *("severitynumber", "级别", "日志级别"),
)
STATUS = ("status", "statuscode", "httpstatus", "httpstatuscode", "responsestatus", "edgeresponsestatus", "scstatus")

_WORDS = {
    "emerg": "emerg emergency panic 0 紧急",
    "alert": "alert 1",
    "crit": "crit critical c 2",
    "fatal": "fatal f 60 致命 severe_fatal",
    "error": "error err severe e 3 50 错误",
    "warning": "warning warn w 4 40 警告",
}
_WORD = {name: word for word, names in _WORDS.items() for name in names.split()}
_TELEMETRY = {str(number): "warning" for number in range(13, 17)} | {
    str(number): "error" if number < 21 else "fatal" for number in range(17, 25)
}


def word(column: str, *, telemetry: bool = False) -> pl.Expr:
    """The word of a level field (String): emerg, alert, crit, fatal, error, warning, or null for what is below."""
    said = pl.col(column).str.strip_chars().str.to_lowercase()
    return said.replace_strict(_TELEMETRY if telemetry else _WORD, default=None, return_dtype=pl.String)


def with_level_and_status(text: pl.Expr, levels: list[str], statuses: list[str]) -> pl.Expr:
    """The texts with `[fatal]` before them and `status=502` after them, where a record says so in fields of its own.

    A text that says its level itself is left as it is.
    """
    from forewarn.reading.columns import plain

    if levels:
        level = pl.coalesce([word(name, telemetry=plain(name) == "severitynumber") for name in levels])
        spoken = text.str.head(80).str.to_lowercase().str.contains(level)
        text = (
            pl.when(level.is_not_null() & ~spoken)
            .then(pl.concat_str(pl.lit("["), level, pl.lit("] "), text))
            .otherwise(text)
        )
    if statuses:
        status = pl.coalesce([pl.col(name).str.extract(r"^\s*([45][0-9]{2})(?:\.0)?\s*$") for name in statuses])
        text = pl.when(status.is_not_null()).then(pl.concat_str(text, pl.lit(" status="), status)).otherwise(text)
    return text
