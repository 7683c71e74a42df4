"""Which texts a machine wrote: log lines, events, records of fields; not what a person says.

In: texts. Out: true or false for each, by its form alone. Past cases and the words of crises are told by people: of a
machine's text they know nothing, and hold their tongue.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

_CLOCK = r"\d{1,2}[:.]\d{2}[:.]\d{2}"
_LEVEL = r"TRACE|DEBUG|INFO|NOTICE|WARN|ERROR|ERR|SEVERE|FATAL|CRIT|PANIC|EMERG"
_SURE = "|".join(
    (
        r"^<\d{1,3}>",
        r"^[A-Z][a-z][a-z] +[0-9]+ [0-9:]{8} \S+ [^\s:]+: ",
        rf"^[^A-Za-z]*(?:{_LEVEL})\b",
        rf"\[(?:{_LEVEL}|(?i:debug|info|notice|warn|warning|error|err|crit|fatal|emerg|alert))\]",
        r"[A-Za-z0-9_./)-]\[[0-9]+\](?:\[[A-Za-z0-9]+\])?:",
        r'"(?:GET|POST|HEAD|PUT|DELETE|OPTIONS|PATCH|CONNECT|PROPFIND) [^"]*(?:"|$)',
        r"[A-Za-z0-9_.-]+=[^\s=][^=]*[\s,;][A-Za-z0-9_.-]+=\S",
        r"(?:^|; )[A-Za-z0-9_.@-]+: [^;]*; [A-Za-z0-9_.@-]+: ",
        r"0x[0-9a-fA-F]{3}",
        r"^\s+at [A-Za-z0-9_$.<>]+\(",
        r"^\{\s*\"",
    )
)
"""Forms that no person writes."""
_LIKELY = (
    r"^[^A-Za-z]*(?:[A-Z][a-z][a-z] +)?(?:[A-Z][a-z][a-z] +)?[0-9][0-9T:./ -]*[0-9][:.][0-9]{2}[:.][0-9]{2}",
    r"^[0-9]{4}[0-9]*\s",
    rf"(?:^|[^A-Za-z])(?:{_LEVEL}|WARNING|CRITICAL|ALERT)(?:$|[^A-Za-z])",
    r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}|[A-Za-z0-9-]+\.[A-Za-z0-9.-]+:[0-9]{2}",
    r"(?:^|[^A-Za-z0-9@#])(?:[a-z]+[A-Z][a-z0-9]+|[A-Z][a-z0-9]+[A-Z][a-z0-9]+[A-Z][a-z0-9]+)",
    r"(?:^|[^A-Za-z0-9@#.])[a-z][a-z0-9_$]*\.[A-Za-z0-9_$]+\.[A-Za-z0-9_$]+",
    r"(?:^|[\s=(\[\"'])/[A-Za-z0-9_.-]+/[A-Za-z0-9_./-]+",
    r"[A-Za-z0-9]+_[A-Za-z0-9]+_[A-Za-z0-9]+|[a-z]\(\)",
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}|[0-9a-f]{16}",
    r"(?:^| )[a-z][a-z0-9_-]+: [a-z][a-z0-9_-]+: ",
    r"^[^A-Za-z]*[0-9]{2}[:.][0-9]{2}[^A-Za-z]*"
    r"(?:(?i:trace|debug|info|notice|warn|warning|error|fatal)|[VDIWEF])\b[ :|\]]",
    r"\|[0-9]+\||[ .][a-z]+_[a-z]+\.[a-z]+ [0-9]{8}| [0-9]+  [0-9]+ |  - \[",
)
"""Signs of which two together say the same; web addresses are taken out first."""
_ADDRESS = r"https?://\S+|www\.\S+|pic\.twitter\.com/\S+"
_READ = 400
"""Characters of a text that are looked at: the form shows at its beginning."""


def machine_written(texts: pl.Series) -> pl.Series:
    """Whether each of n texts (String) has the form of a machine's: Boolean (n,), false where it is null."""
    frame = texts.str.head(_READ).alias("text").to_frame()
    frame = frame.with_columns(bare=pl.col("text").str.replace_all(_ADDRESS, ""))
    signs = pl.sum_horizontal(pl.col("bare").str.contains(sign).cast(pl.UInt8) for sign in _LIKELY)
    return frame.select((pl.col("text").str.contains(_SURE) | (signs >= 2)).fill_null(False)).to_series()


def by_people(texts: pl.Series) -> NDArray[np.bool_]:
    """Whether each of n texts has the form of what people write: bool (n,).

    `texts` String (n,), as they were read: without its head a log line is like any other text.
    """
    return ~machine_written(texts).to_numpy()
