"""A child that was forked after its parent had scanned says so at once; one that was forked before works."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import os, sys
import forewarn
if sys.argv[1] == "after":
    forewarn.scan(texts=["all is calm"])
child = os.fork()
if child == 0:
    try:
        forewarn.scan(texts=["all is calm"])
        forewarn.similar("a queue outside the bank")
    except forewarn.ForewarnError as error:
        print(error, flush=True)
        os._exit(3)
    os._exit(0)
print("child", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def ran(when: str) -> str:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, when], capture_output=True, text=True, timeout=120, check=True
    ).stdout


def test_work_after_a_fork_is_refused_in_place_of_a_hang() -> None:
    said = ran("after")
    assert "child 3" in said
    assert 'multiprocessing.get_context("spawn")' in said


def test_a_fork_before_first_use_works() -> None:
    assert "child 0" in ran("before")
