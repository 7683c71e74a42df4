"""What a user is told of how a file is read, and what to do where no time is known."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., Any]
CRI = '2026-11-29T08:04:00.1Z stderr F {"level": "fatal", "msg": "pump stopped"}\n'


def test_a_file_is_explained_and_not_scanned(forewarn: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(CRI * 30)
    ran = forewarn("scan", "--explain-reading", tmp_path)
    assert ran.status == 0
    for part in ("(cri)", "30 of the first 30 records have one", "written with each time (Z)", "here: level"):
        assert part in ran.out
    assert "line 1, 2026-11-29 08:04:00, fatal: [fatal] pump stopped" in ran.out
    ran = forewarn("scan", "--explain-reading", tmp_path, "--json")
    reading = json.loads(ran.out)
    assert (reading["format"], reading["timed"], len(reading["records"])) == ("cri", 30, 3)


def test_what_cannot_be_read_is_named(forewarn: Run, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7 and more")
    ran = forewarn("scan", "--explain-reading", tmp_path / "a.pdf")
    assert ran.status == 2
    assert "a PDF document" in ran.out
    assert forewarn("scan", "--explain-reading", tmp_path / "nowhere.log").status == 2


def test_doctor_says_how_a_file_would_be_read_and_where_more_is_said(forewarn: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(CRI * 30)
    ran = forewarn("doctor", tmp_path / "a.log", "--json")
    assert ran.status == 0
    found = json.loads(ran.out)
    assert found["value"] == "cri; 30 of 30 records at its start have a time"
    assert f"forewarn scan --explain-reading {tmp_path / 'a.log'}" in found["remedy"]
    assert forewarn("doctor", tmp_path / "nowhere.log").status == 2


def test_a_scan_names_a_file_without_a_known_time_and_a_form_of_time_mends_it(forewarn: Run, tmp_path: Path) -> None:
    lines = [f"day 29 of 11 in 2026, 8 h {number} min: job {number} done\n" for number in range(30)]
    (tmp_path / "a.log").write_text("".join(lines))
    ran = forewarn("scan", tmp_path / "a.log")
    assert "no time is known on its lines: no early warning from it" in ran.err
    assert "--time-format" in ran.err
    ran = forewarn("scan", tmp_path / "a.log", "--time-format", "day %d of %m in %Y, %H h %M min")
    assert "no time is known" not in ran.err
    ran = forewarn("scan", tmp_path / "a.log", "--time-format", "%H:%M")
    assert ran.status == 2
    assert "--time-format '%H:%M' is no form of time" in ran.err
