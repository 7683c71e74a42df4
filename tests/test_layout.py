"""The house: a reader finds the place of a change from the list of files, and no way leads in a circle."""

from __future__ import annotations

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = {"engine": "forewarn", **{name: f"forewarn.{name}" for name in ("rules", "embeddings", "detectors")}}
MOST_LINES = 400


def _modules() -> dict[str, Path]:
    found = {}
    for folder, package in FOLDERS.items():
        for file in sorted((ROOT / folder).rglob("*.py")):
            parts = file.relative_to(ROOT / folder).with_suffix("").parts
            found[".".join([package, *(part for part in parts if part != "__init__")])] = file
    return found


MODULES = _modules()


def _imports(file: Path) -> set[str]:
    """The modules of forewarn that a file imports, wherever in it; what a package only passes on counts as its own."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "forewarn":
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in MODULES else node.module)
    return found


def test_no_module_leads_back_to_itself() -> None:
    graph = {name: _imports(file) - {name, "forewarn"} for name, file in MODULES.items() if name != "forewarn"}
    order = list(TopologicalSorter(graph).static_order())
    assert len(order) >= len(MODULES) - 1


@pytest.mark.parametrize("name", MODULES)
def test_a_module_can_be_read_in_one_sitting(name: str) -> None:
    assert len(MODULES[name].read_text("utf-8").splitlines()) <= MOST_LINES


@pytest.mark.parametrize("name", MODULES)
def test_a_module_says_what_comes_in_and_what_goes_out(name: str) -> None:
    text = ast.get_docstring(ast.parse(MODULES[name].read_text("utf-8"))) or ""
    assert text, f"{name} has no docstring"
    if MODULES[name].name not in ("__main__.py",) and ".cli." not in name and not name.endswith(".packs"):
        assert re.search(r"\bIn:\s", text), f"{name} does not say what comes in"
        assert re.search(r"\bOut:\s", text), f"{name} does not say what goes out"


def test_tests_stand_where_what_they_test_stands() -> None:
    wings = {path.name for path in (ROOT / "engine").iterdir() if path.is_dir()} | set(FOLDERS) | {"benchmarks"}
    for folder in (path for path in (ROOT / "tests").iterdir() if path.is_dir() and path.name != "__pycache__"):
        assert folder.name in wings, f"tests/{folder.name} is of no part of the program"


def test_the_top_level_is_what_the_readme_speaks_of() -> None:
    assert {path.name for path in ROOT.iterdir() if path.is_dir()} >= {
        *FOLDERS,
        "tests",
        "benchmarks",
        "examples",
        "docs",
    }


def test_the_glossary_names_what_there_is() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text("utf-8")
    for place in re.findall(r"`((?:rules|embeddings|detectors)/[\w/]+(?:\.\w+)?/?|\w+/\w+\.(?:py|json))`", text):
        assert (ROOT / place).exists() or (ROOT / "engine" / place).exists(), place
