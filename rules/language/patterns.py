"""Sigma values to expressions that run in linear time.

In: Sigma strings, regular expressions, phrases. Out: `Pattern`s in the syntax that Hyperscan and RE2 share. An
expression that neither takes (look-around, back-references) is refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sigma.types import SigmaRegularExpression, SigmaRegularExpressionFlag, SigmaString, SpecialChars

from forewarn.rules.language.normalise import fold
from forewarn.rules.language.rule import Pattern, escape


def string_pattern(value: SigmaString, *, anywhere: bool, folds: bool, cased: bool) -> Pattern:
    """The pattern of a Sigma string.

    On a field the whole value has to match, `*` and `?` being wildcards; a keyword may stand `anywhere`. What `folds`
    is compared folded (`normalise`).
    """
    parts = [part for part in value.s if part != ""]
    start, end = _open(parts, 0), _open(parts, -1)
    if anywhere:
        start = end = True
    while parts and parts[0] is SpecialChars.WILDCARD_MULTI:
        parts.pop(0)
    while parts and parts[-1] is SpecialChars.WILDCARD_MULTI:
        parts.pop()
    if folds and not cased:
        parts = [fold(part) if isinstance(part, str) else part for part in parts]
    body = "".join(_part(part) for part in parts)
    only = str(parts[0]) if len(parts) == 1 and isinstance(parts[0], str) else None
    if not cased and not folds and not (only or "").isascii():
        only = None  # Letters whose other case has another length: left to the expression.
    expression = ("" if start else "^") + body + ("" if end else "$")
    # Folded text needs no flag to ignore case, and plain literals are found fastest.
    return Pattern(
        expression,
        caseless=not cased and not folds,
        literal=only,
        edges=("" if start else "line", "" if end else "line"),
        dotall=True,
    )


def _open(parts: Sequence[object], at: int) -> bool:
    return bool(parts) and parts[at] is SpecialChars.WILDCARD_MULTI


def _part(part: object) -> str:
    if part is SpecialChars.WILDCARD_MULTI:
        return ".*"
    if part is SpecialChars.WILDCARD_SINGLE:
        return "."
    return escape(str(part))


def word_pattern(value: SigmaString, *, caseless: bool = False) -> Pattern:
    """The pattern of a phrase as whole words: a word boundary at each end that is a Latin letter or digit.

    `*` stands for the rest of a word. Chinese has no boundaries and matches anywhere.
    """
    texts = [fold(str(part)) if isinstance(part, str) else part for part in value.s if part != ""]
    body = ""
    for part in texts:
        if isinstance(part, str):
            body += escape(part)
        else:
            body += r"\w*" if part is SpecialChars.WILDCARD_MULTI else r"\w"
    first, last = (texts[0], texts[-1]) if texts else ("", "")
    left = r"\b" if isinstance(first, str) and re.match(r"[A-Za-z0-9_]", first) else ""
    right = r"\b" if isinstance(last, str) and re.search(r"[A-Za-z0-9_]$", last) else ""
    literal = texts[0] if len(texts) == 1 and isinstance(texts[0], str) else None
    edges = ("word" if left else "", "word" if right else "")
    return Pattern(f"{left}{body}{right}", caseless=caseless, literal=literal, edges=edges)


def regex_pattern(value: SigmaRegularExpression, *, on_text: bool) -> Pattern:
    """The pattern of a `|re` value that is not `refused`; on text, which is folded, it ignores case."""
    flags = value.flags
    return Pattern(
        str(value.regexp),
        caseless=on_text or SigmaRegularExpressionFlag.IGNORECASE in flags,
        written=True,
        multiline=SigmaRegularExpressionFlag.MULTILINE in flags,
        dotall=SigmaRegularExpressionFlag.DOTALL in flags,
    )


def refused(expression: str) -> str | None:
    """Why an expression cannot run in linear time, or None where it can."""
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = 64 << 20
    try:
        re2.compile(expression, options)
    except re2.error as error:
        said = error.args[0] if error.args else str(error)
        said = said.decode() if isinstance(said, bytes) else str(said)
        if re.search(r"\(\?<?[=!]", expression):
            return "look-around cannot run in linear time"
        if re.search(r"\\[1-9]", expression):
            return "a back-reference cannot run in linear time"
        if "repetition size" in said or "too large" in said:
            return f"its repetition is too large ({said})"
        return f"it is not a regular expression: {said}"
    return None
