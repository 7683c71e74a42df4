"""The pipeline: files to alerts, one direction, one frame at a time.

In: paths and options. Out: a `Scan`: the alerts, the distinct texts, their scores, what could not be read. Lines are
read, matched and grouped in blocks (`intake`); everything after that works on distinct texts. Prints and writes
nothing, except the scores of single lines where a path is given for them.
"""

from __future__ import annotations

import html
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.alerting.evidence import Explainer
from forewarn.alerting.finding_frames import alerts_frame, incidents_frame, warnings_frame
from forewarn.alerting.incidents import incidents
from forewarn.alerting.selection import decide_blocks
from forewarn.checkpoint import Checkpoint, identity_of
from forewarn.errors import ForewarnError, InputError
from forewarn.findings import Alert, EarlyWarning, Finding, Incident, dated, now
from forewarn.grouping.text_table import TextNumbers, TextTable
from forewarn.intake import Intake
from forewarn.options import Options, families, merged, with_settings
from forewarn.reading.dataframes import FrameLike, SeriesLike, is_frame, is_series
from forewarn.reading.prefetch import one_ahead
from forewarn.reading.texts_in_memory import TextsInMemory
from forewarn.runtime.chunked_frame import ChunkedFrame
from forewarn.runtime.timings import Progress, Stage, Stopwatch
from forewarn.scoring.line_scores import LineScores
from forewarn.scoring.scorer import Scorer
from forewarn.scoring.similarity import similarity
from forewarn.warning.detector import Ended, Raised, Surge, prepare
from forewarn.warning.early_warnings import TextIndex, UnassignedWarning, explain
from forewarn.warning.kept_warnings import KeptWarnings
from forewarn.warning.timeline import Clocks, Timeline

if TYPE_CHECKING:
    from forewarn.rules.language.rule import Rule


@dataclass(frozen=True, kw_only=True)
class Scan:
    """What a scan found.

    `alerts` most alarming first; `warnings` in the order in which they were raised, each read from disk when it is
    asked for; `incidents` what belongs together,
    where that is more than one alert; `young` the streams that are too short for warnings; `texts` and `scores` the
    rows of the distinct texts (`frames.TEXTS`, `frames.SCORED`), `vectors` gives the vectors of k of them by their
    numbers, float32 (k, d); `problems` every file or line that could not be used;
    `files`, `lines` what was read; `new_words` what the loudest texts have in common that the scan itself taught;
    `untried` the rules that no record was for, with the reason; `timings` what each stage took.
    """

    alerts: list[Alert]
    warnings: Sequence[EarlyWarning]
    incidents: list[Incident]
    young: list[str]
    texts: ChunkedFrame
    scores: ChunkedFrame
    vectors: Callable[[NDArray[np.integer]], NDArray[np.float32]]
    problems: list[ForewarnError]
    files: int
    lines: int
    origin: str
    new_words: list[str]
    untried: list[tuple[Rule, str]]
    timings: list[Stage]

    def findings(self) -> Iterator[Finding]:
        """Everything that is to be written, in the order of an output."""
        return itertools.chain(self.warnings, self.incidents, self.alerts)

    def to_polars(self, what: Literal["alerts", "warnings", "incidents"] = "alerts") -> pl.DataFrame:
        """What was found as a frame, one row each (`finding_frames.ALERTS`, `WARNINGS`, `INCIDENTS`)."""
        if what == "warnings":
            return warnings_frame(self.warnings)
        if what == "incidents":
            return incidents_frame(self.incidents)
        if what != "alerts":
            raise ForewarnError(f"a scan has no {what!r}", remedy="Ask for alerts, warnings or incidents.")
        return alerts_frame(self.alerts)

    def __repr__(self) -> str:
        return (
            f"<Scan of {self.lines:,} records, {self.texts.height:,} distinct texts: {len(self.alerts):,} alerts, "
            f"{len(self.warnings):,} warnings, {len(self.incidents):,} incidents, {len(self.problems):,} problems>"
        )

    def _repr_html_(self) -> str:
        shown = self.to_polars().head(20).select("level", "score", "category", "text", "count", "source", "line")
        return f"<p>{html.escape(repr(self))}</p>{shown._repr_html_()}"


def scan(
    paths: str | Path | Sequence[str | Path] | FrameLike | SeriesLike | None = None,
    options: Options | None = None,
    *,
    texts: Iterable[str] | SeriesLike | FrameLike | None = None,
    line_scores: str | Path | None = None,
    work: Checkpoint | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> Scan:
    """Scan files, folders or standard input (`-`), or texts and frames in memory, and return the alerts.

    A string, a Path and a list of them are always paths. Texts themselves are given as `texts`, a list of n strings or
    a series; a frame of polars or pandas either way, its columns of text and time are found as in a file. An alert of a
    text in memory has the source `texts` or `frame`, and as its line the number from 1. `settings` are fields of
    `Options` by name (`model="model/"`), and `budget`, `fdr`, `threshold`, `cost`, `false_warnings` as on the command
    line (`options.with_settings`).
    `line_scores` names a Parquet file that gets one row for each input line; `work` keeps what a killed scan is taken
    up from (`checkpoint.work_of`; files only). Raises InputError where nothing at all could be read, RuleError,
    EncoderError, CaseBaseError and ModelError where what the options name cannot be used, OutputError where
    `line_scores` or what does not fit in memory cannot be written.
    """
    from forewarn.embeddings.devices import chosen_device
    from forewarn.rules import check_loaded, load_rules

    options = with_settings(options, settings)
    read = _input(paths, texts)
    if options.unusual:
        # How unusual a text is depends on those after it: no warning could be raised without hindsight.
        options = replace(options, promise=None)
    if options.promise:
        prepare()
    watch, started = Stopwatch(), now()
    problems: list[ForewarnError] = []
    rules = load_rules(
        options.rules, similarity=similarity(options.encoder, options.device), logsource=options.logsource
    )
    check_loaded(options.rules, rules)
    problems += rules.problems
    watch.lap("load rules")

    with ExitStack() as stack:
        if work and not isinstance(read, TextsInMemory):
            work.take_up(identity_of(read, rules.rules, options.as_given() | {"--scores": line_scores is not None}))
            started = work.started
        lines = timeline = None
        if line_scores:
            lines = stack.enter_context(LineScores(Path(line_scores), work.place("lines") if work else None))
        if options.promise:
            timeline = Timeline(Clocks(options.late), options.stream_by, work.place("timeline") if work else None)
            stack.enter_context(timeline)
        table = stack.enter_context(TextTable())
        intake = Intake(rules, table, problems, timeline, lines, work)
        intake.take_in(read, options.text_column, options.time_column, watch, progress)
        if intake.rows == 0:
            raise _nothing_to_read(read, problems)
        rule_sets, distinct = intake.rule_sets, table.texts()
        watch.lap("group")
        scorer = Scorer(distinct, rules, rule_sets, options, problems)
        scored = scorer.score(watch, work, progress)
        warnings: Sequence[EarlyWarning] = []
        warned: dict[str, NDArray[np.float32]] = {}
        young: list[str] = []
        numbers = TextNumbers(distinct) if timeline or lines else None
        if timeline and options.promise and numbers:
            surge = Surge(options.promise, families(options), options.voices, options.stream_by or "by")
            # The bundled encoder's vectors are the same to the bit whatever it embeds together (`embeddings.bundled`).
            steady = scorer.encoder.name == "bundled" and chosen_device(options.device) == "cpu"
            made = scorer.all_vectors if steady else None
            known = TextIndex(distinct, scorer.encoder, rules, rule_sets, scorer.cases, steady, made)
            past, sets, categories = scored.array("past"), distinct.array("rule_set"), rule_sets.categories(rules)
            frames = timeline.frames(numbers, past, sets, categories, merge=merged(surge.families))
            warnings = kept = _warn(frames, surge, known, timeline.clocks, started)
            if kept:
                vectors = known.vectors(list(kept.texts), list(kept.texts.values()))
                by_text = dict(zip(kept.texts, vectors, strict=True))
                warned = {name: by_text[text] for name, text in kept.central.items()}
            young = surge.young()
            if timeline.fieldless:
                problems.append(
                    InputError(
                        f"--stream-by {options.stream_by}: no record has such a field, so there are no streams by it",
                        remedy="Name a column or key as the input writes it.",
                    )
                )
            watch.lap("warn", intake.rows)
        if lines and numbers:
            lines.finish(numbers, scored)
            watch.lap("write line scores", intake.rows)

    chosen = decide_blocks(scored, distinct, options.policy, rule_sets.last_words(rules))
    alerts, alerted = Explainer(scorer, scored, rules, rule_sets).alerts(chosen)
    alerts = [dated(alert, started) for alert in alerts]
    together = [dated(incident, started) for incident in incidents(warnings, warned, alerts, alerted)]
    watch.lap("explain", len(alerts))
    untried = [(rules.rules[number], why) for number, why in rules.untried()]
    return Scan(
        alerts=alerts,
        warnings=warnings,
        incidents=[incident for incident in together if incident.warnings or len(incident.alerts) > 1],
        young=young,
        texts=distinct,
        scores=scored,
        vectors=scorer.vectors,
        problems=problems,
        files=len(intake.files),
        lines=intake.rows,
        origin=scorer.origin,
        new_words=scorer.new_words(scored),
        untried=untried,
        timings=watch.stages,
    )


def _input(
    paths: str | Path | Sequence[str | Path] | FrameLike | SeriesLike | None,
    texts: Iterable[str] | SeriesLike | FrameLike | None,
) -> list[str | Path] | TextsInMemory:
    """What is to be read: paths, or what is in memory."""
    if (paths is None) == (texts is None):
        raise InputError("a scan reads either paths or texts", remedy="Write scan(paths) or scan(texts=[…]).")
    if paths is None or is_frame(paths) or is_series(paths):
        return TextsInMemory(texts if paths is None else paths)
    if isinstance(paths, str | Path):
        return [paths]
    named = list(paths)  # type: ignore[arg-type]
    for path in named:
        if not isinstance(path, str | Path):
            raise InputError(
                f"{path!r:.80} is no path", remedy="Name files or folders; texts themselves are given as texts=[…]."
            )
    return named


def _warn(
    frames: Iterable[pl.DataFrame], surge: Surge, known: TextIndex, clocks: Clocks, started: datetime
) -> KeptWarnings:
    def events() -> Iterator[list[Raised | Ended]]:
        yield from map(surge.advance, frames)
        yield surge.wait(clocks.passed())

    def leads() -> Iterator[UnassignedWarning]:
        for found in one_ahead(events()):
            raised = [event for event in found if isinstance(event, Raised)]
            yield from explain(raised, known, surge.promise.text)

    return KeptWarnings(leads(), started)


def _nothing_to_read(read: list[str | Path] | TextsInMemory, problems: list[ForewarnError]) -> InputError:
    if isinstance(read, TextsInMemory):
        return InputError(f"the {read} given hold no text to read", remedy="Give at least one that is not blank.")
    if len(problems) == 1 and isinstance(problems[0], InputError):
        return problems[0]
    named = "\n".join(f"  {problem}" for problem in problems)
    return InputError(
        f"nothing could be read from {', '.join(str(path) for path in read)}" + (f"\n{named}" if named else ""),
        remedy="Name a readable file or folder of logs, feeds or exports, or - for standard input; "
        "in Python, texts themselves are given as texts=[…].",
    )
