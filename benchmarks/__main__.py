"""`python -m benchmarks [NAME…]`: run benchmarks, print their tables, keep them as JSON, write `RESULTS.md`.

`python -m benchmarks compare A.json B.json` says what got worse from one kept result to another.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from benchmarks.benchmark import ROOT
from benchmarks.compare import compare
from benchmarks.peer_environments import install
from benchmarks.report import results_page
from benchmarks.running import available, run


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
    for said in run(chosen, data, out, quick, seed):
        click.echo(said)
    if not quick:
        page = ROOT / "RESULTS.md" if out.resolve() == ROOT / "results" else out / "RESULTS.md"
        page.write_text(results_page(out, page.parent))


if __name__ == "__main__":
    if sys.argv[1:2] == ["compare"]:
        compare(sys.argv[2:], prog_name="python -m benchmarks compare")
    main(prog_name="python -m benchmarks")
