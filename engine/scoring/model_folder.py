"""A fitted model as a folder: written whole or not at all, checked when it is read.

In: what `fit` made. Out: `model.json` (numbers, checksums, report), `tensors.safetensors` (classifier, calibration
texts' scores, vectors), `training.parquet` (the labelled texts), `MODEL_CARD.md`; `baseline.parquet` and `network/`
where there is a baseline or a fine-tuned network. No pickle.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.errors import ModelError
from forewarn.extras import require
from forewarn.runtime.atomic import atomic_folder, checksum, others_than, replaceable
from forewarn.runtime.foreign import Unfit, check_parts, notes_of
from forewarn.scoring.baseline import Baseline
from forewarn.scoring.calibration import Calibration
from forewarn.scoring.fusion import Fusion, Slope
from forewarn.scoring.model import Model
from forewarn.scoring.model_check import FILES, check_model

if TYPE_CHECKING:
    pass

MODEL_SCHEMA = 2
_ABOUT, _TENSORS, _TRAINING, _CARD, _BASELINE, _NETWORK = (
    "model.json",
    "tensors.safetensors",
    "training.parquet",
    "MODEL_CARD.md",
    "baseline.parquet",
    "network",
)


class _Contents(msgspec.Struct):
    """Of `model.json`, what else is in the folder, with checksums."""

    files: dict[str, str]


class _Written(msgspec.Struct):
    """`model.json`."""

    schema: int
    made_with: dict[str, str]
    encoder: str
    encoder_checksum: str
    positive: list[str]
    categories: list[str]
    detectors: list[str]
    seed: int
    share: float | None
    fusion: dict[str, Any]
    calibration: str | None
    files: dict[str, str]
    report: dict[str, Any]


def save_model(model: Model, folder: str | Path, card: str | None = None) -> None:
    """Write a model's folder: into a temporary one beside it, then renamed; `card` for people (None = the model's own).

    Raises OutputError.
    """
    from safetensors.numpy import save_file

    fusion = model.fusion
    numbers = {
        "fitted_on": fusion.fitted_on,
        "base": fusion.base,
        "rule_levels": fusion.rule_levels,
        "rule_discount": fusion.rule_discount,
        "rule_scale": fusion.rule_scale,
        "rule_repeat": fusion.rule_repeat,
        "held": fusion.held,
        "slopes": {name: vars(slope) for name, slope in fusion.slopes.items()},
    }
    arrays: dict[str, NDArray[Any]] = {"reference": model.reference, "crisis": model.crisis, "sample": model.sample}
    if fusion.calibration:
        arrays |= {"calibration.x": fusion.calibration.x, "calibration.y": fusion.calibration.y}
    if model.classifier:
        arrays |= {f"classifier.{name}": array for name, array in model.classifier.tensors().items()}
    if model.baseline:
        arrays |= {f"baseline.{name}": array for name, array in model.baseline.tensors().items()}
    with atomic_folder(Path(folder), _strangers) as part:
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, part / _TENSORS)
        model.training.write_parquet(part / _TRAINING)
        (part / _CARD).write_text(model.card if card is None else card, "utf-8")
        if model.baseline:
            model.baseline.texts.write_parquet(part / _BASELINE)
        if model.network:
            model.network.save(part / _NETWORK)
        files = sorted(file for file in part.rglob("*") if file.is_file())
        written = _Written(
            MODEL_SCHEMA,
            _versions(),
            model.encoder,
            model.encoder_checksum,
            list(model.positive),
            list(model.categories),
            list(model.detectors),
            model.seed,
            model.share,
            numbers,
            fusion.calibration.kind if fusion.calibration else None,
            {file.relative_to(part).as_posix(): checksum(file) for file in files},
            model.report,
        )
        (part / _ABOUT).write_bytes(msgspec.json.format(msgspec.json.encode(written), indent=1))


def check_target(folder: Path) -> None:
    """Raise OutputError where a model could not be written there: before it is fitted, not after."""
    replaceable(folder, _strangers)


def _strangers(folder: Path) -> list[str]:
    """What a folder holds that `save_model` did not write."""
    try:
        written = msgspec.json.decode((folder / _ABOUT).read_bytes(), type=_Contents)
    except (OSError, ValueError):
        return others_than(folder, set())
    return others_than(folder, {_ABOUT, *written.files})


def open_model(model: str | Path | Model | None, *, device: str | None = None) -> Model | None:
    """The model of a folder, or one that is open already, or none. Raises ModelError as `load_model` does."""
    return model if model is None or isinstance(model, Model) else load_model(model, device=device)


def load_model(folder: str | Path, *, device: str | None = None) -> Model:
    """Read a model's folder; its network runs on `device`. Raises ModelError where it is none, newer or changed.

    MissingExtraError where it needs a library that is not installed.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    from forewarn.detectors import Classifier

    folder = Path(folder)
    again = "Fit it again with `forewarn fit`, or copy the whole folder anew."
    try:
        content = notes_of(folder, _ABOUT)
        schema = msgspec.json.decode(content, type=dict[str, Any]).get("schema")
        if schema != MODEL_SCHEMA:
            raise ModelError(
                f"has schema {schema}, this program reads {MODEL_SCHEMA}",
                path=folder,
                remedy="Use the version of forewarn that wrote it, or fit it again.",
            )
        written = msgspec.json.decode(content, type=_Written)
        if absent := {_TENSORS, _TRAINING} - set(written.files):
            raise Unfit(f"does not name {min(absent)}")
        check_parts(folder, written.files, FILES)
        arrays = load_file(folder / _TENSORS)
        if len(arrays["reference"]):
            # The intervals of its probabilities come at the end of a scan: that is late to hear of it.
            require("venn_abers")

        def part(name: str) -> dict[str, NDArray[Any]]:
            return {key.removeprefix(f"{name}."): array for key, array in arrays.items() if key.startswith(f"{name}.")}

        numbers, calibration = written.fusion, None
        if written.calibration is not None:
            calibration = Calibration(written.calibration, **part("calibration"))
        fusion = Fusion(
            numbers["fitted_on"],
            numbers["base"],
            numbers["rule_levels"],
            numbers["rule_discount"],
            {name: Slope(**slope) for name, slope in numbers["slopes"].items()},
            numbers["rule_scale"],
            # Of a model that was written before there were such numbers.
            numbers.get("rule_repeat", numbers["rule_discount"]),
            numbers.get("held"),
            calibration,
        )
        head, ordinary, network = part("classifier"), part("baseline"), None
        if any(name.startswith(f"{_NETWORK}/") for name in written.files):
            from forewarn.detectors.finetuning.model import load_finetuned

            network = load_finetuned(folder / _NETWORK, device=device)
        if ordinary and _BASELINE not in written.files:
            raise Unfit(f"does not name {_BASELINE}")
        model = Model(
            classifier=Classifier.from_tensors(head, written.categories) if head else None,
            fusion=fusion,
            reference=arrays["reference"],
            crisis=arrays["crisis"],
            encoder=written.encoder,
            encoder_checksum=written.encoder_checksum,
            positive=tuple(written.positive),
            share=written.share,
            training=pl.read_parquet(folder / _TRAINING),
            sample=arrays["sample"],
            report=written.report,
            detectors=tuple(written.detectors),
            seed=written.seed,
            baseline=Baseline.from_tensors(pl.read_parquet(folder / _BASELINE), ordinary) if ordinary else None,
            network=network,
            card=(folder / _CARD).read_text("utf-8"),
        )
        check_model(model)
    except FileNotFoundError as error:
        missing = Path(str(error.filename)).name
        what = "is no model folder: there is no model.json" if missing == "model.json" else f"lacks {missing}"
        raise ModelError(what, path=folder, remedy="Name a folder that `forewarn fit` wrote.") from None
    except Unfit as error:
        raise ModelError(f"is not a model of forewarn: {error}", path=folder, remedy=again) from None
    except (
        *(OSError, msgspec.MsgspecError, SafetensorError, KeyError, TypeError, ValueError, AttributeError),
        *(pl.exceptions.PolarsError, pl.exceptions.PanicException),
    ) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(f"cannot be read: {said}", path=folder, remedy=again) from None
    return model


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in ("forewarn", "numpy", "polars", "scipy", "safetensors"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
