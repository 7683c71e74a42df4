"""The benchmarks' own machinery: what got worse, pictures, other programs, texts written differently, and the guard."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import charts, guard, peer_environments, processes
from benchmarks.benchmark import ROOT, Context, Missing, Result, Table
from benchmarks.compare import changes, compare, line, read
from benchmarks.needed import NEEDED, Needed
from benchmarks.perturbations import CHINESE, LETTERS, changed
from benchmarks.report import results_page
from benchmarks.running import available, run

SCORES = Table("Scores", ["score", "AUROC", "ECE", "s"], [["rules", 0.90, 0.05, 3.0], ["fused", 0.97, 0.03, 4.0]])


def kept(folder: Path, name: str, *tables: Table) -> Path:
    result = Result(name, "", "", "2026-01-01", {"cores": "2"}, {}, {}, 0, False, 1.0, list(tables))
    file = folder / f"{name}.json"
    file.write_bytes(msgspec.json.encode(result))
    return file


def with_rows(*rows: list[float | int | str | None]) -> Table:
    return msgspec.structs.replace(SCORES, rows=list(rows))


def test_a_lower_auroc_and_a_higher_ece_are_worse_and_a_longer_time_is_not() -> None:
    after = with_rows(["rules", 0.88, 0.02, 9.0], ["fused", 0.97, 0.05, 9.0])
    assert [line(change) for change in changes([SCORES], [after])] == [
        "worse   Scores: rules: AUROC: 0.9 → 0.88",
        "better  Scores: rules: ECE: 0.05 → 0.02",
        "worse   Scores: fused: ECE: 0.03 → 0.05",
    ]


def test_a_change_within_noise_is_none_and_rows_may_come_in_another_order() -> None:
    assert changes([SCORES], [with_rows(["fused", 0.966, 0.03, 4.0], ["rules", 0.904, 0.05, 3.0])]) == []


def test_a_figure_that_is_gone_is_worse() -> None:
    gone = changes([SCORES], [with_rows(["rules", 0.90, 0.05, 3.0])])
    assert [(change.row, change.column, change.after, change.worse) for change in gone] == [
        ("fused", "AUROC", None, True),
        ("fused", "ECE", None, True),
    ]


def test_a_table_says_which_way_its_columns_are_better() -> None:
    before = Table("Sets", ["score", "OLID", "apart"], [["ours", 0.5, 0.1]], higher=["OLID"], lower=["apart"])
    after = msgspec.structs.replace(before, rows=[["ours", 0.6, 0.2]])
    assert [change.worse for change in changes([before], [after])] == [False, True]


def test_two_columns_of_one_name_are_told_apart() -> None:
    columns = ["share", "AUROC before", "after", "AP before", "after"]
    before = Table("Before and after", columns, [[0.5, 0.9, 0.95, 0.8, 0.9]])
    after = Table("Before and after", columns, [[0.5, 0.9, 0.95, 0.8, 0.7]])
    assert [(c.row, c.column, c.after) for c in changes([before], [after])] == [("0.5", "after (2)", 0.7)]


def test_compare_ends_with_1_where_something_got_worse(tmp_path: Path) -> None:
    before = kept(tmp_path, "before", SCORES)
    after = kept(tmp_path, "after", with_rows(["rules", 0.95, 0.05, 3.0], ["fused", 0.90, 0.03, 4.0]))
    worse = CliRunner().invoke(compare, [str(before), str(after)])
    assert worse.exit_code == 1
    assert worse.output.splitlines() == [
        "worse   Scores: fused: AUROC: 0.97 → 0.9",
        "better  Scores: rules: AUROC: 0.9 → 0.95",
        "1 figures worse, 1 better, beyond 0.005",
    ]
    assert CliRunner().invoke(compare, [str(before), str(before)]).exit_code == 0


def test_compare_names_a_file_that_is_no_result(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    failed = CliRunner().invoke(compare, [str(tmp_path / "a.json"), str(tmp_path / "b.json")])
    assert failed.exit_code == 1
    assert "a.json is no kept result" in failed.output


def test_a_chart_is_written_as_a_whole_page_and_as_a_picture(tmp_path: Path) -> None:
    table = Table("Kept", ["way", "strength", "kept"], [["typos", 0.5, 0.99], ["typos", 1.0, 0.97]])
    names = charts.save(
        lambda tables: {"kept": charts.lines(tables[0], across="strength", up="kept", series="way")},
        [table],
        tmp_path,
        "robustness",
    )
    assert names == ["robustness-kept"]
    assert (tmp_path / "robustness-kept.svg").read_text().startswith("<svg")
    page = (tmp_path / "robustness-kept.html").read_text()
    assert "typos" in page
    assert 'src="http' not in page


def test_a_peer_that_is_not_installed_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOREWARN_CACHE", str(tmp_path))
    with pytest.raises(Missing, match="drain3 is not installed: python -m benchmarks --install-peers"):
        peer_environments.python("drain3")


def test_a_process_that_fails_says_its_last_words() -> None:
    with pytest.raises(RuntimeError, match="ended with 3: no such log"):
        processes.measure(["sh", "-c", "echo no such log >&2; exit 3"], runs=1)


def test_the_peak_of_a_process_is_its_own_and_not_that_of_its_parent() -> None:
    held = bytearray(300 << 20)
    held[:: 1 << 12] = b"1" * len(held[:: 1 << 12])
    small = processes.measure(["sh", "-c", "exit 0"], runs=1)
    assert 0 < small.peak_bytes < 60 << 20
    assert len(held) == 300 << 20


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(RuntimeError, match="no-such-program could not be started"):
        processes.measure(["no-such-program"], runs=1)


@pytest.mark.parametrize("how", LETTERS)
def test_a_text_is_changed_once_in_ten_characters(how: str) -> None:
    text = "water is over the road near the old mill and houses are cut off today ok"
    (written,) = changed([text], how, 1.0)
    assert written != text
    assert abs(len(written) - len(text)) <= 7
    assert changed([text], how, 1.0) == [written]


def test_homoglyphs_look_the_same_and_zero_width_characters_are_not_seen() -> None:
    assert changed(["case"], "homoglyphs", 10.0) == ["саѕе"]
    (written,) = changed(["bank run"], "zero-width characters", 2.0)
    assert "".join(letter for letter in written if letter.isascii()) == "bank run"
    assert len(written) == 10


def test_words_are_exchanged_for_others_of_the_same_meaning_or_sound() -> None:
    assert changed(["The flood hit the town"], "synonyms", 10.0) == ["The deluge hit the village"]
    assert changed(["公司业绩下跌"], "same sound", 10.0, chinese=True) == ["工司夜绩下迭"]
    assert changed(["业绩"], "traditional characters", 10.0, chinese=True) == ["業績"]


@settings(deadline=None)
@given(st.text(max_size=60), st.sampled_from([*LETTERS, "synonyms", "same sound"]), st.sampled_from([0.5, 2.0]))
def test_any_text_can_be_written_differently(text: str, how: str, strength: float) -> None:
    assert len(changed([text], how, strength)) == 1
    if how in CHINESE:
        assert len(changed([text], how, strength, chinese=True)) == 1


def test_no_quality_fell_on_the_texts_written_for_this(tmp_path: Path) -> None:
    """Compare with what is kept; after a deliberate change, `python -m benchmarks guard` keeps the new figures."""
    before = read(ROOT / "results" / "guard.json")
    moved = changes(before.tables, guard.run(Context(None, True, 0, tmp_path)), noise=0.01)
    assert [line(change) for change in moved if change.worse] == []


_FIGURE = re.compile(r"(?<![\w.])(\d[\d,]*(?:\.\d+)?|\.\d+)( %)?(?![\w])")


def figures(text: str) -> list[tuple[float, int, bool]]:
    """The numbers of a text: value, decimals, whether per cent follows."""
    found = []
    for number, percent in _FIGURE.findall(text):
        found.append((float(number.replace(",", "")), len(number.partition(".")[2]), bool(percent)))
    return found


def is_among(figure: tuple[float, int, bool], measured: list[float]) -> bool:
    value, decimals, percent = figure
    near = 0.5 * 10**-decimals + 1e-9
    return any(abs(one * scale - value) <= near for one in measured for scale in ((1, 100) if percent else (1,)))


def test_the_readme_quotes_only_figures_that_were_measured() -> None:
    """All figures of a row of its table stand in one section of `RESULTS.md`, rounded as the README rounds them."""
    page = (ROOT / "RESULTS.md").read_text()
    sections = [[value for value, _, _ in figures(section)] for section in re.split(r"^## ", page, flags=re.M)]
    readme = (ROOT.parent / "README.md").read_text()
    table = readme.split("Measured (")[1].split("From Python")[0]
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", table, flags=re.M)
    assert len(rows) > 5
    astray = []
    for what, said in rows:
        # 98 of 100 is the share .98
        quoted = figures(re.sub(r"(\d+) of 100\b", r"\1 %", said))
        if not any(all(is_among(figure, section) for figure in quoted) for section in sections):
            astray.append(f"{what}: {said}")
    assert astray == []


def test_the_page_of_results_is_the_one_that_the_kept_figures_make() -> None:
    assert (ROOT / "RESULTS.md").read_text() == results_page(ROOT / "results", ROOT)


def test_every_figure_that_is_needed_is_among_those_that_are_kept() -> None:
    kept_tables = {file.stem: read(file).tables for file in (ROOT / "results").glob("*.json")}
    nowhere = [
        f"{need.benchmark}: {need.what}"
        for need in NEEDED
        if need.benchmark in kept_tables and need.measured(kept_tables[need.benchmark]) is None
    ]
    assert nowhere == []


def test_a_needed_figure_is_met_from_its_bar_on() -> None:
    need = Needed("any", "fused", "Score", ("fused",), "AUROC", "≥", 0.97)
    assert need.measured([SCORES]) == 0.97
    assert (need.met(0.97), need.met(0.969)) == (True, False)
    assert need.measured([with_rows()]) is None


def test_a_benchmark_without_its_data_is_skipped_and_the_next_runs(tmp_path: Path) -> None:
    known = available()
    said = list(run([known["bgl"], known["scale"]], None, tmp_path, True, 0))
    assert len(said) == 2
    assert all("skipped: no data at DATA/loghub" in one for one in said)
    assert list(tmp_path.iterdir()) == []
