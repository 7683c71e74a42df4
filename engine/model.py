"""A fitted model as a folder: written whole or not at all, checked when it is read.

In: what `fit` made. Out: `model.json` (numbers, checksums, report), `tensors.safetensors` (classifier, calibration
texts' scores), `training.parquet` (the labelled texts), `MODEL_CARD.md`. No pickle.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.calibration import Calibration, venn_abers
from forewarn.errors import ModelError, OutputError
from forewarn.fusion import Fusion, Slope

if TYPE_CHECKING:
    from forewarn.detectors import Classifier
    from forewarn.embeddings import Encoder

Floats = NDArray[np.float64]
SCHEMA = 1
_FILES = ("tensors.safetensors", "training.parquet", "MODEL_CARD.md")


class _Written(msgspec.Struct):
    """`model.json`."""

    schema: int
    made_with: dict[str, str]
    encoder: str
    encoder_checksum: str
    positive: list[str]
    share: float
    fusion: dict[str, Any]
    calibration: str
    files: dict[str, str]
    report: dict[str, Any]


@dataclass(frozen=True)
class Model:
    """What was fitted.

    `classifier` the head; `fusion` the learned numbers; `reference` float64 (m,) the calibrated log-odds of training
    texts by models that had not seen them and `crisis` bool (m,) their labels, for the intervals; `encoder`,
    `encoder_checksum` what vectors it wants; `positive` the labels of a crisis; `share` of crisis texts among those it
    was fitted on; `training` the labelled texts; `report` the figures on the untouched test part.
    """

    classifier: Classifier
    fusion: Fusion
    reference: Floats
    crisis: NDArray[np.bool_]
    encoder: str
    encoder_checksum: str
    positive: tuple[str, ...]
    share: float
    training: pl.DataFrame
    report: dict[str, Any]

    @property
    def origin(self) -> str:
        """What an alert says about where its score comes from."""
        return f"model fitted on {self.training.height:,} labelled texts"

    def check_encoder(self, encoder: Encoder) -> None:
        """Raises ModelError where an encoder is not the one that the model was fitted with."""
        if encoder.checksum != self.encoder_checksum:
            raise ModelError(
                f"the model was fitted with another {self.encoder} encoder",
                remedy="Install the encoder it was fitted with, or fit it again with `forewarn fit`.",
            )

    def interval(self, scores: pl.DataFrame, prior: float = 0.0) -> tuple[Floats, Floats]:
        """The Venn–Abers probabilities of n texts, lower and higher: float64 (n,) each.

        What adaptation adds moves both, and so does another base rate, by `prior` log-odds. `scores` is a scores frame.
        """
        added = scores["adapted_log_odds"].to_numpy() + prior
        low, high = venn_abers(self.reference, self.crisis, scores["log_odds"].to_numpy() - added)
        return _moved(low, added), _moved(high, added)


def _moved(probability: Floats, log_odds: Floats) -> Floats:
    inside = np.clip(probability, 1e-6, 1 - 1e-6)
    moved: Floats = 1.0 / (1.0 + (1.0 - inside) / inside * np.exp(-np.clip(log_odds, -40, 40)))
    return moved


def save_model(model: Model, folder: Path, card: str) -> None:
    """Write a model's folder: into a temporary one beside it, then renamed. Raises OutputError."""
    from safetensors.numpy import save_file

    fusion = model.fusion
    calibration = fusion.calibration or Calibration("none", np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    numbers = {
        "fitted_on": fusion.fitted_on,
        "base": fusion.base,
        "rule_levels": fusion.rule_levels,
        "rule_discount": fusion.rule_discount,
        "rule_scale": fusion.rule_scale,
        "slopes": {name: vars(slope) for name, slope in fusion.slopes.items()},
    }
    arrays = {
        **{f"classifier.{name}": np.ascontiguousarray(array) for name, array in model.classifier.tensors().items()},
        "calibration.x": calibration.x,
        "calibration.y": calibration.y,
        "reference": model.reference,
        "crisis": model.crisis,
    }
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            save_file(arrays, part / _FILES[0])
            model.training.write_parquet(part / _FILES[1])
            (part / _FILES[2]).write_text(card, "utf-8")
            written = _Written(
                SCHEMA,
                _versions(),
                model.encoder,
                model.encoder_checksum,
                list(model.positive),
                model.share,
                numbers,
                calibration.kind,
                {name: _checksum(part / name) for name in _FILES},
                model.report,
            )
            (part / "model.json").write_bytes(msgspec.json.format(msgspec.json.encode(written), indent=1))
            part.chmod(0o755)
            if folder.exists():
                old = part.with_name(f"{part.name}.old")
                folder.rename(old)
                part.rename(folder)
                shutil.rmtree(old)
            else:
                part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror}", path=folder) from None


def load_model(folder: str | Path) -> Model:
    """Read a model's folder. Raises ModelError where it is none, newer, cut or changed."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    from forewarn.detectors import Classifier

    folder = Path(folder)
    again = "Fit it again with `forewarn fit`, or copy the whole folder anew."
    try:
        content = (folder / "model.json").read_bytes()
        schema = msgspec.json.decode(content, type=dict[str, Any]).get("schema")
        if schema != SCHEMA:
            raise ModelError(
                f"has schema {schema}, this program reads {SCHEMA}",
                path=folder,
                remedy="Use the version of forewarn that wrote it, or fit it again.",
            )
        written = msgspec.json.decode(content, type=_Written)
        for name, checksum in written.files.items():
            if _checksum(folder / name) != checksum:
                raise ModelError(f"{name} is not as it was written", path=folder, remedy=again)
        arrays = load_file(folder / _FILES[0])
        training = pl.read_parquet(folder / _FILES[1])
        numbers = written.fusion
        fusion = Fusion(
            numbers["fitted_on"],
            numbers["base"],
            numbers["rule_levels"],
            numbers["rule_discount"],
            {name: Slope(**slope) for name, slope in numbers["slopes"].items()},
            numbers["rule_scale"],
            Calibration(written.calibration, arrays["calibration.x"], arrays["calibration.y"]),
        )
        own = {
            name.removeprefix("classifier."): part for name, part in arrays.items() if name.startswith("classifier.")
        }
        return Model(
            Classifier.from_tensors(own, ()),
            fusion,
            arrays["reference"],
            arrays["crisis"],
            written.encoder,
            written.encoder_checksum,
            tuple(written.positive),
            written.share,
            training,
            written.report,
        )
    except FileNotFoundError as error:
        missing = Path(str(error.filename)).name
        what = "is no model folder: there is no model.json" if missing == "model.json" else f"lacks {missing}"
        raise ModelError(what, path=folder, remedy="Name a folder that `forewarn fit` wrote.") from None
    except (OSError, msgspec.MsgspecError, SafetensorError, pl.exceptions.PolarsError, KeyError, TypeError) as error:
        raise ModelError(f"cannot be read: {str(error).splitlines()[0]}", path=folder, remedy=again) from None


def _checksum(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in ("forewarn", "numpy", "polars", "scipy", "safetensors"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
