"""Events → what they say to a person: "Security-Auditing 4624 logon, user ines from 192.0.2.7; LogonType: 3".

In: events as JSON. Out: a text for each that is of a shape that is known; of others none. What tells one event from
another comes first: who made it, its number and name, who, from where, the program and its command line; identifiers,
times and name spaces are left out, so that events that say the same have the same text. Each event is decoded once,
with the reader that rules use.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import resources
from typing import Any

import polars as pl
import yaml

from forewarn.rules.events.decoding import decoded, text_of
from forewarn.rules.events.dresses import dressed
from forewarn.rules.events.shapes import Recogniser, at
from forewarn.rules.events.windows import PROVIDER, SYSTEM, plain

_PREFIX = re.compile(r"^(?:Microsoft-)?(?:Windows-)?(?=\w)")
_NAMELESS = re.compile(
    r"\s*(?:-|N/A|\(null\)|%%[0-9]+|0x[0-9a-fA-F]+|\{?[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\}?"
    r"|S-1-[0-9-]+|[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+Z?)?\s*"
)
"""Values that say nothing to a person: none, a code, an identifier, a time."""
_IDENTIFIERS = ("Id", "ID", "Guid", "GUID", "Sid", "Time")
_ASIDE = frozenset((*SYSTEM, PROVIDER, "#attributes"))


def event_texts(raw: pl.Series) -> pl.Series:
    """The text of each of n events (String, JSON): String (n,), null for those of no known shape."""
    recogniser, words = Recogniser(), _words()
    return pl.Series([_text(event, recogniser, words) for event in raw], dtype=pl.String)


def _text(raw: str | None, recogniser: Recogniser, words: Mapping[str, Any]) -> str | None:
    event = decoded(raw)
    if not isinstance(event, dict):
        return None
    try:
        fields, _, source = dressed(event, recogniser)
        telling = words["telling"].get(source.product)
        if telling is None:
            return None
        known = {name.replace(" ", ""): value for name, value in fields}
        if source.product in ("windows", "linux", "macos") and known.get("EventID") is not None:
            return _of_host(known, telling, words)
        said = [one for name in telling if (one := _said(_at(known, name)))]
        return "; ".join(dict.fromkeys(said)) or None
    except RecursionError:
        return None


def _of_host(known: dict[str, Any], telling: list[str], words: Mapping[str, Any]) -> str:
    """The text of an event with a number: what happened, to whom, from where, by which program."""
    ident = text_of(plain(known["EventID"]))
    provider = _PREFIX.sub("", _said(known.get(PROVIDER)))
    names = words["names"].get(str(plain(known.get("Channel"))).lower(), {})
    text = " ".join(part for part in (provider, ident, names.get(int(ident), "") if ident.isdecimal() else "") if part)
    used = set()
    for word, candidates in (("user", words["user"]), ("from", words["origin"])):
        for name in candidates:
            if name in known and (one := _said(known[name])):
                text += f", {word} {one}" if word == "user" else f" {word} {one}"
                used.add(one)
                break
    parts = [f"{name}: {one}" for name in telling if name in known and (one := _said(known[name])) and one not in used]
    if not parts:
        parts = [f"{name}: {one}" for name, one in _others(known) if one not in used]
    return "; ".join([text, *parts])


def _others(known: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The fields of an event of which none is known to tell much, with what they say; identifiers are left out."""
    for name, value in known.items():
        if name not in _ASIDE and not name.endswith(_IDENTIFIERS) and (one := _said(value)):
            yield name, one


def _at(known: dict[str, Any], name: str) -> Any:
    value = known.get(name)
    return at(known, tuple(name.split("."))) if value is None and "." in name else value


def _said(value: Any) -> str:
    """A value as a person reads it; nothing where it says nothing."""
    if value.__class__ is str:
        return "" if _NAMELESS.fullmatch(value) else value.strip()
    if isinstance(value, list):
        return ", ".join(one for member in value if (one := _said(member)))
    if isinstance(value, dict):
        return _said(value.get("#text"))
    return "" if value is None else text_of(value)


@lru_cache(maxsize=1)
def _words() -> dict[str, Any]:
    text = resources.files("forewarn.reading").joinpath("event_words.yaml").read_text("utf-8")
    read: dict[str, Any] = yaml.load(text, Loader=yaml.CSafeLoader)
    return read
