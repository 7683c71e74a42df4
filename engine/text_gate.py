"""The gate for text from outside: no character of it may steer a terminal, a log or whoever looks at a file.

In: a text, a finding. Out: one printable line, one JSON line.
"""

from __future__ import annotations

import re

import msgspec

_CONTROL = re.compile(
    r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff"
    r"\U000e0000-\U000e007f]"
)

_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def printable(text: str) -> str:
    r"""One line that cannot steer a terminal: control characters and direction marks are escaped (`\x1b`)."""
    flat = text.replace("\r\n", " ").replace("\n", " ").replace("\t", " ")
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), flat)


def spreadsheet_cell(text: str) -> str:
    """A printable text as a cell of CSV that no spreadsheet takes for a formula: an apostrophe stands before it."""
    flat = printable(text)
    return f"'{flat}" if flat.lstrip(" '").startswith(_FORMULA) else flat


def json_line(finding: object) -> bytes:
    r"""One JSON line, UTF-8, in which what would steer a terminal is escaped (`\u009b`): lines are looked at, too."""
    content = msgspec.json.encode(finding)
    if not content.isascii():
        content = _CONTROL.sub(_escaped, content.decode()).encode()
    return content + b"\n"


def _escaped(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
