"""The shipped classifier: what it says of a text before any label of the user's.

In: vectors of the bundled encoder. Out: the log-odds that a text is of a crisis, the probabilities of its stages and of
its domains. Learnt from a corpus that was written for it (docs/corpus.md); its card lies beside its file.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from forewarn.arrays import Floats
from forewarn.detectors.crisis_corpus import CRISIS
from forewarn.detectors.kernel_machine import KernelMachine, kernel, log_softmax

FILE = "crisis_classifier.safetensors"


class About(msgspec.Struct, frozen=True):
    """What a file says of itself: the encoder it wants, its classes, its kernel, its calibration, what it learnt from.

    `slope` and `offset` make calibrated log-odds, in a world with as many crises as other texts, of the difference of
    two log-probabilities.
    """

    encoder_checksum: str
    stages: list[str]
    domains: list[str]
    gamma: float
    slope: float
    offset: float
    corpus: str
    texts: int


@dataclass(frozen=True)
class Opinion:
    """What it says of n texts: `log_odds` float64 (n,) of a crisis where half of all texts are, probabilities of
    `stages`, float64 (n, k), and of the domains if it is one, `domains` float64 (n, j)."""

    log_odds: Floats
    stages: Floats
    domains: Floats


@dataclass(frozen=True)
class CrisisClassifier:
    """Two machines on the same landmarks: of the stages, and of a crisis's domain."""

    about: About
    stages: KernelMachine
    domains: KernelMachine

    def log_odds(self, vectors: NDArray[np.float32]) -> Floats:
        """The log-odds of a crisis of n vectors, float32 (n, d), where half of all texts are: float64 (n,)."""
        return self._calibrated(self.stages.log_probabilities(vectors))

    def opinion(self, vectors: NDArray[np.float32]) -> Opinion:
        """All that it says of n vectors, float32 (n, d)."""
        near = kernel(vectors, self.stages.landmarks, self.stages.gamma)
        stages, domains = (
            log_softmax((near @ machine.weights).astype(np.float64) + machine.bias)
            for machine in (self.stages, self.domains)
        )
        return Opinion(self._calibrated(stages), np.exp(stages), np.exp(domains))

    def _calibrated(self, logs: Floats) -> Floats:
        calibrated: Floats = self.about.slope * crisis_difference(logs, self.about.stages) + self.about.offset
        return calibrated

    def save(self, path: Path) -> None:
        """Write it as safetensors: landmarks in half precision, what it is about in the file's metadata."""
        from safetensors.numpy import save_file

        arrays: dict[str, NDArray[Any]] = {
            "landmarks": self.stages.landmarks.astype(np.float16),
            "stages": self.stages.weights,
            "stages.bias": self.stages.bias,
            "domains": self.domains.weights,
            "domains.bias": self.domains.bias,
        }
        save_file(arrays, path, metadata={"about": msgspec.json.encode(self.about).decode()})


def crisis_difference(logs: Floats, stages: list[str]) -> Floats:
    """The log-odds of the stages of a crisis, by log-probabilities of all stages, (n, k): float64 (n,)."""
    of_crisis = np.array([stage in CRISIS for stage in stages])
    difference: Floats = np.logaddexp.reduce(logs[:, of_crisis], axis=1) - np.logaddexp.reduce(
        logs[:, ~of_crisis], axis=1
    )
    return difference


def load_crisis_classifier(path: Path) -> CrisisClassifier:
    """The classifier of a file. Raises ValueError where it is none."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        about = msgspec.json.decode((file.metadata() or {}).get("about", ""), type=About)
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dictionary
    landmarks = arrays["landmarks"].astype(np.float32)
    stages, domains = (
        KernelMachine(landmarks, arrays[name], arrays[f"{name}.bias"], about.gamma) for name in ("stages", "domains")
    )
    return CrisisClassifier(about, stages, domains)


@cache
def shipped() -> CrisisClassifier:
    """The classifier that comes with the program."""
    return load_crisis_classifier(Path(str(resources.files("forewarn.detectors").joinpath(FILE))))
