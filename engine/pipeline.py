"""The pipeline: files to alerts, one direction, one frame at a time.

In: paths and options. Out: a `Scan`: the alerts, the distinct texts, their scores, what could not be read. Lines are
read, matched and grouped in blocks (`intake`); everything after that works on distinct texts. Prints and writes
nothing, except the scores of single lines where a path is given for them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.alerting.evidence import Explainer
from forewarn.alerting.incidents import incidents
from forewarn.alerting.selection import decide_blocks
from forewarn.checkpoint import Checkpoint, identity_of
from forewarn.errors import ForewarnError, InputError
from forewarn.findings import Alert, EarlyWarning, Finding, Incident
from forewarn.grouping.text_table import TextNumbers, TextTable
from forewarn.intake import Intake
from forewarn.options import Options, families, merged
from forewarn.reading.prefetch import one_ahead
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


@dataclass(frozen=True)
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


def scan(
    paths: Sequence[str | Path],
    options: Options | None = None,
    *,
    line_scores: Path | None = None,
    work: Checkpoint | None = None,
    progress: Progress | None = None,
) -> Scan:
    """Scan files, folders or standard input (`-`) and return the alerts.

    `line_scores` names a Parquet file that gets one row for each input line; `work` keeps what a killed scan is taken
    up from (`checkpoint.work_of`). Raises InputError where nothing at all could be read, RuleError, EncoderError,
    CaseBaseError and ModelError where what the options name cannot be used, OutputError where `line_scores` or what
    does not fit in memory cannot be written.
    """
    from forewarn.embeddings.devices import chosen_device
    from forewarn.rules import check_loaded, load_rules

    options = options or Options()
    if options.unusual:
        # How unusual a text is depends on those after it: no warning could be raised without hindsight.
        options = replace(options, promise=None)
    if options.promise:
        prepare()
    watch = Stopwatch()
    problems: list[ForewarnError] = []
    rules = load_rules(
        options.rules, similarity=similarity(options.encoder, options.device), logsource=options.logsource
    )
    check_loaded(options.rules, rules)
    problems += rules.problems
    watch.lap("load rules")

    with ExitStack() as stack:
        if work:
            work.take_up(identity_of(paths, rules.rules, options.as_given() | {"--scores": line_scores is not None}))
        lines = timeline = None
        if line_scores:
            lines = stack.enter_context(LineScores(line_scores, work.place("lines") if work else None))
        if options.promise:
            timeline = Timeline(Clocks(options.late), options.stream_by, work.place("timeline") if work else None)
            stack.enter_context(timeline)
        table = stack.enter_context(TextTable())
        intake = Intake(rules, table, problems, timeline, lines, work)
        intake.take_in(paths, options.text_column, options.time_column, watch, progress)
        if intake.rows == 0:
            raise _nothing_to_read(paths, problems)
        rule_sets, texts = intake.rule_sets, table.texts()
        watch.lap("group")
        scorer = Scorer(texts, rules, rule_sets, options, problems)
        scored = scorer.score(watch, work, progress)
        warnings: Sequence[EarlyWarning] = []
        warned: dict[str, NDArray[np.float32]] = {}
        young: list[str] = []
        numbers = TextNumbers(texts) if timeline or lines else None
        if timeline and options.promise and numbers:
            surge = Surge(options.promise, families(options), options.voices, options.stream_by or "by")
            # The bundled encoder's vectors are the same to the bit whatever it embeds together (`embeddings.bundled`).
            steady = scorer.encoder.name == "bundled" and chosen_device(options.device) == "cpu"
            made = scorer.all_vectors if steady else None
            known = TextIndex(texts, scorer.encoder, rules, rule_sets, scorer.cases, steady, made)
            past, sets, categories = scored.array("past"), texts.array("rule_set"), rule_sets.categories(rules)
            frames = timeline.frames(numbers, past, sets, categories, merge=merged(surge.families))
            warnings = kept = _warn(frames, surge, known, timeline.clocks)
            if kept:
                central = known.vectors(list(kept.central.values()), list(kept.central))
                warned = dict(zip(kept.central, central, strict=True))
            young = surge.young()
            watch.lap("warn", intake.rows)
        if lines and numbers:
            lines.finish(numbers, scored)
            watch.lap("write line scores", intake.rows)

    chosen = decide_blocks(scored, texts, options.policy, rule_sets.last_words(rules))
    alerts, alerted = Explainer(scorer, scored, rules, rule_sets).alerts(chosen)
    together = incidents(warnings, warned, alerts, alerted)
    watch.lap("explain", len(alerts))
    untried = [(rules.rules[number], why) for number, why in rules.untried()]
    return Scan(
        alerts,
        warnings,
        [incident for incident in together if incident.warnings or len(incident.alerts) > 1],
        young,
        texts,
        scored,
        scorer.vectors,
        problems,
        len(intake.files),
        intake.rows,
        scorer.origin,
        scorer.new_words(scored),
        untried,
        watch.stages,
    )


def _warn(frames: Iterable[pl.DataFrame], surge: Surge, known: TextIndex, clocks: Clocks) -> KeptWarnings:
    def events() -> Iterator[list[Raised | Ended]]:
        yield from map(surge.advance, frames)
        yield surge.wait(clocks.passed())

    def leads() -> Iterator[UnassignedWarning]:
        for found in one_ahead(events()):
            raised = [event for event in found if isinstance(event, Raised)]
            yield from explain(raised, known, surge.promise.text)

    return KeptWarnings(leads())


def _nothing_to_read(paths: Sequence[str | Path], problems: list[ForewarnError]) -> InputError:
    if len(problems) == 1 and isinstance(problems[0], InputError):
        return problems[0]
    named = "\n".join(f"  {problem}" for problem in problems)
    return InputError(
        f"nothing could be read from {', '.join(str(path) for path in paths)}" + (f"\n{named}" if named else ""),
        remedy="Name a readable file or folder of logs, feeds or exports, or - for standard input.",
    )
