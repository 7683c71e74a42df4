"""A scan reads one block ahead: nothing else is different from reading when asked."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from forewarn.errors import ForewarnError, InputError
from forewarn.reading import prefetch as ahead
from forewarn.reading.prefetch import read_ahead
from forewarn.reading.problems import Problems
from forewarn.reading.records import Reached, read

Reading = Callable[..., Iterator[pl.DataFrame]]


def begun(paths: list[Path], problems: list[ForewarnError], size: int = 4_000) -> Any:
    return read_ahead(
        paths, text_column=None, time_column=None, block_bytes=size, problems=Problems(problems), reached=Reached()
    )


def logs(folder: Path) -> list[Path]:
    """Three files of several blocks each; the second holds bytes that are no UTF-8, the last name leads nowhere."""
    for name, damage in (("a.log", b""), ("b.log", b"caf\xc3 closed\n"), ("c.log", b"")):
        (folder / name).write_bytes(b"".join(b"job %d of %d done\n" % (n, n * n) for n in range(600)) + damage)
    return [folder / name for name in ("a.log", "b.log", "c.log", "d.log")]


def test_the_blocks_are_those_that_reading_gives(tmp_path: Path) -> None:
    problems, expected_problems = list[ForewarnError](), list[ForewarnError]()
    found = list(begun(logs(tmp_path), problems))
    expected = list(read(logs(tmp_path), block_bytes=4_000, problems=expected_problems))
    assert len(found) == len(expected) > 5
    assert all(block.equals(other) for (block, _), other in zip(found, expected, strict=True))
    assert [str(problem) for problem in problems] == [str(problem) for problem in expected_problems]
    assert len(problems) == 2


def test_a_problem_is_noted_with_its_block_or_the_one_before(tmp_path: Path) -> None:
    problems = list[ForewarnError]()
    for block, reached in begun(logs(tmp_path), problems):
        read_so_far = (block["source"][-1], block["line"][-1])
        assert Path(reached.file).name == Path(read_so_far[0]).name
        # Whether a block's last record goes on is known when the next block is read.
        in_time = Path(read_so_far[0]).name == "c.log" or read_so_far[1] == 601
        early = read_so_far < (str(tmp_path / "b.log"), 400)
        assert problems or not in_time, read_so_far
        assert not (problems and early), read_so_far


def test_one_block_is_read_ahead_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, wanted = list[int](), threading.Semaphore(0)

    def counted(*arguments: Any, **named: Any) -> Iterator[pl.DataFrame]:
        for number, block in enumerate(read(*arguments, **named)):
            made.append(number)
            wanted.release()
            yield block

    monkeypatch.setattr(ahead, "read", counted)
    with closing(begun(logs(tmp_path), [])) as blocks:
        for number, _ in zip(range(5), blocks, strict=False):
            for _ in range(2 if number == 0 else 1):
                assert wanted.acquire(timeout=30)
            assert made == list(range(number + 2))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("forewarn-ahead")]


def test_what_goes_wrong_while_reading_is_raised_after_the_blocks_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: Any, **named: Any) -> Iterator[pl.DataFrame]:
        blocks = read(*arguments, **named)
        yield next(blocks)
        raise InputError("is on fire", path="a.log")

    monkeypatch.setattr(ahead, "read", broken)
    blocks = begun(logs(tmp_path), [])
    assert next(blocks)[0].height > 0
    with pytest.raises(InputError, match="on fire"):
        next(blocks)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_read_by_who_waits_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readers = set[str]()

    def named_reader(*arguments: Any, **named: Any) -> Iterator[pl.DataFrame]:
        for block in read(*arguments, **named):
            readers.add(threading.current_thread().name)
            yield block

    monkeypatch.setattr(ahead, "read", named_reader)
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=("one\ntwo\n",))
    writer.start()
    found = [block["text"].to_list() for block, _ in begun([tmp_path / "pipe"], [])]
    writer.join()
    assert found == [["one", "two"]]
    assert readers == {threading.current_thread().name}
