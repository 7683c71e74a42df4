"""What README and docs say can be typed, run and found."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from forewarn import cli

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "examples" / "README.md",
    *sorted(path for path in (ROOT / "docs").glob("*.md") if path.name != "rule-reference.md"),
]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`(forewarn [^`]+)`")
_PATH = re.compile(
    r"`((?:benchmarks|deploy|detectors|docs|embeddings|engine|examples|rules|tests)/[\w./*-]*|[\w-]+\.(?:md|txt|cfg|toml))`"
)
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
WRITTEN_BY_A_USER = {"MODEL_CARD.md", "RESULTS.md", "forewarn.toml"}


def page(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def command_lines() -> Iterator[tuple[str, str]]:
    """Each `forewarn …` of the pages: in a block a part of a pipe, in a text the words."""
    for path in PAGES:
        content = path.read_text()
        for language, block in _FENCE.findall(content):
            if language in ("", "sh", "bash", "console"):
                for line in block.replace("\\\n", " ").splitlines():
                    for part in re.split(r"\s\|\s|\s&&\s", line.removeprefix("$ ")):
                        if part.strip().startswith("forewarn "):
                            yield page(path), part.strip()
        for words in _INLINE.findall(_FENCE.sub("", content)):
            yield page(path), " ".join(words.split())


LINES = sorted(set(command_lines()))


def parsed(line: str) -> click.Context:
    """The line as the program's own parser understands it, every sub-command entered; nothing runs."""
    arguments = shlex.split(line, comments=True)[1:]
    # A shell takes what follows for itself.
    arguments = [word for word in arguments if word not in (">", "2>&1")]
    command: click.Command = cli.cli
    context = click.Context(command, info_name="forewarn")
    while isinstance(command, click.Group) and arguments:
        name, *arguments = arguments
        found = command.get_command(context, name)
        assert found is not None, f"there is no command {name!r}"
        command, context = found, click.Context(found, parent=context, info_name=name)
    if not arguments:
        # Only named: `forewarn watch`.
        return context
    _, rest, _ = command.make_parser(context).parse_args(list(arguments))
    assert rest == [], f"too many arguments: {rest}"
    return context


def without_stand_ins(line: str) -> str:
    """`…`, `yes|no` and `ALERT-ID` stand for something; to the parser they are words like others."""
    return re.sub(r"\s\[[^\]]*\]", "", line)


@pytest.mark.parametrize(("where", "line"), LINES)
def test_every_command_of_the_docs_is_one_that_the_program_takes(where: str, line: str) -> None:
    try:
        parsed(without_stand_ins(line))
    except click.UsageError as error:
        pytest.fail(f"{where}: {line}\n{error.format_message()}")


def test_the_docs_are_looked_at() -> None:
    assert len(LINES) > 40
    with pytest.raises(click.NoSuchOption):
        parsed("forewarn scan app.log --no-such-option")
    with pytest.raises(AssertionError, match="no command 'scna'"):
        parsed("forewarn scna app.log")


def commands(group: click.Group, name: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for child in group.list_commands(context):
        command = group.get_command(context, child)
        assert command is not None
        full = f"{name} {child}".strip()
        yield full, command
        if isinstance(command, click.Group):
            yield from commands(command, full)


COMMANDS = dict(commands(cli.cli))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_docs_and_has_help(name: str) -> None:
    assert COMMANDS[name].help
    told = "\n".join(path.read_text() for path in PAGES)
    words = rf"forewarn {name}\b|`{name}\b"
    assert re.search(words, told), f"no page names `forewarn {name}`"


@pytest.mark.parametrize("path", PAGES, ids=page)
def test_every_path_that_a_page_names_is_there(path: Path) -> None:
    content = path.read_text()
    named = {name for name in _PATH.findall(content) if name not in WRITTEN_BY_A_USER}
    linked = {name for name in _LINK.findall(content) if "://" not in name}
    missing = [
        *(name for name in named if not (any(ROOT.glob(name.rstrip("/"))) or any(path.parent.glob(name.rstrip("/"))))),
        *(name for name in linked if not (path.parent / name).exists()),
    ]
    assert missing == []


def snippets() -> Iterator[tuple[str, str]]:
    """Each snippet of a page, after those before it: a page is read from the top."""
    for path in PAGES:
        before = ""
        for number, (language, block) in enumerate(_FENCE.findall(path.read_text())):
            if language == "python":
                before += block
                yield f"{page(path)} {number}", before


@pytest.mark.parametrize(("where", "code"), list(snippets()), ids=lambda value: value if len(value) < 40 else "")
def test_every_name_in_a_python_snippet_is_defined(where: str, code: str) -> None:
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F821", "-"]
    ran = subprocess.run(ruff, input=code, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"{where}\n{ran.stdout}"


EXAMPLE_LINES = [
    "forewarn doctor",
    'forewarn similar "customers queue to withdraw their savings"',
    'forewarn rules explain "Bank run under way" "储户排队取款"',
    "forewarn scan examples/logs --budget 10",
]


@pytest.mark.parametrize("line", EXAMPLE_LINES)
def test_the_lines_that_need_nothing_of_the_reader_run(
    line: str, forewarn: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert any(line == said for _, said in LINES), f"no page has the line {line}"
    monkeypatch.chdir(ROOT)
    ran = forewarn(*shlex.split(line)[1:])
    assert ran.status in (0, 1), ran.err  # type: ignore[attr-defined]
    assert ran.out  # type: ignore[attr-defined]
