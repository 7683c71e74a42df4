"""The members of archives are sources of their own; a bomb, a lock and a broken member are named."""

from __future__ import annotations

import io
import tarfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from forewarn.errors import ForewarnError
from forewarn.frames import RECORDS
from forewarn.reading import archives
from forewarn.reading.records import read

MEMBERS = {
    "a.log": b"2026-11-29 08:04:00 pump stopped\n",
    "deep/b.jsonl": b'{"time": "2026-11-29T08:04:00Z", "level": "fatal", "msg": "valve shut"}\n' * 2,
    "empty.log": b"",
}


def table(path: Path, block_bytes: int = 1 << 20) -> tuple[pl.DataFrame, list[str]]:
    problems: list[ForewarnError] = []
    blocks = list(read(path, problems=problems, block_bytes=block_bytes))
    return pl.concat(blocks) if blocks else pl.DataFrame(schema=RECORDS), [str(problem) for problem in problems]


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def tarred(path: Path, members: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(content), int(datetime(2026, 11, 29, tzinfo=UTC).timestamp())
            archive.addfile(entry, io.BytesIO(content))
    return path


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.xz"])
def test_each_member_is_a_source(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"logs.{kind}"
    zipped(path, MEMBERS) if kind == "zip" else tarred(path, MEMBERS, f"w:{kind[4:]}")
    for size in (1, 1 << 20):
        records, problems = table(path, size)
        assert records.select("source", "line", "text").rows() == [
            (f"{path}!/a.log", 1, "2026-11-29 08:04:00 pump stopped"),
            (f"{path}!/deep/b.jsonl", 1, "[fatal] valve shut"),
            (f"{path}!/deep/b.jsonl", 2, "[fatal] valve shut"),
        ]
        assert records["time"].to_list() == [datetime(2026, 11, 29, 8, 4, tzinfo=UTC)] * 3
        assert problems == [f"{path}!/empty.log: the file is empty"]


def test_an_archive_in_an_archive_is_named(tmp_path: Path) -> None:
    inner = zipped(tmp_path / "inner.zip", MEMBERS).read_bytes()
    records, problems = table(zipped(tmp_path / "outer.zip", {"inner.zip": inner, "a.log": MEMBERS["a.log"]}))
    assert records["source"].to_list() == [f"{tmp_path / 'outer.zip'}!/a.log"]
    assert "inner.zip: a ZIP archive; skipped" in problems[0]


def test_an_office_document_is_no_archive(tmp_path: Path) -> None:
    records, problems = table(
        zipped(tmp_path / "a.docx", {"[Content_Types].xml": b"<x/>", "word/document.xml": b"<x/>"})
    )
    assert records.is_empty()
    assert "an Office document" in problems[0]


def test_a_bomb_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_LEAST_ROOM", 1 << 20)
    monkeypatch.setattr(archives, "_MOST_UNPACKED", 50)
    line = b"2026-11-29 08:04:00 pump stopped\n"
    path = zipped(tmp_path / "bomb.zip", {"a.log": line, "bomb.log": line * 200_000, "c.log": line})
    records, problems = table(path)
    assert 1 <= records.height < 100_000
    assert any("unpacks to far more than it takes" in problem for problem in problems)


def test_a_damaged_member_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    whole = zipped(tmp_path / "a.zip", {"a.log": b"pump stopped\n" * 50, "b.log": b"valve shut\n"})
    content = bytearray(whole.read_bytes())
    content[45] ^= 0xFF
    whole.write_bytes(content)
    records, problems = table(whole)
    assert records.filter(pl.col("source").str.ends_with("b.log"))["text"].to_list() == ["valve shut"]
    assert "a.log" in problems[0]


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_half_an_archive_is_named(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"logs.{kind}"
    many = {f"{number}.log": b"pump %d stopped\n" % number * 90 for number in range(40)}
    zipped(path, many) if kind == "zip" else tarred(path, many, f"w:{kind[4:]}")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    records, problems = table(path)
    assert problems
    assert kind == "zip" or records.height > 0
