"""Single texts to what is said of each, by parts that stay loaded: for a service, and for one text on the command line.

In: texts. Out: an `Alert` for each, however low it is. A text is judged as if it were alone: neither those beside it
nor those before it change its score.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from forewarn.alerting.evidence import Explainer
from forewarn.errors import ForewarnError, InputError
from forewarn.findings import Alert, dated, now
from forewarn.frames import RECORDS, TEXTS
from forewarn.grouping.rule_sets import RuleSets
from forewarn.grouping.templates import Keying
from forewarn.options import Options, with_settings
from forewarn.reading.lines import MAX_TEXT
from forewarn.runtime.chunked_frame import ChunkedFrame
from forewarn.runtime.timings import Stopwatch
from forewarn.scoring.parts import Parts, rules_of
from forewarn.scoring.scorer import Scorer

SOURCE = "texts"
"""What an alert of a text in memory names as its source; its line is the number from 1."""


class Resident:
    """Rules and parts, loaded once. Not for several threads at once.

    `problems` is what was wrong with rules that could not be used. Raises RuleError, EncoderError, CaseBaseError and
    ModelError where what the options name cannot be used.
    """

    def __init__(self, options: Options | None = None, **settings: Any) -> None:
        asked = with_settings(options, settings)
        # Of one text no share can be reached, and no text is written to a cache.
        prior = asked.prior if asked.model else None
        self.options = replace(asked, adapt=False, promise=None, prior=prior, cache=False)
        self.rules = rules_of(self.options)
        self.problems: list[ForewarnError] = list(self.rules.problems)
        self.parts = Parts.of(self.options, self.problems)

    def with_rules(self, named: Sequence[str | Path]) -> Resident:
        """The same parts with other rules. Raises RuleError."""
        made = copy.copy(self)
        made.options = replace(self.options, rules=tuple(named))
        made.rules = rules_of(made.options)
        made.problems = list(made.rules.problems)
        return made

    def score(self, texts: Sequence[str], at: datetime | None = None) -> list[Alert]:
        """What is said of each of n texts, in their order: probability, stage, domain and evidence.

        Without a p-value: there is no other text to compare with. Raises InputError where a text is blank.
        """
        if not texts:
            return []
        check_texts(texts)
        sets = RuleSets()
        keying = Keying(self.rules, sets)
        rows = keying.keyed(_records(texts))
        distinct = ChunkedFrame.of(_texts_of(rows))
        scorer = Scorer(distinct, self.rules, sets, self.options, self.parts, alone=True)
        scored = scorer.score(Stopwatch())
        numbers = pl.int_range(len(texts), dtype=pl.UInt32, eager=True)
        alerts, _ = Explainer(scorer, scored, self.rules, sets, keying.completed).alerts(numbers)
        said = at or now()
        return [msgspec.structs.replace(dated(alert, said), p_value=None) for alert in alerts]


def score(text: str, options: Options | None = None, **settings: Any) -> Alert:
    """What is said of one text alone: its probability, stage, domain and evidence, as of an alert, however low it is.

    `options` and `settings` as of `scan`; neither the policy nor a rule's `decision:` counts. Without a p-value: there
    is no other text to compare it with. Raises what `Resident` raises, InputError where it is blank.
    """
    (found,) = Resident(options, **settings).score([text])
    return found


def check_texts(texts: Sequence[str]) -> None:
    """Raises InputError where a text is blank."""
    blank = next((number for number, text in enumerate(texts, 1) if not text.strip()), None)
    if blank is not None:
        raise InputError(f"text {blank} is blank", remedy="Give texts that say something.")


def _records(texts: Sequence[str]) -> pl.DataFrame:
    """Texts as a records frame."""
    known = {"text": [text[:MAX_TEXT] for text in texts], "line": range(1, len(texts) + 1)}
    frame = pl.DataFrame(known, schema={name: RECORDS[name] for name in known})
    return frame.with_columns(
        source=pl.lit(SOURCE),
        **{name: pl.lit(None, dtype=RECORDS[name]) for name in ("time", "raw", "level", "status")},
    ).select(*RECORDS)


def _texts_of(rows: pl.DataFrame) -> pl.DataFrame:
    """Keyed records as a frame of texts, a row each: two that differ in a number alone are two."""
    place = pl.col("source", "line", "time")
    return rows.select(
        pl.int_range(pl.len(), dtype=pl.UInt32).alias("text_id"),
        "template",
        "rule_set",
        pl.col("text").alias("example"),
        "raw",
        pl.lit(1, dtype=pl.UInt64).alias("count"),
        place.name.prefix("first_"),
        place.name.prefix("last_"),
    ).select(*TEXTS)
