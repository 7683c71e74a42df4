"""What an installation without extras weighs, and what of it is heavy.

In: this checkout and a package index. Out: megabytes on disk of each package of a fresh environment, with the code that
Python compiles of it, and what a first scan adds to the user's cache. pip itself is not counted.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

from benchmarks.benchmark import ROOT, Benchmark, Context, Missing, Table, Value

GOAL = 600
"""Megabytes that the core may have."""
_MOST = 12
_MEGABYTE = 1e6
_NOT_OURS = {"pip", "setuptools"}


def run(context: Context) -> list[Table]:
    """Builds the wheel, installs it into an environment of its own and scans the examples with it."""
    python = _installed(context.scratch)
    sizes = package_sizes(Path(_run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()))
    rows: list[list[Value]] = [
        [name, round(size, 1)] for name, size in sorted(sizes.items(), key=lambda one: -one[1])[:_MOST]
    ]
    rest = sum(sizes.values()) - sum(float(size) for _, size in rows if isinstance(size, float))
    rows.append([f"the other {len(sizes) - len(rows)}", round(rest, 1)])
    cache = context.scratch / "cache"
    _run(python, "-m", "forewarn", "scan", ROOT.parent / "examples" / "logs", cache=cache, may_be=(0, 1))
    kept: list[list[Value]] = [[folder.name, round(_size(folder), 1)] for folder in sorted(cache.iterdir())]
    return [
        Table(
            "An installation without extras",
            ["packages", "MB", "goal: at most"],
            [[len(sizes), round(sum(sizes.values())), GOAL]],
        ),
        Table("Its packages", ["package", "MB"], rows),
        Table("The user's cache after a first scan", ["folder", "MB"], kept),
    ]


def package_sizes(folder: Path) -> dict[str, float]:
    """Megabytes of each distribution of a site-packages folder, by name."""
    return {
        found.metadata["Name"]: sum(_size(Path(str(file.locate()))) for file in found.files or ())
        for found in importlib.metadata.distributions(path=[str(folder)])
        if re.sub(r"[-_.]+", "-", found.metadata["Name"]).lower() not in _NOT_OURS
    }


def _size(path: Path) -> float:
    """Megabytes of a file, or of all in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file()) / _MEGABYTE


def _installed(scratch: Path) -> Path:
    """The Python of an environment that has this checkout's wheel and what it needs, nothing else."""
    wheels, environment = scratch / "wheel", scratch / "environment"
    _run(Path(sys.executable), "-m", "pip", "wheel", "--no-deps", "--wheel-dir", wheels, ROOT.parent)
    _run(Path(sys.executable), "-m", "venv", environment)
    python = environment / "bin" / "python"
    _run(python, "-m", "pip", "install", "-c", ROOT.parent / "constraints.txt", next(wheels.glob("*.whl")))
    return python


def _run(python: Path, *arguments: str | Path, cache: Path | None = None, may_be: tuple[int, ...] = (0,)) -> str:
    # Outside of the checkout's own environment, and of the checkout.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    if cache is not None:
        environment["FOREWARN_CACHE"] = str(cache)
    ran = subprocess.run(
        [python, *arguments], capture_output=True, text=True, env=environment, cwd=python.anchor, check=False
    )
    if ran.returncode not in may_be:
        raise Missing(f"{' '.join(map(str, arguments[:3]))}: {ran.stderr.strip().splitlines()[-1:]}")
    return ran.stdout


BENCHMARK = Benchmark("install", "How large an installation without extras is", (), run, beside=True)
