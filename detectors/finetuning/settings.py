"""How a classifier is fine-tuned: the strategy, the recipe's numbers, one row an epoch.

In: names and numbers of the user's. Out: frozen data, checked. Imports nothing heavy and trains nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from forewarn.errors import DetectorError

STRATEGIES = ("head", "top-N", "full", "lora", "adalora", "adapter", "prefix")
TRACKERS = ("tensorboard", "wandb")
_LEARNING_RATES = {"top": 2e-5, "full": 2e-5, "lora": 1e-3, "adalora": 5e-3, "adapter": 1e-3, "prefix": 1e-2}
"""2e-5 is the classic one (Devlin et al. 2019). The others were best on parts of the training data of
`python -m benchmarks finetune`; at peft's usual 2e-4, lora hardly moved in the few hundred steps of a small set.
"""


@dataclass(frozen=True)
class Strategy:
    """What of the encoder is trained beside the head: `kind` is one of head, top, full, lora, adalora, adapter, prefix.

    `layers`: how many of the last layers (top), 0 for every other kind.
    """

    kind: str
    layers: int = 0

    @classmethod
    def parse(cls, name: str) -> Strategy:
        """`head`, `top-2`, `full`, `lora`, `adalora`, `adapter` or `prefix`; raises DetectorError for any other."""
        if found := re.fullmatch(r"top-([1-9][0-9]{0,2})", name):
            return cls("top", int(found[1]))
        if name in STRATEGIES and name != "top-N":
            return cls(name)
        raise DetectorError(
            f"there is no fine-tuning strategy {name!r}",
            remedy=f"Write one of {', '.join(STRATEGIES)}, with a number for N.",
        )

    def __str__(self) -> str:
        return f"top-{self.layers}" if self.layers else self.kind


@dataclass(frozen=True)
class TrainingSettings:
    """The recipe. A rate of None is the strategy's own default; a device of None is cuda where there is one.

    `tokens` a text is cut to, `warm_up` as a share of all steps, `patience` in epochs without a better average
    precision on the validation texts, `accumulate` batches a step, `checkpoint_steps` between two checkpoints beside
    the one after each epoch. `rdrop` weighs the two passes' divergence (Liang et al. 2021), `fgm` is the length of the
    adversarial step in the embeddings (Miyato et al. 2017); 0 turns each off.
    """

    learning_rate: float | None = None
    head_learning_rate: float = 1e-3
    batch: int = 16
    tokens: int = 128
    epochs: int = 5
    weight_decay: float = 0.01
    warm_up: float = 0.1
    dropout: float = 0.1
    patience: int = 2
    accumulate: int = 1
    class_weights: bool = True
    label_smoothing: float = 0.0
    rdrop: float = 0.0
    fgm: float = 0.0
    seed: int = 0
    checkpoint_steps: int = 500
    track: str | None = None
    device: str | None = None

    def rate(self, strategy: Strategy) -> float:
        """The learning rate of the encoder's own weights, or of what is added to them."""
        return self.learning_rate or _LEARNING_RATES.get(strategy.kind, self.head_learning_rate)

    def check(self, strategy: Strategy) -> None:
        """Raise DetectorError where a number makes no sense."""
        at_least_one = {
            "batch": self.batch,
            "tokens": self.tokens - 7,
            "epochs": self.epochs,
            "patience": self.patience,
            "accumulate": self.accumulate,
            "checkpoint_steps": self.checkpoint_steps,
        }
        shares = {"warm_up": self.warm_up, "dropout": self.dropout, "label_smoothing": self.label_smoothing}
        not_negative = {"weight_decay": self.weight_decay, "rdrop": self.rdrop, "fgm": self.fgm, "seed": self.seed}
        for name, value in at_least_one.items():
            if value < 1:
                raise DetectorError(f"the setting {name} must be at least {8 if name == 'tokens' else 1}")
        for name, share in shares.items():
            if not 0 <= share < 1:
                raise DetectorError(f"the setting {name} must be at least 0 and less than 1, not {share}")
        for name, number in not_negative.items():
            if not 0 <= number < float("inf"):
                raise DetectorError(f"the setting {name} must not be negative, not {number}")
        for rate in (self.head_learning_rate, 1.0 if self.learning_rate is None else self.learning_rate):
            if not 0 < rate <= 1:
                raise DetectorError(f"a learning rate lies between 0 and 1, not {rate}")
        if strategy.kind == "head" and self.fgm:
            raise DetectorError(
                "fgm perturbs the encoder's embeddings, which the strategy head does not train",
                remedy="Choose another strategy, or leave fgm at 0.",
            )
        if self.track is not None and self.track not in TRACKERS:
            raise DetectorError(f"there is no tracker {self.track!r}", remedy=f"Write one of {', '.join(TRACKERS)}.")


@dataclass(frozen=True)
class Epoch:
    """One row of the table: losses are mean cross-entropies, AP and AUROC those of the validation texts (the mean over
    the categories where there are more than two).
    """

    epoch: int
    train_loss: float
    validation_loss: float
    average_precision: float
    auroc: float
    seconds: float


@dataclass(frozen=True)
class TrainingProgress:
    """Where the training is: optimiser steps done and planned, and the epochs that have ended."""

    step: int
    steps: int
    rows: tuple[Epoch, ...]


Report = Callable[[TrainingProgress], None]
