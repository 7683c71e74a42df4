"""A form of time that a user spells out → how it is found.

In: a format in the letters of `strftime`, such as `%d.%m.%Y %H:%M:%S`. Out: a `TimeFormat`, looked for near the
start of a line or in a whole field.
"""

from __future__ import annotations

import re

from forewarn.errors import ForewarnError
from forewarn.reading.time_forms import TimeFormat
from forewarn.reading.time_names import MONTH, ZONE_NAME

_PARTS = {
    "Y": "(?P<y>[0-9]{4})",
    "y": "(?P<yy>[0-9]{2})",
    "m": "(?P<m>[0-9]{1,2})",
    "b": MONTH,
    "B": MONTH,
    "h": MONTH,
    "d": "(?P<d>[0-9]{1,2})",
    "e": "(?P<d>[0-9]{1,2})",
    "j": "(?P<j>[0-9]{1,3})",
    "H": "(?P<H>[0-9]{1,2})",
    "I": "(?P<H>[0-9]{1,2})",
    "M": "(?P<M>[0-9]{1,2})",
    "S": "(?P<S>[0-9]{1,2})",
    "f": "(?P<f>[0-9]{1,9})",
    "p": r"(?P<ap>[AaPp][.]?[Mm][.]?|上午|下午|오전|오후|午前|午後)",
    "z": "(?P<z>Z|[+-][0-9]{2}:?[0-9]{2})",
    "Z": ZONE_NAME,
    "s": "(?P<e>[0-9]{9,10})(?:[.](?P<f>[0-9]{1,9})|(?P<k>[0-9]{9}|[0-9]{6}|[0-9]{3}))?",
    "a": r"\p{L}{2,12}[.]?",
    "A": r"\p{L}{2,12}[.]?",
    "%": "%",
}
_SHORT = {"T": "%H:%M:%S", "D": "%m/%d/%y", "F": "%Y-%m-%d", "R": "%H:%M"}


def form_of(said: str) -> TimeFormat:
    """The form that `said` spells in the letters of strftime. Raises ForewarnError where it spells no time."""
    for letter, long in _SHORT.items():
        said = said.replace(f"%{letter}", long)
    pattern, seen = "", set()
    for letter, blanks, other in re.findall(r"%(.)|(\s+)|([^%\s]+|%$)", said):
        if letter:
            if letter not in _PARTS:
                raise _wrong(said, f"%{letter} is none of its letters")
            group = re.search(r"\(\?P<(\w+)>", _PARTS[letter])
            name = group[1] if group else None
            if name in seen:
                raise _wrong(said, f"%{letter} says what another letter has said")
            seen |= {name} - {None}
            pattern += _PARTS[letter]
        else:
            pattern += r"\s+" if blanks else re.escape(other)
    if not ("e" in seen or ("d" in seen and seen & {"m", "mon"}) or "j" in seen):
        raise _wrong(said, "it has no day of a month (%m %d), no day of a year (%j) and no seconds since 1970 (%s)")
    return TimeFormat("given", r"(?:^|[^0-9\p{L}])" + pattern, "within")


def _wrong(said: str, why: str) -> ForewarnError:
    letters = ", ".join(f"%{letter}" for letter in (*_PARTS, *_SHORT))
    return ForewarnError(
        f"--time-format {said!r} is no form of time: {why}",
        remedy=f"Write it as in strftime, such as '%d.%m.%Y %H:%M:%S'; there are {letters}.",
    )
