"""What is written harms nothing that the user has: one guard before every command, one way to write files."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forewarn.errors import OutputError
from forewarn.output.guard import check_outputs
from forewarn.runtime import atomic as files
from forewarn.runtime.atomic import atomic_folder, atomic_write, others_than, work_folder

Run = Callable[..., Any]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "in.log"
    file.write_text("disk failure: the data centre is on fire\nall is well\n")
    return file


def test_an_output_is_never_an_input_under_whatever_name(log: Path, tmp_path: Path) -> None:
    link, twin = tmp_path / "link.log", tmp_path / "twin.log"
    link.symlink_to(log)
    os.link(log, twin)
    for name in (log, link, twin, tmp_path / "x" / ".." / "in.log"):
        (tmp_path / "x").mkdir(exist_ok=True)
        with pytest.raises(OutputError, match="is one of the files to read"):
            check_outputs([log], [name])
        with pytest.raises(OutputError, match="is one of the files to read"):
            check_outputs([tmp_path], [name])


def test_a_scan_onto_its_input_leaves_it(forewarn: Run, log: Path) -> None:
    before = log.read_bytes()
    ran = forewarn("scan", log, "-o", log)
    assert (ran.status, log.read_bytes()) == (2, before)


def test_two_outputs_are_never_one(log: Path, tmp_path: Path) -> None:
    out, link = tmp_path / "out", tmp_path / "link"
    with pytest.raises(OutputError, match="named for two outputs"):
        check_outputs([log], [out, tmp_path / "." / "out"])
    link.symlink_to(out)
    with pytest.raises(OutputError, match="named for two outputs"):
        check_outputs([log], [out, None, link])
    with pytest.raises(OutputError, match="is inside"):
        check_outputs([log], [tmp_path / "model" / "x.json"], [tmp_path / "model"])
    check_outputs([log], [Path(os.devnull), Path(os.devnull), out])


def test_a_watch_does_not_write_into_what_it_follows(log: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is followed"):
        check_outputs([tmp_path], [tmp_path / "new.jsonl"], growing=True)
    check_outputs([log], [tmp_path / "new.jsonl"], growing=True)


@pytest.mark.parametrize("name", ["", ".", "..", "a\0b"])
def test_what_names_no_file_is_a_clear_error(name: str) -> None:
    with pytest.raises(OutputError, match="is no name that could be written to"), atomic_write(Path(name)):
        pass


def test_a_name_that_is_too_long_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="File name too long"), atomic_write(tmp_path / ("x" * 256)):
        pass
    longest = tmp_path / ("雪" * 85)
    with atomic_write(longest) as part:
        part.write_text("whole")
    assert longest.read_text() == "whole"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666])
def test_the_mode_of_what_is_replaced_stays(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "out"
    file.write_text("old")
    file.chmod(mode)
    with atomic_write(file) as part:
        part.write_text("new")
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == ("new", mode)


def test_a_new_file_is_as_the_umask_says_and_private_where_it_quotes(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        for name, private, mode in (("open", False, 0o644), ("own", True, 0o600)):
            with atomic_write(tmp_path / name, private=private) as part:
                part.touch()
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == mode
    finally:
        os.umask(before)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_owner_of_what_is_replaced_stays(tmp_path: Path) -> None:
    file = tmp_path / "out"
    file.touch()
    os.chown(file, 1234, 2345)
    with atomic_write(file) as part:
        part.write_text("new")
    assert (file.stat().st_uid, file.stat().st_gid) == (1234, 2345)


def test_a_link_is_followed_also_to_what_is_not_there_yet(tmp_path: Path) -> None:
    link, target = tmp_path / "link", tmp_path / "elsewhere" / "target"
    target.parent.mkdir()
    link.symlink_to(target)
    for content in ("first", "second"):
        with atomic_write(link) as part:
            part.write_text(content)
        assert (link.is_symlink(), target.read_text()) == (True, content)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", "link"]


def test_a_pipe_is_written_through(tmp_path: Path) -> None:
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    with atomic_write(pipe) as part:
        part.write_bytes(b"all of it")
    reader.join(10)
    assert (got, stat.S_ISFIFO(pipe.stat().st_mode)) == ([b"all of it"], True)


def test_a_device_stays_a_device(tmp_path: Path) -> None:
    device = tmp_path / "null"
    try:
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        device.open("wb").close()
    except OSError:
        pytest.skip("no device can be made here")
    with atomic_write(device) as part:
        part.write_bytes(b"gone")
    assert stat.S_ISCHR(device.stat().st_mode)


def test_standard_output_is_a_file_too(forewarn: Run, log: Path) -> None:
    alerts = forewarn("scan", log, "-o", "-")
    lines = forewarn("scan", log, "--format", "jsonl")
    assert alerts.out == lines.out != ""
    assert not Path("-").exists()


def test_a_folder_that_holds_other_files_is_not_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    (folder / "thesis").mkdir(parents=True)
    (folder / "thesis" / "ch1.tex").write_text("years of work")
    with (
        pytest.raises(OutputError, match=r"holds other files \(thesis, thesis/ch1.tex\)"),
        atomic_folder(folder, _kind),
    ):
        pass
    assert (folder / "thesis" / "ch1.tex").read_text() == "years of work"


@pytest.mark.parametrize("swap", [True, False])
def test_a_folder_of_ours_is_replaced_when_the_new_one_is_whole(
    tmp_path: Path, swap: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not swap:
        monkeypatch.setattr(files.ctypes, "CDLL", lambda *_, **__: object())
    folder, link = tmp_path / "model", tmp_path / "link"
    link.symlink_to(folder)
    folder.mkdir(mode=0o700)
    (folder / "made").write_text("old")

    def killed() -> None:
        with atomic_folder(link, _kind) as part:
            (part / "made").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        killed()
    assert (folder / "made").read_text() == "old"
    with atomic_folder(link, _kind) as part:
        (part / "made").write_text("new")
        assert (folder / "made").read_text() == "old"
    assert (folder / "made").read_text() == "new"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "model"]


def test_a_full_disk_that_a_library_tells_of_is_our_error(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match="No space left on device"),
        atomic_write(tmp_path / "out"),
    ):
        raise RuntimeError("I/O error: No space left on device (os error 28)")
    assert list(tmp_path.iterdir()) == []


def test_fit_leaves_a_folder_of_the_users(forewarn: Run, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "lab.csv").write_text("text,label\nfire,1\ncalm,0\n")
    for inputs in (data / "lab.csv", tmp_path / "other.csv"):
        (tmp_path / "other.csv").write_text("text,label\nfire,1\ncalm,0\n")
        ran = forewarn("fit", inputs, "-o", data)
        assert ran.status == 2
        assert sorted(path.name for path in data.iterdir()) == ["lab.csv"]


def test_a_planted_work_folder_is_refused_and_nothing_behind_it_is_touched(
    forewarn: Run, log: Path, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    (victim / "sub").mkdir(parents=True)
    (victim / "sub" / "note").write_text("mine")
    planted = tmp_path / ".alerts.jsonl.work"
    planted.symlink_to(victim)
    ran = forewarn("scan", log, "-o", tmp_path / "alerts.jsonl")
    assert (ran.status, "is no work folder" in ran.err) == (2, True)
    assert [path.name for path in victim.rglob("*")] == ["sub", "note"]


def test_a_work_folder_is_ours_by_its_mark_and_holds_no_links(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with work_folder(out, needed=True) as work:
        assert work is not None
        assert stat.S_IMODE(work.stat().st_mode) == 0o700
        (work / "texts").mkdir()
        with work_folder(out, needed=True) as again:
            assert again == work
        assert not work.exists()
    unmarked = tmp_path / ".out.work"
    (unmarked / "photos").mkdir(parents=True)
    with pytest.raises(OutputError, match="is no work folder"), work_folder(out, needed=True):
        pass
    (unmarked / ".forewarn-work").touch()
    (unmarked / "photos" / "link").symlink_to(tmp_path)
    with pytest.raises(OutputError, match="is no work folder"), work_folder(out, needed=True):
        pass


def test_a_long_title_names_a_file(forewarn: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    title = "洪水" * 200
    ran = forewarn(
        *("rules", "new", "--domain", "x", "--title", title, "--phrase", "洪水", "--match", "洪水", "--no-match", "晴")
    )
    assert ran.status == 0
    assert [len(path.name.encode()) < 255 for path in tmp_path.iterdir()] == [True]


def _kind(folder: Path) -> list[str]:
    return others_than(folder, {"made"})
