"""Records to partial texts: mask what varies, group what is left of a block, count.

In: blocks of the records frame, with the set of rules that fired on each row. Out: one row for each distinct
(template, rule set) of the block; `text_table` joins the blocks. Words are never masked, in any script.
"""

from __future__ import annotations

import polars as pl

from forewarn.rules.digits import digits_alike

MASK = "<*>"

_VARIABLE_PARTS = "|".join(
    (
        r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>\])，。；、）】]+",  # URL
        r"[A-Za-z0-9_.+-]+@[A-Za-z0-9-]+\.[A-Za-z0-9.-]+",  # e-mail
        r"(?:[A-Za-z]:)?(?:[\\/][A-Za-z0-9_.@$%+~:-]+){2,}[\\/]?",  # path of two or more parts
        r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b",  # UUID
        r"\b(?:[0-9a-fA-F]{1,4}:){2,}[0-9a-fA-F:]+(?:[.,][0-9]+)?",  # MAC and IPv6 address, clock time
        r"\b0[xX][0-9a-fA-F]+\b",
        r"\b[0-9a-fA-F]{8,}\b",
        r"[_-](?:[0-9a-f]{3,32}[0-9]|[0-9a-f]{0,32}[0-9][0-9a-f]{3})[0-9a-f]*\b",  # pay_7f3c09, req-12ab34
        r"[=:]\s?\"[^\"]{1,200}\"|[=:]\s?'[^']{1,200}'",  # quoted value of a key; quoted speech stays
        r"[-+]?[0-9]+(?:[.,:/-][0-9]+)*",  # number, IPv4 address, date
    )
)


def mask(text: pl.Expr) -> pl.Expr:
    """Replace numbers, dates, addresses, identifiers, paths and quoted values with `<*>` and fold white space.

    `text` is a String expression; so is the result. The one regular expression has no nested repetition and runs in
    time linear in the text (Rust `regex`).
    """
    return text.str.replace_all(_VARIABLE_PARTS, MASK).str.replace_all(r"\s{2,}|[^\S ]", " ").str.strip_chars()


def mask_of(texts: pl.Series) -> pl.Series:
    """The masked form of a String series of length n, null where it is null.

    Every digit is masked, and only `0x` asks for a certain one: what differs in its digits alone is masked once.
    """
    if texts.null_count():
        return _masked(texts)
    lines = digits_alike(texts.str.replace_all("\n", "\r", literal=True)).alias("alike").to_frame()
    distinct = lines.unique(maintain_order=True).with_columns(masked=mask(pl.col("alike")))
    masked = lines.join(distinct, on="alike", how="left", maintain_order="left")["masked"]
    other = texts.str.contains(r"[1-9][xX]").arg_true()
    if other.is_empty():
        return masked
    return masked.scatter(other, _masked(texts.gather(other)))


def _masked(texts: pl.Series) -> pl.Series:
    return texts.to_frame("text").select(mask(pl.col("text"))).to_series()


FIRST_AND_LAST = [
    pl.col("example", "raw", "first_source", "first_line", "first_time", "first_row").first(),
    pl.col("last_source", "last_line", "last_time").last(),
    pl.col("count").sum(),
]
"""What becomes of the rows of one text, in reading order."""


def keyed(records: pl.DataFrame, rule_sets: pl.Series) -> pl.DataFrame:
    """The records with what they are grouped by: `template` and `rule_set` (a UInt32 series of the same length)."""
    return records.with_columns(mask_of(records["text"]).alias("template"), rule_sets.alias("rule_set"))


def group(records: pl.DataFrame, first_row: int) -> pl.DataFrame:
    """Group one block of keyed records into partial texts.

    `first_row` is the number of records before this block. The result has the columns of the texts frame, less
    `text_id`, and `first_row`.
    """
    rows = records.select(
        "template",
        "rule_set",
        pl.col("text").alias("example"),
        "raw",
        pl.col("source").alias("first_source"),
        pl.col("line").alias("first_line"),
        pl.col("time").alias("first_time"),
        pl.int_range(first_row, first_row + pl.len(), dtype=pl.UInt64).alias("first_row"),
        pl.col("source").alias("last_source"),
        pl.col("line").alias("last_line"),
        pl.col("time").alias("last_time"),
        pl.lit(1, pl.UInt64).alias("count"),
    )
    return rows.group_by("template", "rule_set").agg(FIRST_AND_LAST)


def text_key() -> pl.Expr:
    """A 64-bit key of (template, rule set): joins lines back to texts within one run of the program."""
    return pl.struct("template", "rule_set").hash(seed=0).alias("text_key")
