"""A classifier fine-tuned from a pre-trained language model.

In: texts and labels, a Hugging Face model by name or folder, a strategy. Out: log-odds for each category, and a folder
of safetensors and JSON that holds all it takes. Never pickles, never runs a model's own code, and fetches a model
only where the caller says that the user named a remote one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forewarn.detectors.finetuning.settings import (
    STRATEGIES,
    Epoch,
    Report,
    Strategy,
    TrainingProgress,
    TrainingSettings,
)
from forewarn.errors import DetectorError, ModelError
from forewarn.extras import require

if TYPE_CHECKING:
    import torch

    from forewarn.detectors.finetuning.network import Network

__all__ = ["STRATEGIES", "Epoch", "FineTuned", "TrainingProgress", "TrainingSettings", "finetune", "load_finetuned"]

Labels = NDArray[np.int64]
_SCHEMA = 1
_BATCH = 64
_ENCODER, _REST, _ABOUT = "encoder", "head.safetensors", "finetuned.json"
_FILES = re.compile(r"(?:[\w-][\w.-]*/)*[\w-][\w.-]*")
_TWO = "Give texts of at least two categories."


class FineTuned:
    """A fine-tuned classifier: `strategy` and `rows`, the table of its training, say how it came about."""

    def __init__(
        self, network: Network, tokenizer: Any, *, base: str, settings: TrainingSettings, rows: list[Epoch]
    ) -> None:
        self._network, self._tokenizer = network, tokenizer
        self.base, self.settings, self.rows = base, settings, rows
        self.strategy = str(network.strategy)
        self.categories = int(network.head.out_features)

    def log_odds(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """For each of n texts and k categories, log p / (1 - p): float64 (n, k). An empty text has one too."""
        import torch

        from forewarn.detectors.finetuning.loop import Examples, padded, sorted_batches

        device = next(self._network.parameters()).device
        tokens = tokenised(self._tokenizer, texts, self.settings.tokens, self._network.strategy)
        examples = Examples(tokens, np.zeros(len(texts), np.int64))
        found = torch.empty((len(texts), self.categories), dtype=torch.float64)
        with torch.no_grad():
            for rows in sorted_batches(examples, _BATCH):
                inputs = padded([examples.tokens[row] for row in rows], _pad(self._tokenizer), device)
                found[torch.from_numpy(rows)] = self._network(*inputs).double().cpu()
            shares = found.log_softmax(dim=1)
            # log(1 - p) as a sum over the others: exact where p rounds to one.
            others = shares[:, None, :].expand(-1, self.categories, -1).clone()
            others.diagonal(dim1=1, dim2=2).fill_(-torch.inf)
            odds: NDArray[np.float64] = (shares - others.logsumexp(dim=2)).numpy()
        return odds

    def save(self, folder: Path) -> None:
        """Write the classifier, replacing what `folder` held: `encoder/` is an ordinary Hugging Face model with its
        tokenizer, the rest is beside it. Raises OutputError.
        """
        from safetensors.torch import save_file

        from forewarn.detectors.finetuning.checkpoint import write_json
        from forewarn.detectors.finetuning.network import quiet
        from forewarn.runtime.atomic import atomic_folder, checksum

        with atomic_folder(folder, _strangers) as part, quiet():
            self._network.plain.save_pretrained(part / _ENCODER)
            self._tokenizer.save_pretrained(part / _ENCODER)
            save_file(_beside(self._network), part / _REST)
            files = sorted(file for file in part.rglob("*") if file.is_file())
            write_json(
                part / _ABOUT,
                {
                    "schema": _SCHEMA,
                    "strategy": self.strategy,
                    "base": self.base,
                    "categories": self.categories,
                    "settings": asdict(self.settings),
                    "rows": [asdict(row) for row in self.rows],
                    "files": {file.relative_to(part).as_posix(): checksum(file) for file in files},
                },
            )


def _strangers(folder: Path) -> list[str]:
    """What a folder holds that `FineTuned.save` did not write."""
    from forewarn.detectors.finetuning.checkpoint import read_json
    from forewarn.runtime.atomic import others_than

    try:
        files = read_json(folder / _ABOUT).get("files")
    except ModelError:
        return others_than(folder, set())
    return others_than(folder, {_ABOUT, *(files if isinstance(files, dict) else ())})


def load_finetuned(folder: Path, *, device: str | None = None) -> FineTuned:
    """What `FineTuned.save` wrote. Raises ModelError where it is missing, damaged or from a newer program."""
    require("torch", "transformers")
    from safetensors.torch import load_file

    from forewarn.detectors.finetuning.checkpoint import read_json, verify
    from forewarn.detectors.finetuning.network import Network, load_base, with_peft
    from forewarn.runtime.foreign import part_of

    about = read_json(folder / _ABOUT)
    if about.get("schema") != _SCHEMA:
        raise ModelError(
            f"was written with schema {about.get('schema')}, and this program knows {_SCHEMA}",
            path=folder / _ABOUT,
            remedy="Install the newer version of forewarn, or train again.",
        )
    try:
        for name, expected in about["files"].items():
            with suppress(FileNotFoundError):
                part_of(folder, name, _FILES)
            verify(folder / name, expected)
        strategy = Strategy.parse(about["strategy"])
        settings = TrainingSettings(**about["settings"])
        rows = [Epoch(**row) for row in about["rows"]]
        model, tokenizer = load_base(folder / _ENCODER)
        if strategy.kind == "prefix":
            model = with_peft(model, strategy, steps=1)
        network = Network(model, strategy, about["categories"], settings.dropout)
        rest = load_file(folder / _REST)
        if set(rest) != set(_beside(network)):
            raise KeyError(_REST)
        network.load_state_dict(rest, strict=False)
    except (KeyError, TypeError, AttributeError, ValueError, DetectorError) as error:
        raise ModelError(
            f"is damaged: {error} is missing or is not what it should be",
            path=folder / _ABOUT,
            remedy="Restore it from a copy, or train again.",
        ) from None
    finished = network.to(_device(device)).requires_grad_(False).eval()
    return FineTuned(finished, tokenizer, base=about["base"], settings=settings, rows=rows)


def finetune(
    texts: Sequence[str],
    labels: Labels,
    *,
    validation: tuple[Sequence[str], Labels],
    base: str | Path,
    strategy: str,
    settings: TrainingSettings | None = None,
    folder: Path,
    resume: bool = False,
    download: bool = False,
    progress: Report | None = None,
) -> FineTuned:
    """Fine-tune `base` on n texts with labels 0..k-1, int64 (n,), keeping the epoch that ranks `validation` best.

    `folder` holds the checkpoints; with `resume` the training goes on from the last one, and ends with the same
    weights as if it had never stopped. `progress` is called after every step and every epoch. Raises DetectorError for
    texts, labels or settings that cannot be used, EncoderError for the model, ModelError for a checkpoint.
    """
    require("torch", "transformers", "sklearn")
    settings = settings or TrainingSettings()
    chosen = Strategy.parse(strategy)
    settings.check(chosen)
    categories = _checked(texts, labels, "training")
    if _checked(validation[0], validation[1], "validation") > categories:
        raise DetectorError("a category of the validation texts is not among the training texts")
    device, track = _device(settings.device), _tracker(settings.track, folder)

    import torch

    from forewarn.detectors.finetuning import loop
    from forewarn.detectors.finetuning.network import build, load_base, merged

    model, tokenizer = load_base(base, download=download)
    identity = _identity(model, texts, labels, validation, str(chosen), settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        steps = loop.planned_steps(len(texts), settings)
        network = build(model, chosen, categories, dropout=settings.dropout, steps=steps).to(device)
    pad = _pad(tokenizer)
    train, watched = (
        loop.Examples(tokenised(tokenizer, own, settings.tokens, chosen), np.array(given, dtype=np.int64))
        for own, given in ((texts, labels), validation)
    )
    if chosen.kind == "head":
        train, watched = loop.frozen(network, train, pad), loop.frozen(network, watched, pad)
    training = loop.Training(network, train, watched, settings, folder=folder, identity=identity, pad=pad)
    rows = training.fit(resume=resume, progress=progress, track=track)
    return FineTuned(merged(network), tokenizer, base=str(base), settings=settings, rows=rows)


def tokenised(tokenizer: Any, texts: Sequence[str], tokens: int, strategy: Strategy) -> list[NDArray[np.int64]]:
    """The token ids of n texts, each cut to `tokens` and to what the model can read."""
    from forewarn.detectors.finetuning.network import PREFIX_TOKENS

    if not len(texts):
        return []
    taken = PREFIX_TOKENS if strategy.kind == "prefix" else 0  # A prefix stands in the model's first positions.
    most = min(tokens, tokenizer.model_max_length - taken)
    found = tokenizer(
        list(texts), truncation=True, max_length=most, return_attention_mask=False, return_token_type_ids=False
    )
    # A tokenizer without marks of beginning and end gives no token for an empty text.
    return [np.array(ids or [_pad(tokenizer)], dtype=np.int64) for ids in found["input_ids"]]


def _pad(tokenizer: Any) -> int:
    return int(tokenizer.pad_token_id or 0)


def _beside(network: Network) -> dict[str, torch.Tensor]:
    """The weights that are not the plain encoder's: the head, adapters, a prefix."""
    plain = {id(weight) for weight in [*network.plain.parameters(), *network.plain.buffers()]}
    return {
        name: weight.detach().contiguous()
        for name, weight in network.state_dict(keep_vars=True).items()
        if id(weight) not in plain
    }


def _checked(texts: Sequence[str], labels: Labels, which: str) -> int:
    """The number of categories of usable texts and labels. Raises DetectorError."""
    if not len(texts):
        raise DetectorError(f"there are no {which} texts", remedy=_TWO)
    labels = np.asarray(labels)
    if labels.shape != (len(texts),) or labels.dtype.kind not in "iu":
        raise DetectorError(f"the {len(texts)} {which} texts need one whole number each as a label")
    for place, text in enumerate(texts):
        if not isinstance(text, str) or not text.strip():
            raise DetectorError(f"{which} text {place + 1} is empty", remedy="Leave empty texts out.")
    categories = np.unique(labels)
    if len(categories) < 2:
        raise DetectorError(f"the {which} texts are all of one category", remedy=_TWO)
    if which == "training":
        if (categories != np.arange(len(categories))).any():
            raise DetectorError("the labels must be 0, 1, 2 … without a gap")
        rarest = int(np.bincount(labels).argmin())
        if np.bincount(labels)[rarest] < 2:
            raise DetectorError(
                f"category {rarest} has one training text", remedy="Give at least two, or leave the category out."
            )
    elif categories[0] < 0:
        raise DetectorError("a label must not be negative")
    return int(categories[-1]) + 1


def _identity(
    model: Any,
    texts: Sequence[str],
    labels: Labels,
    validation: tuple[Sequence[str], Labels],
    strategy: str,
    settings: TrainingSettings,
) -> str:
    """A digest of everything that decides the result."""
    decisive = {key: value for key, value in asdict(settings).items() if key not in ("track", "device")}
    digest = hashlib.sha256(repr((strategy, sorted(decisive.items()))).encode())
    for own, given in ((texts, labels), validation):
        digest.update(repr(list(own)).encode())
        digest.update(np.ascontiguousarray(given, dtype=np.int64).tobytes())
    for name, weight in model.state_dict().items():
        digest.update(name.encode())
        digest.update(weight.detach().contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()


def _device(name: str | None) -> str:
    """The device to train on. Raises DetectorError where it is not there."""
    import torch

    if name is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name != "cpu" and not (name.startswith("cuda") and torch.cuda.is_available()):
        raise DetectorError(f"there is no device {name!r} here", remedy="Use --device cpu.")
    return name


def _tracker(name: str | None, folder: Path) -> Callable[[Epoch], None] | None:
    """A function that hands an epoch's row to TensorBoard or Weights & Biases. Raises DetectorError."""
    if name is None:
        return None
    try:
        if name == "tensorboard":
            from torch.utils.tensorboard import SummaryWriter

            writer: Any = SummaryWriter(str(folder / "tensorboard"))
        else:
            writer = import_module("wandb").init(project="forewarn", dir=str(folder))
    except ImportError:
        raise DetectorError(f"{name} is not installed", remedy=f"pip install {name}") from None

    def track(row: Epoch) -> None:
        figures = {key: value for key, value in asdict(row).items() if key != "epoch"}
        if name == "wandb":
            writer.log(figures, step=row.epoch)
        else:
            for key, value in figures.items():
                writer.add_scalar(key, value, row.epoch)
            writer.flush()

    return track
