"""How one thing is said on a terminal: a time, a place, a reason, a marked text.

In: a value, a reason, an alert. Out: text without a character that could steer a terminal. Prints nothing.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from rich.cells import cell_len, get_character_cell_size
from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from forewarn.findings import Alert, Evidence, Incident, Place, Reason
from forewarn.output.printed import printed_time
from forewarn.text_gate import printable

COLOURS = {"critical": "bold white on red", "high": "bold red", "medium": "bold magenta", "low": "bold"}
"""Levels in colours that can be read on black and on white; what is evidence has the terminal's own colour."""
_BEFORE = 40
"""Characters that stand before the first word that a rule found, where the beginning of a text is left out."""


def cell(value: Any) -> Text:
    """A value in a table."""
    if value is None:
        return Text("–")
    return Text(f"{value:.3f}" if isinstance(value, float) else printable(str(value)))


def reasons(alert: Alert, signal: str) -> list[Reason]:
    """What is behind one signal of an alert."""
    return [reason for item in alert.evidence if item.signal == signal for reason in item.why]


def names(item: Evidence) -> str:
    """The rules or words behind a signal, at most three."""
    titles = [reason.title for reason in item.why if reason.title] if item.signal == "rules" else []
    words = [word for reason in item.why for word in reason.words]
    shown = [printable(name) for name in (titles or words)[:3]]
    return f" {', '.join(shown)}" if shown else ""


def without_reasons(item: Evidence) -> str:
    """What stands where a signal has no reasons."""
    return "where every text starts from" if item.signal == "prior" else ""


def reasoned(reason: Reason, text: str) -> Text:
    """One reason: how like, what, where in the text, what came of it."""
    shown = Text()
    if reason.similarity is not None:
        shown.append(f"{share(reason.similarity)} ", style="bold")
    shown.append(printable(joined(reason.date, reason.title, reason.note)))
    if reason.level:
        shown.append(f" ({reason.level})", style="dim")
    if reason.spans:
        found = "; ".join(printable(text[start:end]) for start, end in reason.spans[:6])
        shown.append(f": {found}", style="bold")
    if reason.words:
        shown.append(": " + ", ".join(printable(word) for word in reason.words), style="bold")
    if reason.outcome:
        shown.append(f" — {printable(reason.outcome)}")
    return shown


def marked(alert: Alert, cells: int) -> Text:
    """As much of an alert's text as fits in so many columns, with the words that rules found underlined.

    A long text is shown from just before the first of them. Positions are kept by escaping piece by piece.
    """
    most = fitting(alert.text, cells)
    spans = [span for reason in reasons(alert, "rules") for span in reason.spans]
    first = min((start for start, _ in spans), default=0)
    begin = max(0, first - _BEFORE) if len(alert.text) > most and first > most - _BEFORE else 0
    text, shown = alert.text[begin : begin + most], Text("…" if begin else "")
    hit = bytearray(len(text) + 1)
    for start, end in spans:
        held = range(max(start - begin, 0), min(end - begin, len(text)))
        hit[held.start : held.stop] = b"\x01" * len(held)
    start = 0
    for at in range(1, len(text) + 1):
        if at == len(text) or hit[at] != hit[start]:
            shown.append(printable(text[start:at]), style="underline" if hit[start] else "")
            start = at
    return shown.append("…") if begin + most < len(alert.text) else shown


def fitting(text: str, cells: int) -> int:
    """How many characters from the beginning of a text fit in so many columns; an ideograph takes two."""
    if cell_len(text[:cells]) <= cells:
        return cells
    used = 0
    for number, character in enumerate(text):
        used += get_character_cell_size(character)
        if used > cells:
            return number
    return len(text)


def like(reason: Reason) -> Text:
    """The past case that something is like, and what came of that."""
    case = f"{joined(reason.date, reason.title, reason.note)} ({share(reason.similarity or 0.0)})"
    return Text("like: ", style="bold").append(
        printable(f"{case}: {reason.outcome or ''}".rstrip(": ")), style="not bold"
    )


def first_step(playbook: str) -> Text:
    """What to do first."""
    return Text("first: ", style="bold").append(printable(playbook.strip()), style="not bold")


def indented(text: RenderableType, columns: int = 2) -> Padding:
    """So many columns in, and no line of it further out."""
    return Padding(text, (0, 0, 0, columns), expand=False)


def counted(number: int, what: str) -> str:
    """A number and its noun: `1 rule`, `2,425 lines`; a noun of several words bends in its last."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def members(incident: Incident) -> str:
    """How many warnings and alerts an incident has."""
    numbers = ((len(incident.warnings), "warning"), (len(incident.alerts), "alert"))
    return ", ".join(counted(number, what) for number, what in numbers if number)


def joined(*parts: str | None) -> str:
    """Those that there are, one after the other."""
    return " ".join(part for part in parts if part)


def share(value: float) -> str:
    """A share, as .97."""
    return f"{value:.2f}".removeprefix("0")


def places(first: Place, last: Place) -> str:
    """From one place to another."""
    start = f"{printable(first.source)}:{first.line}"
    if (first.source, first.line) == (last.source, last.line):
        return start
    return f"{start}–{last.line}" if first.source == last.source else f"{start} … {printable(last.source)}:{last.line}"


def clock(time: datetime | None, day: date | None = None) -> str:
    """A time to the minute, in UTC, without its day where that is `day`."""
    return f"{time:%H:%M}Z" if time is not None and time.date() == day else printed_time(time)


def span(seconds: int) -> str:
    """How long, in words."""
    size, name = next(
        (size, name) for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")) if seconds >= size
    )
    return f"{seconds // size} {name}s" if seconds > size else f"a {name}".replace("a hour", "an hour")


def times(first: datetime | None, last: datetime | None, day: date | None = None) -> str:
    """From one time to another, the day once where it is the same, and not at all where it is `day`."""
    if first is None or last is None:
        return ""
    if first.replace(second=0, microsecond=0) == last.replace(second=0, microsecond=0):
        return clock(first, day)
    same_day = first.date() == last.date()
    if same_day and first.date() == day:
        return f"{first:%H:%M}–{last:%H:%M}Z"
    return f"{first:%Y-%m-%d %H:%M}–{last:%H:%M}Z" if same_day else f"{clock(first)} – {clock(last)}"
