"""The frames that flow through the program: their columns, types and meaning.

In: nothing. Out: one polars schema for each frame of the data flow. Nothing here computes.
"""

from __future__ import annotations

import polars as pl

SIGNALS = ("rules", "classifier", "outliers", "cases", "adapted")
"""The signals that are fused, in the order shown. Each is a float, more = more alarming; null = no opinion."""

RECORDS: dict[str, pl.DataType] = {
    "source": pl.String(),
    "line": pl.UInt64(),
    "time": pl.Datetime("us", "UTC"),
    "text": pl.String(),
    "raw": pl.String(),
}
"""One row for each line, row or event of the input.

`source` the path as the user gave it; `line` 1-based; `time` UTC, null where none was recognised; `text` what a person
would read; `raw` for structured input the whole event as JSON, else null.
"""

TEXTS: dict[str, pl.DataType] = {
    "text_id": pl.UInt32(),
    "template": pl.String(),
    "rule_set": pl.UInt32(),
    "example": pl.String(),
    "raw": pl.String(),
    "count": pl.UInt64(),
    "first_source": pl.String(),
    "first_line": pl.UInt64(),
    "first_time": pl.Datetime("us", "UTC"),
    "last_source": pl.String(),
    "last_line": pl.UInt64(),
    "last_time": pl.Datetime("us", "UTC"),
}
"""One row for each distinct text, in the order of first occurrence.

`text_id` the row's number; `template` the text with its variable parts masked; `rule_set` which set of rules fired (an
index into the scan's list of sets; the grouping key is template and rule set together); `example`, `raw` the first
record's; `count` how many records; `first_*`, `last_*` the first and last record in reading order.
"""

SIGNAL_FRAME: dict[str, pl.DataType] = {"text_id": pl.UInt32(), **dict.fromkeys(SIGNALS, pl.Float64())}
"""One row for each distinct text, one column for each signal."""

SCORES: dict[str, pl.DataType] = {
    "text_id": pl.UInt32(),
    "log_odds": pl.Float64(),
    "probability": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "p_value": pl.Float64(),
    "base": pl.Float64(),
    **{f"{signal}_log_odds": pl.Float64() for signal in SIGNALS},
    "calibration_log_odds": pl.Float64(),
    "held_log_odds": pl.Float64(),
}
"""One row for each distinct text.

`log_odds` = `base` + the sum of the `*_log_odds` contributions (natural logarithm), of which `calibration_log_odds` is
what calibration adds to the sum of the others (0 before any label) and `held_log_odds` what keeps a text above the
threshold on which a rule of level high or critical fires; `probability` its logistic
function; `low`, `high` the Venn–Abers interval (null before any label); `p_value` conformal, against the reference.
"""

SCORED: dict[str, pl.DataType] = {**SCORES, **dict.fromkeys(SIGNALS, pl.Float64()), "past": pl.Float64()}
"""One row for each distinct text: its scores, its signals, and `past`, what the signals that know nothing of the rest
of the scan say (`fusion.past_scores`): log-odds of which a stream is watched."""
