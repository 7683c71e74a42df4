"""The pipeline: files to alerts, one direction, one frame at a time.

In: paths and options. Out: a `Scan`: the alerts, the distinct texts, their scores, what could not be read. Five steps:
load the rules, read and group the records in blocks (`intake`), score the distinct texts, warn of streams that have
changed, decide. Prints and writes nothing, except the scores of single lines where a path is given for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.alerting.evidence import Explainer
from forewarn.alerting.incidents import incidents
from forewarn.alerting.selection import decide_blocks, nearest
from forewarn.checkpoint import Checkpoint, identity_of
from forewarn.errors import ForewarnError, InputError
from forewarn.findings import EarlyWarning, dated, now
from forewarn.grouping.text_table import TextNumbers, TextTable
from forewarn.intake import Intake
from forewarn.options import Options, families, merged, with_settings
from forewarn.reading.dataframes import FrameLike, SeriesLike, is_frame, is_series
from forewarn.reading.prefetch import one_ahead
from forewarn.reading.texts_in_memory import TextsInMemory
from forewarn.runtime.chunked_frame import ChunkedFrame
from forewarn.runtime.forked import check_not_forked
from forewarn.runtime.timings import Progress, Stopwatch
from forewarn.scan_result import Scan
from forewarn.scoring.line_scores import LineScores
from forewarn.scoring.parts import Parts, rules_of
from forewarn.scoring.scorer import Scorer
from forewarn.warning.detector import ChangeDetector, Ended, Raised, prepare
from forewarn.warning.early_warnings import TextIndex, UnassignedWarning, explain
from forewarn.warning.kept_warnings import KeptWarnings
from forewarn.warning.timeline import Clocks, Timeline

if TYPE_CHECKING:
    from forewarn.rules import RuleSet


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
    up from (`checkpoint.checkpoint_of`; files only). Raises InputError where nothing at all could be read, RuleError,
    EncoderError, CaseBaseError and ModelError where what the options name cannot be used, OutputError where
    `line_scores` or what does not fit in memory cannot be written.
    """
    check_not_forked()
    options = with_settings(options, settings)
    read = _input(paths, texts)
    if options.unusual:
        # How unusual a text is depends on those after it: no warning could be raised without hindsight.
        options = replace(options, promise=None)
    run = _Run(options, work, progress)
    rules = _load(run)
    with ExitStack() as stack:
        intake = _read(run, rules, read, Path(line_scores) if line_scores else None, stack)
        scorer, scored = _score(run, rules, intake)
        warned = _warn(run, rules, intake, scorer, scored)
    return _decide(run, rules, intake, scorer, scored, warned)


@dataclass
class _Run:
    """One scan: what was asked for, and what every step adds to."""

    options: Options
    work: Checkpoint | None
    progress: Progress | None
    watch: Stopwatch = field(default_factory=Stopwatch)
    started: datetime = field(default_factory=now)
    problems: list[ForewarnError] = field(default_factory=list)


@dataclass(frozen=True)
class _Warned:
    """The warnings of a scan, the vectors of their central texts by id, and the streams that are too short for any."""

    warnings: Sequence[EarlyWarning] = ()
    vectors: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    young: list[str] = field(default_factory=list)


def _load(run: _Run) -> RuleSet:
    """The rules, compiled or from the cache; the detectors of change are got ready beside them."""
    if run.options.promise:
        prepare()
    rules = rules_of(run.options)
    run.problems += rules.problems
    run.watch.lap("load rules")
    return rules


def _read(
    run: _Run, rules: RuleSet, read: list[str | Path] | TextsInMemory, line_scores: Path | None, stack: ExitStack
) -> Intake:
    """Every record is read, matched and grouped; what lies on disk meanwhile goes with `stack`."""
    options, work = run.options, run.work
    if work and not isinstance(read, TextsInMemory):
        work.take_up(identity_of(read, rules.known, options.as_given() | {"--scores": line_scores is not None}))
        run.started = work.started
    lines = timeline = None
    if line_scores:
        lines = stack.enter_context(LineScores(line_scores, work.place("lines") if work else None))
    if options.promise:
        timeline = Timeline(Clocks(options.late), options.stream_by, work.place("timeline") if work else None)
        stack.enter_context(timeline)
    table = stack.enter_context(TextTable())
    intake = Intake(rules, table, run.problems, timeline, lines, work)
    intake.take_in(
        read, options.text_column, options.time_column, run.watch, run.progress, time_format=options.time_format
    )
    if intake.rows == 0:
        raise _nothing_to_read(read, run.problems)
    return intake


def _score(run: _Run, rules: RuleSet, intake: Intake) -> tuple[Scorer, ChunkedFrame]:
    """Every distinct text gets its score (`frames.SCORED`)."""
    distinct = intake.table.texts()
    run.watch.lap("group")
    parts = Parts.of(run.options, run.problems)
    scorer = Scorer(distinct, rules, intake.rule_sets, run.options, parts)
    return scorer, scorer.score(run.watch, run.work, run.progress)


def _warn(run: _Run, rules: RuleSet, intake: Intake, scorer: Scorer, scored: ChunkedFrame) -> _Warned:
    """Streams are judged in the order of their times, and single lines get their scores, where either is asked for."""
    from forewarn.embeddings.devices import chosen_device

    options, timeline, distinct, rule_sets = run.options, intake.timeline, scorer.texts, intake.rule_sets
    warned = _Warned()
    numbers = TextNumbers(distinct) if timeline or intake.lines else None
    if timeline and options.promise and numbers:
        surge = ChangeDetector(
            options.promise, families(options), options.voices, options.stream_by or "by", scorer.numbers.base
        )
        # The bundled encoder's vectors are the same to the bit whatever it embeds together (`embeddings.bundled`).
        steady = scorer.encoder.name == "bundled" and chosen_device(options.device) == "cpu"
        made = scorer.all_vectors if steady else None
        known = TextIndex(
            distinct, scorer.encoder, rules, rule_sets, scorer.cases, steady, made, completed=intake.keying.completed
        )
        past, sets, categories = scored.array("past"), distinct.array("rule_set"), rule_sets.categories(rules)
        frames = timeline.frames(numbers, past, sets, categories, merge=merged(surge.families))
        kept = _raised(frames, surge, known, timeline.clocks, run.started)
        vectors: dict[str, NDArray[np.float32]] = {}
        if kept:
            embedded = known.vectors(list(kept.texts), list(kept.texts.values()))
            by_text = dict(zip(kept.texts, embedded, strict=True))
            vectors = {name: by_text[text] for name, text in kept.central.items()}
        warned = _Warned(kept, vectors, surge.young())
        if timeline.fieldless:
            run.problems.append(
                InputError(
                    f"--stream-by {options.stream_by}: no record has such a field, so there are no streams by it",
                    remedy="Name a column or key as the input writes it.",
                )
            )
        run.watch.lap("warn", intake.rows)
    if intake.lines and numbers:
        intake.lines.finish(numbers, scored)
        run.watch.lap("write line scores", intake.rows)
    return warned


def _decide(run: _Run, rules: RuleSet, intake: Intake, scorer: Scorer, scored: ChunkedFrame, warned: _Warned) -> Scan:
    """The policy chooses the alerts, and what means one thing becomes one incident."""
    last_words = intake.rule_sets.last_words(rules)
    chosen = decide_blocks(scored, scorer.texts, run.options.policy, last_words)
    explainer = Explainer(scorer, scored, rules, intake.rule_sets, intake.keying.completed)
    alerts, alerted = explainer.alerts(chosen)
    almost = [] if alerts else explainer.alerts(nearest(scored, scorer.texts, last_words))[0]
    alerts = [dated(alert, run.started) for alert in alerts]
    untried = [(rules.rules[number], why) for number, why in rules.untried()]
    together = incidents(warned.warnings, warned.vectors, alerts, alerted)
    run.watch.lap("explain", len(alerts))
    return Scan(
        alerts=alerts,
        nearest=next(iter(almost), None),
        warnings=warned.warnings,
        incidents=[
            dated(incident, run.started) for incident in together if incident.warnings or len(incident.alerts) > 1
        ],
        young=warned.young,
        texts=scorer.texts,
        scores=scored,
        vectors=scorer.vectors,
        problems=run.problems,
        files=len(intake.files),
        lines=intake.rows,
        origin=scorer.origin,
        new_words=scorer.new_words(scored),
        tried=len(rules.rules) - len(untried),
        untried=untried,
        events_seen=rules.events_seen,
        timings=run.watch.stages,
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


def _raised(
    frames: Iterable[pl.DataFrame], surge: ChangeDetector, known: TextIndex, clocks: Clocks, started: datetime
) -> KeptWarnings:
    def events() -> Iterator[list[Raised | Ended]]:
        yield from map(surge.advance, frames)
        yield surge.wait(clocks.passed())

    def leads() -> Iterator[UnassignedWarning]:
        for found in one_ahead(events()):
            raised = [event for event in found if isinstance(event, Raised)]
            yield from explain(raised, known, surge.promise)

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
