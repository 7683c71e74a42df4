"""Lines or cells that carry a time → that time in UTC.

In: a String series, and which sample of it belongs to which file. Out: for each file the time formats that its lines
carry, found by a vote; then one Datetime("us", "UTC") series, parsed by those formats without a Python loop over lines.
A time without an offset is taken as UTC. A time without a year (RFC 3164, Android) gets the newest year in which it
is not later than the given latest time. What does not parse is null, never an error.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from forewarn.reading.time_forms import AMBIGUOUS, FORMATS, OTHER_LANGUAGES, TimeFormat
from forewarn.reading.time_names import AFTER_NOON, BEFORE_NOON, MONTHS, NOON, UNSURE, ZONES

UTC_TIME = pl.Datetime("us", "UTC")
WITHIN = 512
"""How many characters at the start of a line are searched for a time that does not stand first."""
SAMPLE = 300
"""How many lines of a file vote."""
MOST_FORMATS = 3
"""How many formats one file may mix."""


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
    starts = np.array([form.place in ("start", "cell") for form in formats])
    matched, valid = _votes(samples, formats, group, groups)
    size = np.maximum(np.bincount(group[samples.is_not_null().to_numpy()], minlength=groups), 1)
    chosen: list[list[int]] = [[] for _ in range(groups)]
    shares = np.array([form.share for form in formats])
    ambiguous = np.array([form.name in AMBIGUOUS for form in formats])
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
    # Of two that read the same digits, the one that says more is asked first.
    return [tuple(sorted((formats[i] for i in numbers), key=lambda form: not form.less)) for numbers in chosen]


def _votes(
    samples: pl.Series,
    formats: Sequence[TimeFormat],
    group: npt.NDArray[np.int64],
    groups: int,
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which format's pattern each line matches, and which of those matches are real times; both (lines, formats).

    What is rarer is looked for only in groups of which half the lines do not start with a usual form.
    """
    texts = samples.fill_null("").str.head(WITHIN).alias("text")
    matched = np.zeros((len(samples), len(formats)), np.bool_)
    valid = matched.copy()
    usual = np.array([form.place in ("start", "cell") and OTHER_LANGUAGES not in form.name for form in formats])
    rows = np.arange(len(samples))
    for tried in (np.flatnonzero(usual), np.flatnonzero(~usual)):
        _vote(texts.gather(rows), rows, [(i, formats[i]) for i in tried.tolist()], matched, valid)
        half = 2 * np.bincount(group, valid.any(axis=1), groups) >= np.bincount(group, minlength=groups)
        rows = np.flatnonzero(~half[group])
        if not len(rows):
            break
    number = {form.name: i for i, form in enumerate(formats)}
    for i, form in enumerate(formats):
        if form.less:
            matched[:, number[form.less]] &= ~valid[:, i]
            valid[:, number[form.less]] &= ~valid[:, i]
    return matched, valid


def _vote(
    texts: pl.Series,
    rows: npt.NDArray[np.int64],
    formats: Sequence[tuple[int, TimeFormat]],
    matched: npt.NDArray[np.bool_],
    valid: npt.NDArray[np.bool_],
) -> None:
    """Enter the votes of some lines (their numbers: `rows`) for some formats, with their numbers."""
    frame = texts.to_frame()
    needed = {form.needs for _, form in formats if form.needs}
    has = frame.select(pl.col("text").str.contains(need).any().alias(need) for need in needed)
    formats = [(i, form) for i, form in formats if not form.needs or has[form.needs].item()]
    found = frame.select(_carries(form).alias(str(i)) for i, form in formats)
    for i, form in formats:
        hit = found[str(i)].arg_true().to_numpy()
        if len(hit):
            matched[rows[hit], i] = True
            # Any leap year will do as the latest: whether a day exists must not hang on when the vote is held.
            times = _parse_one(texts.gather(hit), form, pl.lit(2096), pl.lit(1231_2359))
            valid[rows[hit], i] = times.is_not_null().to_numpy()


def _carries(form: TimeFormat) -> pl.Expr:
    found = pl.col("text").str.contains(form.pattern)
    return found & ~pl.col("text").str.contains(form.but) if form.but else found


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


def parse_runs(stamps: pl.Series, formats: Sequence[TimeFormat], latest: pl.Series) -> pl.Series:
    """What `parse` says; a stamp that is that of the row before, as in most logs, is parsed once."""
    begins = stamps.ne_missing(stamps.shift(1))
    begins |= pl.int_range(len(stamps), eager=True) == 0
    if len(latest) > 1:
        begins |= latest.ne_missing(latest.shift(1))
    if 2 * int(begins.sum()) > len(stamps):
        return parse(stamps, formats, latest)
    own = parse(stamps.filter(begins), formats, latest.filter(begins) if len(latest) > 1 else latest)
    return own.gather(begins.cast(pl.UInt32).cum_sum() - 1)


def _coalesce(times: list[pl.Series]) -> pl.Series:
    return times[0] if len(times) == 1 else pl.select(pl.coalesce(times)).to_series()


def _parse_one(texts: pl.Series, form: TimeFormat, year: pl.Expr, rest: pl.Expr) -> pl.Series:
    text = pl.col("text").str.head(WITHIN) if form.place == "within" else pl.col("text")
    if form.but:
        text = pl.when(~text.str.contains(form.but)).then(text)
    found = texts.to_frame("text").select(text.str.extract_groups(form.pattern).alias("found")).unnest("found")
    if "n" in found.columns:
        return found.select(from_number(pl.col("n"))).to_series()
    if "tai" in found.columns:
        return found.select(_tai()).to_series()
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
        month = pl.col("mon").str.to_lowercase().replace_strict(MONTHS, default=None, return_dtype=pl.Int32)
    micro = pl.lit(0, pl.Int32)
    if "f" in has:
        micro = _micros(pl.col("f")).fill_null(0)
    if "ms" in has:
        micro = micro + _whole("ms").fill_null(0) * 1000
    parts = found.select(
        year=_whole("y") if "y" in has else _whole("yy") if "yy" in has else latest_year,
        month=pl.when(_whole("j").is_between(1, 366)).then(1) if "j" in has else month,
        day=pl.when(pl.col("j").is_not_null()).then(1) if "j" in has else _whole("d"),
        hour=pl.when(pl.col("j" if "j" in has else "d").is_not_null()).then(_whole("H").fill_null(0))
        if "H" in has
        else 0,
        minute=_whole("M").fill_null(0) if "M" in has else 0,
        # Second 60 is a leap second, which no clock here has; it counts as the second before.
        second=_whole("S").fill_null(0).replace(60, 59) if "S" in has else 0,
        micro=micro,
        half=pl.col("ap").str.to_lowercase().str.replace_all(r"[^\p{L}]", "")
        if "ap" in has
        else pl.lit(None, pl.String),
        east=_east(has),
        area=pl.when(pl.col("zn").str.contains("/", literal=True)).then("zn")
        if "zn" in has
        else pl.lit(None, pl.String),
        ordinal=_whole("j") if "j" in has else nothing,
    )
    if "ap" in has:
        hour, half = pl.col("hour"), pl.col("half")
        after_noon = half.is_in(AFTER_NOON) | (half.is_in(NOON) & (hour < 11))
        hour = pl.when(after_noon & (hour < 12)).then(hour + 12).otherwise(hour)
        hour = pl.when(half.is_in(BEFORE_NOON) & (pl.col("hour") == 12)).then(0).otherwise(hour)
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
    if has & {"z", "w", "zn", "east"}:
        time = time - pl.duration(minutes="east")
    if "j" in has:
        time = time + pl.duration(days=pl.col("ordinal") - 1)
    if "zn" in has and parts["area"].null_count() < parts.height:
        return _from_areas(parts.select(time.alias("time"), "area"))
    return parts.select(time.alias("time")).to_series()


def _from_areas(times: pl.DataFrame) -> pl.Series:
    """`time`, as clocks in the `area` (`Asia/Shanghai`) showed it, in UTC; an unknown area is taken as UTC."""
    time = times["time"]
    for area in times["area"].drop_nulls().unique():
        local = pl.col("time").dt.replace_time_zone(None)
        try:
            there = local.dt.replace_time_zone(area, ambiguous="earliest", non_existent="null")
            moved = times.select(there.dt.convert_time_zone("UTC")).to_series()
        except pl.exceptions.PolarsError:
            continue
        rows = (times["area"] == area).fill_null(False).arg_true()
        time = time.scatter(rows, moved.gather(rows))
    return time


def _tai() -> pl.Expr:
    """TAI64N, as daemontools writes it: ten seconds ahead of UTC, leap seconds not counted."""
    seconds = pl.col("tai").str.slice(1).str.to_integer(base=16, strict=False) - 10
    micros = seconds * 1_000_000 + pl.col("nano").str.to_integer(base=16, strict=False) // 1000
    return micros.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def has_zone_names(formats: Sequence[TimeFormat]) -> bool:
    """Whether one of the formats reads zones by their names."""
    return any("(?P<zn>" in form.pattern for form in formats)


def unsure_zones(texts: pl.Series, formats: Sequence[TimeFormat]) -> list[str]:
    """The zones that n texts name and that are several (CST): their times were read as UTC."""
    zoned = [form.pattern for form in formats if "(?P<zn>" in form.pattern]
    if not zoned:
        return []
    frame = texts.str.head(WITHIN).alias("text").to_frame()
    found = [frame.select(pl.col("text").str.extract_groups(one).struct.field("zn")).to_series() for one in zoned]
    return sorted(set(pl.concat(found).drop_nulls().unique()) & set(UNSURE))


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


def _east(has: set[str]) -> pl.Expr:
    """Minutes east of Greenwich, by whichever groups a pattern has."""
    if "east" in has:
        return _whole("east").fill_null(0)
    given = [name for name in ("z", "w") if name in has]
    east = _offset_minutes(pl.coalesce(given)) if given else pl.lit(0, pl.Int32)
    if "zn" in has:
        east = east + pl.col("zn").replace_strict(ZONES, default=0, return_dtype=pl.Int32).fill_null(0)
    return east


def _offset_minutes(offset: pl.Expr) -> pl.Expr:
    """Minutes east of Greenwich that `+0800`, `-05:30`, `+08` or `Z` say; 0 where nothing is said."""
    digits = offset.str.replace_all(":", "", literal=True).str.replace("^([+-])([0-9])$", "${1}0${2}")
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
