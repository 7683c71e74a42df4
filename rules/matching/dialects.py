"""One pattern in the words of two engines: for RE2, whose answer is the right one, and for Hyperscan, which is quick.

In: a pattern. Out: the expression, compiled for RE2; what Hyperscan looks for, which may be more and never less; and
whether it can look for it at all.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from forewarn.rules.language.rule import Pattern, escape

_COUNTED = re.compile(r"\{(\d{1,5})(?:,(\d{0,5}))?\}")
_UNROLLED = 16
_TOKENS = re.compile(r"\\Q.*?(?:\\E|$)|\\.|\[\^?\]?(?:\[:\w+:\]|\\.|[^\]\\])*\]|\$|\(\?[a-zA-Z]+", re.DOTALL)
"""Escapes, classes, and outside of them the end of a value and flags."""
_BREAK = re.compile(r"(\\\\)|\\x0a")
"""A line break as `escape` writes it, and what only looks like one."""
_SPELT_OUT = re.compile(r"\n|\r|\\Q|\\x(?:0[aAdD]|\{0*[aAdD]\})|\\01[25]")
"""Line breaks of an author that are written otherwise than `\\n`."""
_LATE = re.compile(
    "[\u026a\u0282\u029d\u10d0-\u10ff\u13a0-\u13fd\u1c80-\u1cbf\u1d8e\u2c2f\u2c5f\ua64a\ua64b\ua794\ua7ae"
    "\ua7b2-\ua7f6\uab53\uab70-\uabbf\U000104b0-\U000104fb\U00010570-\U000105bc\U00010c80-\U00010cf2"
    "\U00016e40-\U00016e7f\U0001e900-\U0001e943]"
)
"""Letters whose other case came to Unicode after Hyperscan's tables (Georgian, Cherokee, Osage, Adlam, …)."""


@lru_cache(maxsize=65_536)
def compiled(pattern: Pattern) -> Any:
    """The pattern as an RE2 expression, for single values and for spans."""
    import re2

    options = re2.Options()
    options.case_sensitive = not pattern.caseless
    options.log_errors = False
    options.max_mem = 64 << 20
    return re2.compile(in_re2(pattern), options)


def in_re2(pattern: Pattern) -> str:
    """The expression with its flags; RE2's `$` is the end alone, an author's also stands before a last line break."""
    flags = ("m" if pattern.multiline else "") + ("s" if pattern.dotall else "")
    lead = f"(?{flags})" if flags else ""
    if not pattern.written or pattern.multiline or "$" not in pattern.expression or _ends_lines(pattern):
        return lead + pattern.expression
    return lead + _with_last_break(pattern.expression)


def _with_last_break(expression: str) -> str:
    out, at = [], 0
    for token in _TOKENS.finditer(expression):
        out.append(expression[at : token.start()])
        out.append(r"(?:\n?\z)" if token[0] == "$" else token[0])
        at = token.end()
    return "".join([*out, expression[at:]])


def left_to_re2(pattern: Pattern, apart: bool) -> bool:
    """Whether Hyperscan would not find of a pattern all that RE2 does."""
    if pattern.written and not apart and _SPELT_OUT.search(pattern.expression):
        return True
    if pattern.caseless and _LATE.search(pattern.expression):
        return True
    return pattern.written and (_ends_lines(pattern) or _holds_of_nothing(pattern))


def _ends_lines(pattern: Pattern) -> bool:
    """Whether a pattern says by itself what the ends of lines or of values are: that is left to RE2."""
    if pattern.multiline:
        return True
    if "\\" not in pattern.expression and "(?" not in pattern.expression:
        return False
    tokens = {token[0] for token in _TOKENS.finditer(pattern.expression)}
    return any(token in (r"\A", r"\z") or (token.startswith("(?") and "m" in token) for token in tokens)


def _holds_of_nothing(pattern: Pattern) -> bool:
    """Whether a pattern occurs in the empty value: Hyperscan finds such between values, too."""
    return compiled(pattern).search("") is not None


def for_hyperscan(pattern: Pattern, apart: bool) -> bytes:
    """What Hyperscan looks for; of an expression that an author wrote a looser form, whose hits RE2 then checks."""
    if pattern.written:
        made = loosened(pattern.expression)
        return (made if apart else _on_one_line(made)).encode()
    made = pattern.expression if pattern.literal is None else escape(pattern.literal)
    if not apart:
        return _BREAK.sub(lambda found: found[1] or r"\x0d", made).encode()
    # In a value by itself `$` would stand before a last line break, too.
    ends = pattern.literal is None and pattern.edges[1] == "line"
    return (made.removesuffix("$") + r"\z" if ends else made).encode()


def _on_one_line(expression: str) -> str:
    """A looser form of an expression, for texts whose line breaks have become carriage returns."""
    out, at = [], 0
    for token in _TOKENS.finditer(expression):
        out.append(expression[at : token.start()])
        out.append(_loose(token[0]))
        at = token.end()
    return "".join([*out, expression[at:]])


def _loose(part: str) -> str:
    if part == "$":
        return r"\r?$"
    if part in (r"\n", r"\r"):
        return r"\r"
    if part.startswith("[^"):
        return part.replace(r"\r", "").replace("[^]", r"[\s\S]")
    return part.replace(r"\n", r"\n\r") if part.startswith("[") else part


def loosened(expression: str) -> str:
    """The expression with every larger counted repetition replaced by one without an upper bound.

    It matches whatever the expression matches, and compiles in no time: Hyperscan unrolls counted repetitions, and a
    few `.{0,100}` among 300 expressions took it five minutes.
    """
    out, at, in_class = [], 0, False
    while at < len(expression):
        char = expression[at]
        if char == "\\":
            out.append(expression[at : at + 2])
            at += 2
            continue
        counted = None if in_class else _COUNTED.match(expression, at)
        if counted:
            low, high = int(counted[1]), counted[2]
            few = (high is not None and high != "" and int(high) <= _UNROLLED) or (high is None and low <= _UNROLLED)
            out.append(counted[0] if few else "+" if low else "*")
            at = counted.end()
            continue
        in_class = char == "[" or (in_class and char != "]")
        out.append(char)
        at += 1
    return "".join(out)


def hyperscan_flags(hyperscan: Any, pattern: Pattern, apart: bool) -> int:
    """The flags of what Hyperscan looks for."""
    flags = 0 if apart else hyperscan.HS_FLAG_MULTILINE
    if apart and pattern.dotall:
        flags |= hyperscan.HS_FLAG_DOTALL
    # A literal that has to end something is reported wherever it is: another place may be the one.
    if apart and (pattern.literal is None or pattern.edges == ("", "")):
        flags |= hyperscan.HS_FLAG_SINGLEMATCH
    if pattern.caseless:
        flags |= hyperscan.HS_FLAG_CASELESS
    # A literal is a row of bytes; everything else counts characters.
    if pattern.literal is None or (pattern.caseless and not pattern.literal.isascii()):
        flags |= hyperscan.HS_FLAG_UTF8
    return int(flags)
