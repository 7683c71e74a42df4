"""What a person sees: alerts, one alert's calculation and progress, drawn with rich.

In: a `Scan` or an `Alert`. Out: lines on a terminal, in which no character of the input can steer it. Results go to
standard output, progress and problems to standard error. Only on a terminal are lines broken and progress drawn.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console, RenderableType
from rich.markdown import Markdown
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from forewarn.errors import ForewarnError
from forewarn.findings import Alert, EarlyWarning, Incident
from forewarn.output import compact, overview, rendering, rule_views
from forewarn.output.console import GatedConsole
from forewarn.output.printed import printed_score
from forewarn.text_gate import json_line, printable

if TYPE_CHECKING:
    from forewarn.cases.similar import SimilarCase
    from forewarn.embeddings.case_changes import Change
    from forewarn.rules import Explained, Rule
    from forewarn.rules.tools.testing import Failure
    from forewarn.runtime.timings import Progress as Report
    from forewarn.runtime.timings import Stage
    from forewarn.scan_result import Scan
    from forewarn.training.drift import Drift
    from forewarn.watching.watch import Status

_SHOWN_PROBLEMS = 20
_ANSWERS = 3
"""Answers of each kind that `fit` needs."""
_WIDE = 1 << 20
"""Columns of an output that is no terminal: nothing is broken there."""
_SECONDS = 2.0
"""How long a stage takes before it says what it does."""


class Terminal:
    """Standard output and standard error, as consoles."""

    def __init__(
        self, out: Console | None = None, err: Console | None = None, *, quiet: bool = False, verbose: bool = False
    ) -> None:
        self.out = out or _console(stderr=False)
        self.err = err or _console(stderr=True)
        self.quiet, self.verbose = quiet, verbose

    @contextlib.contextmanager
    def stage(self, doing: str) -> Iterator[None]:
        """Say on a terminal what is being done, once that has taken two seconds."""
        status = self.err.status(doing)
        timer = threading.Timer(_SECONDS, status.start)
        if self.err.is_terminal and not self.quiet:
            timer.daemon = True
            timer.start()
        try:
            yield
        finally:
            timer.cancel()
            status.stop()

    @contextlib.contextmanager
    def progress(self) -> Iterator[Report]:
        """A line that counts records and names the stage; drawn on a terminal only, and gone afterwards."""
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=self.err, transient=True, disable=self._unseen) as bar:
            task = bar.add_task("preparing rules and kernels, once")
            yield lambda stage, done: bar.update(task, description=f"{stage}: {done:,}" if done else stage)

    @contextlib.contextmanager
    def watching(self) -> Iterator[Callable[[Status], None]]:
        """A line that says how a watch stands; drawn on a terminal only, and gone afterwards."""
        with Progress(SpinnerColumn(), TextColumn("{task.description}"), console=self.err, disable=self._unseen) as bar:
            task = bar.add_task("preparing rules and kernels, once")

            def tell(status: Status) -> None:
                parts = [
                    rendering.counted(status.lines, "line"),
                    rendering.counted(status.warnings, "warning"),
                    f"lag {status.lag:.1f} s",
                    f"{status.behind / 1e6:.1f} MB behind" if status.behind > 1e5 else "",
                    f"{rendering.counted(len(status.young), 'stream')} too young" if status.young else "",
                    f"{rendering.counted(status.left_out, 'record')} too late" if status.left_out else "",
                ]
                bar.update(task, description=" · ".join(filter(None, parts)))

            yield tell

    @property
    def _unseen(self) -> bool:
        return self.quiet or not self.err.is_terminal

    def json(self, value: object) -> None:
        """Print one JSON line, at once; no character of it steers a terminal."""
        self.out.file.write(json_line(value).decode())

    def line(self, text: str) -> None:
        """Print one line as it is, at once."""
        self.out.file.write(text + "\n")
        self.out.file.flush()

    def teller(self, form: str) -> Callable[[EarlyWarning | Incident], None]:
        """What prints a warning or an incident of a watch, at once."""
        if form == "jsonl":
            return lambda found: self.json(found)
        if form == "compact":
            return lambda found: self.line(compact.line(found))
        return self.notification

    def compact(self, found: Scan, output: Path | None) -> None:
        """Print one finding a line; what was read, and what could not be, goes to standard error."""
        for finding in found.findings():
            self.out.file.write(compact.line(finding) + "\n")
        self.out.file.flush()
        self.problems(found.problems)
        if not self.quiet:
            self._summary(found, self.err)
            self._end(found, output, self.err)

    def scan(self, found: Scan, output: Path | None) -> None:
        """Print the summary, the incidents with their alerts and what could not be read."""
        self.problems(found.problems)
        if not self.quiet:
            self._summary(found, self.out)
        stories, alone = overview.stories(found.warnings, found.incidents, found.alerts)
        for story in stories:
            self._all("", *overview.story_lines(story, verbose=self.verbose))
        for alert in alone:
            self._all("", *overview.alert(alert, verbose=self.verbose))
        if not self.quiet:
            self._end(found, output, self.out)

    def _summary(self, found: Scan, console: Console) -> None:
        seconds = sum(stage.seconds for stage in found.timings)
        read = (
            rendering.counted(found.files, "file"),
            rendering.counted(found.lines, "line"),
            rendering.counted(found.texts.height, "distinct text"),
            f"{seconds:.1f} s",
            found.origin,
        )
        console.print(Text(" · ".join(read)))
        if found.new_words and found.alerts:
            console.print(overview.words(found.new_words, "words of what is happening"))

    def _end(self, found: Scan, output: Path | None, console: Console) -> None:
        if found.young and found.alerts and (self.verbose or not found.warnings):
            console.print(overview.words(found.young[:5], "too few texts for an early warning yet"))
        if not found.alerts and found.nearest:
            console.print(overview.almost(found.nearest, found.texts.height))
        elif not found.alerts and not found.warnings:
            console.print("Nothing alarming.", style="bold")
        elif output:
            alerts = rendering.counted(len(found.alerts), "alert")
            console.print(Text(f"\n{alerts} in {output}; forewarn explain 1 {output} shows why."))

    def _all(self, *drawn: RenderableType) -> None:
        for one in drawn:
            self.out.print(one)

    def table(self, table: Table) -> None:
        """Print a table; where it is no terminal, without blanks at the ends of lines."""
        if self.out.is_terminal:
            self.out.print(table)
            return
        with self.out.capture() as drawn:
            self.out.print(table)
        self.out.file.write("".join(f"{line.rstrip()}\n" for line in drawn.get().splitlines()))

    def done(self, message: str) -> None:
        """Say what was done and what comes next."""
        if not self.quiet:
            self.out.print(Text(printable(message)))

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
            self.err.print(Text("warning: ", style="bold").append(printable(first), style="not bold"))
            for line in rest:
                self.err.print(Text(printable(line)))
        if len(problems) > _SHOWN_PROBLEMS:
            self.err.print(Text(f"warning: {len(problems) - _SHOWN_PROBLEMS} more problems like these", style="bold"))

    def events_seen(self, said: str | None) -> None:
        """Say on standard error which events there were, and for which no rule was."""
        if said and not self.quiet:
            self.err.print(Text(printable(said)))

    def untried(self, untried: Sequence[tuple[Rule, str]]) -> None:
        """Say on standard error why rules were not tried, the most frequent reason first."""
        reasons = Counter(why for _, why in untried)
        example = {why: rule.title for rule, why in reversed(untried)}
        self.err.print(Text(f"{rendering.counted(len(untried), 'rule')} not tried", style="bold"))
        for why, count in reasons.most_common():
            self.err.print(Text(f"  {count:,}: {printable(why)}").append(f"  {printable(example[why])}"))

    def notification(self, notification: EarlyWarning | Incident) -> None:
        """Print what a watch has to say."""
        if isinstance(notification, EarlyWarning):
            self._all(*overview.warning(notification, verbose=self.verbose))
        else:
            self.out.print(overview.incident(notification))

    def explain(self, alert: Alert) -> None:
        """Print the whole calculation: every term of the sum, and what is behind it."""
        head, text, _, *advice = overview.alert(alert, verbose=True)
        self._all(head, text, *advice)
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
                table.add_row(own, "", "", rendering.reasoned(reason, alert.text))
        self.out.print()
        self.table(table)
        if alert.p_value is not None:
            self.out.print(f"p-value {alert.p_value:.2g}: the share of this input's ordinary lines that score as high")
        self.out.print(Text(alert.origin))

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
            self.out.print(Text(f"{name}: ", style="bold").append(value, style="not bold"))
        for reason in found.reasons:
            self.out.print(Text(f"a refit is due: {reason}", style="bold"))
        if not found.reasons:
            self.out.print(Text("no refit is due"))

    def rows(self, rows: Sequence[Mapping[str, Any]], form: str, hide: Sequence[str] = ()) -> None:
        """Print rows as a table, or as JSON lines; `hide` columns that only JSON shows."""
        if form == "jsonl":
            for row in rows:
                self.json(row)
            return
        if rows:
            columns = [name for name in rows[0] if name not in hide]
            table = Table(*columns, box=None, pad_edge=False)
            for row in rows:
                table.add_row(*(rendering.cell(row[name]) for name in columns))
            self.table(table)

    def similar(self, found: Sequence[SimilarCase], form: str) -> None:
        """Print similar cases, a few lines each, or as JSON lines."""
        if form == "jsonl":
            for case in found:
                self.json(case)
            return
        for case in found:
            head = Text(rendering.share(case.similarity), style="bold")
            head.append(f"  {printable(rendering.joined(case.time, case.title))}", style="bold default")
            head.append(f"  {printable(case.title_zh)}" if case.title_zh and case.title_zh != case.title else "")
            head.append(f"  {printable(case.category)}" if case.category else "", style="italic")
            head.append(f"  ×{case.count:,}" if case.count > 1 else "", style="default")
            head.append(f"  {printable(case.id)}", style="default")
            head.append("  written example" if case.example else "", style="default")
            self.out.print(head)
            if case.words:
                self.out.print(rendering.indented(Text(", ".join(map(printable, case.words)), style="underline")))
            if case.outcome:
                self.out.print(rendering.indented(Text(printable(case.outcome))))

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
                    self.out.print(rendering.indented(Text(f"{name}: ", style="bold").append(shown, style="not bold")))

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

    def note(self, message: str) -> None:
        """Say something on standard error that is no error."""
        if not self.quiet:
            self.err.print(Text("note: ", style="bold").append(printable(message), style="not bold"))

    def card(self, card: str, report: Mapping[str, Any], form: str) -> None:
        """Print a model's card: its tables drawn, or its figures as one JSON line."""
        if form == "jsonl":
            self.json(report)
        elif not self.quiet and self.out.is_terminal:
            self.out.print(Markdown(card))
        elif not self.quiet:
            self.out.file.write(card)

    def answers(self, file: Path, right: int, wrong: int, form: str) -> None:
        """Say how many answers there are, and what can be done with them."""
        if form == "jsonl":
            self.json({"file": str(file), "yes": right, "no": wrong})
            return
        enough = min(right, wrong) >= _ANSWERS
        fit = f"or, without a model, forewarn fit {file} -o model/"
        fit += "" if enough else f" once there are {_ANSWERS} of each"
        self.done(
            f"{file}: {rendering.counted(right + wrong, 'answer')}, {right} yes; "
            f"next: forewarn update model/ {file} -o model/, {fit}"
        )

    def explained(self, rule: Rule, text: str, explained: Explained, form: str, *, everything: bool) -> None:
        """Print a rule's condition on a text, as a tree or as one JSON line."""
        if form == "jsonl":
            row = {"id": rule.id, "title": rule.title, "condition": rule_views.as_rows(explained, text)}
            self.json(row)
        else:
            self.out.print(rule_views.tree(rule, text, explained, everything=everything))

    def tested(self, rules: int, examples: int, failures: Sequence[Failure], form: str) -> None:
        """Print the examples of rules that went the wrong way, and how many there are."""
        for failure in failures:
            rule, wrong = failure.rule, "did not fire on" if failure.expected else "fired on"
            if form == "jsonl":
                row = {"path": rule.path, "id": rule.id, "expected": failure.expected, "text": failure.text}
                self.json(row)
                continue
            self.out.print(
                Text(f"{rule.path}: {wrong}", style="bold red").append(f" {printable(failure.text)}", style="default")
            )
            self.out.print(rule_views.tree(rule, failure.text, failure.explained, everything=self.verbose))
        if form != "jsonl":
            counts = rendering.counted(rules, "rule"), rendering.counted(examples, "example")
            self.done(f"{', '.join(counts)}, {len(failures)} failed")

    def backtest(self, rows: Sequence[Mapping[str, Any]], form: str) -> None:
        """Print the record of rules, the most frequent first; those without a hit in one line."""
        if form == "jsonl":
            self.rows(rows, form)
            return
        shown, dead = rule_views.backtest(rows)
        self.rows(shown, form)
        if dead:
            self.done(dead)


def _console(*, stderr: bool) -> GatedConsole:
    console = GatedConsole(stderr=stderr)
    return console if console.is_terminal else GatedConsole(stderr=stderr, width=_WIDE)
