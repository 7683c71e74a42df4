"""`python -m benchmarks [NAME…]`: run benchmarks, print their tables, keep them as JSON, write `RESULTS.md`.

`python -m benchmarks compare A.json B.json` says what got worse from one kept result to another.
"""

from __future__ import annotations

import os
import pkgutil
import sys
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

import click
import msgspec

import benchmarks
from benchmarks import charts
from benchmarks.benchmark import ROOT, Benchmark, Context, Missing, Result, checksums, machine, today, versions
from benchmarks.compare import compare
from benchmarks.peer_environments import install
from benchmarks.report import markdown, results_page

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS", "NUMBA_NUM_THREADS")


def available() -> dict[str, Benchmark]:
    """Every module of this folder that has a `BENCHMARK`, by name."""
    modules = [
        import_module(f"benchmarks.{found.name}")
        for found in pkgutil.iter_modules(benchmarks.__path__)
        if found.name != "__main__"
    ]
    return {module.BENCHMARK.name: module.BENCHMARK for module in modules if hasattr(module, "BENCHMARK")}


def default_data() -> Path | None:
    """`FOREWARN_DATA`, or `../shared/data` where that exists."""
    beside = ROOT.parent.parent / "shared" / "data"
    named = os.environ.get("FOREWARN_DATA")
    return Path(named) if named else beside if beside.is_dir() else None


@click.command(
    epilog="""\b
  python -m benchmarks --data ../shared/data           everything, kept in benchmarks/results
  python -m benchmarks bgl rules --quick               two of them, a first look
  python -m benchmarks compare before.json after.json  what got worse; exit status 1 where something did"""
)
@click.argument("names", nargs=-1)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=default_data,
    help="The folder of measuring data.",
)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=ROOT / "results", help="Where results are kept."
)
@click.option("--quick", is_flag=True, help="Smaller samples: for a first look, not for the record (nothing is kept).")
@click.option("--seed", default=0, show_default=True)
@click.option(
    "--install-peers", is_flag=True, help="First install the programs that are measured beside this one, each apart."
)
def main(names: tuple[str, ...], data: Path | None, out: Path, quick: bool, seed: int, install_peers: bool) -> None:
    """Run the named benchmarks, or all."""
    if install_peers:
        install(click.echo)
    known = available()
    for name in names:
        if name not in known:
            raise click.UsageError(f"no benchmark {name!r}; there are {', '.join(known)}")
    chosen = [known[name] for name in names or known]
    for said in _all(chosen, data, out, quick, seed):
        click.echo(said)
    if not quick:
        page = ROOT / "RESULTS.md" if out.resolve() == ROOT / "results" else out / "RESULTS.md"
        page.write_text(results_page(out, page.parent))


def _all(chosen: list[Benchmark], data: Path | None, out: Path, quick: bool, seed: int) -> Iterator[str]:
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
            running = [pool.submit(_apart, benchmark.name, data, out, quick, seed) for benchmark in benchmarks_of]
            for done in as_completed(running):
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


if __name__ == "__main__":
    if sys.argv[1:2] == ["compare"]:
        compare(sys.argv[2:], prog_name="python -m benchmarks compare")
    main(prog_name="python -m benchmarks")
