"""The bundled encoder's table: unpacked once, then read from a copy in the user's cache."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from forewarn.embeddings.weights import ROWS, WIDTH, load_weights


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FOREWARN_CACHE", str(tmp_path))
    return tmp_path


def _stale(copy: Path) -> None:
    np.save(copy, np.zeros((ROWS, WIDTH // 2), dtype=np.uint8))


def _cut(copy: Path) -> None:
    copy.write_bytes(copy.read_bytes()[:1_000_000])


def _other(copy: Path) -> None:
    copy.write_bytes(b"not an array")


def test_the_table_is_kept_and_read_from_its_copy(cache: Path) -> None:
    unpacked = np.array(load_weights()["table"])
    (copy,) = (cache / "weights").iterdir()
    mapped = load_weights()["table"]
    assert isinstance(mapped, np.memmap)
    assert str(mapped.filename) == str(copy)
    assert not mapped.flags.writeable
    np.testing.assert_array_equal(mapped, unpacked)


@pytest.mark.parametrize("damage", [_stale, _cut, _other, lambda copy: copy.write_bytes(b"")])
def test_a_damaged_copy_is_made_anew(cache: Path, damage: Callable[[Path], object]) -> None:
    unpacked = np.array(load_weights()["table"])
    (copy,) = (cache / "weights").iterdir()
    whole = copy.read_bytes()
    damage(copy)
    np.testing.assert_array_equal(load_weights()["table"], unpacked)
    assert copy.read_bytes() == whole


def test_the_table_is_there_where_nothing_can_be_kept(cache: Path) -> None:
    kept = np.array(load_weights()["table"])
    (copy,) = (cache / "weights").iterdir()
    copy.unlink()
    copy.parent.rmdir()
    copy.parent.write_text("a file, no folder")
    np.testing.assert_array_equal(load_weights()["table"], kept)
