"""What a benchmark is: a name, what it needs, a run that gives tables; and how its result is kept.

In: a data folder. Out: tables of rows, printed and kept as JSON with the machine, versions and data they came from.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).resolve().parent
Value = float | int | str | None


class Table(msgspec.Struct, frozen=True):
    """One table: a title, column names, and rows of the same length; `note` says how to read it.

    `higher`, `lower` name the columns that are a quality, and which way is better, where the name of the column does
    not tell (`compare`).
    """

    title: str
    columns: list[str]
    rows: list[list[Value]]
    note: str = ""
    higher: list[str] = []
    lower: list[str] = []


Draw = Callable[[list[Table]], dict[str, Any]]
"""From a benchmark's tables to altair charts, by name."""


class Missing(Exception):
    """What a benchmark needs is not here; it is skipped and the others run."""


@dataclass(frozen=True)
class Context:
    """What a run is given: the data folder (or None), whether to be quick, the seed, a folder for scratch files."""

    data: Path | None
    quick: bool
    seed: int
    scratch: Path

    def need(self, relative: str) -> Path:
        """A file or folder of the data; raises Missing where it is not there."""
        if self.data is None or not (self.data / relative).exists():
            raise Missing(
                f"no data at {(self.data or Path('DATA')) / relative}: name its folder with --data or FOREWARN_DATA"
            )
        return self.data / relative


@dataclass(frozen=True)
class Benchmark:
    """One benchmark: `needs` the files of the data folder that it reads; `charts` pictures of its tables, by name.

    `beside`: no time is measured, so that another of the kind may run at the same time.
    """

    name: str
    about: str
    needs: tuple[str, ...]
    run: Callable[[Context], list[Table]]
    charts: Draw | None = None
    beside: bool = False


class Result(msgspec.Struct, frozen=True):
    """A run's tables and everything that could explain their figures."""

    name: str
    about: str
    command: str
    date: str
    machine: dict[str, str]
    versions: dict[str, str]
    data: dict[str, str]
    seed: int
    quick: bool
    seconds: float
    tables: list[Table]
    charts: list[str] = []


def machine() -> dict[str, str]:
    """Processor, cores, memory and system of this machine."""
    facts = {"system": f"{platform.system()} {platform.machine()}", "python": platform.python_version()}
    facts["cores"] = str(len(os.sched_getaffinity(0)))
    cpu = Path("/proc/cpuinfo")
    if cpu.exists() and (model := re.search(r"model name\s*:\s*(.+)", cpu.read_text())):
        facts["processor"] = model[1]
    facts["memory"] = f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    return facts


def versions() -> dict[str, str]:
    """The installed versions that decide a figure."""
    names = ("forewarn", "polars", "numpy", "torch", "faiss-cpu", "pyod", "scikit-learn", "pysigma", "hyperscan")
    return {name: importlib.metadata.version(name) for name in names if _installed(name)}


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def checksums(data: Path | None, needs: tuple[str, ...]) -> dict[str, str]:
    """SHA-256 (first 16 digits) of every file that a benchmark read."""
    if data is None:
        return {}
    files = [
        file
        for need in needs
        for file in ([data / need] if (data / need).is_file() else sorted((data / need).glob("*")))
    ]
    return {
        str(file.relative_to(data)): hashlib.sha256(file.read_bytes()).hexdigest()[:16]
        for file in files
        if file.is_file()
    }


def today() -> str:
    """Today's date, UTC, ISO 8601."""
    return datetime.now(UTC).date().isoformat()
