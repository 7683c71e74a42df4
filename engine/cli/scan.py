"""`forewarn scan`: arguments in, alerts printed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from forewarn.cli import options as shared
from forewarn.cli.commands import Command
from forewarn.cli.options import given, names, on_standard_error, panels, printed, streams

if TYPE_CHECKING:
    from forewarn.errors import ForewarnError
    from forewarn.options import Options
    from forewarn.output.terminal import Terminal


@click.command("scan", cls=Command)
@panels(
    Choose=("--budget", "--fdr", "--threshold", "--cost", "--unusual", "--false-warnings"),
    Look_with=(
        *("--rules", "--logsource", "--cases", "--model", "--encoder", "--device", "--detectors", "--prior"),
        *("--no-adapt", "--seed"),
    ),
    Read=("--text-column", "--time-column", "--time-format", "--explain-reading"),
    Streams=("--late", "--one-stream", "--stream-by", "--by-category", "--count-repeats"),
    Output=(
        "--output",
        *shared.PRINTED,
        "--report",
        "--scores",
        "--index",
        "--summary",
        "--explain-skipped",
        "--timings",
    ),
    Checkpoint=("--resume", "--no-cache", "--help"),
)
@click.argument("paths", nargs=-1, required=True, metavar="PATH…")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the alerts to this file as JSON lines.",
)
@printed("table", "compact", findings=True)
@click.option("--budget", metavar="N[/hour|/day]", help="Raise the N most alarming texts (an hour, a day).")
@click.option("--fdr", type=float, metavar="Q", help="Raise texts at an expected share Q of false alerts.")
@click.option("--threshold", type=float, metavar="P", help="Raise texts of probability P or more (default: 0.5).")
@click.option("--cost", metavar="MISS:FALSE", help="Raise by what a miss and a false alert cost, such as 20:1.")
@shared.rules
@shared.logsource
@click.option("--explain-skipped", is_flag=True, help="Say which rules were not tried, and why.")
@shared.cases
@shared.encoder
@shared.device
@click.option(
    "--detectors",
    metavar="LIST",
    help="PyOD detectors on the embeddings, comma-separated (default: the model's, or KNN).",
)
@shared.model
@click.option("--prior", type=float, metavar="P", help="The share of crisis texts in this input, where it is known.")
@click.option("--unusual", is_flag=True, help="Rank by how unusual a text is, whatever it means; no early warnings.")
@click.option("--no-adapt", is_flag=True, help="Do not let the scanned texts themselves teach what is alarming.")
@click.option("--no-cache", is_flag=True, help="Neither use nor keep the vectors of texts from other scans.")
@shared.text_column
@shared.time_column
@shared.time_format
@click.option("--explain-reading", is_flag=True, help="Show how each file is read, and scan nothing.")
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a report to this file: HTML that opens anywhere, prints and can be mailed.",
)
@click.option(
    "--scores",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write one row of scores for each input line (Parquet).",
)
@click.option(
    "--index",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Keep the distinct texts and their vectors there, for `forewarn similar TEXT --in DIR`.",
)
@click.option(
    "--false-warnings",
    default="auto",
    show_default=True,
    metavar="N/TEXTS|N/TIME",
    help="How seldom an early warning may be false, such as 1/10000 or 1/30d (auto: 1/100000, in a log 1/30d as well); "
    "none: no warnings.",
)
@streams
@click.option("--resume", is_flag=True, help="Go on with a scan that was killed, given the same input and options.")
@click.option("--timings", is_flag=True, help="Say where the time and the memory went.")
@click.option(
    "--summary", type=click.Path(path_type=Path), metavar="FILE", help="Write what was read, found and timed (JSON)."
)
@shared.seed
def command(
    paths: tuple[str, ...],
    output: Path | None,
    form: str,
    terminal: Terminal,
    budget: str | None,
    fdr: float | None,
    threshold: float | None,
    cost: str | None,
    rules: tuple[str, ...],
    logsource: str | None,
    explain_skipped: bool,
    cases: Path | None,
    encoder: str,
    device: str | None,
    detectors: str | None,
    model: Path | None,
    prior: float | None,
    unusual: bool,
    no_adapt: bool,
    no_cache: bool,
    text_column: str | None,
    time_column: str | None,
    time_format: str | None,
    explain_reading: bool,
    report: Path | None,
    scores: Path | None,
    index: Path | None,
    false_warnings: str,
    late: str,
    one_stream: bool,
    stream_by: str | None,
    by_category: bool,
    count_repeats: bool,
    resume: bool,
    timings: bool,
    summary: Path | None,
    seed: int,
) -> int:
    """Find the first signs of a crisis in files, folders or standard input (-).

    Exit status: 0 nothing alarming, 1 alerts raised, 2 could not run, or no alert and a PATH could not be read.

    \b
    forewarn scan examples/logs
    journalctl -n 100000 | forewarn scan - --budget 10 --format jsonl
    """
    from forewarn.checkpoint import checkpoint_of
    from forewarn.options import Options, parse_late, parse_policy, parse_prior, parse_promise
    from forewarn.output.guard import check_outputs
    from forewarn.output.writers import jsonl, write_findings, write_summary
    from forewarn.pipeline import scan
    from forewarn.reading.problems import not_read
    from forewarn.rules.language.sources import parse_logsource
    from forewarn.runtime.atomic import is_standard_output

    options = Options(
        text_column=text_column,
        time_column=time_column,
        time_format=time_format,
        rules=rules or None,
        logsource=parse_logsource(logsource),
        cases=cases,
        encoder=encoder,
        device=device,
        detectors=names(detectors) if detectors else None,
        adapt=not no_adapt,
        cache=not no_cache,
        model=model,
        prior=parse_prior(prior),
        unusual=unusual,
        policy=parse_policy(budget, fdr, threshold, cost),
        seed=seed,
        promise=None if false_warnings == "none" else parse_promise(false_warnings),
        late=parse_late(late),
        one_stream=one_stream,
        stream_by=stream_by,
        by_category=by_category,
        voices=not count_repeats,
    )
    if explain_reading:
        return _explain_reading(paths, options, form, terminal)
    if output is not None and is_standard_output(output):
        output, form = None, "jsonl"
    check_outputs([*paths, *rules, cases, model], [output, report, scores, summary], [index])
    terminal = on_standard_error(terminal, output, report, scores, summary)
    outputs = [path for path in (output, scores) if path]
    with checkpoint_of(outputs, paths, resume=resume, note=terminal.note) as work:
        with terminal.progress() as progress:
            found = scan(paths, options, line_scores=scores, work=work, progress=progress)
        if index:
            from forewarn.cases.importing import from_texts
            from forewarn.embeddings import load_encoder
            from forewarn.embeddings.case_changes import NONE, build
            from forewarn.scoring.model_folder import load_model

            name = load_model(model).encoder if model else encoder
            build(
                index,
                from_texts(found.texts.whole()),
                load_encoder(name, device=device, cache=not no_cache),
                join=NONE,
                anew=True,
            )
        if output:
            write_findings(found.findings(), output)
        if report:
            from forewarn.output.report import report_scan

            report_scan(found, report, paths, given())
        if summary:
            write_summary(found, summary)
    if form == "jsonl":
        sys.stdout.buffer.writelines(jsonl(found.findings()))
        sys.stdout.buffer.flush()
        terminal.problems(found.problems)
    elif form == "compact":
        terminal.compact(found, output)
    else:
        terminal.scan(found, output)
    terminal.events_seen(found.events_seen)
    if timings or terminal.verbose:
        terminal.timings(found.timings)
    if explain_skipped:
        terminal.untried(found.untried)
    return 1 if found.alerts or found.warnings else 2 if not_read(paths, found.problems) else 0


def _explain_reading(paths: tuple[str, ...], options: Options, form: str, terminal: Terminal) -> int:
    """Show how each file is read; 2 where one cannot be."""
    from forewarn.output.reading_view import reading_table
    from forewarn.reading.explained import explain_reading
    from forewarn.reading.paths import files_in
    from forewarn.reading.problems import Problems
    from forewarn.text_gate import json_line

    noted: list[ForewarnError] = []
    unread = False
    for path in files_in(paths, Problems(noted)):
        reading = explain_reading(
            path,
            text_column=options.text_column,
            time_column=options.time_column,
            time_format=options.time_format,
        )
        unread |= not reading.looked_at
        if form == "jsonl":
            sys.stdout.buffer.write(json_line(reading))
        else:
            terminal.table(reading_table(reading))
    terminal.problems(noted)
    return 2 if unread or noted else 0
