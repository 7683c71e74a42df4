"""How one thing is said on a terminal: a time, a place, a reason, a marked text.

In: a value, a reason, an alert. Out: text without a character that could steer a terminal. Prints nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.text import Text
from rich.tree import Tree

from forewarn.findings import Alert, Evidence, Place, Reason
from forewarn.output.printed import printed_time
from forewarn.output.writers import printable

if TYPE_CHECKING:
    from forewarn.rules import Explained

_SHOWN_TEXT = 300
_JOINS = {"all": "all of", "any": "any of", "not": "not"}


def add_branch(tree: Tree, explained: Explained, text: str) -> None:
    """Add one part of a rule's condition, ticked or crossed, and all below it."""
    mark = Text("✓ ", style="green") if explained.holds else Text("✗ ", style="red")
    label = _JOINS.get(explained.kind) or f"{explained.kind}: {printable(explained.label)}"
    found = ", ".join(printable(text[start:end]) for start, end in explained.spans)
    node = tree.add(mark.append(label, style="default").append(f"  “{found}”" if found else "", style="yellow"))
    for part in explained.parts:
        add_branch(node, part, text)


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
        shown.append(f": {found}", style="yellow")
    if reason.words:
        shown.append(": " + ", ".join(printable(word) for word in reason.words), style="yellow")
    if reason.outcome:
        shown.append(f" — {printable(reason.outcome)}", style="blue")
    return shown


def marked(alert: Alert) -> Text:
    """The alert's text with the matched words marked; positions are kept by escaping piece by piece."""
    text, shown = alert.text[:_SHOWN_TEXT], Text()
    hit = bytearray(len(text))
    for reason in reasons(alert, "rules"):
        for start, end in reason.spans:
            hit[start:end] = b"\x01" * (min(end, len(text)) - min(start, len(text)))
    start = 0
    for at in range(1, len(text) + 1):
        if at == len(text) or hit[at] != hit[start]:
            shown.append(printable(text[start:at]), style="underline" if hit[start] else "default")
            start = at
    return shown.append("…", style="dim") if len(alert.text) > _SHOWN_TEXT else shown


def like(reason: Reason) -> Text:
    """The past case that something is like, and what came of that."""
    similar = f"like: {joined(reason.date, reason.title, reason.note)} ({share(reason.similarity or 0.0)})"
    return Text(printable(f"{similar}: {reason.outcome or ''}".rstrip(": ")), style="blue")


def indented(text: Text) -> Text:
    """Two columns in."""
    return Text("  ").append_text(text)


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


def clock(time: datetime | None) -> str:
    """A time to the minute, with its zone."""
    return printed_time(time)


def span(seconds: int) -> str:
    """How long, in words."""
    size, name = next(
        (size, name) for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")) if seconds >= size
    )
    return f"{seconds // size} {name}s" if seconds > size else f"a {name}".replace("a hour", "an hour")


def times(first: datetime | None, last: datetime | None) -> str:
    """From one time to another, the day once where it is the same."""
    if first is None or last is None:
        return ""
    if first == last:
        return printed_time(first)
    return (
        f"{first:%Y-%m-%d %H:%M}–{last:%H:%M}Z"
        if first.date() == last.date()
        else f"{printed_time(first)} – {printed_time(last)}"
    )
