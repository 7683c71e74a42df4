"""The pipeline: files to alerts, one direction, one frame at a time.

In: paths and options. Out: a `Scan`: the alerts, the distinct texts, their scores, what could not be read. Lines are
read, matched and grouped in blocks (`intake`); everything after that works on distinct texts. Prints and writes
nothing, except the scores of single lines where a path is given for them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn import fusion
from forewarn.adaptation import adapt, new_words
from forewarn.alerts import Alert, EarlyWarning, Finding, Incident
from forewarn.checkpoint import Work, identity_of
from forewarn.decision import Policy, decide
from forewarn.early import Known, Lead, explain, past_scores
from forewarn.embedding import embed
from forewarn.errors import ForewarnError, InputError, ModelError
from forewarn.evidence import Explainer
from forewarn.frames import SIGNAL_FRAME, SIGNALS
from forewarn.incidents import incidents
from forewarn.intake import Intake, Progress
from forewarn.kept_warnings import KeptWarnings
from forewarn.line_scores import LineScores
from forewarn.model import load_model
from forewarn.rule_sets import RuleSets
from forewarn.similarity import similarity
from forewarn.spelling import meant, plain
from forewarn.surge import EVERYTHING, Ended, Promise, Raised, Surge
from forewarn.timeline import Clocks, Timeline
from forewarn.timings import Stage, Stopwatch

if TYPE_CHECKING:
    from forewarn.baseline import Baseline
    from forewarn.embeddings import CaseBase, Encoder
    from forewarn.rules import RuleSet
    from forewarn.rules.rule import Rule

_LOUDEST = 300
"""Texts whose words are looked at for what is new in this scan."""


@dataclass(frozen=True)
class Options:
    """What a scan is told; every field has a default that works.

    `rules` pack names, files or folders (None = all shipped packs); `logsource` what all the input is known to be of,
    such as `{"product": "linux", "service": "sshd"}`; `cases` a case base folder (None = the shipped
    one); `detectors` names of PyOD detectors for the view of meaning (None = those
    of the model, or KNN); `adapt` whether the scanned texts teach a fifth
    signal; `model` a folder that `forewarn fit` wrote; `prior` the share of crisis texts in this input, where it is
    known; `unusual` whether texts are ranked by how unusual they are, whatever they mean (rules and past cases add
    nothing then, and there are no early warnings); `policy` how alerts are chosen; `seed` of every random choice;
    `cache` whether vectors are kept for the next scan.
    Of early warning: `promise` how seldom a false one may come, None = no warnings; `late` how far behind its source's
    clock a record may be; `one_stream` whether the files are parts of one stream; `stream_by` a field of the input
    whose values are streams too; `by_category` whether the categories of rules are; `voices` whether a text that is
    said again soon counts once.
    """

    text_column: str | None = None
    time_column: str | None = None
    rules: Sequence[str | Path] | None = None
    logsource: Mapping[str, str] | None = None
    cases: Path | None = None
    encoder: str = "bundled"
    device: str | None = None
    detectors: tuple[str, ...] | None = None
    adapt: bool = True
    model: Path | None = None
    prior: float | None = None
    unusual: bool = False
    policy: Policy = field(default_factory=lambda: Policy(threshold=0.5))
    seed: int = 0
    cache: bool = True
    promise: Promise | None = field(default_factory=Promise)
    late: timedelta = timedelta(minutes=5)
    one_stream: bool = False
    stream_by: str | None = None
    by_category: bool = False
    voices: bool = True


@dataclass(frozen=True)
class Scan:
    """What a scan found.

    `alerts` most alarming first; `warnings` in the order in which they were raised, each read from disk when it is
    asked for; `incidents` what belongs together,
    where that is more than one alert; `young` the streams that are too short for warnings; `texts` and `scores` the
    frames of the n distinct texts, `vectors` float32 (n, d); `problems` every file or line that could not be used;
    `files`, `lines` what was read; `new_words` what the loudest texts have in common that the scan itself taught;
    `untried` the rules that no record was for, with the reason; `timings` what each stage took.
    """

    alerts: list[Alert]
    warnings: Sequence[EarlyWarning]
    incidents: list[Incident]
    young: list[str]
    texts: pl.DataFrame
    scores: pl.DataFrame
    vectors: NDArray[np.float32]
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
    work: Work | None = None,
    progress: Progress | None = None,
) -> Scan:
    """Scan files, folders or standard input (`-`) and return the alerts.

    `line_scores` names a Parquet file that gets one row for each input line; `work` keeps what a killed scan is taken
    up from (`checkpoint.work_of`). Raises InputError where nothing at all could be read, RuleError, EncoderError,
    CaseBaseError and ModelError where what the options name cannot be used, OutputError where `line_scores` cannot be
    written.
    """
    from forewarn.embeddings.devices import chosen_device
    from forewarn.rules import load_rules

    options = options or Options()
    if options.unusual:
        # How unusual a text is depends on those after it: no warning could be raised without hindsight.
        options = replace(options, promise=None)
    watch = Stopwatch()
    problems: list[ForewarnError] = []
    rules = load_rules(
        options.rules, similarity=similarity(options.encoder, options.device), logsource=options.logsource
    )
    problems += rules.problems
    watch.lap("load rules")

    with ExitStack() as stack:
        if work:
            work.take_up(identity_of(paths, rules.rules, _said(options) | {"--scores": line_scores is not None}))
        lines = timeline = None
        if line_scores:
            lines = stack.enter_context(LineScores(line_scores, work.place("lines") if work else None))
        if options.promise:
            timeline = Timeline(Clocks(options.late), options.stream_by, work.place("timeline") if work else None)
            stack.enter_context(timeline)
        intake = Intake(rules, problems, timeline, lines, work)
        intake.take_in(paths, options.text_column, options.time_column, watch, progress)
        if intake.rows == 0:
            raise _nothing_to_read(paths, problems)
        rule_sets, texts = intake.rule_sets, intake.table.frame()
        watch.lap("group")
        scores, explainer, encoder = _score(texts, rules, rule_sets, options, watch, problems, work, progress)
        warnings: Sequence[EarlyWarning] = []
        warned: dict[str, NDArray[np.float32]] = {}
        young: list[str] = []
        if timeline and options.promise:
            surge = Surge(options.promise, families(options), options.voices, options.stream_by or "by")
            past = past_scores(explainer.fusion, explainer.signals)
            # The bundled encoder's vectors are the same to the bit whatever it embeds together (`embeddings.bundled`).
            steady = encoder.name == "bundled" and chosen_device(options.device) == "cpu"
            made = explainer.vectors if steady else None
            known = Known(texts, encoder, rules, rule_sets, explainer.cases, made)
            frames = timeline.frames(texts, past, rule_sets.categories(rules), merge=merged(surge.families))
            warnings = kept = _warn(frames, surge, known, timeline.clocks)
            warned = dict(zip(kept.central, known.vectors(list(kept.central.values())), strict=True)) if kept else {}
            young = surge.young()
            watch.lap("warn", intake.rows)
        if lines:
            lines.finish(texts, scores, explainer.signals)
            watch.lap("write line scores", intake.rows)

    last_words = pl.Series(rule_sets.last_words(rules), dtype=pl.Boolean).gather(texts["rule_set"])
    chosen = decide(scores, texts["count"], options.policy, _hours(texts), last_words)
    alerts = explainer.alerts(chosen)
    together = incidents(warnings, warned, alerts, explainer.vectors[chosen.to_numpy()])
    watch.lap("explain", len(alerts))
    words = _new_words(explainer, texts, scores)
    untried = [(rules.rules[number], why) for number, why in rules.untried()]
    return Scan(
        alerts,
        warnings,
        [incident for incident in together if incident.warnings or len(incident.alerts) > 1],
        young,
        texts,
        scores,
        explainer.vectors,
        problems,
        len(intake.files),
        intake.rows,
        explainer.origin,
        words,
        untried,
        watch.stages,
    )


def _said(options: Options) -> dict[str, object]:
    """The options that the result depends on, as a person knows them."""
    said = {"adapt": "--no-adapt", "promise": "--false-warnings", "voices": "--count-repeats", "policy": "the policy"}
    values = {entry.name: getattr(options, entry.name) for entry in fields(options) if entry.name != "cache"}
    return {said.get(name, f"--{name.replace('_', '-')}"): value for name, value in values.items()}


def families(options: Options) -> tuple[str, ...]:
    """How the streams of an input are parted: by source, for texts of two are seldom alike, or not at all."""
    asked = {"by": options.stream_by, "category": options.by_category}
    return (EVERYTHING if options.one_stream else "source", *(family for family, wanted in asked.items() if wanted))


def merged(families: Sequence[str]) -> bool:
    """Whether the records of several sources meet in one stream, in the order of their times."""
    return tuple(families) != ("source",)


def _warn(frames: Iterable[pl.DataFrame], surge: Surge, known: Known, clocks: Clocks) -> KeptWarnings:
    def leads() -> Iterator[Lead]:
        for frame in frames:
            yield from explain(raised(surge.advance(frame)), known, surge.promise.said)
        yield from explain(raised(surge.wait(clocks.passed())), known, surge.promise.said)

    def raised(events: list[Raised | Ended]) -> list[Raised]:
        return [event for event in events if isinstance(event, Raised)]

    return KeptWarnings(leads())


def _score(
    texts: pl.DataFrame,
    rules: RuleSet,
    rule_sets: RuleSets,
    options: Options,
    watch: Stopwatch,
    problems: list[ForewarnError],
    work: Work | None,
    progress: Progress | None,
) -> tuple[pl.DataFrame, Explainer, Encoder]:
    from forewarn.detectors import fit_outliers
    from forewarn.embeddings import CaseBase, load_encoder

    model = load_model(options.model, device=options.device) if options.model else None
    if options.unusual and model:
        raise ModelError(
            f"{options.model} knows crises, and --unusual asks for what is unusual, whatever it means",
            remedy="Leave one of the two out.",
        )
    numbers = model.fusion if model else fusion.prior(unusual=options.unusual)
    if options.prior is not None:
        numbers = numbers.with_prior(options.prior, model.share if model else None)
    rule_scores = rule_sets.log_odds(rules, numbers)
    examples, counts = plain(texts["example"]), texts["count"].to_numpy()
    templates = meant(texts["template"], texts["example"], examples)

    name = model.encoder if model else options.encoder
    encoder: Encoder = load_encoder(name, device=options.device, cache=options.cache, problems=problems)
    if model:
        model.check_encoder(encoder)
    vectors = embed(encoder, examples.to_list(), work, progress)
    watch.lap("embed", texts.height)
    cases: CaseBase = CaseBase.open(options.cases, encoder=encoder)
    votes = cases.vote(vectors)
    watch.lap("look up cases", texts.height)
    detectors = options.detectors or (model.detectors if model else ("KNN",))
    baseline = model.baseline if model else None
    if baseline:
        unusual = baseline.outliers(detectors, options.seed).score(vectors, templates, in_sample=False)
    else:
        outliers = fit_outliers(vectors, templates, counts, detectors=detectors, seed=options.seed)
        unusual = outliers.score(vectors, templates, in_sample=True)
    watch.lap("find outliers", texts.height)

    given = {"rules": rule_scores[texts["rule_set"].to_numpy()], "outliers": unusual, "cases": votes}
    kinds = model.classify(vectors, examples) if model else None
    if kinds is not None:
        given["classifier"] = kinds[:, 0]
    signals = _signals(texts["text_id"], given)
    scores = numbers.fuse(signals)
    watch.lap("fuse", texts.height)
    adaptation = None
    if options.adapt:
        strength = model.strangeness(vectors, seed=options.seed) if model else 1.0
        adaptation = adapt(scores["log_odds"].to_numpy(), vectors, templates, strength=strength, seed=options.seed)
        if adaptation is not None:
            signals = signals.with_columns(adapted=pl.Series(adaptation.log_odds))
            scores = numbers.fuse(signals)
        watch.lap("adapt", texts.height)
    scores = scores.with_columns(p_value=pl.Series(_p_values(scores, counts, baseline)))
    interval = model.interval(scores, numbers.shift) if model else None
    if interval:
        scores = scores.with_columns(low=pl.Series(interval[0]), high=pl.Series(interval[1]))
    shipped = "ranked by how unusual each text is" if options.unusual else "no labels yet: ranked by the shipped prior"
    origin = model.origin if model else shipped
    explainer = Explainer(
        texts, signals, scores, rules, rule_sets, cases, vectors, numbers, adaptation, model, kinds, origin
    )
    return scores, explainer, encoder


def _new_words(explainer: Explainer, texts: pl.DataFrame, scores: pl.DataFrame) -> list[str]:
    if explainer.adaptation is None:
        return []
    ranked = scores.sort("log_odds", descending=True)["text_id"]
    loud = ranked.head(min(_LOUDEST, int((scores["log_odds"] > 0).sum())))
    others = ranked.slice(len(loud)).gather_every(max(1, (len(ranked) - len(loud)) // _LOUDEST))
    templates = texts["template"]
    return new_words(explainer.adaptation, templates.gather(loud).to_list(), templates.gather(others).to_list())


def _signals(text_ids: pl.Series, given: dict[str, np.ndarray]) -> pl.DataFrame:
    columns = {"text_id": text_ids} | {name: given.get(name) for name in SIGNALS}
    return pl.DataFrame(columns, schema=SIGNAL_FRAME, nan_to_null=True)


def _p_values(scores: pl.DataFrame, counts: np.ndarray, baseline: Baseline | None) -> np.ndarray:
    """Against the baseline, or the records that no rule speaks for.

    Those are the ordinary part of the input, and what no rule knows of yet.
    """
    log_odds = scores["log_odds"].to_numpy()
    plain = log_odds - scores["adapted_log_odds"].to_numpy()
    if baseline:
        known, ordinary, weights = baseline.log_odds, baseline.silent, baseline.texts["count"].to_numpy()
    else:
        known, ordinary, weights = plain, (scores["rules_log_odds"] <= 0).to_numpy(), counts
    p_values = fusion.conformal_p_values(plain, known[ordinary], weights[ordinary].astype(np.float64))
    return fusion.in_order_of(log_odds, p_values)


def _hours(texts: pl.DataFrame) -> float | None:
    first, last = texts["first_time"].min(), texts["last_time"].max()
    return None if first is None or last is None else (last - first).total_seconds() / 3600  # type: ignore[operator,union-attr]


def _nothing_to_read(paths: Sequence[str | Path], problems: list[ForewarnError]) -> InputError:
    if len(problems) == 1 and isinstance(problems[0], InputError):
        return problems[0]
    named = "\n".join(f"  {problem}" for problem in problems)
    return InputError(
        f"nothing could be read from {', '.join(str(path) for path in paths)}" + (f"\n{named}" if named else ""),
        remedy="Name a readable file or folder of logs, feeds or exports, or - for standard input.",
    )
