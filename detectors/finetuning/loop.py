"""The training loop: epochs of mini-batches, a row after each, the best weights at the end, resumable anywhere.

In: a network, tokens and labels. Out: the rows; the network holds its best epoch's weights. The same seed gives the
same weights, also when the process was killed and began again from its last checkpoint: weights, the optimiser's
moments, the random state and the place in the epoch are all kept. Hugging Face's Trainer keeps these by pickling,
and a pickle is code that runs when it is read.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from forewarn.detectors.finetuning.checkpoint import forget_checkpoints, read_checkpoint, write_checkpoint
from forewarn.detectors.finetuning.network import Network
from forewarn.detectors.finetuning.settings import Epoch, Report, TrainingProgress, TrainingSettings
from forewarn.errors import ModelError
from forewarn.extras import require

_MOST_NORM = 1.0
_SORTED_BATCHES = 16
"""Batches among which texts are sorted by length, so that little is padded."""
_ORTHOGONALITY = 0.1


@dataclass(frozen=True)
class Examples:
    """n texts as token ids, or, where the encoder is frozen, as its vectors (n, d); their labels int64 (n,)."""

    tokens: Sequence[NDArray[np.int64]]
    labels: NDArray[np.int64]
    vectors: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)


@dataclass
class _Run:
    """What changes while training, beside the network and the optimiser."""

    step: int = 0
    epoch: int = 0
    batch: int = 0
    summed: float = 0.0
    seconds: float = 0.0
    rows: list[Epoch] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    worse: int = 0
    finished: bool = False


class Training:
    """One training of a network on `train`, watched on `validation`; `identity` is what a checkpoint must share."""

    def __init__(
        self,
        network: Network,
        train: Examples,
        validation: Examples,
        settings: TrainingSettings,
        *,
        folder: Path,
        identity: str,
        pad: int,
    ) -> None:
        self.network, self.train, self.validation, self.settings = network, train, validation, settings
        self.folder, self.identity, self.pad = folder, identity, pad
        self.device = next(network.parameters()).device
        self.steps = planned_steps(len(train), settings)
        self.weights = network.trained()
        self.optimiser = self._optimiser()
        cuda = self.device.type == "cuda"
        self.precision = torch.bfloat16 if cuda and torch.cuda.get_device_capability()[0] >= 8 else torch.float16
        self.scaler = torch.amp.GradScaler("cuda", enabled=cuda and self.precision == torch.float16)
        self.run = _Run()
        counts = np.bincount(train.labels, minlength=network.head.out_features)
        balance = len(train) / (len(counts) * np.maximum(counts, 1)) if settings.class_weights else np.ones(len(counts))
        self.balance = torch.tensor(balance, dtype=torch.float32, device=self.device)

    def _optimiser(self) -> torch.optim.AdamW:
        """AdamW (Loshchilov & Hutter 2019); biases and normalisations, all of one dimension, do not decay."""
        settings, groups = self.settings, []
        for rate, own in (
            (settings.rate(self.network.strategy), lambda name: not name.startswith("head.")),
            (settings.head_learning_rate, lambda name: name.startswith("head.")),
        ):
            for decay, wanted in ((settings.weight_decay, True), (0.0, False)):
                chosen = [w for name, w in self.weights.items() if own(name) and (w.ndim > 1) == wanted]
                groups.append({"params": chosen, "lr": rate, "rate": rate, "weight_decay": decay})
        return torch.optim.AdamW([group for group in groups if group["params"]])

    def fit(
        self, *, resume: bool, progress: Report | None, track: Callable[[Epoch], None] | None = None
    ) -> list[Epoch]:
        """Train to the end or until `patience` epochs were no better; the network then has its best weights."""
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(self.settings.seed)
            if resume:
                self._restore()
            else:
                forget_checkpoints(self.folder)
            while not self.run.finished:
                self._epoch(progress)
                if track:
                    track(self.run.rows[-1])
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(self.run.best[name])
        return self.run.rows

    def _epoch(self, progress: Report | None) -> None:
        run, settings = self.run, self.settings
        batches = batches_of(self.train, settings, run.epoch)
        started, before = time.perf_counter(), run.seconds
        self.network.train()
        while run.batch < len(batches):
            group = batches[run.batch : run.batch + settings.accumulate]
            run.summed += self._step(group)
            run.batch += len(group)
            run.step += 1
            run.seconds = before + time.perf_counter() - started
            if progress:
                progress(TrainingProgress(run.step, self.steps, tuple(run.rows)))
            if run.step % settings.checkpoint_steps == 0 and run.batch < len(batches):
                self._keep()
        loss, precision, area = self._measured()
        run.seconds = before + time.perf_counter() - started
        # Where all texts are in order already, the loss still tells a good epoch from a bad one.
        best = max(((row.average_precision, -row.validation_loss) for row in run.rows), default=(-1.0, 0.0))
        run.rows.append(Epoch(run.epoch + 1, run.summed / len(batches), loss, precision, area, run.seconds))
        run.worse = 0 if (precision, -loss) > best else run.worse + 1
        if run.worse == 0:
            run.best = {name: weight.detach().clone() for name, weight in self.weights.items()}
        run.epoch, run.batch, run.summed, run.seconds = run.epoch + 1, 0, 0.0, 0.0
        run.finished = run.epoch == settings.epochs or run.worse == settings.patience
        self._keep()
        if progress:
            progress(TrainingProgress(run.step, self.steps, tuple(run.rows)))

    def _step(self, group: list[NDArray[np.int64]]) -> float:
        """One step of the optimiser over the batches of `group`; the sum of their losses."""
        factor = _share_of_rate(self.run.step, self.steps, self.settings.warm_up)
        for parameters in self.optimiser.param_groups:
            parameters["lr"] = parameters["rate"] * factor
        summed = 0.0
        for rows in group:
            labels = torch.from_numpy(self.train.labels[rows]).to(self.device)
            loss = self._loss(rows, labels)
            torch.autograd.backward(self.scaler.scale(loss / len(group)))
            summed += float(loss.detach())
        self.scaler.unscale_(self.optimiser)
        torch.nn.utils.clip_grad_norm_(self.weights.values(), _MOST_NORM)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        if self.network.strategy.kind == "adalora":
            self.network.model.base_model.update_and_allocate(self.run.step)
        self.optimiser.zero_grad(set_to_none=True)
        if not math.isfinite(summed):
            raise ModelError(
                f"the training loss is no number any more at step {self.run.step + 1}",
                remedy="Lower the learning rate.",
            )
        return summed

    def _loss(self, rows: NDArray[np.int64], labels: Tensor) -> Tensor:
        settings = self.settings
        inputs = self.inputs(self.train, rows)
        embedded = None
        if settings.fgm:
            embedded = self.network.embedded(inputs[0])
            if not embedded.requires_grad:
                embedded.requires_grad_(True)
        logits = self.logits(self.train, inputs, embedded)
        loss = self._entropy(logits, labels)
        if settings.rdrop:
            other = self.logits(self.train, inputs, embedded)
            one, two = functional.log_softmax(logits, dim=1), functional.log_softmax(other, dim=1)
            apart = functional.kl_div(one, two, reduction="batchmean", log_target=True)
            apart = apart + functional.kl_div(two, one, reduction="batchmean", log_target=True)
            loss = (loss + self._entropy(other, labels)) / 2 + settings.rdrop * apart / 2
        if self.network.strategy.kind == "adalora":
            loss = loss + _ORTHOGONALITY * _orthogonality(self.weights)
        if embedded is not None:
            (slope,) = torch.autograd.grad(self.scaler.scale(loss), embedded, retain_graph=True)
            length = slope.flatten(1).norm(dim=1).clamp_min(1e-12)[:, None, None]
            moved = embedded + settings.fgm * slope / length
            loss = (loss + self._entropy(self.logits(self.train, inputs, moved), labels)) / 2
        return loss

    def _entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        return functional.cross_entropy(
            logits, labels, weight=self.balance, label_smoothing=self.settings.label_smoothing
        )

    def inputs(self, examples: Examples, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Token ids and mask, each (n, t); or vectors (n, d) and an empty tensor."""
        if examples.vectors is not None:
            return examples.vectors[torch.from_numpy(rows)], torch.empty(0)
        return padded([examples.tokens[row] for row in rows], self.pad, self.device)

    def logits(self, examples: Examples, inputs: tuple[Tensor, Tensor], embedded: Tensor | None = None) -> Tensor:
        """The network's logits, float32 (n, k)."""
        with torch.autocast(self.device.type, dtype=self.precision, enabled=self.device.type == "cuda"):
            known = examples.vectors is not None
            found = self.network.judged(inputs[0]) if known else self.network(*inputs, embedded)
        return found.float()

    def _measured(self) -> tuple[float, float, float]:
        """Loss, average precision and AUROC of the validation texts."""
        require("sklearn")
        from sklearn.metrics import average_precision_score, roc_auc_score

        examples, labels = self.validation, self.validation.labels
        self.network.eval()
        found = torch.empty((len(examples), self.network.head.out_features))
        with torch.no_grad():
            for rows in sorted_batches(examples, 4 * self.settings.batch):
                found[torch.from_numpy(rows)] = self.logits(examples, self.inputs(examples, rows)).cpu()
        loss = float(functional.cross_entropy(found, torch.from_numpy(labels), weight=self.balance.cpu()))
        shares = functional.softmax(found.double(), dim=1).numpy()
        present = [1] if shares.shape[1] == 2 else [c for c in range(shares.shape[1]) if (labels == c).any()]
        precision = np.mean([average_precision_score(labels == c, shares[:, c]) for c in present])
        return loss, float(precision), float(np.mean([roc_auc_score(labels == c, shares[:, c]) for c in present]))

    def _keep(self) -> None:
        """Write everything that the rest of the training depends on."""
        run = self.run
        tensors: dict[str, Tensor] = {f"weight/{name}": weight for name, weight in self.weights.items()}
        tensors |= {f"best/{name}": weight for name, weight in run.best.items()}
        tensors["random/cpu"] = torch.get_rng_state()
        if self.device.type == "cuda":
            tensors["random/cuda"] = torch.cuda.get_rng_state(self.device)
        for name, weight in self.weights.items():
            for moment, value in self.optimiser.state.get(weight, {}).items():
                tensors[f"{moment}/{name}"] = value
        state: dict[str, Any] = {
            "identity": self.identity,
            "step": run.step,
            "epoch": run.epoch,
            "batch": run.batch,
            "summed": run.summed,
            "seconds": run.seconds,
            "worse": run.worse,
            "finished": run.finished,
            "rows": [asdict(row) for row in run.rows],
            "scaler": self.scaler.state_dict(),
        }
        if self.network.strategy.kind == "adalora":
            for table, own in _importance(self.network).items():
                tensors |= {f"{table}/{name}": value for name, value in own.items()}
            state["ranks"] = _plain_ranks(self.network.model.peft_config["default"].rank_pattern)
        write_checkpoint(self.folder, run.step, tensors, state)

    def _restore(self) -> None:
        kept = read_checkpoint(self.folder)
        if kept is None:
            return
        tensors, state = kept
        if state["identity"] != self.identity:
            raise ModelError(
                "the checkpoint comes from other texts, another model or other settings",
                path=self.folder,
                remedy="Give the same ones again, or train without --resume.",
            )
        tables: dict[str, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            table, own = name.split("/", 1)
            tables.setdefault(table, {})[own] = tensor.to(self.device)
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(tables["weight"][name])
                moments = {m: tables[m][name] for m in ("step", "exp_avg", "exp_avg_sq") if name in tables.get(m, {})}
                if moments:
                    moments["step"] = moments["step"].cpu()
                    self.optimiser.state[weight] = moments
        torch.set_rng_state(tensors["random/cpu"])
        if "random/cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random/cuda"], self.device)
        self.scaler.load_state_dict(state["scaler"])
        if self.network.strategy.kind == "adalora":
            for table, importance in _importance(self.network).items():
                importance.update(tables.get(table, {}))
            self.network.model.peft_config["default"].rank_pattern = state["ranks"]
        self.run = _Run(
            **{name: state[name] for name in ("step", "epoch", "batch", "summed", "seconds", "worse", "finished")},
            rows=[Epoch(**row) for row in state["rows"]],
            best=tables.get("best", {}),
        )


def planned_steps(texts: int, settings: TrainingSettings) -> int:
    """The optimiser's steps if no epoch is left out."""
    batches = math.ceil(texts / settings.batch)
    return settings.epochs * math.ceil(batches / settings.accumulate)


def _share_of_rate(step: int, steps: int, warm_up: float) -> float:
    """The learning rate rises over the first share of the steps and falls to zero at the end, both in a line."""
    rising = math.ceil(warm_up * steps)
    return (step + 1) / rising if step < rising else (steps - step) / max(1, steps - rising)


def batches_of(examples: Examples, settings: TrainingSettings, epoch: int) -> list[NDArray[np.int64]]:
    """The rows of each batch of an epoch: shuffled, yet texts of like length together."""
    dice = np.random.default_rng([settings.seed, epoch])
    order = dice.permutation(len(examples))
    if examples.vectors is None:
        lengths = np.fromiter(map(len, examples.tokens), dtype=np.int64, count=len(examples))
        window = np.arange(len(order)) // (_SORTED_BATCHES * settings.batch)
        order = order[np.lexsort((lengths[order], window))]
    batches = [order[first : first + settings.batch] for first in range(0, len(order), settings.batch)]
    return [batches[at] for at in dice.permutation(len(batches))]


def sorted_batches(examples: Examples, size: int) -> Iterator[NDArray[np.int64]]:
    """Batches of texts of like length."""
    order = np.argsort([len(tokens) for tokens in examples.tokens] or np.arange(len(examples)), kind="stable")
    yield from (order[first : first + size] for first in range(0, len(order), size))


def frozen(network: Network, examples: Examples, pad: int) -> Examples:
    """The same texts as the vectors of an encoder that does not change, so that it runs once and not every epoch."""
    network.eval()
    device = next(network.parameters()).device
    vectors = torch.empty((len(examples), network.width), device=device)
    with torch.no_grad():
        for rows in sorted_batches(examples, 64):
            inputs = padded([examples.tokens[row] for row in rows], pad, device)
            vectors[torch.from_numpy(rows)] = network.pooled(*inputs)
    return Examples([], examples.labels, vectors)


def padded(tokens: list[NDArray[np.int64]], pad: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Token ids and mask, int64 (n, t), t the longest text's length."""
    lengths = np.array([len(own) for own in tokens])
    mask = np.arange(lengths.max()) < lengths[:, None]
    ids = np.full(mask.shape, pad, dtype=np.int64)
    ids[mask] = np.concatenate(tokens)
    return torch.from_numpy(ids).to(device), torch.from_numpy(mask.astype(np.int64)).to(device)


def _orthogonality(weights: Mapping[str, Tensor]) -> Tensor:
    """How far AdaLoRA's singular vectors are from orthonormal (Zhang et al. 2023, eq. 4; mean Frobenius norm)."""
    squares = [
        w @ w.T if "lora_A" in name else w.T @ w for name, w in weights.items() if "lora_A" in name or "lora_B" in name
    ]
    return torch.stack([torch.norm(s - torch.eye(len(s), device=s.device)) for s in squares]).mean()


def _importance(network: Network) -> dict[str, dict[str, Tensor]]:
    """AdaLoRA's running importance of each weight, which decides the ranks: peft's own tables."""
    ranks = network.model.base_model.rankallocator
    return {"ipt": ranks.ipt, "exp_avg_ipt": ranks.exp_avg_ipt, "exp_avg_unc": ranks.exp_avg_unc}


def _plain_ranks(pattern: Any) -> dict[str, list[bool]] | None:
    return {name: [bool(kept) for kept in own] for name, own in pattern.items()} if pattern else None
