"""The user's cache: what is damaged or not the user's own is made anew, never used."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forewarn.embeddings.cases import CaseBase
from forewarn.embeddings.vector_cache import CachedEncoder
from forewarn.errors import ForewarnError
from forewarn.rules import load_rules
from forewarn.runtime.cache import cache_folder, checked, checked_array, is_own, keep_array, keep_checked
from tests.tiny_encoder import TinyEncoder

root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FOREWARN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def loose(file: Path) -> None:
    file.chmod(0o666)


def given_away(file: Path) -> None:
    os.chown(file, 1234, 1234)


def linked(file: Path) -> None:
    moved = file.rename(file.with_name("moved"))
    file.symlink_to(moved)


def damaged(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:20])


HARM = [loose, pytest.param(given_away, marks=root), linked, damaged, cut]


@pytest.mark.parametrize("harm", HARM)
def test_what_is_not_as_it_was_written_or_not_the_users_own_is_not_read(
    folder: Path, harm: Callable[[Path], None]
) -> None:
    content, array = folder / "rules" / "a.msgpack", folder / "cases" / "b.npy"
    numbers = np.arange(12, dtype=np.float32).reshape(3, 4)
    keep_checked(content, b"content")
    keep_array(array, numbers)
    kept = checked_array(array, (3, 4), np.float32)
    assert (checked(content), kept is not None and kept.tolist()) == (b"content", numbers.tolist())
    assert [path.stat().st_mode & 0o777 for path in (folder, content.parent, content, array)] == [448, 448, 384, 384]
    for file in (content, array):
        harm(file)
    assert (checked(content), checked_array(array, (3, 4), np.float32)) == (None, None)
    keep_checked(content, b"new")
    assert checked(content) == b"new"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_no_bit_of_an_array_changes_unseen(folder: Path, place: int, bit: int) -> None:
    file = folder / "b.npy"
    keep_array(file, np.arange(64, dtype=np.float32))
    content = bytearray(file.read_bytes())
    content[place % len(content)] ^= 1 << bit
    file.write_bytes(content)
    assert checked_array(file, (64,), np.float32) is None


def test_an_array_of_another_shape_or_kind_is_another(folder: Path) -> None:
    keep_array(folder / "b.npy", np.zeros((2, 3), np.float32))
    assert checked_array(folder / "b.npy", (3, 2), np.float32) is None
    assert checked_array(folder / "b.npy", (2, 3), np.int32) is None


def test_a_shared_folder_is_refused_with_the_reason(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(ForewarnError, match="FOREWARN_CACHE names a folder that others may write to"):
        cache_folder()
    folder.chmod(0o755)
    assert cache_folder() == folder


@root
def test_anothers_folder_is_refused(folder: Path) -> None:
    folder.mkdir()
    given_away(folder)
    with pytest.raises(ForewarnError, match="belongs to someone else"):
        cache_folder()


def test_a_folder_that_the_umask_left_open_is_closed(folder: Path) -> None:
    keep_checked(folder / "rules" / "a", b"content")
    (folder / "rules").chmod(0o775)
    assert is_own(folder / "rules" / "a")
    assert (folder / "rules").stat().st_mode & 0o777 == 0o755


def test_rules_that_another_wrote_are_read_anew(folder: Path, tmp_path: Path) -> None:
    from forewarn.rules import loading

    file = tmp_path / "rule.yaml"
    text = "title: Bomb\nlogsource: {category: text}\ndetection: {w: ['bomb'], condition: w}\nlevel: high\n"
    file.write_text(text)
    assert [rule.level for rule in load_rules([file]).rules] == ["high"]
    kept = loading._cache_file({str(file): text}, {})
    content = checked(kept)
    assert content is not None
    hostile = content.replace(b"\xa4high", b"\xa3low", 1)
    kept.write_bytes(hashlib.sha256(hostile).digest() + hostile)
    assert [rule.level for rule in load_rules([file]).rules] == ["low"], "what is the user's own is trusted"
    kept.chmod(0o666)
    assert [rule.level for rule in load_rules([file]).rules] == ["high"]


def test_damaged_vectors_of_cases_are_made_anew(folder: Path) -> None:
    encoder: Any = TinyEncoder()
    before = CaseBase.open(None, encoder=encoder).vote(encoder.encode(["a bank run"]))
    (file,) = (folder / "cases").iterdir()
    content = bytearray(file.read_bytes())
    content[5_000:9_096] = os.urandom(4_096)
    file.write_bytes(content)
    assert np.array_equal(CaseBase.open(None, encoder=encoder).vote(encoder.encode(["a bank run"])), before)
    assert bytes(content) != file.read_bytes()


@pytest.mark.parametrize("harm", [loose, pytest.param(given_away, marks=root), linked])
def test_a_file_of_vectors_that_is_not_the_users_own_is_made_anew(folder: Path, harm: Callable[[Path], None]) -> None:
    plain: Any = TinyEncoder()
    CachedEncoder(plain).encode(["one"])
    file = folder / "vectors-1.sqlite"
    assert file.stat().st_mode & 0o777 == 0o600
    harm(file)
    assert np.array_equal(CachedEncoder(plain).encode(["one"]), plain.encode(["one"]))
    assert (file.is_symlink(), file.stat().st_mode & 0o777, file.stat().st_uid) == (False, 0o600, os.geteuid())
