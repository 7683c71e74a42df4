"""Every option of every command as one page: how it is typed, its key in a file, its variable, its default.

In: the commands. Out: Markdown, the content of docs/options.md.
"""

from __future__ import annotations

from collections.abc import Iterator

import rich_click as click

from forewarn.cli.configuration import EXPLICIT, PREFIX, commands_of, options_of

_HEAD = """# Every option

What is typed wins over an environment variable, a variable over a file. A file is `forewarn.toml` in the current
folder, or `[tool.forewarn]` in `pyproject.toml` there, or what `--config FILE`, before the command, names. A key is the
long option without its dashes, in a table named after its command; a key above all tables holds for every command
with it:

```toml
device = "cpu"

[scan]
budget = 20
rules = ["finance", "my-rules/"]

[rules.lint]
format = "sarif"
```

A key or a `FOREWARN_…` variable that no command knows is refused. Options that write, run or send something (marked *)
count only from a file that `--config` names: a file that merely lies in a folder cannot set them.
"""


def options_page(group: click.Group) -> str:
    """The page of all commands of `group`."""
    return "\n".join([_HEAD, *_sections(group, "")])


def _sections(command: click.Command, table: str) -> Iterator[str]:
    if isinstance(command, click.Group):
        for name, below in commands_of(command).items():
            yield from _sections(below, f"{table}.{name}".lstrip("."))
        return
    rows = [_row(name, option, table) for name, option in options_of(command).items()]
    if rows:
        yield f"## [{table}]\n\n| option, key | what it does | default | variable |\n|---|---|---|---|"
        yield "\n".join(rows) + "\n"


def _row(name: str, option: click.Option, table: str) -> str:
    variable = "_".join([PREFIX, *table.upper().replace("-", "_").split("."), str(option.name).upper()])
    # In a cell a bar would begin the next one.
    value = "" if option.is_flag else f" {option.make_metavar(click.Context(click.Command(table)))}".replace("|", "\\|")
    default = f"`{option.default}`" if option.show_default and isinstance(option.default, str | int | float) else ""
    mark = "\\*" if name in EXPLICIT else ""
    return f"| `--{name}{value}`{mark} | {(option.help or '').replace('|', '/')} | {default} | `{variable}` |"
