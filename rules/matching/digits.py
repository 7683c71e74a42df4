"""Kinds of lines, which do not differ but in their digits, and patterns that do not tell one digit from another.

In: lines. Out: the number of each one's kind, which is its line with every digit a 0. In: a pattern. Out: one that
matches, in a line whose digits have all become 0, wherever the pattern matches in the line itself. Lines of a log
differ most in their numbers: what such a pattern does not find in one of them, no pattern finds in the others.
"""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec
import polars as pl

from forewarn.rules.language.rule import Pattern

_ESCAPE = re.compile(r"\\(?:x\{[0-9A-Fa-f]+\}|x[0-9A-Fa-f]{2}|[pP]\{[^}]*\}|[0-7]{1,3}|.)", re.DOTALL)
_CLASS = re.compile(r"\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]", re.DOTALL)
_AS_IT_IS = re.compile(r"\{[0-9]+(?:,[0-9]*)?\}|\(\?P?<\w+>|\(\?#[^)]*\)")
_DIGIT = re.compile(r"[0-9]")
_NO_DIGIT = re.compile(r"(?:[^0-9\\\[(]|\\[^0-9A-Za-z]|\\[bBwWdDsS])*", re.ASCII)
"""What most expressions are: no digit, no class, no group, no other escape."""
DIGITS = "0123456789"
_TO_ZERO = bytes.maketrans(DIGITS.encode(), b"0" * 10)
_MOST_KINDS = 1 << 16
"""Kinds of lines that are known at a time."""


class Kinds:
    """The kinds of lines met so far, numbered from one block to the next.

    `alike` String: the line of each kind. There are too many to know them all: now and then the numbers begin anew;
    `begun` says how often they have.
    """

    def __init__(self) -> None:
        self.alike = pl.Series("alike", dtype=pl.String)
        self.begun = 0

    def of(self, texts: pl.Series) -> pl.Series:
        """The kind of each text (String, length n): UInt32, length n."""
        lines = digits_alike(texts.fill_null("")).alias("alike").to_frame()
        kind = self._known(lines)
        if kind.null_count():
            new = lines.filter(kind.is_null()).unique(maintain_order=True)["alike"]
            if len(self.alike) + len(new) > _MOST_KINDS:
                self.begun += 1
                self.alike, new = new.clear(), lines.unique(maintain_order=True)["alike"]
            self.alike = pl.concat([self.alike, new], rechunk=True)
            kind = self._known(lines)
        return kind

    def _known(self, lines: pl.DataFrame) -> pl.Series:
        known = self.alike.to_frame().with_row_index("kind")
        return lines.join(known, on="alike", how="left", maintain_order="left")["kind"]


def digits_alike(texts: pl.Series) -> pl.Series:
    """The texts (String, length n, no null) with every digit a 0; those on one line a block of bytes at a time."""
    if texts.is_empty():
        return texts
    broken = texts.str.contains("\n", literal=True)
    if not broken.any():
        return _alike(texts)
    # Not into `texts` itself, which `scatter` would change.
    made = pl.Series(texts.name, [None], dtype=pl.String).new_from_index(0, len(texts))
    made = made.scatter((~broken).arg_true(), _alike(texts.filter(~broken)))
    return made.scatter(broken.arg_true(), texts.filter(broken).str.replace_all("[1-9]", "0"))


def _alike(texts: pl.Series) -> pl.Series:
    if texts.is_empty():
        return texts
    block = (texts.str.join("\n").item() or "").encode().translate(_TO_ZERO)
    if b"\r" in block:
        # A carriage return before the end of a line would be read as a part of it.
        return pl.Series(texts.name, block.decode().split("\n"), dtype=pl.String)
    return pl.read_lines(block + b"\n").to_series().alias(texts.name)


@lru_cache(maxsize=65_536)
def blinded(pattern: Pattern) -> tuple[Pattern, bool]:
    """The pattern with 0 allowed for every digit that it asks for, and whether it asks for any."""
    expression, asks = _blinded(pattern.expression)
    if not asks:
        return pattern, False
    literal = None if pattern.literal is None else _DIGIT.sub("0", pattern.literal)
    return msgspec.structs.replace(pattern, expression=expression, literal=literal), True


def _blinded(expression: str) -> tuple[str, bool]:
    if _NO_DIGIT.fullmatch(expression):
        return expression, False
    if r"\Q" in expression:
        return "", True
    out, at, asks = [], 0, False
    while at < len(expression):
        kind = _ESCAPE if expression[at] == "\\" else _CLASS if expression[at] == "[" else _AS_IT_IS
        found = kind.match(expression, at)
        part = found[0] if found else expression[at]
        taken = _digits_taken(part) if kind is not _AS_IT_IS or not found else DIGITS
        asks |= taken not in ("", DIGITS)
        out.append(part if "0" in taken or not taken else f"(?:{part}|0)" if found else "0")
        at += len(part)
    return "".join(out), asks


@lru_cache(maxsize=4096)
def _digits_taken(one_character: str) -> str:
    """The digits that a letter, an escape or a class matches."""
    if one_character in DIGITS:
        return one_character
    if one_character[0] not in "\\[" or one_character in (r"\b", r"\B", r"\A", r"\z"):
        return ""
    import re2

    return "".join(digit for digit in DIGITS if re2.fullmatch(one_character, digit))
