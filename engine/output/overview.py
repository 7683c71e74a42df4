"""What a scan found, as a person reads it: each incident once, with its warning, its alerts and what to do first.

In: findings. Out: rich texts, in which no character of the input can steer a terminal. Prints nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

from rich.console import RenderableType
from rich.text import Text

from forewarn.findings import Alert, EarlyWarning, Incident, Reason
from forewarn.output import rendering
from forewarn.output.printed import begins_with_time, printed_score
from forewarn.text_gate import printable

_SHOWN_TEXT, _SHOWN_WHOLE = 150, 1000
"""Columns of a text that are shown, two lines of a narrow terminal, and with --verbose."""
_MOVED, _AGAIN = 3, 3
_LEAST = 0.5
"""Log-odds from which on a signal is worth a word."""


@dataclass
class Story:
    """An incident with what belongs to it: its first warning, some of the later ones and how many, its alerts."""

    incident: Incident | None = None
    warning: EarlyWarning | None = None
    again: list[str] = field(default_factory=list)
    later: int = 0
    alerts: list[Alert] = field(default_factory=list)


def stories(
    warnings: Iterable[EarlyWarning], incidents: Sequence[Incident], alerts: Sequence[Alert]
) -> tuple[list[Story], list[Alert]]:
    """The incidents in their order, and the alerts that are alone. Of many warnings only a few are held at once."""
    found = {incident.id: Story(incident) for incident in incidents}
    for warning in warnings:
        story = found.setdefault(warning.incident, Story())
        if story.warning is None:
            story.warning = warning
            continue
        story.later += 1
        if story.later <= _AGAIN:
            time = rendering.clock(warning.raised.time)
            story.again.append(f"again {time}  {_stream(warning)}  {warning.raised_by}  {warning.id}")
    owner = {alert: story for story in found.values() if story.incident for alert in story.incident.alerts}
    alone = []
    for alert in alerts:
        if owning := owner.get(alert.id):
            owning.alerts.append(alert)
        else:
            alone.append(alert)
    return list(found.values()), alone


def story_lines(story: Story, *, verbose: bool) -> Iterator[RenderableType]:
    """An incident: its warning or its name, what it is like, what to do first, and its alerts beneath."""
    similar, playbook = _about(story)
    if story.warning:
        yield from warning(story.warning, shown={alert.text for alert in story.alerts}, verbose=verbose, alone=False)
    elif story.incident:
        yield incident(story.incident, title=False)
    for line in story.again:
        yield rendering.indented(Text(line))
    if story.later > len(story.again):
        yield rendering.indented(Text(f"and again {story.later - len(story.again):,} times"))
    yield from _advice(similar, playbook, verbose=verbose)
    if story.warning and story.incident and story.alerts:
        first, last = story.incident.first.time, story.incident.last.time
        alerts = f"{rendering.members(story.incident)}, {rendering.counted(story.incident.size, 'record')}, "
        alerts += f"{rendering.times(first, last, _day(story))}  {story.incident.id}"
        yield rendering.indented(Text(f"incident: {alerts}"))
    for one in story.alerts:
        for part in alert(one, verbose=verbose, advice=verbose, within=story):
            yield rendering.indented(part)


def warning(
    found: EarlyWarning, *, shown: set[str] | None = None, verbose: bool = False, alone: bool = True
) -> Iterator[RenderableType]:
    """A warning: since when, how sure, and what moved it but for texts that are `shown` below.

    One that stands `alone` also says what it is like and what to do first.
    """
    head = Text().append("WARNING", style=rendering.COLOURS["critical"]).append(f"  {_stream(found)}", style="bold")
    day = found.onset.time and found.onset.time.date()
    head.append(f"  began {rendering.clock(found.onset.time)}, raised {rendering.clock(found.raised.time, day)}")
    yield head
    bounds = rendering.times(found.onset_low.time, found.onset_high.time, day)
    sure = f"{found.raised_by}, began {bounds}, by chance {found.false_warnings}  {found.id}"
    yield rendering.indented(Text(sure))
    if volume := found.volume:
        count = f"{volume.records:,} in {rendering.span(volume.seconds)}, usually {volume.usual:,.0f}"
        yield rendering.indented(Text(count, style="bold"))
    moved = [one for one in found.moved if one.text not in (shown or ())][: _MOVED if alone or not shown else 0]
    for one in moved:
        text = _cut(one.text, verbose=verbose)
        time = "" if begins_with_time(text) else f"{rendering.clock(one.at.time, day)} "
        yield rendering.indented(Text(f"{time}{text}"))
    if found.new_words:
        words = ", ".join(printable(word) for word in found.new_words)
        yield rendering.indented(Text("new words: ", style="bold").append(words, style="not bold"))
    if alone:
        yield from _advice(found.similar, found.playbook, verbose=verbose)


def incident(found: Incident, *, title: bool = True) -> Text:
    """An incident in one line."""
    head = Text().append(f"incident {found.level}", style=rendering.COLOURS.get(found.level, "bold"))
    head.append(f" {found.state}" if found.state else "")
    head.append(f"  {rendering.members(found)}, {rendering.counted(found.size, 'record')}")
    head.append(f"  {rendering.times(found.first.time, found.last.time)}")
    head.append(f"  {_cut(found.title, verbose=False)}" if title else "", style="bold")
    return head.append(f"  {found.id}", style="default")


def alert(
    found: Alert, *, verbose: bool = False, advice: bool = True, within: Story | None = None
) -> Iterator[RenderableType]:
    """An alert: how sure and where, its text, and what spoke for it; all of that with `verbose`.

    `within` an incident, the day and the category of that are not said again.
    """
    category = found.category if within is None or within.incident is None or verbose else None
    head = Text().append(
        f"{printed_score(found.score)} {found.level}", style=rendering.COLOURS.get(found.level, "bold")
    )
    head.append(f"  ×{found.count:,}" if found.count > 1 else "")
    head.append(f"  {rendering.places(found.first, found.last)}", style="bold")
    times = rendering.times(found.first.time, found.last.time, _day(within))
    head.append(f"  {times}" if times else "")
    head.append(f"  {printable(category)}" if category else "", style="italic")
    yield head.append(f"  {found.id}", style="default")
    yield rendering.indented(rendering.marked(found, _SHOWN_WHOLE if verbose else _SHOWN_TEXT))
    terms = [
        f"{item.signal} {item.log_odds:+.1f}{rendering.names(item)}"
        for item in found.evidence
        if item.log_odds and (verbose or (abs(item.log_odds) >= _LEAST and item.signal != "prior"))
    ]
    because = Text(" │ ".join(terms), no_wrap=not verbose, overflow="fold" if verbose else "ellipsis")
    yield rendering.indented(because)
    if advice:
        books = [reason.playbook for reason in rendering.reasons(found, "rules") if reason.playbook]
        yield from _advice(rendering.reasons(found, "cases"), books[:1], verbose=False)


def _day(story: Story | None) -> date | None:
    """The day that is said in an incident's first line."""
    if story is None:
        return None
    begun = story.warning.onset.time if story.warning else story.incident.first.time if story.incident else None
    return begun.date() if begun else None


def _about(story: Story) -> tuple[Sequence[Reason], Sequence[str]]:
    """What an incident is like and what to do: of the incident, which knows most, or else of its warning."""
    about = story.incident or story.warning
    return (about.similar, about.playbook) if about else ((), ())


def _advice(similar: Sequence[Reason], playbook: Sequence[str], *, verbose: bool) -> Iterator[RenderableType]:
    for reason in similar[: 3 if verbose else 1]:
        yield rendering.indented(rendering.like(reason))
    for line in playbook[: None if verbose else 1]:
        yield rendering.indented(rendering.first_step(line))


def _stream(found: EarlyWarning) -> str:
    return printable(found.stream.removeprefix("source "))


def _cut(text: str, *, verbose: bool) -> str:
    most = rendering.fitting(text, _SHOWN_WHOLE if verbose else _SHOWN_TEXT)
    return printable(text[:most]) + ("…" if len(text) > most else "")


def almost(found: Alert, texts: int) -> Text:
    """What came nearest where nothing was raised, and how to see it and the next ones."""
    said = Text("No alert", style="bold").append("; nearest ", style="not bold")
    said.append(f"{printed_score(found.score)}  {rendering.places(found.first, found.last)}  ", style="not bold")
    said.append(_cut(found.text, verbose=False), style="not bold")
    best = min(20, texts)
    return said.append(f"\n--budget {best} shows the {best} most alarming, with the reasons.", style="not bold")


def words(found: Sequence[str], label: str) -> Text:
    """A list of words under a label."""
    return Text(f"{label}: ", style="bold").append(", ".join(map(printable, found)), style="not bold")
