"""Benchmarks run and kept: each in a process of its own, two at once where no time is measured.

In: benchmarks, the data folder. Out: what each has to say; its JSON and pictures in the folder of results.
"""

from __future__ import annotations

import os
import pkgutil
import tempfile
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path

import msgspec

import benchmarks
from benchmarks import charts
from benchmarks.benchmark import Benchmark, Context, Missing, Result, checksums, machine, today, versions
from benchmarks.report import markdown

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS", "NUMBA_NUM_THREADS")


def available() -> dict[str, Benchmark]:
    """Every module of this folder that has a `BENCHMARK`, by name."""
    modules = [
        import_module(f"benchmarks.{found.name}")
        for found in pkgutil.iter_modules(benchmarks.__path__)
        if found.name != "__main__"
    ]
    return {module.BENCHMARK.name: module.BENCHMARK for module in modules if hasattr(module, "BENCHMARK")}


def run(chosen: list[Benchmark], data: Path | None, out: Path, quick: bool, seed: int) -> Iterator[str]:
    """What each benchmark has to say, as it ends.

    Each runs in a process of its own. Those that measure no time run two at once, with one thread each; those that do
    have the machine to themselves, after them.
    """
    for benchmarks_of, at_once in (
        ([benchmark for benchmark in chosen if benchmark.beside], 2),
        ([benchmark for benchmark in chosen if not benchmark.beside], 1),
    ):
        threads = {} if at_once == 1 else dict.fromkeys(_THREADS, "1")
        with _environment(threads), ThreadPoolExecutor(at_once) as pool:
            waited = [pool.submit(_apart, benchmark.name, data, out, quick, seed) for benchmark in benchmarks_of]
            for done in as_completed(waited):
                yield done.result()


@contextmanager
def _environment(given: dict[str, str]) -> Iterator[None]:
    """The processes started within see `given` beside what this one sees."""
    before = dict(os.environ)
    os.environ.update(given)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _apart(*given: object) -> str:
    """`_run` in a process of its own: it has no memory, threads or caches of another benchmark's."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        try:
            return process.submit(_run, *given).result()
        except BrokenProcessPool:
            return f"\n## {given[0]}\n\nfailed: its process was ended from outside (out of memory?)"


def _run(name: str, data: Path | None, out: Path, quick: bool, seed: int) -> str:
    benchmark = available()[name]
    said = [f"\n## {benchmark.name}: {benchmark.about}\n"]
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="forewarn-benchmark-") as scratch:
        try:
            tables = benchmark.run(Context(data, quick, seed, Path(scratch)))
        except Missing as why:
            return "\n".join([*said, f"skipped: {why}"])
        except Exception:
            # The others run; the page then has the figures that were kept before, with their date.
            return "\n".join([*said, f"failed:\n{traceback.format_exc()}"])
    seconds = time.perf_counter() - started
    said += [markdown(table) + "\n" for table in tables] + [f"{seconds:.0f} s"]
    if not quick:
        command = f"python -m benchmarks {benchmark.name}"
        out.mkdir(parents=True, exist_ok=True)
        drawn = charts.save(benchmark.charts, tables, out / "charts", benchmark.name)
        result = Result(
            benchmark.name,
            benchmark.about,
            command,
            today(),
            machine(),
            versions(),
            checksums(data, benchmark.needs),
            seed,
            quick,
            seconds,
            tables,
            drawn,
        )
        (out / f"{benchmark.name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1))
    return "\n".join(said)
