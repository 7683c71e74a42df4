"""Options come from a file, the environment or what is typed, in that order of rising weight."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from forewarn.cli import cli
from forewarn.cli.configuration import EXPLICIT, commands_of, default_map, options_of
from forewarn.cli.reference import options_page
from forewarn.errors import ForewarnError


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _file(text: str, name: str = "forewarn.toml") -> Path:
    Path(name).write_text(text, "utf-8")
    return Path(name)


def test_without_a_file_nothing_is_set() -> None:
    assert default_map(cli, None) == {}


def test_a_table_sets_the_options_of_its_command_alone() -> None:
    _file('[scan]\nbudget = 20\nrules = ["finance", "security"]\nno-adapt = true\n')
    assert default_map(cli, None) == {"scan": {"budget": "20", "rules": ["finance", "security"], "no_adapt": True}}


def test_a_key_at_the_top_holds_for_every_command_that_has_the_option() -> None:
    _file('device = "cpu"\n[watch]\ndevice = "cuda"\n')
    found = default_map(cli, None)
    assert found["scan"]["device"] == "cpu"
    assert found["watch"]["device"] == "cuda"
    assert "doctor" not in found


def test_commands_below_a_command_are_tables_in_its_table() -> None:
    _file('[rules.lint]\nformat = "sarif"\n')
    assert default_map(cli, None) == {"rules": {"lint": {"form": "sarif"}}}


def test_pyproject_counts_where_it_speaks_of_forewarn() -> None:
    _file('[project]\nname = "x"\n', "pyproject.toml")
    assert default_map(cli, None) == {}
    _file("[tool.forewarn.scan]\nfdr = 0.05\n", "pyproject.toml")
    assert default_map(cli, None) == {"scan": {"fdr": "0.05"}}


@pytest.mark.parametrize(
    ("content", "message", "remedy"),
    [
        ("[scan]\nbudgte = 20\n", "there is no option scan.budgte", "'budget'"),
        ("[scna]\nbudget = 20\n", "there is no option scna", "'scan'"),
        ("nonsense = 1\n", "there is no option nonsense", "docs/options.md"),
        ("[scan\n", "Expected", "TOML"),
    ],
)
def test_what_no_command_knows_is_refused_with_the_nearest(content: str, message: str, remedy: str) -> None:
    _file(content)
    with pytest.raises(ForewarnError) as found:
        default_map(cli, None)
    assert message in str(found.value)
    assert remedy in str(found.value)


def test_a_file_that_merely_lies_there_cannot_run_or_write_anything() -> None:
    file = _file('[watch]\nexec = "touch here"\n')
    with pytest.raises(ForewarnError, match="merely lies"):
        default_map(cli, None)
    assert list(default_map(cli, file)["watch"].values()) == ["touch here"]


def test_every_option_that_writes_is_named_as_such() -> None:
    """An option that takes a path that the command writes must not be set by a stranger's folder."""
    writing = {"output", "scores", "index", "state", "exec", "notify"}
    assert writing <= EXPLICIT
    known = {name for command in commands_of(cli).values() for name in options_of(command)}
    assert writing <= known


def test_a_misspelt_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOREWARN_SCAN_BUDGTE", "5")
    with pytest.raises(ForewarnError, match="FOREWARN_SCAN_BUDGTE") as found:
        default_map(cli, None)
    assert "FOREWARN_SCAN_BUDGET" in str(found.value)


def test_typed_wins_over_a_variable_and_a_variable_over_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    _file('[scan]\nfalse-warnings = "bad file"\n')
    Path("a.log").write_text("fine\n", "utf-8")
    runner = CliRunner()
    assert "bad file" in runner.invoke(cli, ["scan", "a.log"]).output
    monkeypatch.setenv("FOREWARN_SCAN_FALSE_WARNINGS", "bad variable")
    assert "bad variable" in runner.invoke(cli, ["scan", "a.log"]).output
    assert "bad word" in runner.invoke(cli, ["scan", "a.log", "--false-warnings", "bad word"]).output


def test_the_page_of_options_is_the_one_that_the_commands_make() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "options.md"
    assert page.read_text("utf-8") == options_page(cli), "make options writes it anew"
