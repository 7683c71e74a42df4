"""The names that times are written with: months, halves of the day, zones.

In: nothing. Out: tables from a name to its number, and the regular expressions that find the names. Months are known by
the beginnings of their names in English, German, French, Spanish, Italian, Portuguese, Dutch, Russian, Polish and more.
"""

from __future__ import annotations

_MONTH_NAMES = (
    "jan janv ene gen янв sty січ oca led",
    "feb févr fév fev фев lut лют şub úno",
    "mar mär maa mrt мар бер bře már",
    "apr avr abr ápr апр kwi кві nis dub",
    "may mai mei mag maj май мая тра máj kvě",
    "jun juin giu июн cze чер haz čer jún",
    "jul juil lug июл lip лип tem júl",
    "aug août aou ago авг sie сер ağu srp",
    "sep set сен wrz вер eyl zář sze",
    "oct okt ott out окт paź жов eki říj",
    "nov ноя lis лис kas",
    "dec déc dez dic дек gru гру ara",
)
MONTHS = {stem: number for number, stems in enumerate(_MONTH_NAMES, 1) for stem in stems.split()}
"""The beginning of a month's name, in lower case, to its number. A longer beginning says more: `juil` before `jul`."""

ENGLISH_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

AFTER_NOON = ("pm", "下午", "晚上", "傍晚", "午後", "오후", "저녁", "밤")
BEFORE_NOON = ("am", "上午", "早上", "午前", "오전", "새벽", "凌晨", "清晨", "아침")
NOON = ("中午", "正午", "낮")
HALVES = (*AFTER_NOON[1:], *BEFORE_NOON[1:], *NOON)
"""Halves of the day that stand before the clock, in Chinese, Japanese and Korean."""

ZONES = {
    name: round(hours * 60)
    for names, hours in (
        ("WET", 0),
        ("CET MET WAT", 1),
        ("WEST", 1),
        ("CEST MEST EET CAT SAST", 2),
        ("EEST EAT MSK TRT", 3),
        ("IRST", 3.5),
        ("SAMT", 4),
        ("PKT YEKT UZT", 5),
        ("NPT", 5.75),
        ("OMST", 6),
        ("KRAT ICT WIB NOVT", 7),
        ("HKT SGT AWST IRKT PHT MYT WITA", 8),
        ("JST KST YAKT WIT", 9),
        ("ACST", 9.5),
        ("ACDT", 10.5),
        ("AEST VLAT CHST", 10),
        ("AEDT", 11),
        ("NZST", 12),
        ("NZDT", 13),
        ("BRT ART UYT CLST", -3),
        ("NST", -3.5),
        ("NDT", -2.5),
        ("EDT CLT VET BOT", -4),
        ("EST CDT PET COT", -5),
        ("MDT", -6),
        ("MST PDT", -7),
        ("PST AKDT", -8),
        ("AKST HDT", -9),
        ("HST", -10),
    )
    for name in names.split()
}
"""Abbreviations that mean one zone wherever logs are written: minutes east of Greenwich."""

UNSURE = ("CST", "IST", "BST", "AST", "ADT", "GST", "SST", "WST", "AMT", "ECT", "FKT", "MMT")
"""Abbreviations of several zones (CST: Chicago, Shanghai, Havana). Read as UTC, and named."""

MONTH = "(?i:(?P<mon>" + "|".join(sorted(MONTHS, key=lambda stem: -len(stem))) + r")[^ \t0-9:,./-]{0,9}\.?)"
ENGLISH_MONTH = (
    "(?P<mon>" + "|".join(f"[{m[0].upper()}{m[0]}]{m[1:]}|{m.upper()}" for m in ENGLISH_MONTHS) + r")[A-Za-z]{0,6}[.]?"
)
HALF = "(?:" + "|".join(HALVES) + ")"
_AREAS = "Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Europe|Indian|Pacific|US|Etc|Canada|Brazil"
ZONE_NAME = (
    "(?P<zn>(?:" + "|".join(sorted((*ZONES, *UNSURE), key=lambda name: -len(name))) + ")"
    rf"|(?:{_AREAS})/[A-Za-z_+0-9-]{{2,30}}(?:/[A-Za-z_]{{2,30}})?)"
)
