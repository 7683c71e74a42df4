"""Levels and statuses of records: one scale, whatever they are called, and the words that people and rules read.

In: the values of fields named level, severity, PRIORITY, status … as text, or the lines themselves. Out: for each
record a number from 0 (emergency) to 7 (debug), as syslog has them (RFC 5424, 6.2.1), its HTTP status, and texts that
say both where the record says them in fields of its own. Numbers are those of syslog (0 to 7), pino and bunyan (10 to
60), OpenTelemetry (`severityNumber`, 1 to 24) or CEF and LEEF (0 to 10), by name and size.
"""

from __future__ import annotations

import polars as pl

from forewarn.field_names import plain
from forewarn.reading.columns import column

LEVELS = ("emerg", "alert", "fatal", "error", "warning", "notice", "info", "debug")
"""The words of the levels 0 to 7; `fatal` is what syslog calls critical."""
LOUD = 4
"""Levels up to this one, a warning, are said in the text; below, a level says nothing."""
LEVEL = (
    *("level", "severity", "lvl", "levelname", "loglevel", "severitytext", "errorseverity", "priority"),
    *("syslogseverity", "severitynumber", "@level", "sev", "agentseverity", "级别", "日志级别"),
)
STATUS = (
    *("status", "statuscode", "httpstatus", "httpstatuscode", "responsestatus", "responsestatuscode"),
    *("edgeresponsestatus", "scstatus", "httpresponsestatuscode", "elbstatuscode", "responsecode"),
)

_WORDS = (
    "emerg emergency panic 0 紧急",
    "alert 1 告警",
    "fatal crit critical c f 2 60 致命 严重 severe_fatal very-high",
    "error err severe e 3 50 错误 high fehler erreur",
    "warning warn w 4 40 警告 medium",
    "notice n 5",
    "info information informational i 6 30 信息 low",
    "debug trace verbose fine finer finest d t v 7 10 20 调试",
)
_NUMBER = {name: number for number, names in enumerate(_WORDS) for name in names.split()}
_WORD = {name: number for name, number in _NUMBER.items() if not name.isdigit()}
_TELEMETRY = _WORD | {
    str(n): 7 if n < 9 else 6 if n < 13 else 4 if n < 17 else 3 if n < 21 else 2 for n in range(1, 25)
}
_SECURITY = {str(n): 6 if n < 4 else 4 if n < 7 else 3 if n < 9 else 2 for n in range(11)}
_SCALES = {"severitynumber": _TELEMETRY, "agentseverity": _WORD | _SECURITY, "sev": _WORD | _SECURITY}
"""The scales of fields that count in their own way; `agentseverity` is that of CEF, `sev` that of LEEF."""
OWN_WORDS = (
    r"EMERG(?:ENCY)?|PANIC|ALERT|CRIT(?:ICAL)?|FATAL|SEVERE|ERR(?:OR)?|WARN(?:ING)?|NOTICE|INFO(?:RMATION)?|DEBUG|TRACE"
    r"|紧急|致命|严重|错误|警告|信息|调试"
)
_HOW_FAR = 200
"""Characters at the start of a line in which its own level stands."""
OWN = (
    rf"(?:^|[^\w])({OWN_WORDS})(?:[^\w]|$)|[\[(<|]\s?(?i:({OWN_WORDS}))\s?[\])>|:]"
    rf"|\b(?i:level|lvl|severity|loglevel)\"?[=:]\s?\"?(?i:({OWN_WORDS}|{'|'.join('EWIDF')}))\b"
)
"""How a line says its own level: in capitals, in brackets, or by the name `level`."""
_SPOKEN = (
    *("emerg|panic", "alert", "fatal|crit|致命|严重", r"\berr(?:or)?\b|\bsevere\b|错误", r"\bwarn(?:ing)?\b|警告"),
    *("notice", "info", "debug"),
)


def number(said: pl.Expr, *, name: str = "") -> pl.Expr:
    """The level that a field's value (String) says: UInt8, null for what is none. `name` is the field's."""
    written = said.str.strip_chars().str.to_lowercase()
    scale = _SCALES.get(plain(name), _NUMBER)
    return written.replace_strict(scale, default=None, return_dtype=pl.UInt8)


def of_priority(said: pl.Expr) -> pl.Expr:
    """The level in a syslog priority (RFC 5424, 6.2.1): UInt8."""
    return (said.cast(pl.UInt16, strict=False) % 8).cast(pl.UInt8)


def of_words(texts: pl.Expr) -> pl.Expr:
    """The level that a line says itself: UInt8, null where it says none."""
    groups = texts.str.head(_HOW_FAR).str.extract_groups(OWN)
    return number(pl.coalesce(groups.struct.field("1"), groups.struct.field("2"), groups.struct.field("3")))


def first_of(names: list[str]) -> pl.Expr:
    """The level that the first of the fields with one has: UInt8."""
    found = [number(column(name), name=name) for name in names]
    return pl.coalesce(found) if found else pl.lit(None, pl.UInt8)


def status_of(names: list[str]) -> pl.Expr:
    """The HTTP status in the first of the fields with one: UInt16, null for what is none."""
    found = [column(name).str.extract(r"^\s*([1-5][0-9]{2})(?:\.0)?\s*$") for name in names]
    return pl.coalesce(found).cast(pl.UInt16) if found else pl.lit(None, pl.UInt16)


def with_marks(texts: pl.Series, level: pl.Series, status: pl.Series) -> pl.Series:
    """The n texts with `[fatal]` before them and `status=502` after them, where those are of trouble.

    `level` UInt8 (n,), `status` UInt16 (n,). A text that says its level itself is left as it is.
    """
    rows = ((level <= LOUD) | (status >= 400)).fill_null(False).arg_true()
    if not len(rows):
        return texts
    frame = pl.DataFrame({"text": texts.gather(rows), "level": level.gather(rows), "status": status.gather(rows)})
    start = pl.col("text").str.head(80).str.to_lowercase()
    spoken = pl.lit(False)
    for at in range(LOUD + 1):
        if (frame["level"] == at).any():
            spoken |= (pl.col("level") == at).fill_null(False) & start.str.contains(_SPOKEN[at])
    word = pl.col("level").replace_strict(dict(enumerate(LEVELS[: LOUD + 1])), default=None, return_dtype=pl.String)
    mark = pl.when(~spoken).then(pl.concat_str(pl.lit("["), word, pl.lit("] ")))
    error = pl.when(pl.col("status") >= 400).then(pl.concat_str(pl.lit(" status="), pl.col("status").cast(pl.String)))
    marked = frame.select(pl.concat_str(mark.fill_null(""), "text", error.fill_null("")))
    return texts.clone().scatter(rows, marked.to_series())
