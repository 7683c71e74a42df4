"""Kernels: compiled once, kept on disk, run without the compiler."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forewarn.runtime.kernels import Kernel, array, part

INTS = np.dtype(np.int64)


@part
def _doubled(number: int) -> int:
    return 2 * number


def _double(n: int, given: Any, twice: Any) -> None:
    numbers, doubled = array(given, n), array(twice, n)
    for i in range(n):
        doubled[i] = _doubled(numbers[i])


def _doubles(numbers: list[int]) -> list[int]:
    twice = np.zeros(len(numbers), dtype=np.int64)
    Kernel(_double, int, INTS, INTS)(len(numbers), np.array(numbers), twice)
    return twice.tolist()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FOREWARN_CACHE", str(tmp_path))
    return tmp_path


def test_a_kernel_is_kept_as_machine_code(cache: Path) -> None:
    assert _doubles([1, -2, 3]) == [2, -4, 6]
    (kept,) = (cache / "kernels").iterdir()
    before = kept.stat().st_mtime_ns
    assert _doubles([5]) == [10]
    assert kept.stat().st_mtime_ns == before


@pytest.mark.parametrize("content", [b"", b"\x7fELF", bytes(4096)])
def test_a_damaged_kernel_is_made_anew(cache: Path, content: bytes) -> None:
    _doubles([1])
    (kept,) = (cache / "kernels").iterdir()
    kept.write_bytes(content)
    assert _doubles([4, 5]) == [8, 10]
    anew = kept.read_bytes()
    assert hashlib.sha256(anew[32:]).digest() == anew[:32]


def test_a_kernel_that_others_may_write_to_is_made_anew(cache: Path) -> None:
    _doubles([1])
    (kept,) = (cache / "kernels").iterdir()
    kept.chmod(0o666)
    assert _doubles([4]) == [8]
    assert kept.stat().st_mode & 0o022 == 0


def test_a_kernel_works_where_nothing_can_be_kept(cache: Path) -> None:
    (cache / "kernels").write_text("a file, no folder")
    assert _doubles([7]) == [14]


def test_a_kernel_is_kept_for_one_processor_and_one_compiler(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _doubles([1])
    monkeypatch.setattr("forewarn.runtime.kernels.version", lambda _: "another")
    assert _doubles([2]) == [4]
    assert len(list((cache / "kernels").iterdir())) == 2


@pytest.mark.parametrize("wrong", [np.zeros(2, dtype=np.int32), np.zeros((2, 2), dtype=np.int64).T[0], np.zeros(2)])
def test_a_kernel_refuses_other_arrays(cache: Path, wrong: np.ndarray) -> None:
    with pytest.raises(TypeError, match="a kernel was given"):
        Kernel(_double, int, INTS, INTS)(2, wrong, np.zeros(2, dtype=np.int64))


def test_only_the_first_process_imports_the_compiler(cache: Path) -> None:
    code = (
        "import sys, numpy as np; from forewarn.warning.clock_kernel import clocks\n"
        "clock, kept = np.zeros(2, '<i8'), np.zeros(2, '?')\n"
        "clocks(2, np.array([7, 3]), 5, np.array([-1, 0, -1, -1, 0]), clock, kept)\n"
        "print(clock.tolist(), kept.tolist(), 'numba' in sys.modules)"
    )
    ran = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(2)]
    assert [one.stdout for one in ran] == ["[7, 7] [True, True] True\n", "[7, 7] [True, True] False\n"]
