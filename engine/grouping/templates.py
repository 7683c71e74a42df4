"""Records to partial texts: mask what varies, group what is left of a block, count.

In: blocks of the records frame, with the set of rules that fired on each row. Out: one row for each distinct
(template, rule set) of the block; `text_table` joins the blocks. Words are never masked, in any script.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.reading.time_names import HALF
from forewarn.rules.correlation.correlator import Correlator, Hit
from forewarn.rules.matching.digits import Kinds

if TYPE_CHECKING:
    from forewarn.grouping.rule_sets import RuleSets
    from forewarn.rules import RuleSet

MASK = "<*>"
MOST_COMPLETED = 4_096
"""Texts of which it is remembered what a correlation on them rests on."""

# The keys whose values say something: they are no identifiers, however short.
_SPEAKS = (
    *("msg", "message", "error", "err", "reason", "log", "event", "text", "body", "content", "description", "detail"),
    *("details", "summary", "cause", "exception", "level", "lvl", "severity", "status", "state"),
)
_SPOKEN = rf"(?i)(\b(?:{'|'.join(_SPEAKS)})[\"']?)([=:])(\s?[\"'])"
# Stand for = and : before a value that is kept; private characters that no text holds by itself.
_KEPT = {"=": "\ue0f0", ":": "\ue0f1"}
_WEEKDAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6},?"
_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}"
_CLOCK = r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?(?:[.,][0-9]{1,9})?(?: ?[AaPp][.]?[Mm]\b)?"

_VARIABLE_PARTS = "|".join(
    (
        # A time with names in it: else each midnight, noon and first of a month brings new texts.
        rf"\b(?:{_WEEKDAY} )?{_MONTH} {{1,2}}[0-9]{{1,2}},? {{1,2}}(?:[0-9]{{4}},? )?{_CLOCK}"
        r"(?:(?: [A-Z]{2,5})? [0-9]{4}\b)?",
        rf"\b(?:{_WEEKDAY} )?[0-9]{{1,2}}[ /-]{_MONTH}[ /-][0-9]{{2,4}}[ :,]{{1,2}}{_CLOCK}",
        rf"\b{_WEEKDAY} [0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[T ]{_CLOCK}",
        rf"{HALF} ?[0-9]{{1,2}}(?::[0-9]{{2}}){{1,2}}",
        r"[0-9]{1,2}(?::[0-9]{2}){1,2} ?[AP]M\b",
        r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>\])，。；、）】]+",  # URL
        r"[A-Za-z0-9_.+-]+@[A-Za-z0-9-]+\.[A-Za-z0-9.-]+",  # e-mail
        r"(?:[A-Za-z]:)?(?:[\\/][A-Za-z0-9_.@$%+~:-]+){2,}[\\/]?",  # path of two or more parts
        r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b",  # UUID
        r"\b(?:[0-9a-fA-F]{1,4}:){2,}[0-9a-fA-F:]+(?:[.,][0-9]+)?",  # MAC and IPv6 address, clock time
        r"\b0[xX][0-9a-fA-F]+\b",
        r"\b[0-9a-fA-F]{8,}\b",
        r"[_-](?:[0-9a-f]{3,32}[0-9]|[0-9a-f]{0,32}[0-9][0-9a-f]{3})[0-9a-f]*\b",  # pay_7f3c09, req-12ab34
        # The quoted value of a key, of one word or two; more is speech.
        r"[=:]\s?\"[^\"\s]{1,200}(?:\s[^\"\s]{1,200})?\"|[=:]\s?'[^'\s]{1,200}(?:\s[^'\s]{1,200})?'",
        r"[-+]?[0-9]+(?:[.,:/-][0-9]+)*",  # number, IPv4 address, date
    )
)

# A run of ASCII that is a name or may hold one: with anything but letters before, or between, letters and digits.
_NAMES = r"[A-Za-z]*[!-@\[-`{-~]+[A-Za-z0-9][!-~]*|[!-@\[-`{-~][!-~]*"


def mask(text: pl.Expr) -> pl.Expr:
    """Replace numbers, dates, addresses, identifiers, paths and short quoted values with `<*>` and fold white space.

    `text` is a String expression; so is the result. The one regular expression has no nested repetition and runs in
    time linear in the text (Rust `regex`).
    """
    spoken = pl.when(text.str.contains(_SPOKEN)).then(_spoken(text)).otherwise(text)
    made = spoken.str.replace_all(_VARIABLE_PARTS, MASK).str.replace_all(r"\s{2,}|[^\S ]", " ").str.strip_chars()
    return made.str.replace_many(list(_KEPT.values()), list(_KEPT))


def _spoken(text: pl.Expr) -> pl.Expr:
    for sign, kept in _KEPT.items():
        text = text.str.replace_all(_SPOKEN.replace("[=:]", sign), "${1}" + kept + "${3}")
    return text


class Templates:
    """The masked form of each of `kinds`, made once: every digit is masked, and only `0x` asks for a certain one."""

    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds
        self._forget()

    def _forget(self) -> None:
        self._begun = self._kinds.begun
        self._written = pl.DataFrame(schema={"template": pl.String, "number": pl.UInt32})
        self._of_kind, self._hexadecimal = pl.Series(dtype=pl.UInt32), pl.Series(dtype=pl.Boolean)

    def of(self, texts: pl.Series, kind: pl.Series) -> tuple[pl.Series, pl.Series]:
        """The number of each of n texts' template, UInt32 (n,), and the templates by number; `kind` their kinds."""
        if self._begun != self._kinds.begun:
            self._forget()
        new = self._kinds.alike[len(self._of_kind) :]
        if len(new):
            number, self._written = _numbered(_masked(new), self._written)
            self._of_kind = pl.concat([self._of_kind, number], rechunk=True)
            self._hexadecimal = pl.concat([self._hexadecimal, new.str.contains("0[xX]")], rechunk=True)
        number, written = self._of_kind.gather(kind), self._written
        other = self._hexadecimal.gather(kind).arg_true()
        other = other.filter(texts.gather(other).str.contains("[1-9][xX]"))
        if len(other):
            own, written = _numbered(_masked(texts.gather(other)), written)
            number = number.scatter(other, own)
        return number, written["template"]


def _numbered(templates: pl.Series, known: pl.DataFrame) -> tuple[pl.Series, pl.DataFrame]:
    """The numbers of templates, and the known ones with those that are new."""
    own = templates.alias("template").to_frame()
    new = own.join(known, on="template", how="anti", maintain_order="left").unique(maintain_order=True)
    new = new.with_columns(number=pl.int_range(known.height, known.height + pl.len(), dtype=pl.UInt32))
    known = pl.concat([known, new], rechunk=True)
    return own.join(known, on="template", how="left", maintain_order="left")["number"], known


def _masked(texts: pl.Series) -> pl.Series:
    return texts.to_frame("text").select(mask(pl.col("text"))).to_series()


def mask_of(texts: pl.Series) -> pl.Series:
    """The masked form of a String series of length n, null where it is null."""
    number, written = _templates(texts)
    return written.gather(number).set(texts.is_null(), None)


def _templates(texts: pl.Series) -> tuple[pl.Series, pl.Series]:
    kinds = Kinds()
    return Templates(kinds).of(texts, kinds.of(texts))


class Keying:
    """Says what records are grouped by: their template, and the set of rules that fire on them.

    Correlations are among these rules, on the records that complete them. `correlator` is their state; `completed` the
    latest hit of each by the text (`text_key`) and the rule (its place in `RuleSet.known`), of the latest texts.
    """

    def __init__(self, rules: RuleSet, sets: RuleSets) -> None:
        self._rules, self._sets = rules, sets
        self._templates = Templates(rules.kinds)
        self.correlator = Correlator(rules)
        self.completed: dict[tuple[int, int], Hit] = {}

    def keyed(self, records: pl.DataFrame) -> pl.DataFrame:
        """The records of one block, keyed."""
        kind = self._rules.kinds.of(records["text"])
        fired = self._rules.fired(records, kind)
        hits = self.correlator.add(records, fired)
        fired = fired.without(self._rules.silent).with_changes(_by_rule(hits), ())
        rows = keyed(records, self._sets.number(fired), self._templates.of(records["text"], kind))
        self._keep(hits, rows["text_key"])
        return rows

    def _keep(self, hits: Sequence[Hit], text_keys: pl.Series) -> None:
        """Remember the hits of a block; of too many those of the texts that came last."""
        for hit in hits:
            text = text_keys[hit.row], hit.rule
            self.completed.pop(text, None)
            self.completed[text] = hit
        if len(self.completed) > 2 * MOST_COMPLETED:
            self.completed = dict(list(self.completed.items())[-MOST_COMPLETED:])

    def restore(self, correlations: bytes, completed: Sequence[tuple[int, int, Hit]]) -> None:
        """Go on from a saved state of the correlator, and its hits. Raises ValueError where it cannot be used."""
        self.correlator.restore(correlations)
        self.completed = {(text, rule): hit for text, rule, hit in completed}


def _by_rule(hits: Sequence[Hit]) -> list[tuple[NDArray[np.int64], int]]:
    """The rows that each correlation fires on."""
    rows: dict[int, list[int]] = {}
    for hit in hits:
        rows.setdefault(hit.rule, []).append(hit.row)
    return [(np.unique(np.array(own, dtype=np.int64)), rule) for rule, own in rows.items()]


def keyed(
    records: pl.DataFrame, rule_sets: pl.Series, templates: tuple[pl.Series, pl.Series] | None = None
) -> pl.DataFrame:
    """The n records with what they are grouped by: `template` and `rule_set` (UInt32 (n,)).

    `templates` is what `Templates.of` gives for them, where it is known. With them come `pair`, the number of their
    (template, rule set) in this block, and the hashes `text_key` and `kind_key` (UInt64) of it and of its template's
    `plain_words`.
    """
    number, written = templates or _templates(records["text"])
    both = number.cast(pl.UInt64) * (1 << 32) + rule_sets
    pairs = both.alias("both").to_frame().unique(maintain_order=True).with_row_index("pair")
    pairs = pairs.with_columns(
        written.gather(pairs["both"] // (1 << 32)).alias("template"),
        rule_set=(pl.col("both") % (1 << 32)).cast(pl.UInt32),
    ).with_columns(text_key(), kind_key=plain_words(pl.col("template")).hash(seed=0))
    return (
        records.with_columns(both.alias("both")).join(pairs, on="both", how="left", maintain_order="left").drop("both")
    )


FIRST_AND_LAST = [
    pl.col("example", "raw", "first_source", "first_line", "first_time", "first_row").first(),
    pl.col("last_source", "last_line", "last_time").last(),
    pl.col("count").sum(),
]
"""What becomes of the rows of one text, in reading order."""


def group(records: pl.DataFrame, first_row: int) -> pl.DataFrame:
    """Group one block of keyed records into partial texts.

    `first_row` is the number of records before this block. The result has the columns of the texts frame, less
    `text_id`, and `first_row`.
    """
    rows = records.select("pair").with_row_index("row").group_by("pair")
    pairs = rows.agg(pl.col("row").first().alias("first"), pl.col("row").last().alias("last"), pl.len())
    place = pl.col("source", "line", "time")
    keys = pl.col("template", "rule_set"), pl.col("text").alias("example"), pl.col("raw")
    return (
        records.select(*keys, place.name.prefix("first_"))[pairs["first"]]
        .with_columns(first_row=first_row + pairs["first"].cast(pl.UInt64))
        .hstack(records.select(place.name.prefix("last_"))[pairs["last"]])
        .with_columns(count=pairs["len"].cast(pl.UInt64))
    )


def plain_words(template: pl.Expr) -> pl.Expr:
    """What stays of a template when everything is taken out of it that may be a name: whatever is no plain word.

    A package, a host, a path, `user=anna` or `[worker]` that was never there makes no new kind of line; another word
    does.
    """
    words = template.str.replace_all(_NAMES, "").str.replace_all(r"\s+", " ")
    return words.str.strip_chars()


def text_key() -> pl.Expr:
    """A 64-bit key of (template, rule set): joins lines back to texts within one run of the program."""
    return pl.struct("template", "rule_set").hash(seed=0).alias("text_key")
