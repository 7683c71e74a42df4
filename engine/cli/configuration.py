"""Options from files and the environment, so that a command need not be typed whole each time.

In: `forewarn.toml`, or `[tool.forewarn]` of `pyproject.toml`, and variables like `FOREWARN_SCAN_BUDGET`. Out: click's
`default_map`. What is typed wins over a variable, a variable over a file. Keys are the long options of the commands,
so that there is one list of them; an unknown one is refused with the nearest that is known.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import rich_click as click

from forewarn.errors import ForewarnError

NAMES = ("forewarn.toml", "pyproject.toml")
"""Files that are looked for in the current folder, in this order; the first that says anything of forewarn counts."""
EXPLICIT = frozenset({"exec", "notify", "output", "scores", "summary", "index", "state", "report"})
"""Options that run, send or write: a file that merely lies in the folder may not set them, `--config FILE` may."""
PREFIX = "FOREWARN"


def default_map(group: click.Group, file: Path | None) -> dict[str, Any]:
    """The defaults of `group`'s commands from `file`, or else from a file of the current folder.

    A key at the top holds for every command that has such an option, a table for the command that it names.
    Raises ForewarnError where the file cannot be read or has a key, a table or a variable that no command knows.
    """
    _refuse_unknown_variables(group)
    if file is not None:
        return _defaults(group, _content(file), file, "", explicit=True)
    for name in NAMES:
        found = Path(name)
        if found.is_file() and (content := _content(found)):
            return _defaults(group, content, found, "", explicit=False)
    return {}


def options_of(command: click.Command) -> dict[str, click.Option]:
    """The options of a command by their long name, without dashes in front: `no-adapt`, `budget`."""
    return {
        name[2:]: parameter
        for parameter in command.params
        if isinstance(parameter, click.Option) and parameter.name != "help"
        for name in (*parameter.opts, *parameter.secondary_opts)
        if name.startswith("--") and name not in ("--help", "--version", "--config")
    }


def commands_of(group: click.Group) -> dict[str, click.Command]:
    """The commands of a group by name, in the group's order."""
    context = click.Context(group)
    found = {name: group.get_command(context, name) for name in group.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


def _content(file: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ForewarnError(
            f"{file}: {str(error).splitlines()[0]}", remedy="Write TOML, such as [scan] and under it budget = 20."
        ) from None
    if file.name == "pyproject.toml":
        table = content.get("tool", {}).get("forewarn", {})
        return table if isinstance(table, dict) else {}
    return content


def _defaults(
    command: click.Command, content: Mapping[str, Any], file: Path, table: str, *, explicit: bool
) -> dict[str, Any]:
    subcommands = commands_of(command) if isinstance(command, click.Group) else {}
    own = options_of(command)
    everywhere = {name for one in _all(subcommands) for name in options_of(one)}
    defaults: dict[str, Any] = {}
    shared: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, dict) and key in subcommands:
            continue
        if key not in own and key not in everywhere:
            raise _unknown(key, table, file, [*own, *everywhere, *subcommands])
        if not explicit and key in EXPLICIT:
            raise ForewarnError(
                f"{file}: {key!r} writes or runs something: a file that merely lies here may not set it",
                remedy=f"Name the file: forewarn --config {file} …",
            )
        if key in own:
            defaults[str(own[key].name)] = _value(own[key], value)
        else:
            shared[key] = value
    for name, one in subcommands.items():
        below = content.get(name, {})
        known = {option for each in _all({name: one}) for option in options_of(each)}
        inherited = {key: value for key, value in shared.items() if key in known}
        merged = inherited | (below if isinstance(below, dict) else {})
        if found := _defaults(one, merged, file, f"{table}{name}.", explicit=explicit):
            defaults[name] = found
    return defaults


def _all(commands: Mapping[str, click.Command]) -> Iterator[click.Command]:
    for command in commands.values():
        yield command
        if isinstance(command, click.Group):
            yield from _all(commands_of(command))


def _value(option: click.Option, value: Any) -> Any:
    if option.is_flag:
        return bool(value)
    if isinstance(value, list):
        return [str(one) for one in value] if option.multiple else ",".join(str(one) for one in value)
    return [str(value)] if option.multiple else str(value)


def _unknown(key: str, table: str, file: Path, known: list[str]) -> ForewarnError:
    near = difflib.get_close_matches(key, known, 1)
    remedy = f"Did you mean {near[0]!r}?" if near else "docs/options.md lists every key."
    return ForewarnError(f"{file}: there is no option {table}{key}", remedy=remedy)


def _refuse_unknown_variables(group: click.Group) -> None:
    known: dict[str, set[str]] = {}
    for name, command in commands_of(group).items():
        if any(variable.startswith(f"{PREFIX}_{name.upper()}_") for variable in os.environ):
            known[f"{PREFIX}_{name.upper()}_"] = set(_variables(command, f"{PREFIX}_{name.upper()}"))
    for prefix, variables in known.items():
        for variable in sorted(os.environ):
            if variable.startswith(prefix) and variable not in variables:
                near = difflib.get_close_matches(variable, variables, 1)
                raise ForewarnError(
                    f"the environment variable {variable} is of no option",
                    remedy=f"Did you mean {near[0]}?" if near else "docs/options.md lists every variable.",
                )


def _variables(command: click.Command, prefix: str) -> Iterator[str]:
    """The environment variables of a command and of those below it, as click makes them."""
    for option in options_of(command).values():
        yield f"{prefix}_{str(option.name).upper()}"
    for name, below in (commands_of(command) if isinstance(command, click.Group) else {}).items():
        yield from _variables(below, f"{prefix}_{name.upper().replace('-', '_')}")
