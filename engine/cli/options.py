"""Options that several commands share, so that they are named and explained once.

In: a command's function. Out: the same with the options.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import rich_click as click
from click import get_current_context
from click.core import ParameterSource

if TYPE_CHECKING:
    from forewarn.output.terminal import Terminal

Function = TypeVar("Function", bound=Callable[..., Any])
_STREAMS = (
    click.option(
        "--late",
        metavar="DURATION",
        default="5m",
        show_default=True,
        help="How far behind its source's clock a record may be, such as 30s or 2h.",
    ),
    click.option("--one-stream", is_flag=True, help="The files are parts of one stream, not a stream each."),
    click.option("--stream-by", metavar="COLUMN", help="A field whose values are streams of their own."),
    click.option(
        "--by-category", is_flag=True, help="The texts of each category of rules are a stream of their own too."
    ),
    click.option("--count-repeats", is_flag=True, help="Count a text that is said again soon (a retweet) every time."),
)
_ENCODER = "bundled, bundled-bf16, or a sentence-transformers name or folder (onnx:…, openvino:…)."

rules = click.option(
    "--rules", multiple=True, metavar="PACK|PATH", help="Packs, rule files or folders (repeat; default: all packs)."
)
logsource = click.option(
    "--logsource", metavar="KEY=VALUE,…", help="What the input is of, such as product=linux,service=sshd."
)
cases = click.option(
    "--cases", type=click.Path(path_type=Path), metavar="DIR", help="A case base folder (default: the shipped one)."
)
encoder = click.option("--encoder", metavar="NAME", default="bundled", show_default=True, help=_ENCODER)
device = click.option("--device", metavar="DEVICE", help="cpu or cuda (default: cuda where there is one).")
model = click.option(
    "--model", type=click.Path(path_type=Path), metavar="DIR", help="A model folder that `forewarn fit` wrote."
)
text_column = click.option(
    "--text-column", metavar="COLUMN", help="The column that holds the text, for CSV, JSON and Parquet."
)
time_column = click.option("--time-column", metavar="COLUMN", help="The column that holds the time.")
time_format = click.option(
    "--time-format",
    metavar="FORM",
    help="How times are written, where they are not known by themselves: '%d.%m.%Y %H:%M:%S'.",
)
label_column = click.option(
    "--label-column", metavar="COLUMN", default="label", show_default=True, help="The column of the label."
)
seed = click.option(
    "--seed",
    type=click.IntRange(min=0),
    metavar="N",
    default=0,
    show_default=True,
    help="Seed of every random choice.",
)

PRINTED = ("--format", "--json", "--quiet", "--verbose")
"""The options of `printed`, for the panels of a help page."""


def streams(function: Function) -> Function:
    """How records with times form streams: `--late`, `--one-stream`, `--stream-by` and those after it."""
    for option in reversed(_STREAMS):
        function = option(function)
    return function


def looking_with(function: Function) -> Function:
    """Add the options of what single texts are judged with: `look_with` is what `Options` takes of them."""

    @functools.wraps(function)
    def command(
        rules: tuple[str, ...],
        cases: Path | None,
        encoder: str,
        device: str | None,
        model: Path | None,
        **values: Any,
    ) -> Any:
        asked = {"rules": rules or None, "cases": cases, "encoder": encoder, "device": device, "model": model}
        return function(look_with=asked, **values)

    for option in reversed((rules, cases, encoder, device, model)):
        command = option(command)
    return cast(Function, command)


def printed(*forms: str, findings: bool = False) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """How a command prints: `--format`, `--json`, `-q` and `-v`; it is given `form` and `terminal`.

    `forms` are the first choices of `--format`; "jsonl" is always the last. With `findings` these are printed: for a
    person on a terminal, one a line elsewhere.
    """
    choices = (*(forms or ("table",)), "jsonl")

    def decorate(function: Callable[..., int]) -> Callable[..., int]:
        @functools.wraps(function)
        def run(*args: Any, form: str | None, as_json: bool, quiet: bool, verbose: bool, **given: Any) -> int:
            from forewarn.output.terminal import Terminal

            terminal = Terminal(quiet=quiet, verbose=verbose)
            usual = "compact" if findings and not terminal.out.is_terminal else choices[0]
            return function(*args, form="jsonl" if as_json else form or usual, terminal=terminal, **given)

        usual_form = " (default: table on a terminal, else compact: one finding a line)" if findings else ""
        for option in (
            click.option("--verbose", "-v", is_flag=True, help="Say more."),
            click.option("--quiet", "-q", is_flag=True, help="Print results and errors only."),
            click.option("--json", "as_json", is_flag=True, help="The same as --format jsonl."),
            click.option(
                "--format",
                "form",
                type=click.Choice(choices),
                metavar="|".join(choices),
                help=f"What to print{usual_form}.",
            ),
        ):
            run = option(run)
        return run

    return decorate


def panels(**options: Sequence[str]) -> Callable[[Function], Function]:
    """The groups in which a help page shows the options of a command; `_` in a group's name is a space."""

    def decorate(function: Function) -> Function:
        for name, names in reversed(options.items()):
            function = click.option_panel(name.replace("_", " "), options=list(names))(function)
        return function

    return decorate


def on_standard_error(terminal: Terminal, *outputs: Path | None) -> Terminal:
    """The terminal, or its standard error alone where a result is written to standard output."""
    from forewarn.output.console import GatedConsole
    from forewarn.output.terminal import Terminal
    from forewarn.runtime.atomic import is_standard_output

    if any(output is not None and is_standard_output(output) for output in outputs):
        return Terminal(GatedConsole(stderr=True), quiet=terminal.quiet, verbose=terminal.verbose)
    return terminal


def names(said: str) -> tuple[str, ...]:
    """The names of a comma-separated list."""
    return tuple(name.strip() for name in said.split(",") if name.strip())


def given() -> dict[str, object]:
    """The options of the command that runs which the user gave, as they are written: `--budget`, with their values."""
    context = get_current_context()
    own = {one.name: one for one in context.command.params if isinstance(one, click.Option)}
    return {
        max(option.opts, key=len): context.params[name]
        for name, option in own.items()
        if name in context.params and context.get_parameter_source(name) not in (None, ParameterSource.DEFAULT)
    }
