"""Vectors kept on disk: each text is embedded once, whatever happens to the file."""

from __future__ import annotations

import hashlib
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forewarn.embeddings.bundled import BundledEncoder
from forewarn.embeddings.vector_cache import CachedEncoder
from forewarn.errors import ForewarnError


class Counting:
    """A vector of 512 numbers that the text's hash decides; remembers what it was asked."""

    name = "counting"
    dimension = 512

    def __init__(self, checksum: str = "one") -> None:
        self.checksum = checksum
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.asked += texts
        seeds = [int(hashlib.sha256((self.checksum + text).encode()).hexdigest()[:8], 16) for text in texts]
        rows = [np.random.default_rng(seed).standard_normal(512, dtype=np.float32) for seed in seeds]
        return np.array(rows, dtype=np.float32).reshape(len(texts), 512)


TEXTS = [f"text {number}" for number in range(300)]


def test_a_text_is_embedded_once(tmp_path: Path) -> None:
    encoder = Counting()
    cached = CachedEncoder(encoder, file=tmp_path / "v.sqlite")
    expected = Counting().encode(TEXTS)
    np.testing.assert_array_equal(cached.encode(TEXTS[:200]), expected[:200])
    np.testing.assert_array_equal(cached.encode(TEXTS), expected)
    np.testing.assert_array_equal(cached.encode(TEXTS[::-1]), expected[::-1])
    assert encoder.asked == TEXTS
    assert not any(b"text 1" in file.read_bytes() for file in tmp_path.iterdir()), "no text is stored"


@given(st.lists(st.lists(st.sampled_from(["", "a", "b", "\x00", "\ud800", "火", "a "]), max_size=8), max_size=4))
def test_repeats_and_odd_texts_make_no_difference(rounds: list[list[str]]) -> None:
    class Codes(Counting):
        def encode(self, texts: Sequence[str]) -> np.ndarray:
            self.asked += texts
            codes = [[len(text), *map(ord, text)] for text in texts]
            rows = [np.resize(np.array(code, dtype=np.float32), 512) for code in codes]
            return np.array(rows, dtype=np.float32).reshape(len(texts), 512)

    with tempfile.TemporaryDirectory() as folder:
        encoder = Codes()
        cached = CachedEncoder(encoder, file=Path(folder) / "v.sqlite")
        for texts in rounds:
            np.testing.assert_array_equal(cached.encode(texts), Codes().encode(texts))
        assert sorted(encoder.asked) == sorted({text for texts in rounds for text in texts})


def test_encoders_do_not_share_vectors(tmp_path: Path) -> None:
    file = tmp_path / "v.sqlite"
    CachedEncoder(Counting("one"), file=file).encode(TEXTS[:5])
    for other, kind in ((Counting("two"), ""), (Counting("one"), "cuda")):
        np.testing.assert_array_equal(
            CachedEncoder(other, kind=kind, file=file).encode(TEXTS[:5]), Counting(other.checksum).encode(TEXTS[:5])
        )
        assert other.asked == TEXTS[:5]


def test_the_file_is_bounded_and_the_oldest_go_first(tmp_path: Path) -> None:
    file, limit = tmp_path / "v.sqlite", 1_000_000
    encoder = Counting()
    cached = CachedEncoder(encoder, file=file, limit=limit)
    for start in range(0, 3000, 100):
        cached.encode([f"text {number}" for number in range(start, start + 100)])
        assert sum(part.stat().st_size for part in tmp_path.iterdir()) < limit + 400_000
    encoder.asked.clear()
    cached.encode([f"text {number}" for number in range(2700, 3000)])
    assert encoder.asked == [], "the newest stay"
    cached.encode(["text 0"])
    assert encoder.asked == ["text 0"], "the oldest have gone"


def _flip(content: bytes) -> bytes:
    middle = bytearray(content)
    for place in range(40_000, len(middle), 5_000):
        middle[place] ^= 0xFF
    return bytes(middle)


@pytest.mark.parametrize(
    "damage", [_flip, lambda c: b"junk" * 9000, lambda c: c[:50_000], lambda c: b"", lambda c: c[:100] + b"\0" * 9000]
)
def test_a_damaged_file_is_dropped_and_noted(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    file = tmp_path / "v.sqlite"
    CachedEncoder(Counting(), file=file).encode(TEXTS)
    content = damage(file.read_bytes())
    file.write_bytes(content)
    problems: list[ForewarnError] = []
    expected = Counting().encode(TEXTS)
    np.testing.assert_array_equal(CachedEncoder(Counting(), file=file, problems=problems).encode(TEXTS), expected)
    if content:
        assert len(problems) == 1
        assert "dropped" in str(problems[0])
        assert str(file) in str(problems[0])
    again = Counting()
    np.testing.assert_array_equal(CachedEncoder(again, file=file).encode(TEXTS), expected)
    assert again.asked == [], "it was made anew"


def test_where_nothing_can_be_written_it_works_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    problems: list[ForewarnError] = []
    for place in (tmp_path / "file" / "v.sqlite", Path("/proc/nowhere/v.sqlite")):
        cached = CachedEncoder(Counting(), file=place, problems=problems)
        np.testing.assert_array_equal(cached.encode(TEXTS[:3]), Counting().encode(TEXTS[:3]))
    assert problems == []


def test_another_process_that_holds_the_file_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forewarn.embeddings.vector_cache._WAIT", 0.1)
    file = tmp_path / "v.sqlite"
    CachedEncoder(Counting(), file=file).encode(TEXTS[:3])
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        encoder = Counting()
        made = CachedEncoder(encoder, file=file).encode(TEXTS[:6])
        np.testing.assert_array_equal(made, Counting().encode(TEXTS[:6]))
        assert encoder.asked == TEXTS[3:6], "reading goes on"
    finally:
        holder.close()


_WORKER = """
import sys
from pathlib import Path
import numpy as np
from test_vector_cache import Counting
from forewarn.embeddings.vector_cache import CachedEncoder
file, first, last = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
cached = CachedEncoder(Counting(), file=file)
for start in range(first, last, 20):
    texts = [f"text {number}" for number in range(start, start + 40)]
    assert np.array_equal(cached.encode(texts), Counting().encode(texts))
print("right")
"""


def _worker(file: Path, first: int, last: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _WORKER, file, str(first), str(last)],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": ":".join([str(Path(__file__).parent), *sys.path])},
    )


def test_two_processes_and_one_that_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "v.sqlite"
    workers = [_worker(file, 0, 600), _worker(file, 200, 800)]
    killed = _worker(file, 100, 10_000_000)
    for worker in workers:
        assert worker.communicate(timeout=120)[0] == "right\n"
        assert worker.returncode == 0
    while killed.poll() is None and not file.exists():
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    killed.communicate()
    texts = [f"text {number}" for number in range(800)]
    encoder, problems = Counting(), list[ForewarnError]()
    made = CachedEncoder(encoder, file=file, problems=problems).encode(texts)
    np.testing.assert_array_equal(made, Counting().encode(texts))
    assert (encoder.asked, problems) == ([], [])


def test_a_scan_keeps_its_vectors_unless_told_not_to(
    forewarn: Callable[..., object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOREWARN_CACHE", str(tmp_path / "cache"))
    kept = tmp_path / "cache" / "vectors-1.sqlite"
    log = tmp_path / "a.log"
    log.write_text("ERROR pool exhausted on node 7\nall is well today\nbank run: depositors queue all night\n")
    asked, real = list[str](), BundledEncoder.encode

    def counting(encoder: BundledEncoder, texts: Sequence[str]) -> np.ndarray:
        asked.extend(texts)
        return real(encoder, texts)

    monkeypatch.setattr(BundledEncoder, "encode", counting)
    written = []
    for options in (["--no-cache"], [], []):
        asked.clear()
        forewarn("scan", log, "--budget", "3", "-o", tmp_path / "out.jsonl", "--rules", "finance", *options)
        written.append((tmp_path / "out.jsonl").read_bytes())
        assert kept.exists() == (options == [])
        assert ("all is well today" in asked) == (len(written) < 3)
    assert written[0] == written[1] == written[2]
    assert len(written[0].splitlines()) >= 1
