"""The forms in which times are written.

In: nothing. Out: `FORMATS`, the patterns in the order in which a tie is settled: what says more (a zone, a year, a half
of the day) before what says less. Each form that may stand at the start of a line may also stand further on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from forewarn.reading.time_names import ENGLISH_MONTH, HALF, MONTH, ZONE_NAME


@dataclass(frozen=True)
class TimeFormat:
    """One way to write a time.

    `pattern` is a Rust regular expression without nested repetition; its named groups say what was found: `y` or `yy`
    year, `m` or `mon` month, `d`, `H`, `M`, `S`, `f` decimal fraction, `ms` whole milliseconds, `ap` half of the day,
    `z` or `w` offset, `east` minutes east, `zn` a zone's name, `j` day of the year, or, in their place, `tai` TAI64,
    `e` epoch seconds with `k` the digits after them, or `n` a bare number.
    `place` is where it may stand: at the start of a line or cell ("day": the same, a day without a clock, for want of
    better), within the first part of a line, or as a whole cell.
    `share` is the least part of a file's lines that must carry it: low where the form is unmistakable.
    `needs` is a pattern without which no line has this form: one look spares many. `but` is one that denies it. `less`
    names the form that reads the same digits and says less.
    """

    name: str
    pattern: str
    place: Literal["start", "day", "within", "cell"] = "start"
    share: float = 0.02
    needs: str = ""
    but: str = ""
    less: str = ""


# [0-9], not \d: with it the regex engine runs its one-pass form, twice to four times as fast on 1,000,000 lines.
_Y, _YY, _M2, _D2 = r"(?P<y>[12][0-9]{3})", r"(?P<yy>[0-9]{2})", r"(?P<m>[01][0-9])", r"(?P<d>[0-3][0-9])"
_M, _D = r"(?P<m>[0-9]{1,2})", r"(?P<d>[0-9]{1,2})"
_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6},?"
_ANY_DAY = r"(?:[^ \t0-9:,.]{2,13}[.]?,? )?"
_H, _HM, _S = r"(?P<H>[0-9]{1,2})", r"(?P<H>[0-9]{1,2}):(?P<M>[0-9]{2})", r"(?P<S>[0-9]{2})"
_F = r"(?:[.,](?P<f>[0-9]{1,9}))?"
_HMS = _HM + ":" + _S + _F
_HMS_DOTS = rf"{_H}[:.](?P<M>[0-9]{{2}})[:.]{_S}{_F}"
_AP = r"(?:[ \x{a0}\x{202f}]?(?P<ap>[AaPp][Mm]|[AaPp][.][ \x{a0}]?[Mm])\b)?"
_OF = r"(?: de| of)?"
_OFFSET, _MINUTES = r"[+-](?:0[0-9]|1[0-4])", r":?(?:00|15|30|45)"
_ZONE = rf"(?:(?P<z>Z|{_OFFSET}(?:{_MINUTES})?)\b| (?:UTC|GMT)?(?P<w>{_OFFSET}{_MINUTES})\b)?"
_FROM_GREENWICH = r"(?:UTC|GMT)(?P<w>[+-][0-9]{1,2}(?::?[0-9]{2})?)"
_NAMED = rf"[ (\[]{{0,2}}(?:{_FROM_GREENWICH}|{ZONE_NAME})\b"
# What a form cannot do without, roughly: one quick look for many forms, most of which are then not even compiled.
_NEEDS_ZONE = rf"[0-9APap)M.][ (\[]{{0,2}}(?:(?:UTC|GMT)[+-][0-9]|{ZONE_NAME.replace('?P<zn>', '?:')})"
_MON = ENGLISH_MONTH.replace("?P<mon>", "?:")
_NEEDS_MONTH = rf"{_MON}[ -]{{1,2}}[0-9]|[0-9][.]?[/ -]{{1,2}}{_MON}"
_ANY_MON = MONTH.replace("?P<mon>", "?:")
_NEEDS_ANY_MONTH = rf"{_ANY_MON}[ -]{{1,2}}[0-9]|[0-9][.]?{_OF}[/ -]{{1,2}}{_ANY_MON}"
_NEEDS_HALF = f"{HALF}|(?i:[ap]m) ?[0-9]"
_NEEDS_YEAR_FIRST = r"[12][0-9]{3}[-/.][0-9]{1,2}[-/.][0-9]{1,2}[\tT _:,-]{1,3}[0-9]"
_NEEDS_YEAR_LAST = r"[0-9][/.-][0-9]{1,2}[/.-][12][0-9]{3}[ ,T-]"
_NEEDS_TWO_DIGITS = r"\b[0-9]{1,2}[/.-][0-9]{1,2}(?:[/.-][0-9]{2})?[ ,-]{1,2}[0-9]{1,2}:"
_NEEDS_COMPACT = r"[12][0-9]{3}[01][0-9][0-3][0-9][-_ T.]?[0-9]"
_LEAD = r"^[\[(\"'*<#. ]{0,6}"
_PRI = r"^<[0-9]{1,3}>(?:1 |[0-9]+: )?[*.]?"
_EDGE = r"(?:^|[\s\[(\"'=|><:;,@#*{（【])"
_END = r"(?:[\s,;|\])\"']|$)"
_ISO_CLOCK = rf"{_H}[:.](?P<M>[0-9]{{2}})(?:[:.]{_S}(?:[.,:](?P<f>[0-9]{{1,9}}))?)?{_AP}"
_ISO = rf"{_Y}[-/.]{_M}[-/.]{_D}[\tT _:,-]{{1,3}}{_ISO_CLOCK}"
_EPOCH = r"(?P<e>1[0-9]{9})(?:[.](?P<f>[0-9]{1,9})|(?P<k>[0-9]{9}|[0-9]{6}|[0-9]{3}))?(?:[^0-9A-Za-z.]|[.]\s|$)"
_COLON = r"(?:(?P<H>[0-9]{1,2}):(?P<M>[0-9]{1,2}):(?P<S>[0-9]{1,2})(?:[.,](?P<f>[0-9]{1,9})|:(?P<ms>[0-9]{1,3}))?)"
_MD_ZH = rf"{_M} ?月 ?{_D} ?[日号號]?[ 　,，T(（]{{0,2}}(?:(?:星期|周)[一二三四五六日天][)）]?)?[ 　,，]{{0,2}}"
_CLOCK_ZH = (
    rf"(?P<ap>{HALF})?[ 　]?(?P<H>[0-9]{{1,2}}) ?[:：时点時點] ?"
    r"(?:(?P<M>[0-9]{1,2}) ?(?:[:：分] ?(?P<S>[0-9]{1,2})?(?:[.](?P<f>[0-9]{1,9}))?)?)?"
)
_DAY_CJK = r"(?:[(（]?(?:星期|周|週)?[一二三四五六日天月火水木金土월화수목금토일](?:曜日?|요일)?[)）]?)?"
_YMD_CJK = rf"{_Y} ?[-/.年년] ?{_M} ?[-/.月월] ?{_D} ?[.日号號일]?[ 　\tT,，]{{0,3}}{_DAY_CJK}[ 　,，]{{0,2}}"
_CLOCK_CJK = (
    r"(?P<H>[0-9]{1,2}) ?[:：时点時點시] ?"
    r"(?:(?P<M>[0-9]{1,2}) ?(?:[:：分분] ?(?:(?P<S>[0-9]{1,2})(?:[.,](?P<f>[0-9]{1,9}))? ?[秒초]?)?)?)?"
)
_HALF_FIRST = rf"(?P<ap>{HALF}|(?i:[ap]m))[ 　]?{_CLOCK_CJK}"


def _mdt(month: str) -> str:
    return rf"{month}[ -]{{1,2}}{_D},? {{1,2}}{_HMS}"


_IN_ZONE = rf"(?: (?P<z>{_OFFSET}{_MINUTES})| [A-Z]{{3,5}})?"
_IN_NAMED = rf" (?:{_FROM_GREENWICH}|{ZONE_NAME})"

# Name, what stands before the zone, whether a zone may follow, what a line with it needs. Bold ones stand first only.
_WITH_CLOCK: tuple[tuple[str, str, bool, str], ...] = (
    ("half of the day first", _YMD_CJK + _HALF_FIRST, True, _NEEDS_HALF),
    ("month/day/year, half first", rf"{_M}[/.-]{_D}[/.-]{_Y}[ ,]{{1,2}}{_HALF_FIRST}", True, _NEEDS_HALF),
    ("day/month/year, half first", rf"{_D}[/.-]{_M}[/.-]{_Y}[ ,]{{1,2}}{_HALF_FIRST}", True, _NEEDS_HALF),
    ("minutes east", rf"{_Y}-{_M}-{_D}-{_HMS_DOTS}(?P<east>[+-][0-9]{{3}})\b", False, r"[0-9][+-][0-9]{3}\b"),
    ("iso", _ISO, True, _NEEDS_YEAR_FIRST),
    ("day of the year", rf"{_Y}-(?P<j>[0-3][0-9]{{2}})[T ]{_HMS}", True, r"[12][0-9]{3}-[0-3][0-9]{2}[T ]"),
    ("date=, time=", rf"date[=:]\"?{_Y}-{_M}-{_D}\"?[ ,;|\t]{{1,2}}time[=:]\"?{_HMS}", True, "date"),
)


def _named_months(month: str, day: str, suffix: str, needs: str) -> tuple[tuple[str, str, bool, str], ...]:
    """The forms with a month's name, those with a year first."""
    after = rf"(?:{day} ?)?{_mdt(month)}"
    date = rf"{month}[ -]{{1,2}}{_D},? {_Y},?(?: at)? {{1,2}}"
    of = rf"{_D}[.]?{_OF}[/ -]{{1,2}}{month}{_OF}[/ ,-]{{1,2}}"
    return (
        (f"month day year{suffix}", rf"(?:{day} )?{date}{_HMS}{_AP}", True, needs),
        (f"month day, zone, year after{suffix}", after + _IN_NAMED + rf" {_Y}\b", False, _NEEDS_ZONE),
        (f"month day, year after{suffix}", after + _IN_ZONE + rf" {_Y}\b", False, needs),
        (f"month day{suffix}", _mdt(month), True, needs),
        (
            f"day month year{suffix}",
            rf"(?:{day} )?{of}{_Y}[: ,T]{{1,2}}(?:(?:à|um|at|kl|о|w)[.]? )?{_HMS}{_AP}",
            True,
            needs,
        ),
        (f"day month year, two digits{suffix}", rf"{of}{_YY}[ :,]{{1,2}}{_HMS_DOTS}{_AP}", True, needs),
        (f"year month day{suffix}", rf"{_Y}[ /-]{month}[ /-]{{1,2}}{_D}[ T:,]{{1,2}}{_HMS}", True, needs),
        (f"day month{suffix}", rf"(?:{day} )?{of}[ ,]{{0,2}}{_HMS}", True, needs),
    )


_NUMBERS: tuple[tuple[str, str, bool, str], ...] = (
    ("year/month/day, short", rf"{_YY}/{_M2}/{_D2} {_HMS}", True, _NEEDS_TWO_DIGITS),
    ("month/day/year", rf"{_M}[/-]{_D}[/-]{_Y}[ ,T-]{{1,3}}{_HMS}{_AP}", True, _NEEDS_YEAR_LAST),
    ("day/month/year", rf"{_D}[/.-]{_M}[/.-]{_Y}[ ,T-]{{1,3}}{_HMS}{_AP}", True, _NEEDS_YEAR_LAST),
    ("month/day/year, short", rf"{_M}[/-]{_D}[/-]{_YY}[ ,-]{{1,2}}{_HM}(?::{_S}{_F})?{_AP}", True, _NEEDS_TWO_DIGITS),
    ("day/month/year, short", rf"{_D}[/.-]{_M}[/.-]{_YY}[ ,-]{{1,2}}{_HM}(?::{_S}{_F})?{_AP}", True, _NEEDS_TWO_DIGITS),
    ("month-day", rf"{_M2}[-./]{_D2}[ -]{_HMS}", False, _NEEDS_TWO_DIGITS),
    ("day-month", rf"{_D2}[-./]{_M2}[ -]{_HMS}", False, _NEEDS_TWO_DIGITS),
)
_COMPACT: tuple[tuple[str, str, bool, str], ...] = (
    ("compact, colons", rf"{_Y}{_M2}{_D2}[-_ T.]{_COLON}", True, _NEEDS_COMPACT),
    ("compact", rf"{_Y}{_M2}{_D2}[T_ .-]?(?P<H>[0-9]{{2}})(?P<M>[0-5][0-9]){_S}{_F}", True, _NEEDS_COMPACT),
)
OTHER_LANGUAGES = ", other languages"
_FAMILIES = (
    *_WITH_CLOCK,
    *_named_months(ENGLISH_MONTH, _DAY, "", _NEEDS_MONTH),
    *_NUMBERS,
    *_COMPACT,
    *_named_months(MONTH, _ANY_DAY.removesuffix(" )?").removeprefix("(?:"), OTHER_LANGUAGES, _NEEDS_ANY_MONTH),
)


_PLACES: tuple[tuple[str, str, Literal["start", "within"]], ...] = (
    (_LEAD, "", "start"),
    (_EDGE, ", within", "within"),
)


def _forms() -> tuple[TimeFormat, ...]:
    made: list[TimeFormat] = []
    for name, core, zoned, needs in _FAMILIES:
        share = 0.2 if name == "compact" else 0.02
        end = "(?:[\\s,;|\\])\"':]|$)" if name == "compact" else ""
        for lead, suffix, place in _PLACES:
            form = TimeFormat(name + suffix, lead + core + (_ZONE if zoned else "") + end, place, share, needs)
            if place == "within":
                form = replace(form, share=0.5)
            if zoned:
                other = replace(form, name=f"{form.name}, zone", pattern=lead + core + _NAMED, less=form.name)
                made.append(replace(other, needs=_NEEDS_ZONE))
            made.append(form)
    return tuple(made)


_MADE = _forms()
_SYSLOG = (
    TimeFormat("iso, syslog", _PRI + _ISO + _ZONE, needs=_NEEDS_YEAR_FIRST),
    TimeFormat(
        "month day, year, syslog", rf"{_PRI}{ENGLISH_MONTH} {{1,2}}{_D},? {_Y} {{1,2}}{_HMS}", needs=_NEEDS_MONTH
    ),
    TimeFormat("month day, syslog", _PRI + _mdt(ENGLISH_MONTH), needs=_NEEDS_MONTH),
    TimeFormat("klog", rf"^[IWEFD]{_M2}{_D2} {{1,2}}{_HMS}", needs=r"^[IWEFD][0-9]{4} "),
    TimeFormat("compact, short", rf"{_LEAD}{_YY}{_M2}{_D2} {{1,2}}{_H}:?(?P<M>[0-5][0-9]):?{_S}{_F}{_END}", share=0.2),
    TimeFormat("chinese", rf"^[\[(【（ 　]{{0,2}}{_Y} ?年 ?{_MD_ZH}(?:{_CLOCK_ZH})?", needs="月"),
    TimeFormat("korean", rf"{_LEAD}{_YMD_CJK}{_CLOCK_CJK}", needs="[년월]|[.] [0-9]"),
    TimeFormat("chinese, no year", rf"^[\[(【（ 　]{{0,2}}{_MD_ZH}{_CLOCK_ZH}", needs="月"),
    TimeFormat("epoch", _LEAD + _EPOCH, share=0.5, needs="1[0-9]{9}"),
    TimeFormat("tai64n", r"^@(?P<tai>4[0-9a-f]{15})(?P<nano>[0-9a-f]{8})\b", share=0.5, needs="^@4"),
)
_REST = (
    TimeFormat(
        "date", rf"{_LEAD}{_Y}[-/.]{_M}[-/.]{_D}{_END}", "day", 0.5, but=r"^.{8,14}[^0-9]{0,9}[0-9]{1,2}[:时時시h][0-9]"
    ),
    TimeFormat("epoch, within", _EDGE + _EPOCH, "within", 0.6, needs="1[0-9]{9}"),
    TimeFormat("number", r"^ *(?P<n>[0-9]{9,19}(?:[.][0-9]{1,9})?) *$", "cell", 0.5),
    TimeFormat("day", rf"^ *{_Y}{_M2}{_D2} *$", "cell", 0.5),
    TimeFormat("day month year, date", rf"^ *{_ANY_DAY}{_D}[.]?{_OF}[ -]{MONTH}{_OF}[ ,-]{{1,2}}{_Y} *$", "cell"),
    TimeFormat("month day year, date", rf"^ *{_ANY_DAY}{MONTH} {_D},? {_Y} *$", "cell"),
    TimeFormat("month/day/year, date", rf"^ *{_M}[/-]{_D}[/-]{_Y} *$", "cell"),
    TimeFormat("day/month/year, date", rf"^ *{_D}[/.-]{_M}[/.-]{_Y} *$", "cell"),
    TimeFormat("month/day/year, minutes", rf"^ *{_M}[/-]{_D}[/-]{_Y}[ ,]{{1,2}}{_HM}{_AP} *$", "cell"),
    TimeFormat("day/month/year, minutes", rf"^ *{_D}[/.-]{_M}[/.-]{_Y}[ ,]{{1,2}}{_HM}{_AP} *$", "cell"),
)

FORMATS: tuple[TimeFormat, ...] = (
    # The order settles a tie. Which of two orders of day and month it is, is settled by which parses on more lines.
    *(form for form in _MADE if form.place == "start"),
    *_SYSLOG,
    *_REST[:2],
    *(form for form in _MADE if form.place == "within"),
    *_REST[2:],
)

AMBIGUOUS = frozenset(
    form.name for form in FORMATS if form.name.startswith(("month/", "month-", "day/", "day-", "year/"))
)
"""Forms that read the same digits in another order."""
