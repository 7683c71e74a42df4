"""Windows events as files: EVTX whole and damaged, and exports as XML."""

from __future__ import annotations

import gzip
import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forewarn.errors import ForewarnError
from forewarn.reading.problems import Problems
from forewarn.reading.records import read
from forewarn.watching.follow import Follower
from tests.event_dresses import xml
from tests.evtx_file import CHUNK, HEADER, event, evtx_file

FIRST = [event(1, {"Image": "C:\\Tools\\a.exe"}, record=11), event(3, {"DestinationIp": "192.0.2.7"}, record=12)]
SECOND = [event(4688, {"NewProcessName": "C:\\b.exe"}, channel="Security", record=13)]
THIRD = [event(11, {"TargetFilename": "C:\\c.txt"}, record=14)]


def _read(path: Path, block_bytes: int = 8 << 20) -> tuple[pl.DataFrame, list[str]]:
    problems: list[ForewarnError] = []
    blocks = list(read(path, problems=problems, block_bytes=block_bytes))
    return (pl.concat(blocks) if blocks else pl.DataFrame()), [str(problem) for problem in problems]


def _ids(records: pl.DataFrame) -> list[Any]:
    return [int(json.loads(raw)["Event"]["System"]["EventID"]) for raw in records["raw"]] if records.height else []


def _lost(content: bytes, *chunks: int) -> bytes:
    damaged = bytearray(content)
    for number in chunks:
        at = HEADER + number * CHUNK
        damaged[at : at + 8] = b"XXXXXXXX"
    return bytes(damaged)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "Sysmon.evtx"
    file.write_bytes(evtx_file([FIRST, SECOND, THIRD]))
    return file


def test_every_record_is_an_event_with_its_ordinal_as_line(log: Path) -> None:
    records, problems = _read(log)
    assert problems == []
    assert _ids(records) == [1, 3, 4688, 11]
    assert records["line"].to_list() == [1, 2, 3, 4]
    assert records["source"].unique().to_list() == [str(log)]


def test_the_time_is_that_of_the_event_and_not_of_its_writing(tmp_path: Path) -> None:
    file = tmp_path / "a.evtx"
    times = ["2026-03-05T08:00:00.250000Z", "2026-03-05T07:59:01.1234567Z", "2026-03-04T23:00:00.123456789Z"]
    written = datetime(2026, 3, 6, tzinfo=UTC)
    file.write_bytes(
        evtx_file([[event(1, {"UtcTime": "2001-01-01 00:00:00.000"}, time=time) for time in times]], written)
    )
    assert _read(file)[0]["time"].to_list() == [
        datetime(2026, 3, 5, 8, 0, 0, 250000, tzinfo=UTC),
        datetime(2026, 3, 5, 7, 59, 1, 123456, tzinfo=UTC),
        datetime(2026, 3, 4, 23, 0, 0, 123456, tzinfo=UTC),
    ]


def test_it_is_known_by_its_content_also_compressed(log: Path, tmp_path: Path) -> None:
    (tmp_path / "x" / "y").mkdir(parents=True)
    (tmp_path / "x" / "y" / "old.log").write_bytes(gzip.compress(log.read_bytes()))
    log.rename(tmp_path / "x" / "plain")
    records, problems = _read(tmp_path / "x")
    assert problems == []
    assert records["line"].to_list() == [1, 2, 3, 4, 1, 2, 3, 4]


def test_blocks_may_be_small(log: Path) -> None:
    whole, parts = _read(log)[0], _read(log, block_bytes=1)[0]
    assert parts.equals(whole)


def test_a_damaged_chunk_is_named_and_the_rest_is_read(log: Path) -> None:
    log.write_bytes(_lost(log.read_bytes(), 1))
    records, problems = _read(log)
    assert _ids(records) == [1, 3, 11]
    assert len(problems) == 1
    assert "chunk 2 is damaged; the rest is read" in problems[0]


def test_damaged_chunks_are_named_together(log: Path) -> None:
    log.write_bytes(_lost(log.read_bytes(), 0, 2))
    records, problems = _read(log)
    assert _ids(records) == [4688]
    assert "chunks 1, 3 are damaged" in problems[0]


def test_a_chunk_that_is_not_as_its_checksum_says_is_read_and_named(log: Path) -> None:
    content = bytearray(log.read_bytes())
    at = content.index("a.exe".encode("utf-16-le"))
    content[at : at + 2] = b"z\0"
    log.write_bytes(bytes(content))
    records, problems = _read(log)
    assert _ids(records) == [1, 3, 4688, 11]
    assert "z.exe" in records["raw"][0]
    assert "chunk 1 is not as written" in problems[0]


def test_a_chunk_of_zeros_before_others_is_named(log: Path) -> None:
    content = bytearray(log.read_bytes())
    content[HEADER + CHUNK : HEADER + 2 * CHUNK] = bytes(CHUNK)
    log.write_bytes(bytes(content))
    records, problems = _read(log)
    assert _ids(records) == [1, 3, 11]
    assert "chunk 2 is empty, and others follow" in problems[0]


def test_room_that_is_not_used_yet_is_no_damage(log: Path) -> None:
    log.write_bytes(log.read_bytes() + bytes(2 * CHUNK))
    assert (_ids(_read(log)[0]), _read(log)[1]) == ([1, 3, 4688, 11], [])


@pytest.mark.parametrize(("left", "found"), [(CHUNK, [1, 3]), (CHUNK + 3000, [1, 3, 4688]), (CHUNK + 300, [1, 3])])
def test_of_a_cut_file_is_read_what_is_whole(log: Path, left: int, found: list[int]) -> None:
    log.write_bytes(log.read_bytes()[: HEADER + left])
    records, problems = _read(log)
    assert _ids(records) == found
    assert ["is cut inside chunk 2" in problem for problem in problems] == [True] * (left % CHUNK > 0)


def test_a_file_that_lost_its_first_bytes_is_read_by_its_chunks(log: Path) -> None:
    log.write_bytes(b"\xffBROKEN\xff" + log.read_bytes()[8:])
    records, problems = _read(log)
    assert _ids(records) == [1, 3, 4688, 11]
    assert "its header is damaged" in problems[0]


@pytest.mark.parametrize("content", [b"ElfFile\0", b"ElfFile\0" + bytes(100), b"ElfFile\0" + bytes(4000)])
def test_what_ends_in_its_header_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.evtx").write_bytes(content)
    records, problems = _read(tmp_path / "a.evtx")
    assert records.height == 0
    assert "cannot be read as EVTX" in problems[0]


def test_an_encrypted_log_is_called_that(tmp_path: Path) -> None:
    (tmp_path / "Security.evtx").write_bytes(random.Random(1).randbytes(70_000))
    (tmp_path / "a.log").write_text("2026-03-05 08:00:00 all is well\n")
    records, problems = _read(tmp_path)
    assert records.height == 1
    assert "encrypted or damaged" in problems[0]


def test_a_watch_refuses_it_and_goes_on(log: Path, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("all is well\n")
    problems: list[ForewarnError] = []
    pieces = Follower([tmp_path], Problems(problems)).new(1 << 20)
    assert [piece.source for piece in pieces] == [str(tmp_path / "a.log")]
    assert "is a Windows event log (EVTX); it cannot be followed" in str(problems[0])


@settings(max_examples=60, deadline=None)
@given(st.integers(HEADER, HEADER + 2 * CHUNK), st.binary(min_size=1, max_size=600))
def test_whatever_is_damaged_nothing_else_is_lost(tmp_path_factory: Any, at: int, junk: bytes) -> None:
    content = bytearray(evtx_file([FIRST, SECOND, THIRD]))
    content[at : at + len(junk)] = junk
    file = tmp_path_factory.mktemp("evtx") / "a.evtx"
    file.write_bytes(bytes(content[: HEADER + 3 * CHUNK]))
    found = _read(file)[0]
    hurt = {(place - HEADER) // CHUNK for place in (at, at + len(junk) - 1)}
    kept = [ident for number, ids in enumerate([[1, 3], [4688], [11]]) if number not in hurt for ident in ids]
    names = found["raw"].to_list() if found.height else []
    assert all(any(f'"EventID":"{ident}"' in raw for raw in names) for ident in kept)


# XML.

HOSTILE = (
    '<?xml version="1.0"?><!DOCTYPE e [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'
    "<Events><Event><System><EventID>1</EventID></System><EventData>&b;</EventData></Event></Events>"
)
ONE = event(1, {"Image": "C:\\Tools\\a & b.exe", "CommandLine": 'a "<x>" 洪水\tb'}, record=7)


@pytest.mark.parametrize(
    ("written", "encoding"),
    [
        ("{0}\n{0}\n", "utf-8"),
        ("{0}{0}", "utf-8"),
        ("<?xml version='1.0' encoding='utf-16' standalone='yes'?>\n<Events>{0}\n{0}</Events>\n", "utf-16"),
        ("<!-- exported -->\n<Events>\n{0}\n{0}\n</Events>", "utf-8"),
        ("Mar  5 08:00:00 ws-07 sysmon: {0}\nMar  5 08:00:01 ws-07 sysmon: {0}\n", "utf-8"),
    ],
)
def test_exports_of_xml_are_events(tmp_path: Path, written: str, encoding: str) -> None:
    (tmp_path / "a.xml").write_text(written.format(xml(ONE)), encoding)
    records, problems = _read(tmp_path / "a.xml")
    assert problems == []
    assert records.height == 2
    told = json.loads(records["raw"][0])["Event"]
    assert told["EventData"] == ONE["Event"]["EventData"]
    assert told["System"]["Provider"] == ONE["Event"]["System"]["Provider"]
    assert records["time"].to_list() == [datetime(2026, 3, 5, 8, 0, 0, 250000, tzinfo=UTC)] * 2


def test_an_event_over_several_lines_stands_where_it_begins(tmp_path: Path) -> None:
    spread = xml(ONE).replace("<System>", "\n <System>\n").replace("</EventData>", "\n</EventData>\n")
    (tmp_path / "a.xml").write_text(f"<Events>\n{spread}\n{spread}\n</Events>\n")
    records = _read(tmp_path / "a.xml")[0]
    assert records["line"].to_list() == [2, 7]
    assert _read(tmp_path / "a.xml", block_bytes=64)[0]["line"].to_list() == [2, 7]


def test_unnamed_data_stay_together(tmp_path: Path) -> None:
    export = "<Event><System><EventID Qualifiers='0'>11707</EventID></System><EventData>{}</EventData></Event>"
    (tmp_path / "a.xml").write_text(export.format("<Data>a</Data><Data>b</Data>"))
    told = json.loads(_read(tmp_path / "a.xml")[0]["raw"][0])["Event"]
    assert told["EventData"] == {"Data": {"#text": ["a", "b"]}}
    assert told["System"]["EventID"] == {"#attributes": {"Qualifiers": "0"}, "#text": "11707"}


def test_entities_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bomb.xml").write_text(HOSTILE)
    records, problems = _read(tmp_path / "bomb.xml")
    assert records.height == 0
    assert "refused" in problems[0]


@pytest.mark.parametrize(
    "bad", ["<EventData>&lol;</EventData>", "<EventData><Data></EventData>", "<a>" * 100 + "</a>" * 100]
)
def test_an_event_that_is_no_xml_is_named_and_the_others_are_read(tmp_path: Path, bad: str) -> None:
    broken = f"<Event><System><EventID>1</EventID></System>{bad}</Event>"
    (tmp_path / "a.xml").write_text(f"{xml(ONE)}\n{broken}\n{xml(ONE)}\n")
    records, problems = _read(tmp_path / "a.xml")
    assert records["line"].to_list() == [1, 3]
    assert len(problems) == 1
    assert ":2" in problems[0]


def test_a_cut_export_gives_what_is_whole(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(f"{xml(ONE)}\n{xml(ONE)[:-30]}")
    records, problems = _read(tmp_path / "a.xml")
    assert records["line"].to_list() == [1]
    assert "is cut inside an event" in problems[0]


def test_a_page_of_the_web_is_no_bomb(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<!DOCTYPE html>\n<html>\n<p>The dam has burst</p>\n</html>\n")
    assert _read(tmp_path / "a.html")[0].height == 4
