"""Log sources: which records a rule of a named log source is for.

In: a rule's `logsource`, what the user says of the files, a line. Out: whether they fit. Windows events are known by
channel and event ID (`events`); lines of text by what the user names (`--logsource`) or by their look, both of
`logsources.yaml`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import Any

import yaml

from forewarn.errors import RuleError

KEYS = ("product", "category", "service")


@lru_cache(maxsize=1)
def sources() -> dict[str, Any]:
    """The content of `logsources.yaml`."""
    text = resources.files("forewarn.rules.language").joinpath("logsources.yaml").read_text("utf-8")
    read: dict[str, Any] = yaml.load(text, Loader=yaml.CSafeLoader)
    return read


def parse_logsource(text: str | None) -> dict[str, str]:
    """`product=linux,service=sshd` as a mapping; empty for None. Raises RuleError where it is not understood."""
    named: dict[str, str] = {}
    for part in (text or "").split(",") if text else ():
        key, sign, value = (piece.strip() for piece in part.partition("="))
        if key not in KEYS or not sign or not value:
            near = difflib.get_close_matches(key, KEYS, 1)
            hint = f"Did you mean {near[0]}? " if near and near[0] != key else ""
            raise RuleError(
                f"--logsource {text!r} is not understood at {part!r}",
                remedy=f"{hint}Write it as product=linux,service=sshd; the keys are {', '.join(KEYS)}.",
            )
        named[key] = value
    return named


def fits(logsource: Mapping[str, str], known: Mapping[str, str]) -> bool:
    """Whether records known to be of one log source are those of a rule's: it asks for nothing that they are not."""
    wanted = {key: value for key, value in logsource.items() if key in KEYS}
    return bool(known) and all(known.get(key) == value for key, value in wanted.items())


def look_of(logsource: Mapping[str, str]) -> str | None:
    """The expression by which lines of a log source are recognised, or None; of a whole product any of its own."""
    wanted = {key: value for key, value in logsource.items() if key in KEYS}
    looks = [
        str(known["look"])
        for known in sources()["recognised"]
        if all(known["logsource"].get(key) == value for key, value in wanted.items())
    ]
    return "|".join(f"(?:{look})" for look in looks) if wanted and looks else None


def named(logsource: Mapping[str, str]) -> str:
    """A log source as the user would write it."""
    return ",".join(f"{key}={logsource[key]}" for key in KEYS if key in logsource) or "any"
