"""`forewarn rules …`: what a domain expert works with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from forewarn.cli import options as shared
from forewarn.cli.commands import Group
from forewarn.cli.match import match
from forewarn.cli.options import printed

if TYPE_CHECKING:
    from forewarn.output.terminal import Terminal

SOURCES = click.argument("sources", nargs=-1, metavar="[PACK|PATH]…")


@click.group("rules", cls=Group)
def command() -> None:
    """Write, check, test and try rules. PACK is a shipped pack's name, PATH a rule file or a folder of them.

    \b
    forewarn rules list finance
    forewarn rules test my-rules/
    """


@command.command("list")
@SOURCES
@printed()
def list_(sources: tuple[str, ...], form: str, terminal: Terminal) -> int:
    """List rules.

    \b
    forewarn rules list
    forewarn rules list finance --format jsonl
    """
    from forewarn.rules import load_rules

    rules = load_rules(sources or None)
    rows = [{"id": r.id, "title": r.title, "level": r.level, "pack": r.category, "path": r.path} for r in rules.known]
    terminal.rows(rows, form, hide=() if terminal.verbose else ("path",))
    terminal.problems(rules.problems)
    return 2 if rules.problems else 0


@command.command("lint")
@SOURCES
@click.option("--format", "form", type=click.Choice(["text", "json", "sarif"]), default="text", help="What to print.")
def lint(sources: tuple[str, ...], form: str) -> int:
    """Read rules over. Exit status: 0 nothing to say, 1 remarks, 2 a rule cannot be used.

    \b
    forewarn rules lint my-rules/
    forewarn rules lint my-rules/ --format sarif > lint.sarif
    """
    import msgspec

    from forewarn.output.rendering import counted
    from forewarn.rules.tools.linting import lint as look
    from forewarn.rules.tools.linting import sarif
    from forewarn.text_gate import printable

    count, findings = look(sources or None)
    if form == "text":
        for finding in findings:
            click.echo(printable(str(finding)))
        click.echo(f"{counted(count, 'rule')}, {counted(len(findings), 'remark')}", err=True)
    else:
        content = sarif(findings) if form == "sarif" else findings
        click.echo(msgspec.json.format(msgspec.json.encode(content), indent=2))
    return 2 if any(finding.severity == "error" for finding in findings) else 1 if findings else 0


@command.command("test")
@SOURCES
@printed()
def test(sources: tuple[str, ...], form: str, terminal: Terminal) -> int:
    """Run the examples of rules; for one that fails, show which parts of its condition held. Exit status: 1 a failure.

    \b
    forewarn rules test
    forewarn rules test my-rules/bank-run.yaml
    """
    from forewarn.rules import load_rules
    from forewarn.rules.tools.testing import run_tests
    from forewarn.scoring.similarity import similarity

    with terminal.stage("preparing rules, once"):
        rules = load_rules(sources or None, similarity=similarity())
        count, failures = run_tests(rules)
    terminal.tested(len(rules.rules), count, failures, form)
    terminal.problems(rules.problems)
    return 2 if rules.problems else 1 if failures else 0


@command.command("explain")
@click.argument("rule")
@click.argument("text")
@click.option("--rules", "sources", multiple=True, metavar="PACK|PATH", help="Where the rule is (default: all packs).")
@click.option("--all", "everything", is_flag=True, help="Show every part, not only those that hold.")
@printed()
def explain(rule: str, text: str, sources: tuple[str, ...], everything: bool, form: str, terminal: Terminal) -> int:
    """Show a rule's condition as a tree on TEXT, with the parts that hold. RULE is a title, an id or a rule file.

    \b
    forewarn rules explain "Bank run" "Depositors queue outside the bank since dawn"
    forewarn rules explain my-rules/bank-run.yaml "没有发生挤兑"
    """
    from forewarn.rules import find_rule, load_rules
    from forewarn.scoring.similarity import similarity

    chosen = [rule] if Path(rule).is_file() else sources or None
    with terminal.stage("preparing rules, once"):
        rules = load_rules(chosen, similarity=similarity())
        number = 0 if Path(rule).is_file() else find_rule(rules, rule)
        explained = rules.explain(number, text)
    terminal.explained(rules.rules[number], text, explained, form, everything=everything or terminal.verbose)
    return 0 if explained.holds else 1


command.add_command(match)


@command.command("backtest")
@click.argument("sources", nargs=-1, required=True, metavar="PACK|PATH… LABELLED")
@click.option(
    "--against", type=click.Path(path_type=Path), metavar="PATH", help="An older version of the rules to compare with."
)
@shared.text_column
@shared.label_column
@click.option("--positive", metavar="LABEL", default="1", show_default=True, help="The label of a crisis.")
@printed()
def backtest(
    sources: tuple[str, ...],
    against: Path | None,
    text_column: str | None,
    label_column: str,
    positive: str,
    form: str,
    terminal: Terminal,
) -> int:
    """Try rules on labelled texts (the last argument, CSV, JSON lines or Parquet).

    Shows for each rule its hits, precision, recall, what only it catches; names dead and noisy rules.

    \b
    forewarn rules backtest finance news.csv --label-column label --positive 1
    forewarn rules backtest my-rules/ news.csv --against my-rules-before/
    """
    from forewarn.reading.labelled import read_labelled
    from forewarn.rules import check_loaded, load_rules
    from forewarn.rules.tools.backtest import backtest as run
    from forewarn.rules.tools.backtest import compare

    *packs, labelled = sources
    rules = load_rules(packs or None)
    check_loaded(packs, rules)
    texts = read_labelled([labelled], text_column=text_column, label_column=label_column)
    crisis = texts["label"] == positive
    if against:
        table = compare(rules, load_rules([against]), texts["text"], crisis)
        terminal.rows(table.to_dicts(), form)
    else:
        terminal.backtest(run(rules, texts["text"], crisis).to_dicts(), form)
    return 0


@command.command("new")
@click.option(
    "--domain", metavar="PACK", prompt="Domain (finance, security, public_health, …)", help="The pack it belongs to."
)
@click.option("--title", metavar="WORDS", prompt="What does the rule find?", help="A short title.")
@click.option(
    "--phrase", "phrases", metavar="WORDS", multiple=True, help="A phrase that a text about it holds (repeat)."
)
@click.option("--match", "match", metavar="TEXT", multiple=True, help="A text on which it must fire (repeat).")
@click.option("--no-match", "no_match", metavar="TEXT", multiple=True, help="A text on which it must not (repeat).")
@click.option(
    "--level",
    metavar="LEVEL",
    default="medium",
    show_default=True,
    type=click.Choice(["informational", "low", "medium", "high", "critical"]),
    help="informational, low, medium, high or critical.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The file to write (default: from the title).",
)
def new(
    domain: str,
    title: str,
    phrases: tuple[str, ...],
    match: tuple[str, ...],
    no_match: tuple[str, ...],
    level: str,
    output: Path | None,
) -> int:
    """Write a new rule, complete and commented. Asks for what the options do not say.

    \b
    forewarn rules new --domain finance
    forewarn rules new --domain finance --title "Bank run" --phrase "bank run" --match "a bank run"
    """
    from forewarn.errors import OutputError
    from forewarn.rules.tools.drafting import draft, file_name
    from forewarn.runtime.atomic import atomic_write, is_written_through
    from forewarn.text_gate import printable

    phrases = phrases or _ask("A phrase that such a text holds")
    match = match or _ask("A text on which it must fire")
    no_match = no_match or _ask("A text on which it must not fire (a drill, a denial)")
    file = output or Path(file_name(title))
    if file.exists() and not is_written_through(file):
        raise OutputError("is there already", path=file, remedy="Name another file with -o.")
    content = draft(title=title, domain=domain, phrases=phrases, match=match, no_match=no_match, level=level)
    with atomic_write(file) as part:
        part.write_text(content, "utf-8")
    click.echo(printable(f"{file} written; next: forewarn rules test {file}"), err=is_written_through(file))
    return 0


def _ask(question: str) -> tuple[str, ...]:
    answers: list[str] = []
    while answer := click.prompt(
        f"{question}{' (empty: no more)' if answers else ''}", default="" if answers else None
    ):
        answers.append(answer)
    return tuple(answers)


@command.command("docs")
@SOURCES
def docs(sources: tuple[str, ...]) -> int:
    """Print the reference of rules as Markdown.

    \b
    forewarn rules docs > docs/rule-reference.md
    forewarn rules docs finance
    """
    from forewarn.rules import load_rules
    from forewarn.rules.tools.reference import reference
    from forewarn.text_gate import printable

    click.echo("\n".join(map(printable, reference(load_rules(sources or None)).split("\n"))))
    return 0
