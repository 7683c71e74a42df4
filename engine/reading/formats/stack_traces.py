"""Which lines of a log belong to the line before, because they are of a stack trace.

In: lines in order. Out: which of them go on with the one before, and one text of a head, its causes and its own frames.
Java, Python, Go, Node, .NET, PHP and Rust; frames of the language's own libraries are left out and counted.
"""

from __future__ import annotations

import re

import polars as pl

GOES_ON = (
    r"^(?:\s+at (?:async |new )?[^\s(]+ ?\(|\s+at (?:async )?\S+:[0-9]+|\s*File \"[^\"]+\", line [0-9]+(?:, in |$)"
    r"|\s*\.\.\. [0-9]+ (?:more|common frames)|\s*Caused by:|\s+Suppressed:|Traceback \(most recent"
    r"|During handling of the above|The above exception was the direct|goroutine [0-9]+ \[|\t/\S+:[0-9]+"
    r"|created by [A-Za-z0-9_./*()-]+(?: in goroutine [0-9]+)?$|\[signal SIG|exit status [0-9]+$"
    r"|#[0-9]+ \S.*\([0-9]+\): \S|#[0-9]+ +(?:/|\{main\}|\[internal function\]|0x[0-9a-f]+ in |[A-Z]:\\)"
    r"|\s*Stack trace:$|\[stacktrace\]"
    r"|\[previous exception\]|\s+thrown in |\s*stack backtrace:$|\s+--->|\s+--- End of"
    r"|\s*[0-9]+: (?:0x[0-9a-f]+ - )?[a-z_<][A-Za-z0-9_<>:{}$]*(?:::|$)|note: run with `RUST_BACKTRACE"
    r"|(?:\[[^\]]+\] )?PHP (?:Stack trace:|\s+[0-9]+\. ))"
)
"""Lines that are of a stack trace whatever stands before them."""
ODD = rf"^(?:\s|$)|{GOES_ON}"
"""The same and lines that begin with a blank."""
_TRACEBACK = r"^Traceback \(most recent"
_PYTHON = rf"{_TRACEBACK}|^\s*File \"[^\"]+\", line [0-9]|^During handling of|^The above exception"
_BETWEEN = r"^(?:During handling of|The above exception)"
_GO = r"^(?:goroutine [0-9]+ \[|\t/|created by )"
_PANICKED = r"thread '[^']*'(?: \([0-9]+\))? panicked at .*:$"
_INDENTED = r"^[ \t]{2,}\S"
_EXCEPTION = r"^[A-Za-z_][A-Za-z0-9_.]*(?::\s|$)"
_THROWN = r"^(?:[A-Za-z_][A-Za-z0-9_$]*[.])*[A-Z][A-Za-z0-9_$]*(?:Exception|Error|Throwable|Failure)(?::|$)"
"""A class that was thrown, on a line of its own between what was logged of it and the frames."""
_FUNCTION = r"^[A-Za-z0-9_./*()·\[\]{}-]+\(.*\)$"
_END_OF_LARAVEL = '"} '
_FRAME = re.compile(
    r"\s+at\s|\s*File \"|\t/|\s*#\d+ |\s*\d+: |(?:\[[^\]]{1,40}\] )?PHP\s+\d+\. |[\w./*()·\[\]{}-]+\(.*\)$"
)
_LIBRARY = re.compile(
    r"\b(?:java|javax|jdk|sun|com\.sun|kotlin|scala|org\.(?:springframework|apache|hibernate|eclipse|jboss)|io\.netty|reactor"
    r"|System|Microsoft)\.\w|node:internal|node_modules|\(internal/|site-packages|lib/python\d|importlib\._|/usr/local/go/"
    r"|^\s*(?:runtime|testing|net/http)\.|/rustc/|\b(?:core|std|alloc|rust_begin_unwind)\b(?:::|$)|/vendor/"
    r"|\[internal function\]"
)
_MOST_FRAMES = 5
"""Own frames that are kept of a trace: where it happened, and how one came there."""
_FEW_FRAMES = 2
"""Frames that are kept of a trace with none of its own."""


def may_go_on(lines: pl.Series) -> bool:
    """Whether any of n lines is surely of a stack trace: a quick look."""
    return bool(lines.str.contains(GOES_ON).any())


def belongs(lines: pl.Series) -> pl.Series:
    """Which of n lines go on with the one before: Boolean (n,)."""
    line = pl.col("line")
    frame = (
        lines.alias("line")
        .to_frame()
        .with_columns(
            sure=line.str.contains(GOES_ON),
            python=line.str.contains(_PYTHON),
            go=line.str.contains(_GO),
            indented=line.str.contains(_INDENTED),
            panicked=line.str.contains(_PANICKED),
            between=line.str.contains(_BETWEEN),
        )
    )
    # An indented line is of whatever stands above it.
    kind = pl.when("python").then(1).when("sure").then(2).when(~pl.col("indented")).then(0)
    frame = frame.with_columns(kind=kind.forward_fill().fill_null(0))
    before = pl.col("kind").shift(1, fill_value=0)
    exception = (before == 1) & line.str.contains(_EXCEPTION) & ~pl.col("indented") & ~pl.col("sure")
    frame = frame.with_columns(before=before, exception=exception)
    ended = pl.col("exception").shift(1, fill_value=False)
    # A trace after another is one of its own, unless a line between them says that they belong together.
    first = (pl.col("before") == 0) & ~ended
    again = line.str.contains(_TRACEBACK) & ~first & ~pl.col("between").shift(1, fill_value=False)
    return frame.select(
        (pl.col("sure") & ~again)
        | (pl.col("indented") & (pl.col("kind") > 0))
        | pl.col("exception")
        | (first & line.str.contains(_THROWN) & pl.col("sure").shift(-1, fill_value=False))
        | (pl.col("go").shift(1, fill_value=False) & line.str.contains(_FUNCTION))
        | pl.col("panicked").shift(1, fill_value=False)
        | ((pl.col("before") > 0) & (line.str.strip_chars_end() + " " == _END_OF_LARAVEL))
    ).to_series()


def together(lines: list[str]) -> str:
    """One text of the lines of a stack trace: all that are no frames, and its first own frames."""
    frames = [number for number, line in enumerate(lines) if number and _FRAME.match(line)]
    own = [number for number in frames if not _LIBRARY.search(lines[number])][:_MOST_FRAMES]
    kept = set(own or frames[:_FEW_FRAMES])
    dropped = set(frames) - kept
    # The line of code under a frame goes with it.
    dropped |= {n + 1 for n in dropped if n + 1 < len(lines) and n + 1 not in frames and lines[n + 1].startswith("   ")}
    text = [line.rstrip() for number, line in enumerate(lines) if number not in dropped]
    more = len(frames) - len(kept)
    return "\n".join([*text, f"… {more} more frames"] if more else text)
