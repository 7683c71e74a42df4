"""Lines or cells that carry a time → that time in UTC.

In: a String series, and which sample of it belongs to which file. Out: for each file the time formats that its lines
carry, found by a vote; then one Datetime("us", "UTC") series, parsed by those formats without a Python loop over lines.
A time without an offset is taken as UTC. A time without a year (RFC 3164, Android) gets the newest year in which it
is not later than the given latest time. What does not parse is null, never an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

UTC_TIME = pl.Datetime("us", "UTC")
WITHIN = 160
"""How many characters at the start of a line are searched for a time that does not stand first."""
SAMPLE = 300
"""How many lines of a file vote."""
MOST_FORMATS = 3
"""How many formats one file may mix."""


@dataclass(frozen=True)
class TimeFormat:
    """One way to write a time.

    `pattern` is a Rust regular expression without nested repetition; its named groups say what was found: `y` or `yy`
    year, `m` or `mon` month, `d`, `H`, `M`, `S`, `f` decimal fraction, `ms` whole milliseconds, `ap` half of the day,
    `z` or `w` offset, or, in their place, `e` epoch seconds with `k` the digits after them, or `n` a bare number.
    `place` is where it may stand: at the start of a line or cell ("day": the same, a day without a clock, for want of
    better), within the first part of a line, or as a whole cell.
    `share` is the least part of a file's lines that must carry it: low where the form is unmistakable.
    """

    name: str
    pattern: str
    place: Literal["start", "day", "within", "cell"] = "start"
    share: float = 0.02


# [0-9], not \d: with it the regex engine runs its one-pass form, twice to four times as fast on 1,000,000 lines.
_Y, _YY, _M2, _D2 = r"(?P<y>[12][0-9]{3})", r"(?P<yy>[0-9]{2})", r"(?P<m>[01][0-9])", r"(?P<d>[0-3][0-9])"
_M, _D = r"(?P<m>[0-9]{1,2})", r"(?P<d>[0-9]{1,2})"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MON = r"(?P<mon>" + "|".join(f"[{m[0].upper()}{m[0]}]{m[1:]}|{m.upper()}" for m in _MONTHS) + r")[A-Za-z]{0,6}[.]?"
_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6},?"
_H, _HM, _S = r"(?P<H>[0-9]{1,2})", r"(?P<H>[0-9]{1,2}):(?P<M>[0-9]{2})", r"(?P<S>[0-9]{2})"
_F = r"(?:[.,](?P<f>[0-9]{1,9}))?"
_HMS = _HM + ":" + _S + _F
_AP = r"(?: ?(?P<ap>[AaPp][Mm])\b)?"
_OFFSET, _MINUTES = r"[+-](?:0[0-9]|1[0-4])", r":?(?:00|15|30|45)"
_ZONE = rf"(?:(?P<z>Z|{_OFFSET}(?:{_MINUTES})?)\b| (?:UTC|GMT)?(?P<w>{_OFFSET}{_MINUTES})\b)?"
_LEAD = r"^[\[(\"'* ]{0,3}"
_PRI = r"^<[0-9]{1,3}>(?:1 )?"
_EDGE = r"[\s\[(\"'=|>]"
_END = r"(?:[\s,;|\])\"']|$)"
_ISO_CLOCK = rf"{_H}[:.](?P<M>[0-9]{{2}})(?:[:.]{_S}(?:[.,:](?P<f>[0-9]{{1,9}}))?)?{_AP}{_ZONE}"
_ISO = rf"{_Y}[-/.]{_M}[-/.]{_D}[T _:,-]{{1,3}}{_ISO_CLOCK}"
_MDT = rf"{_MON} {{1,2}}{_D} {{1,2}}{_HMS}"
_DMYT = rf"{_D}[/ -]{_MON}[/ -]{_Y}[: ,T]{{1,2}}{_HMS}{_ZONE}"
_EPOCH = r"(?P<e>1[0-9]{9})(?:[.](?P<f>[0-9]{1,9})|(?P<k>[0-9]{9}|[0-9]{6}|[0-9]{3}))?(?:[^0-9A-Za-z.]|[.]\s|$)"
_COLON = r"(?:(?P<H>[0-9]{1,2}):(?P<M>[0-9]{1,2}):(?P<S>[0-9]{1,2})(?:[.,](?P<f>[0-9]{1,9})|:(?P<ms>[0-9]{1,3}))?)"
_MD_ZH = rf"{_M} ?月 ?{_D} ?[日号號]?[ 　,，T(（]{{0,2}}(?:(?:星期|周)[一二三四五六日天][)）]?)?[ 　,，]{{0,2}}"
_CLOCK_ZH = (
    r"(?P<ap>上午|下午|晚上|凌晨|中午|早上)?[ 　]?(?P<H>[0-9]{1,2}) ?[:：时点時點] ?"
    r"(?:(?P<M>[0-9]{1,2}) ?(?:[:：分] ?(?P<S>[0-9]{1,2})?(?:[.](?P<f>[0-9]{1,9}))?)?)?"
)

FORMATS: tuple[TimeFormat, ...] = (
    # The order settles a tie. Which of two orders of day and month it is, is settled by which parses on more lines.
    TimeFormat("iso", _LEAD + _ISO),
    TimeFormat("iso, syslog", _PRI + _ISO),
    TimeFormat("month day", _LEAD + _MDT),
    TimeFormat("month day, syslog", _PRI + _MDT),
    TimeFormat("month day year", rf"{_LEAD}{_MON} {{1,2}}{_D},? {_Y},? {{1,2}}{_HMS}{_AP}{_ZONE}"),
    TimeFormat("weekday month day year", rf"{_LEAD}{_DAY} {_MDT}(?: (?P<z>{_OFFSET}{_MINUTES})| [A-Z]{{3,5}})? {_Y}"),
    TimeFormat("day month year", rf"{_LEAD}(?:{_DAY} )?{_DMYT}"),
    TimeFormat("year/month/day, short", rf"{_LEAD}{_YY}/{_M2}/{_D2} {_HMS}"),
    TimeFormat("month/day/year", rf"{_LEAD}{_M}[/-]{_D}[/-]{_Y}[ ,T]{{1,2}}{_HMS}{_AP}{_ZONE}"),
    TimeFormat("day/month/year", rf"{_LEAD}{_D}[/.-]{_M}[/.-]{_Y}[ ,T]{{1,2}}{_HMS}{_AP}{_ZONE}"),
    TimeFormat("month/day/year, short", rf"{_LEAD}{_M}/{_D}/{_YY}[ ,]{{1,2}}{_HMS}{_AP}"),
    TimeFormat("day/month/year, short", rf"{_LEAD}{_D}[/.]{_M}[/.]{_YY}[ ,]{{1,2}}{_HMS}{_AP}"),
    TimeFormat("month-day", rf"{_LEAD}{_M2}[-./]{_D2} {_HMS}"),
    TimeFormat("day-month", rf"{_LEAD}{_D2}[-./]{_M2} {_HMS}"),
    TimeFormat("klog", rf"^[IWEFD]{_M2}{_D2} {{1,2}}{_HMS}"),
    TimeFormat("compact, colons", rf"{_LEAD}{_Y}{_M2}{_D2}[-_ T]{_COLON}{_ZONE}"),
    TimeFormat("compact", rf"{_LEAD}{_Y}{_M2}{_D2}[T_ -]?{_H}(?P<M>[0-5][0-9]){_S}{_F}{_ZONE}{_END}", share=0.2),
    TimeFormat("compact, short", rf"{_LEAD}{_YY}{_M2}{_D2} {{1,2}}{_H}:?(?P<M>[0-5][0-9]):?{_S}{_F}{_END}", share=0.2),
    TimeFormat("chinese", rf"^[\[(【（ 　]{{0,2}}{_Y} ?年 ?{_MD_ZH}(?:{_CLOCK_ZH})?"),
    TimeFormat("chinese, no year", rf"^[\[(【（ 　]{{0,2}}{_MD_ZH}{_CLOCK_ZH}"),
    TimeFormat("epoch", _LEAD + _EPOCH, share=0.5),
    TimeFormat("date", rf"{_LEAD}{_Y}[-/.]{_M}[-/.]{_D}{_END}", "day", 0.5),
    TimeFormat("day month year, within", rf"\[{_DMYT}\]", "within", 0.5),
    TimeFormat("epoch, within", _EDGE + _EPOCH, "within", 0.6),
    TimeFormat("iso, within", _EDGE + _ISO, "within", 0.6),
    TimeFormat("month day, within", _EDGE + _MDT, "within", 0.6),
    TimeFormat("number", r"^ *(?P<n>[0-9]{9,19}(?:[.][0-9]{1,9})?) *$", "cell", 0.5),
    TimeFormat("day", rf"^ *{_Y}{_M2}{_D2} *$", "cell", 0.5),
    TimeFormat("day month year, date", rf"^ *(?:{_DAY} )?{_D}[ -]{_MON}[ ,-]{{1,2}}{_Y} *$", "cell"),
    TimeFormat("month day year, date", rf"^ *(?:{_DAY} )?{_MON} {_D},? {_Y} *$", "cell"),
    TimeFormat("month/day/year, date", rf"^ *{_M}[/-]{_D}[/-]{_Y} *$", "cell"),
    TimeFormat("day/month/year, date", rf"^ *{_D}[/.-]{_M}[/.-]{_Y} *$", "cell"),
    TimeFormat("month/day/year, minutes", rf"^ *{_M}[/-]{_D}[/-]{_Y}[ ,]{{1,2}}{_HM}{_AP} *$", "cell"),
    TimeFormat("day/month/year, minutes", rf"^ *{_D}[/.-]{_M}[/.-]{_Y}[ ,]{{1,2}}{_HM}{_AP} *$", "cell"),
)

_AMBIGUOUS = frozenset(
    form.name for form in FORMATS if form.name.startswith(("month/", "month-", "day/", "day-", "year/"))
)


def recognise(
    samples: pl.Series, group: npt.NDArray[np.int64] | None = None, groups: int = 1, *, cells: bool = False
) -> list[tuple[TimeFormat, ...]]:
    """Find the time formats of each group of lines (a file) by a vote of its lines.

    `samples` is a String series of n lines (null: no vote), `group` their group numbers (int64, shape (n,)), 0 for all
    when not given. Out: for each of `groups` groups up to three formats, the one that explains most lines first; none
    where no time is recognised. With `cells`, each text is a whole cell or field, and forms that would be too bold in
    running text (a bare number, a date alone) are tried as well.
    """
    if group is None:
        group = np.zeros(len(samples), np.int64)
    formats = [form for form in FORMATS if form.place in ("start", "day") or (form.place == "cell") == cells]
    matched, valid = _votes(samples, formats)
    size = np.maximum(np.bincount(group[samples.is_not_null().to_numpy()], minlength=groups), 1)
    chosen: list[list[int]] = [[] for _ in range(groups)]
    starts = np.array([form.place in ("start", "cell") for form in formats])
    shares = np.array([form.share for form in formats])
    ambiguous = np.array([form.name in _AMBIGUOUS for form in formats])
    for turn in range(MOST_FORMATS):
        votes = np.zeros((groups, len(formats)), np.int64)
        np.add.at(votes, group, valid)
        enough = votes >= np.maximum(np.ceil(shares * size[:, None]), 1 if turn == 0 else np.ceil(0.05 * size[:, None]))
        votes[~enough] = 0
        # A time that stands first is the line's own; one further on may be what the line talks about.
        first_best = np.where(starts, votes, 0).max(axis=1)
        votes[:, ~starts] = np.where((first_best * 2 >= votes.max(axis=1))[:, None], 0, votes[:, ~starts])
        best = votes.argmax(axis=1)
        best[votes.max(axis=1) == 0] = -1
        if (best < 0).all():
            break
        for number, form in enumerate(best):
            if form >= 0:
                chosen[number].append(int(form))
        # Lines that the chosen form explains, and all other readings of the same digits, vote no more.
        of_line = best[group]
        explained = (of_line >= 0) & matched[np.arange(len(group)), of_line]
        valid[explained] = False
        for number, form in enumerate(best):
            if form >= 0 and ambiguous[form]:
                valid[np.ix_(group == number, ambiguous)] = False
    return [tuple(formats[i] for i in numbers) for numbers in chosen]


def _votes(samples: pl.Series, formats: Sequence[TimeFormat]) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which format's pattern each line matches, and which of those matches are real times; both (lines, formats)."""
    texts = samples.fill_null("").str.head(WITHIN)
    frame = texts.to_frame("text")
    matched = frame.select(
        pl.col("text").str.contains(form.pattern).alias(str(i)) for i, form in enumerate(formats)
    ).to_numpy()
    valid = matched.copy()
    for i in np.flatnonzero(matched.any(axis=0)).tolist():
        rows = np.flatnonzero(matched[:, i])
        # Any leap year will do as the latest: whether a day exists must not hang on when the vote is held.
        times = _parse_one(texts.gather(rows), formats[i], pl.lit(2096), pl.lit(1231_2359))
        valid[rows, i] = times.is_not_null().to_numpy()
    return matched, valid


def parse(texts: pl.Series, formats: Sequence[TimeFormat], latest: pl.Series) -> pl.Series:
    """The time of each text, by the first of `formats` that parses; null where none does.

    `texts` is a String series of n lines or cells, `latest` a Datetime("us", "UTC") series of length n or 1: the
    newest time that a line without a year can have. Out: Datetime("us", "UTC"), length n.
    """
    if not formats:
        return pl.repeat(None, len(texts), dtype=UTC_TIME, eager=True)
    year, rest = latest.dt.year(), latest.dt.to_string("%m%d%H%M").cast(pl.Int32)
    if len(latest) == 1:
        bounds = pl.lit(year[0]), pl.lit(rest[0])
        return _coalesce([_parse_one(texts, form, *bounds) for form in formats])
    return _coalesce([_parse_one(texts, form, pl.lit(year), pl.lit(rest)) for form in formats])


def _coalesce(times: list[pl.Series]) -> pl.Series:
    return times[0] if len(times) == 1 else pl.select(pl.coalesce(times)).to_series()


def _parse_one(texts: pl.Series, form: TimeFormat, year: pl.Expr, rest: pl.Expr) -> pl.Series:
    text = pl.col("text").str.head(WITHIN) if form.place == "within" else pl.col("text")
    found = texts.to_frame("text").select(text.str.extract_groups(form.pattern).alias("found")).unnest("found")
    if "n" in found.columns:
        return found.select(from_number(pl.col("n"))).to_series()
    if "e" in found.columns:
        micros = _whole("e", pl.Int64) * 1_000_000 + _micros(pl.coalesce("f", "k")).fill_null(0)
        return found.select(micros.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")).to_series()
    return _moment(found, year, rest)


def _whole(name: str, dtype: type[pl.DataType] = pl.Int32) -> pl.Expr:
    return pl.col(name).cast(dtype, strict=False)


def _micros(decimals: pl.Expr) -> pl.Expr:
    return decimals.str.pad_end(6, "0").str.head(6).cast(pl.Int32, strict=False)


def _moment(found: pl.DataFrame, latest_year: pl.Expr, latest_rest: pl.Expr) -> pl.Series:
    """The times that the groups of a pattern spell; a year that is not written is bounded by the latest time.

    `found` has one String column a group; `latest_year` and `latest_rest` (MMDDhhmm) are Int32. The steps are frames,
    not one expression: as an expression each part would be repeated wherever it is used, thousands of nodes in all.
    """
    has = set(found.columns)
    nothing = pl.lit(None, pl.Int32)
    month = _whole("m") if "m" in has else nothing
    if "mon" in has:
        names = {name: number for number, name in enumerate(_MONTHS, 1)}
        month = pl.col("mon").str.to_lowercase().replace_strict(names, default=None, return_dtype=pl.Int32)
    micro = pl.lit(0, pl.Int32)
    if "f" in has:
        micro = _micros(pl.col("f")).fill_null(0)
    if "ms" in has:
        micro = micro + _whole("ms").fill_null(0) * 1000
    parts = found.select(
        year=_whole("y") if "y" in has else _whole("yy") if "yy" in has else latest_year,
        month=month,
        day=_whole("d"),
        hour=pl.when(pl.col("d").is_not_null()).then(_whole("H").fill_null(0)) if "H" in has else 0,
        minute=_whole("M").fill_null(0) if "M" in has else 0,
        # Second 60 is a leap second, which no clock here has; it counts as the second before.
        second=_whole("S").fill_null(0).replace(60, 59) if "S" in has else 0,
        micro=micro,
        half=pl.col("ap").str.to_lowercase() if "ap" in has else pl.lit(None, pl.String),
        east=_offset_minutes(pl.coalesce([name for name in ("z", "w") if name in has])) if has & {"z", "w"} else 0,
    )
    if "ap" in has:
        hour, half = pl.col("hour"), pl.col("half")
        after_noon = half.is_in(["pm", "下午", "晚上"]) | ((half == "中午") & (hour < 11))
        hour = pl.when(after_noon & (hour < 12)).then(hour + 12).otherwise(hour)
        hour = pl.when(half.is_in(["am", "凌晨"]) & (pl.col("hour") == 12)).then(0).otherwise(hour)
        parts = parts.with_columns(hour=hour)
    if "yy" in has:
        parts = parts.with_columns(pl.col("year") + pl.when(pl.col("year") < 70).then(2000).otherwise(1900))
    elif "y" not in has:
        spelled = pl.col("month") * 1_000_000 + pl.col("day") * 10_000 + pl.col("hour") * 100 + pl.col("minute")
        parts = parts.with_columns(pl.col("year") - (spelled > latest_rest).cast(pl.Int32))
        leap_day = (pl.col("month") == 2) & (pl.col("day") == 29)
        parts = parts.with_columns(pl.col("year") - pl.when(leap_day).then(pl.col("year") % 4).otherwise(0))
    real = parts.select(_is_real()).to_series().fill_null(False)
    if not real.all():
        nowhere = pl.when(real).then(pl.col("year", "month", "day", "hour", "minute", "second"))
        parts = parts.with_columns(nowhere)
    time = pl.datetime("year", "month", "day", "hour", "minute", "second", "micro", time_zone="UTC")
    if has & {"z", "w"}:
        time = time - pl.duration(minutes="east")
    return parts.select(time.alias("time")).to_series()


def _is_real() -> pl.Expr:
    """Whether year, month, day, hour, minute and second are a time that has been or will be."""
    year, month, day = pl.col("year"), pl.col("month"), pl.col("day")
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    days = pl.when(month == 2).then(28 + leap.cast(pl.Int32)).when(month.is_in([4, 6, 9, 11])).then(30).otherwise(31)
    return (
        year.is_between(1900, 2199)
        & month.is_between(1, 12)
        & (day >= 1)
        & ((day <= 28) | (day <= days))
        & (pl.col("hour") < 24)
        & (pl.col("minute") < 60)
        & (pl.col("second") < 60)
    )


def _offset_minutes(offset: pl.Expr) -> pl.Expr:
    """Minutes east of Greenwich that `+0800`, `-05:30`, `+08` or `Z` say; 0 where nothing is said."""
    digits = offset.str.replace_all(":", "", literal=True)
    size = digits.str.slice(1, 2).cast(pl.Int32, strict=False) * 60
    size = size + digits.str.slice(3, 2).cast(pl.Int32, strict=False).fill_null(0)
    return (pl.when(offset.str.starts_with("-")).then(-size).otherwise(size)).fill_null(0)


def from_number(number: pl.Expr) -> pl.Expr:
    """Epoch seconds, milli-, micro- or nanoseconds, told apart by their size, as Datetime("us", "UTC")."""
    number = number.cast(pl.Float64, strict=False)
    micros = (
        pl.when(number.is_between(1e8, 1e11, closed="left"))
        .then(number * 1e6)
        .when(number.is_between(1e11, 1e14, closed="left"))
        .then(number * 1e3)
        .when(number.is_between(1e14, 1e17, closed="left"))
        .then(number)
        .when(number.is_between(1e17, 9.3e18, closed="left"))
        .then(number / 1e3)
    )
    return micros.round().cast(pl.Int64, strict=False).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
