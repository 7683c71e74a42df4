"""Labelled texts to a model: classifier, learned fusion, calibration, and a report on texts that none of them saw.

In: a frame of labelled texts (`labelled`). Out: a `Model`. Every signal that the fusion learns from is out of fold: the
classifier that judges a text has not seen it, its copies, or its group (an event, a day, a source).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.arrays import Floats, Rows, Truth
from forewarn.detectors.finetuning.settings import TrainingProgress
from forewarn.errors import ForewarnError
from forewarn.extras import require
from forewarn.grouping.deobfuscation import plain
from forewarn.grouping.machine_texts import by_people
from forewarn.grouping.templates import mask_of
from forewarn.reading.dataframes import FrameLike, is_frame
from forewarn.reading.labelled import labelled_frame, read_labelled
from forewarn.scoring import fusion
from forewarn.scoring.baseline import Baseline
from forewarn.scoring.case_votes import case_votes
from forewarn.scoring.crisis_signal import crisis_signal
from forewarn.scoring.fusion import Fusion
from forewarn.scoring.model import Model, network_log_odds, sample_rows
from forewarn.scoring.signals import scaled, signal_frame
from forewarn.scoring.text_signals import rule_log_odds
from forewarn.training.fit_options import FitOptions, with_settings
from forewarn.training.metrics import calibration_error, classes, decided, figures, reliability
from forewarn.training.model_card import model_card
from forewarn.training.partition import (
    FEW,
    FOLDS,
    check_sources,
    crises,
    folds_of,
    groups_of,
    split,
    telltales,
)
from forewarn.training.stacking import LEARNT, log_loss, stack

if TYPE_CHECKING:
    from forewarn.detectors import Classifier
    from forewarn.detectors.finetuning.model import FineTuned
    from forewarn.embeddings import Encoder

Announce = Callable[[str], None]


def fit(
    labelled: FrameLike | str | Path | Sequence[str | Path],
    options: FitOptions | None = None,
    *,
    text_column: str | None = None,
    label_column: str = "label",
    group_column: str | None = None,
    time_column: str | None = None,
    baseline: Baseline | None = None,
    folder: str | Path | None = None,
    resume: bool = False,
    progress: Announce = lambda _: None,
    **settings: Any,
) -> Model:
    """Fit on n labelled texts: a frame of polars or pandas, or CSV, JSON-lines or Parquet files.

    Columns of a frame are found as in a file (`labelled.labelled_frame`): text and label, `group`, `time` and `part`
    (`train`, `test`) where they are known. Labels are strings, whole numbers or truth values. `settings` are fields of
    `FitOptions` by name (`positive="flood"`, `split="time"`). `baseline` says what is ordinary; `folder` keeps the
    checkpoints of a fine-tuning, which `resume` takes up again. Raises ForewarnError where the labels cannot teach: one
    class only, too few of one, an unknown positive label.
    """
    columns: dict[str, Any] = {
        "text_column": text_column,
        "label_column": label_column,
        "group_column": group_column,
        "time_column": time_column,
    }
    options = with_settings(options, settings)
    require("sklearn", "venn_abers", *(("torch", "transformers") if options.base is not None else ()))
    # A table has columns, a path and a list of them have not.
    texts = labelled_frame(labelled, **columns) if is_frame(labelled) else read_labelled(labelled, **columns)  # type: ignore[arg-type]
    if options.finetune != "head" and options.base is None:
        raise ForewarnError(
            f"--finetune {options.finetune} needs a language model",
            remedy="Name a Hugging Face model or its folder with --base.",
        )
    crisis = crises(texts["label"], options.positive)
    if not options.accept_sources:
        check_sources(texts, crisis)
    few = min(int(crisis.sum()), int((~crisis).sum())) < FEW
    written = plain(texts["text"])
    templates = mask_of(written)
    kept_apart = 0.0 if few else options.test
    train_rows, test_rows, copied = split(texts, templates, options.split, kept_apart, options.seed)
    if crisis[train_rows].all() or not crisis[train_rows].any():
        raise ForewarnError(
            "the part to learn from holds one class only", remedy="Choose another --split, or a smaller --test."
        )
    lesson = _Lesson(texts, written, templates, crisis, _kinds(texts["label"], options.positive), train_rows, test_rows)
    encoder, vectors, signals = _signals(
        texts["text"], written, templates, [train_rows, test_rows], options, baseline, progress
    )
    penalty, lesson_folds, held, tried = _out_of_fold(lesson, vectors, options.seed, progress)
    classifier = lesson.classifier(vectors, train_rows, penalty)
    network, judged = None, np.arange(len(train_rows))
    if options.base is not None:
        judged = np.flatnonzero(lesson_folds == 0)
        network = _fine_tuned(lesson, lesson_folds, options, Path(folder) if folder else None, resume, progress)
        held = (held + network_log_odds(network, written.gather(train_rows).to_list())[:, 0]) / 2

    progress("fusion")
    shipped = fusion.prior()
    signals["classifier"] = np.full(len(crisis), np.nan)
    signals["classifier"][train_rows] = held
    part = np.where(np.isin(np.arange(len(crisis)), test_rows), "test", "train")
    unfitted = Model(
        classifier=classifier,
        fusion=shipped,
        reference=np.empty(0),
        crisis=np.empty(0, dtype=bool),
        encoder=encoder.name,
        encoder_checksum=encoder.checksum,
        positive=options.positive,
        share=None,
        training=texts.with_columns(part=pl.Series(part)),
        sample=vectors[train_rows[sample_rows(len(train_rows))]],
        report={},
        detectors=options.detectors,
        seed=options.seed,
        baseline=baseline,
        network=network,
    )
    kinds = np.empty((0, 1))
    if len(test_rows):
        classified = unfitted.classify(vectors[test_rows], written.gather(test_rows))
        kinds = np.empty((0, 1)) if classified is None else classified
        signals["classifier"][test_rows] = kinds[:, 0]
    frame = signal_frame(signals)
    seen = train_rows[judged]
    share: float | None = None
    if few:
        learnt = replace(shipped, slopes=shipped.slopes | {"classifier": fusion.LABELLED})
        reference = learnt.fuse(frame[seen])["log_odds"].to_numpy()
    else:
        learnt, reference = stack(frame[seen], crisis[seen], shipped, options.seed)
        share = float(crisis[seen].mean())
    untaught = frame.with_columns(
        classifier=pl.Series(crisis_signal(encoder.checksum, vectors, by_people(texts["text"])), nan_to_null=True)
    )
    before = shipped.fuse(untaught)["log_odds"].to_numpy()
    report = _report(frame, lesson, learnt, before, options, seen if few else test_rows)
    report |= {"penalties": tried, "warnings": _warnings(lesson, copied, few)}
    if network is not None:
        report["epochs"] = [vars(row) for row in network.rows]
    if options.positive[1:] and len(kinds):
        truth = np.where(crisis[test_rows], _number(texts["label"].gather(test_rows), options.positive), 0)
        chosen = np.where(report_odds(learnt, frame[test_rows]) >= 0, kinds[:, 1:].argmax(axis=1) + 1, 0)
        report["categories"] = classes(truth, chosen, ("ordinary", *options.positive))
    fitted = replace(unfitted, fusion=learnt, reference=reference, crisis=crisis[seen], share=share, report=report)
    return replace(fitted, card=model_card(fitted))


def score(model: Model, texts: pl.DataFrame, *, device: str | None = None) -> Floats:
    """What a model says of n texts (`text`) among one another, as a scan does, without adaptation: log-odds, (n,).

    `Model.score` judges each on its own.
    """
    written = plain(texts["text"])
    templates = mask_of(written)
    options = FitOptions(encoder=model.encoder, device=device, detectors=model.detectors, seed=model.seed)
    rows = [np.arange(texts.height)]
    encoder, vectors, signals = _signals(
        texts["text"], written, templates, rows, options, model.baseline, lambda _: None
    )
    model.check_encoder(encoder)
    classified = model.classify(vectors, written)
    signals["classifier"] = (
        crisis_signal(encoder.checksum, vectors, by_people(texts["text"])) if classified is None else classified[:, 0]
    )
    return report_odds(model.fusion, signal_frame(signals))


def baseline_model(baseline: Baseline, options: FitOptions | None = None) -> Model:
    """A model without labels: the shipped opinion, against a baseline."""
    from forewarn.embeddings import load_encoder

    options = options or FitOptions()
    encoder = load_encoder(options.encoder, device=options.device)
    empty = pl.DataFrame(schema={"text": pl.String, "label": pl.String, "part": pl.String})
    report = {"baseline": {"lines": baseline.lines, "texts": baseline.texts.height}, "seed": options.seed}
    model = Model(
        classifier=None,
        fusion=fusion.prior(),
        reference=np.empty(0),
        crisis=np.empty(0, dtype=bool),
        encoder=encoder.name,
        encoder_checksum=encoder.checksum,
        positive=options.positive,
        share=None,
        training=empty,
        sample=np.empty((0, encoder.dimension), dtype=np.float32),
        report=report,
        detectors=options.detectors,
        seed=options.seed,
        baseline=baseline,
    )
    return replace(model, card=model_card(model))


def report_odds(learnt: Fusion, frame: pl.DataFrame) -> Floats:
    """The fused log-odds of a signals frame whose rules are at their shipped weight: float64 (n,)."""
    return learnt.fuse(scaled(frame, learnt))["log_odds"].to_numpy()


@dataclass(frozen=True)
class _Lesson:
    """n labelled texts: `written` as they were meant, `templates` masked; `crisis` bool (n,), `kinds` the same for each
    of several labels; `train_rows`, `asked` rows."""

    texts: pl.DataFrame
    written: pl.Series
    templates: pl.Series
    crisis: Truth
    kinds: dict[str, Truth]
    train_rows: Rows
    test_rows: Rows

    def classifier(
        self, vectors: NDArray[np.float32], rows: Rows, penalty: tuple[float, float], *, kinds: bool = True
    ) -> Classifier:
        """The head that some rows teach."""
        from forewarn.detectors import fit_classifier

        categories = {name: of_it[rows] for name, of_it in self.kinds.items()} if kinds else None
        return fit_classifier(
            vectors[rows], self.written.gather(rows), self.crisis[rows], categories=categories, penalty=penalty
        )


def _kinds(labels: pl.Series, positive: tuple[str, ...]) -> dict[str, Truth]:
    return {name: (labels == name).to_numpy() for name in positive} if len(positive) > 1 else {}


def _number(labels: pl.Series, positive: tuple[str, ...]) -> Rows:
    """0 for an ordinary label, 1 for a crisis, 1 to k where there are k labels of a crisis."""
    number = np.zeros(len(labels), dtype=np.int64)
    for at, name in enumerate(positive, 1):
        number[(labels == name).to_numpy()] = at
    return number


def _signals(
    texts: pl.Series,
    written: pl.Series,
    templates: pl.Series,
    parts: list[Rows],
    options: FitOptions,
    baseline: Baseline | None,
    progress: Announce,
) -> tuple[Encoder, NDArray[np.float32], dict[str, Floats]]:
    """The vectors of n texts and what rules, cases and outliers say of them; each part is a scan of its own."""
    from forewarn.detectors import fit_outliers
    from forewarn.embeddings import CaseBase, load_encoder
    from forewarn.rules import load_rules

    progress("embedding")
    encoder = load_encoder(options.encoder, device=options.device, cache=options.cache)
    vectors = encoder.encode(written.to_list())
    progress("rules, cases, outliers")
    unusual = np.empty(len(texts))
    ordinary = baseline.outliers(options.detectors, options.seed) if baseline else None
    for part in parts:
        if len(part):
            one = np.ones(len(part), dtype=np.int64)
            own = templates.gather(part)
            reference = ordinary or fit_outliers(
                vectors[part], own, one, detectors=options.detectors, seed=options.seed
            )
            unusual[part] = reference.score(vectors[part], own, in_sample=ordinary is None)
    signals = {
        "rules": rule_log_odds(load_rules(), texts),
        "cases": case_votes(CaseBase.open(None, encoder=encoder), vectors, by_people(texts)),
        "outliers": unusual,
    }
    return encoder, vectors, signals


def _out_of_fold(
    lesson: _Lesson, vectors: NDArray[np.float32], seed: int, progress: Announce
) -> tuple[tuple[float, float], Rows, Floats, dict[str, float]]:
    """The best penalty, the folds, each taught text's log-odds by a head that did not see it, every penalty's loss."""
    from forewarn.detectors import PENALTIES

    train_rows, crisis = lesson.train_rows, lesson.crisis
    folds = folds_of(groups_of(lesson.texts, lesson.templates)[train_rows], seed)
    few = min(int(crisis[train_rows].sum()), int((~crisis[train_rows]).sum())) < FEW
    held = {}
    # What few labels say of their own texts and their like is to count: the lighter penalty.
    for penalty in PENALTIES[-1:] if few else PENALTIES:
        progress(f"classifier, penalty {penalty[0]:g}")
        held[penalty] = np.zeros(len(train_rows))
        for fold in range(FOLDS):
            out = train_rows[folds == fold]
            if not len(out):
                continue
            copies = lesson.templates.gather(train_rows).is_in(lesson.templates.gather(out).implode()).to_numpy()
            seen = train_rows[(folds != fold) & ~copies]
            if lesson.crisis[seen].any() and not lesson.crisis[seen].all():
                head = lesson.classifier(vectors, seen, penalty, kinds=False)
                held[penalty][folds == fold] = head.log_odds(vectors[out], lesson.written.gather(out))[:, 0]
    losses = {penalty: log_loss(odds, crisis[train_rows]) for penalty, odds in held.items()}
    best = min(losses, key=lambda penalty: losses[penalty])
    return best, folds, held[best], {f"{vector:g}, {words:g}": loss for (vector, words), loss in losses.items()}


def _fine_tuned(
    lesson: _Lesson, folds: Rows, options: FitOptions, folder: Path | None, resume: bool, progress: Announce
) -> FineTuned:
    """A network taught by four folds and stopped by the fifth, which the fusion then learns from."""
    from forewarn.detectors.finetuning.model import finetune

    def part(rows: Rows) -> tuple[list[str], Rows]:
        return lesson.written.gather(rows).to_list(), _number(lesson.texts["label"].gather(rows), options.positive)

    def report(trained: TrainingProgress) -> None:
        row = trained.rows[-1] if trained.rows else None
        figure = f", AP {row.average_precision:.3f} after epoch {row.epoch}" if row else ""
        progress(f"fine-tuning, step {trained.step} of {trained.steps}{figure}")

    assert options.base is not None  # noqa: S101
    with tempfile.TemporaryDirectory(prefix="forewarn-fit-") as scratch:
        texts, labels = part(lesson.train_rows[folds != 0])
        return finetune(
            texts,
            labels,
            validation=part(lesson.train_rows[folds == 0]),
            base=options.base,
            strategy=options.finetune,
            settings=replace(options.training, seed=options.seed, device=options.device),
            folder=folder or Path(scratch),
            resume=resume,
            download=True,
            progress=report,
        )


def _warnings(lesson: _Lesson, copied: int, few: bool) -> list[str]:
    remarks = []
    if few:
        remarks.append(f"fewer than {FEW} texts of a class: the shipped weights are kept, no test part is kept apart")
    if copied:
        remarks.append(f"{copied} texts have a copy on the other side of the split: they were moved to the taught part")
    if words := telltales(lesson.texts["text"], lesson.crisis):
        remarks.append(
            f"nearly every crisis and hardly any other text has (or lacks) {', '.join(words[:5])}: is it a trace?"
        )
    return remarks


def _report(
    frame: pl.DataFrame, lesson: _Lesson, learnt: Fusion, before: Floats, options: FitOptions, test_rows: Rows
) -> dict[str, Any]:
    """Figures of the texts `test_rows`: before and after, each part beside the fused score, reliability, confusion."""
    crisis = lesson.crisis
    about = {
        "texts": len(lesson.train_rows),
        "crises": int(crisis[lesson.train_rows].sum()),
        "test_texts": len(test_rows),
        "test_crises": int(crisis[test_rows].sum()),
        "split": options.split if len(lesson.test_rows) else "five folds of the texts that were taught",
        "seed": options.seed,
        "weights": {"rules": learnt.rule_scale} | {name: slope.slope for name, slope in learnt.slopes.items()},
    }
    truth = crisis[test_rows]
    if not len(test_rows) or truth.all() or not truth.any():
        return about
    test = frame[test_rows]
    before = before[test_rows]
    fused = report_odds(learnt, test)
    ways = {
        "before (no labels)": before,
        **{name: test[name].fill_null(0.0).to_numpy() for name in ("rules", *LEARNT)},
        "fused": fused,
    }
    about["scores"] = {name: figures(values, truth) for name, values in ways.items()}
    about["calibration_error"] = calibration_error(fused, truth)
    about["before"], about["after"] = decided(before, truth), decided(fused, truth)
    about["reliability"] = reliability(fused, truth)
    return about
