"""How a score and a time are printed: one way, wherever a person reads them.

In: a number, a moment, a text. Out: a few characters, or whether they are needed. JSON holds the numbers themselves.
"""

from __future__ import annotations

from datetime import UTC, datetime


def printed_score(score: float, digits: int = 2) -> str:
    """A probability with so many digits, `.97`: never 1 or 0, which would say that nothing else can be."""
    least = 10.0**-digits
    if score > 1.0 - least:
        return ">" + f"{1.0 - least:.{digits}f}".removeprefix("0")
    if score < least:
        return "<" + f"{least:.{digits}f}".removeprefix("0")
    return f"{score:.{digits}f}".removeprefix("0")


def printed_time(time: datetime | None) -> str:
    """A moment to the minute, in UTC and with its zone: `2026-03-12 09:21Z`; a dash where none is known."""
    return "–" if time is None else f"{time.astimezone(UTC) if time.tzinfo else time:%Y-%m-%d %H:%M}Z"


def begins_with_time(text: str) -> bool:
    """Whether a text says its own time first, in a form that people read: no other need then be printed before it."""
    import polars as pl

    from forewarn.reading import timestamps

    (formats,) = timestamps.recognise(pl.Series([text[: timestamps.WITHIN]], dtype=pl.String))
    return any(form.place == "start" and "(?P<e>" not in form.pattern for form in formats)
