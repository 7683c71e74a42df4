"""What a person sees: alerts, one alert's calculation and progress, drawn with rich.

In: a `Scan` or an `Alert`. Out: lines on a terminal, in which no character of the input can steer it. Results go to
standard output, progress and problems to standard error.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from forewarn.errors import ForewarnError
from forewarn.findings import Alert, EarlyWarning, Finding, Incident
from forewarn.output import rendering
from forewarn.output.console import GatedConsole
from forewarn.output.printed import begins_with_time, printed_score
from forewarn.output.writers import json_line, printable

if TYPE_CHECKING:
    from forewarn.cases.similar import SimilarCase
    from forewarn.embeddings.case_changes import Change
    from forewarn.pipeline import Scan
    from forewarn.rules import Explained, Rule
    from forewarn.rules.tools.testing import Failure
    from forewarn.runtime.timings import Progress as Report
    from forewarn.runtime.timings import Stage
    from forewarn.training.drift import Drift
    from forewarn.watching.watch import Status

COLOURS = {"critical": "bold white on red", "high": "bold red", "medium": "bold yellow", "low": "cyan"}
_SHOWN_PROBLEMS = 20
_SHOWN_MOVED = 140


class Terminal:
    """Standard output and standard error, as consoles."""

    def __init__(self, out: Console | None = None, err: Console | None = None) -> None:
        self.out = out or GatedConsole()
        self.err = err or GatedConsole(stderr=True)

    @contextlib.contextmanager
    def progress(self) -> Iterator[Report]:
        """A line that counts records and names the stage; drawn on a terminal only, and gone afterwards."""
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=self.err, transient=True, disable=not self.err.is_terminal) as bar:
            task = bar.add_task("starting")
            yield lambda stage, done: bar.update(task, description=f"{stage}: {done:,}")

    @contextlib.contextmanager
    def watching(self) -> Iterator[Callable[[Status], None]]:
        """A line that says how a watch stands; drawn on a terminal only, and gone afterwards."""
        with Progress(
            SpinnerColumn(), TextColumn("{task.description}"), console=self.err, disable=not self.err.is_terminal
        ) as bar:
            task = bar.add_task("starting")

            def tell(status: Status) -> None:
                line = f"{status.lines:,} lines · {status.warnings} warnings · lag {status.lag:.1f} s"
                line += f" · {status.behind / 1e6:.1f} MB behind" if status.behind > 1e5 else ""
                line += f" · {len(status.young)} streams too young" if status.young else ""
                line += f" · {status.left_out:,} records too late" if status.left_out else ""
                bar.update(task, description=line)

            yield tell

    def json_line(self, finding: Finding) -> None:
        """Print one finding as a JSON line, at once."""
        self.out.file.write(json_line(finding).decode())
        self.out.file.flush()

    def scan(self, found: Scan, output: Path | None) -> None:
        """Print the summary, the alerts and what could not be read."""
        self.problems(found.problems)
        seconds = sum(stage.seconds for stage in found.timings)
        head = Text(
            f"{found.files:,} files · {found.lines:,} lines · {found.texts.height:,} distinct texts · {seconds:.1f} s"
        )
        head.append(f"    {found.origin}", style="dim")
        self.out.print(head)
        if found.new_words and found.alerts:
            line = ", ".join(printable(word) for word in found.new_words)
            self.out.print(Text("words of what is happening: ", style="dim").append(line, style="yellow"))
        shown: set[str] = set()
        for warning in found.warnings:
            if warning.incident in shown:
                line = f"  again {rendering.clock(warning.raised.time)}  {printable(warning.stream)}  {warning.id}"
                self.out.print(Text(line, style="dim"))
                continue
            shown.add(warning.incident)
            self.out.print()
            self.warning(warning)
        grouped = [incident for incident in found.incidents if len(incident.alerts) > 1]
        if grouped:
            self.out.print()
        for incident in grouped:
            self.incident(incident)
        for alert in found.alerts:
            self.out.print()
            self.alert(alert)
        if found.young and found.alerts:
            line = f"too few texts for an early warning yet: {', '.join(printable(name) for name in found.young[:5])}"
            self.out.print(Text(f"\n{line}", style="dim"))
        if not found.alerts and not found.warnings:
            self.out.print("Nothing alarming.", style="green")
        elif output:
            self.out.print(
                Text(f"\n{len(found.alerts)} alerts in {output}; forewarn explain 1 {output} shows why.", style="dim")
            )

    def timings(self, stages: Sequence[Stage]) -> None:
        """Say on standard error where the time and the memory went."""
        table = Table("stage", box=None, pad_edge=False)
        for name in ("s", "rows", "rows/s", "MB/s", "peak MiB"):
            table.add_column(name, justify="right")
        for stage in stages:
            speed = f"{stage.bytes / 1e6 / stage.seconds:,.0f}" if stage.bytes and stage.seconds else ""
            rows = (f"{stage.rows:,}", f"{stage.rows_per_second:,.0f}") if stage.rows else ("", "")
            table.add_row(stage.stage, f"{stage.seconds:.2f}", *rows, speed, f"{stage.peak_bytes / 2**20:,.0f}")
        self.err.print(table)

    def problems(self, problems: Sequence[ForewarnError]) -> None:
        """Name on standard error what could not be read or used."""
        for problem in problems[:_SHOWN_PROBLEMS]:
            first, *rest = str(problem).splitlines()
            self.err.print(Text("warning: ", style="yellow").append(printable(first), style="default"))
            for line in rest:
                self.err.print(Text(printable(line), style="dim"))
        if len(problems) > _SHOWN_PROBLEMS:
            self.err.print(Text(f"warning: {len(problems) - _SHOWN_PROBLEMS} more problems like these", style="yellow"))

    def untried(self, untried: Sequence[tuple[Rule, str]]) -> None:
        """Say on standard error why rules were not tried, the most frequent reason first."""
        reasons = Counter(why for _, why in untried)
        example = {why: rule.title for rule, why in reversed(untried)}
        self.err.print(Text(f"{len(untried):,} rules were not tried", style="yellow"))
        for why, count in reasons.most_common():
            self.err.print(Text(f"  {count:,}: {printable(why)}").append(f"  {printable(example[why])}", style="dim"))

    def warning(self, warning: EarlyWarning) -> None:
        """Print a warning: since when, how sure, what moved it, what it is like and what to do first."""
        head = (
            Text()
            .append("WARNING", style=COLOURS["critical"])
            .append(f"  {printable(warning.stream)}", style="bold default")
        )
        head.append(
            f"  raised {rendering.clock(warning.raised.time)}, began {rendering.clock(warning.onset.time)}",
            style="default",
        )
        head.append(
            f" ({rendering.clock(warning.onset_low.time)}–{rendering.clock(warning.onset_high.time)})", style="default"
        )
        head.append(f"  {warning.raised_by}", style="magenta")
        head.append(f"  false by chance {warning.false_warnings}  {warning.id}", style="dim")
        self.out.print(head)
        if volume := warning.volume:
            line = f"{volume.records:,} in {rendering.span(volume.seconds)}, usually {volume.usual:,.0f}"
            self.out.print(rendering.indented(Text(line, style="bold default")))
        for moved in warning.moved[:3]:
            at = Text("" if begins_with_time(moved.text) else f"{rendering.clock(moved.at.time)} ", style="dim")
            self.out.print(rendering.indented(at.append(printable(moved.text)[:_SHOWN_MOVED], style="default")))
        if warning.new_words:
            line = ", ".join(printable(word) for word in warning.new_words)
            self.out.print(rendering.indented(Text("new words: ", style="dim").append(line, style="yellow")))
        for reason in warning.similar[:1]:
            self.out.print(rendering.indented(rendering.like(reason)))
        for line in warning.playbook[:2]:
            self.out.print(rendering.indented(Text(f"first: {printable(line)}", style="green")))

    def notification(self, notification: EarlyWarning | Incident) -> None:
        """Print what a watch has to say."""
        if isinstance(notification, EarlyWarning):
            self.warning(notification)
        else:
            self.incident(notification)

    def incident(self, incident: Incident) -> None:
        """Print an incident in one line."""
        head = Text().append(f"incident {incident.level}", style=COLOURS.get(incident.level, "bold"))
        counted = [(len(incident.warnings), "warning"), (len(incident.alerts), "alert")]
        line = ", ".join(f"{count:,} {what}{'s' if count > 1 else ''}" for count, what in counted if count)
        head.append(f" {incident.state}" if incident.state else "", style="default")
        head.append(f"  {line} ×{incident.size:,}", style="default")
        head.append(f"  {rendering.times(incident.first.time, incident.last.time)}", style="default")
        head.append(f"  {printable(incident.title)[:_SHOWN_MOVED]}", style="bold default")
        self.out.print(head.append(f"  {incident.id}", style="dim"))

    def alert(self, alert: Alert) -> None:
        """Print one alert in a few lines."""
        head = Text().append(f"{printed_score(alert.score)} {alert.level}", style=COLOURS.get(alert.level, "bold"))
        head.append(f"  ×{alert.count:,}" if alert.count > 1 else "", style="default")
        head.append(f"  {rendering.places(alert.first, alert.last)}", style="bold default")
        head.append(f"  {rendering.times(alert.first.time, alert.last.time)}", style="default")
        head.append(f"  {alert.category}" if alert.category else "", style="magenta")
        head.append(f"  {alert.id}", style="dim")
        self.out.print(head)
        self.out.print(rendering.indented(rendering.marked(alert)))
        sums = " │ ".join(
            f"{item.signal} {item.log_odds:+.1f}{rendering.names(item)}" for item in alert.evidence if item.log_odds
        )
        self.out.print(rendering.indented(Text(sums, style="dim")))
        for reason in rendering.reasons(alert, "cases")[:1]:
            self.out.print(rendering.indented(rendering.like(reason)))
        for reason in rendering.reasons(alert, "rules"):
            if reason.playbook:
                self.out.print(rendering.indented(Text(f"first: {printable(reason.playbook.strip())}", style="green")))
                break

    def explain(self, alert: Alert) -> None:
        """Print the whole calculation: every term of the sum, and what is behind it."""
        self.alert(alert)
        table = Table(box=None, pad_edge=False, show_footer=True)
        table.add_column("log-odds", f"{alert.log_odds:+.3f}", justify="right")
        table.add_column("signal", "sum")
        table.add_column("its score", justify="right")
        table.add_column(
            "why",
            f"probability = 1 / (1 + exp({-alert.log_odds:.3f})) = {printed_score(alert.score, 4)}",
            overflow="fold",
        )
        for item in alert.evidence:
            score = "" if item.score is None else f"{item.score:.3f}"
            table.add_row(
                f"{item.log_odds:+.3f}", item.signal, score, "" if item.why else rendering.without_reasons(item)
            )
            for reason in item.why:
                own = "" if reason.log_odds is None else f"{reason.log_odds:+.3f}"
                table.add_row(Text(own, style="dim"), "", "", rendering.reasoned(reason, alert.text))
        self.out.print()
        self.out.print(table)
        if alert.p_value is not None:
            self.out.print(f"p-value {alert.p_value:.2g}: the share of this input's ordinary lines that score as high")
        self.out.print(Text(alert.origin, style="dim"))

    def drift(self, found: Drift) -> None:
        """Print how far new texts are from a model's training."""
        apart = f"{found.told_apart:.3f} (.5 = alike; p = {found.p_value:.2g})"
        lines = [
            ("new distinct texts", f"{found.texts:,}"),
            ("a classifier tells them from the old at AUROC", apart),
            ("words never seen", f"{found.unseen:.1%} ({found.usual:.1%} within the training)"),
        ]
        if found.worth and found.calibration is not None:
            was = f" (was {found.before['auroc']:.3f})" if found.before else ""
            lines += [
                ("AUROC on labelled new texts", f"{found.worth['auroc']:.3f}{was}"),
                ("expected calibration error", f"{found.calibration:.3f}"),
            ]
        for name, value in lines:
            self.out.print(Text(f"{name}: ", style="dim").append(value, style="default"))
        for reason in found.reasons:
            self.out.print(Text(f"a refit is due: {reason}", style="yellow"))
        if not found.reasons:
            self.out.print(Text("no refit is due", style="green"))

    def rows(self, rows: Sequence[Mapping[str, Any]], form: str, hide: Sequence[str] = ()) -> None:
        """Print rows as a table, or as JSON lines; `hide` columns that only JSON shows."""
        if form == "jsonl":
            for row in rows:
                self.out.out(msgspec.json.encode(row).decode(), highlight=False)
            return
        if rows:
            columns = [name for name in rows[0] if name not in hide]
            table = Table(*columns, box=None, pad_edge=False)
            for row in rows:
                table.add_row(*(rendering.cell(row[name]) for name in columns))
            self.out.print(table)

    def similar(self, found: Sequence[SimilarCase], form: str) -> None:
        """Print similar cases, a few lines each, or as JSON lines."""
        if form == "jsonl":
            for case in found:
                self.out.out(msgspec.json.encode(case).decode(), highlight=False)
            return
        for case in found:
            head = Text(rendering.share(case.similarity), style="bold")
            head.append(f"  {printable(rendering.joined(case.time, case.title))}", style="bold default")
            head.append(f"  {printable(case.title_zh)}" if case.title_zh and case.title_zh != case.title else "")
            head.append(f"  {printable(case.category)}" if case.category else "", style="magenta")
            head.append(f"  ×{case.count:,}" if case.count > 1 else "", style="default")
            head.append("  written example" if case.example else "", style="default")
            head.append(f"  {printable(case.id)}", style="dim")
            self.out.print(head)
            if case.words:
                self.out.print(rendering.indented(Text(", ".join(map(printable, case.words)), style="yellow")))
            if case.outcome:
                self.out.print(rendering.indented(Text(printable(case.outcome), style="blue")))

    def cases(self, rows: Sequence[Mapping[str, Any]], form: str) -> None:
        """Print everything that is known of cases: a line for each fact, or as JSON lines."""
        if form == "jsonl":
            self.rows(rows, form)
            return
        for row in rows:
            self.out.print(Text(printable(str(row["id"])), style="bold"))
            for name, value in row.items():
                if name != "id" and value not in (None, []):
                    shown = printable(", ".join(value) if isinstance(value, list) else str(value))
                    self.out.print(rendering.indented(Text(f"{name}: ", style="dim").append(shown, style="default")))

    def change(self, change: Change, folder: Path, holds: str) -> None:
        """Say what came of a change to a case base, and what it `holds` now."""
        line = [
            f"{number:,} {what}"
            for number, what in (
                (change.added, "added"),
                (change.joined, "joined to others"),
                (change.known, "there already"),
                (change.removed, "removed"),
            )
            if number
        ]
        self.out.print(Text(f"{', '.join(line)}; {folder} has {holds}"))

    def note(self, line: str) -> None:
        """Say something on standard error that is no error."""
        self.err.print(Text("note: ", style="yellow").append(printable(line), style="default"))

    def tree(self, rule: Rule, text: str, explained: Explained) -> None:
        """Print a rule's condition on a text, each part ticked or crossed, and the text with its places marked."""
        root = Tree(Text(rule.title, style="bold").append(f" ({rule.level})", style="dim"))
        rendering.add_branch(root, explained, text)
        self.out.print(root)

    def failure(self, failure: Failure) -> None:
        """Print an example of a rule that went the wrong way."""
        line = "did not fire on" if failure.expected else "fired on"
        self.out.print(
            Text(f"{failure.rule.path}: {line}", style="red").append(f" {printable(failure.text)}", style="default")
        )
        self.tree(failure.rule, failure.text, failure.explained)
