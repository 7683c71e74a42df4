"""What a line of a log says, without what stands before it: its time, its host, its program.

In: texts of any kind. Out: the same texts for the encoder and the n-grams, less the head of a log line; its level in
one spelling. So a fact is the same text in every envelope. What has no such head is left byte for byte.
"""

from __future__ import annotations

import polars as pl

from forewarn.reading.levels import LEVELS, LOUD, OWN_WORDS, number
from forewarn.reading.time_names import HALF

_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}"
_DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6}"
_CLOCK = rf"(?:{HALF}[ ]?)?[0-9]{{1,2}}[:.][0-9]{{2}}(?:[:.][0-9]{{2}}(?:[.,:][0-9]{{1,9}})?)?(?: ?[AaPp][Mm]\b)?"
_ZONE = r"(?:Z|[ ]?[+-][0-9]{2}:?[0-9]{2}|[ ](?:UTC|GMT|[CEMPW][SED]?S?T))?"
_DATE = (
    r"(?:[12][0-9]{3}[-/.][0-9]{1,2}[-/.][0-9]{1,2}|[0-9]{1,2}[-/.][0-9]{1,2}[-/.](?:[12][0-9]{3}|[0-9]{2})"
    rf"|(?:{_DAY},? )?{_MONTH} {{1,2}}[0-9]{{1,2}}(?:,? [12][0-9]{{3}})?"
    rf"|(?:{_DAY},? )?[0-9]{{1,2}}[ /-]{_MONTH}[ /-][0-9]{{2,4}}"
    r"|[12][0-9]{3} ?年 ?[0-9]{1,2} ?月 ?[0-9]{1,2} ?日)"
)
_YEAR_AFTER = r"(?:[ ][12][0-9]{3}\b)?"
_EPOCH = r"1[0-9]{9}(?:[.][0-9]+|[0-9]{3,9})?\b"
_TIME = rf"[\[(<\"']?(?:{_DATE}[T ,:\t_-]{{1,3}}{_CLOCK}{_ZONE}{_YEAR_AFTER}|{_EPOCH})[\])>\"']?"
_LEVEL = rf"(?:[\[(<|]\s?(?i:{OWN_WORDS})\s?[\])>|]?|(?:{OWN_WORDS})\b)[:|]?"
_NAME = r"[A-Za-z_][A-Za-z0-9_.$/@-]*"
_PROCESS = rf"{_NAME}(?:\[[0-9]+\])?:"
_BRACKETS = r"(?:\[[^\]\s]+\]|\([^)\s]+\)|[0-9]{1,7}|---?|-|\|)"
# After a time: host and program as syslog has them, threads and numbers, a level and the name of its logger.
_HEAD = (
    rf"^\s*{_TIME}[\s,;|:-]{{1,3}}"
    rf"(?:\S+ {_NAME}(?:\[[0-9]+\]:|:| [0-9-]+ - -)\s+)?"
    rf"(?:{_BRACKETS}\s+){{0,3}}(?:{_LEVEL}\s+(?:{_BRACKETS}\s+){{0,3}}(?:{_PROCESS}\s+)?)?"
)
_MARK = rf"^\[(?:{'|'.join(LEVELS[: LOUD + 1])})\] "
_TELLING_NAME = (
    r"(?i)(?:error|exception|fail|panic|fatal|fault|denied|refused|timeout|warn)[A-Za-z0-9_.$]*(?:\[[0-9]+\])?:\s*$"
)
_WORDS = r"(?:\S+\s+){3}\S|[\x{2e80}-\x{9fff}\x{ac00}-\x{d7a3}]{4}"
"""A message that can be understood without what stands before it: four words, or as many signs."""


def said(texts: pl.Series) -> pl.Series:
    """The texts without the heads of log lines, `[fatal] ` before what says so in its head: String (n,)."""
    frame = texts.alias("text").to_frame().with_columns(mark=pl.col("text").str.extract(f"({_MARK})"))
    frame = frame.with_columns(line=pl.col("text").str.strip_prefix(pl.col("mark").fill_null("")))
    frame = frame.with_columns(head=pl.col("line").str.extract(f"({_HEAD})"))
    rows = frame["head"].is_not_null().arg_true()
    if not len(rows):
        return texts
    some = frame[rows].with_columns(rest=pl.col("line").str.strip_prefix(pl.col("head")))
    some = some.with_columns(
        level=number(pl.col("head").str.extract(rf"(?:^|[\s\[(<|])(?i:({OWN_WORDS}))(?:[\s\])>|:]|$)")),
        kept=pl.when(pl.col("head").str.contains(_TELLING_NAME)).then(pl.col("head").str.extract(r"(\S+)\s*$")),
    )
    word = pl.col("level").replace_strict(dict(enumerate(LEVELS[: LOUD + 1])), default=None, return_dtype=pl.String)
    mark = pl.coalesce("mark", pl.concat_str(pl.lit("["), word, pl.lit("] "))).fill_null("")
    kept = pl.when(number(pl.col("kept").str.strip_chars(":")).is_null()).then(pl.col("kept") + " ").fill_null("")
    spoken = some.select(
        pl.when(pl.col("rest").str.contains(_WORDS)).then(pl.concat_str(mark, kept, "rest")).otherwise("text")
    ).to_series()
    return texts.clone().scatter(rows, spoken)
