"""Alerts, warnings, incidents and scores to files and to the terminal.

In: alerts, a frame, a path. Out: a file that is whole or not there (written under a temporary name, then renamed), or
a rendered table in which no character of the input can steer the terminal. Decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from forewarn.findings import Finding
from forewarn.runtime.atomic import atomic_write

if TYPE_CHECKING:
    from forewarn.pipeline import Scan

_CONTROL = re.compile(
    r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff"
    r"\U000e0000-\U000e007f]"
)


def printable(text: str) -> str:
    r"""One line that cannot steer a terminal: control characters and direction marks are escaped (`\x1b`)."""
    flat = text.replace("\r\n", " ").replace("\n", " ").replace("\t", " ")
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), flat)


def jsonl(findings: Iterable[Finding]) -> Iterator[bytes]:
    """Alerts, warnings and incidents as JSON lines, UTF-8."""
    return map(json_line, findings)


def json_line(finding: object) -> bytes:
    r"""One JSON line, UTF-8, in which what would steer a terminal is escaped (`\u009b`): lines are looked at, too."""
    content = msgspec.json.encode(finding)
    if not content.isascii():
        content = _CONTROL.sub(_escaped, content.decode()).encode()
    return content + b"\n"


def _escaped(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def write_findings(findings: Iterable[Finding], path: Path) -> None:
    """Write alerts, warnings and incidents as JSON lines. Raises OutputError."""
    with atomic_write(path, private=True) as part, part.open("wb") as file:
        file.writelines(jsonl(findings))


def write_summary(found: Scan, path: Path) -> None:
    """Write what a scan read, found and took as one JSON object. Raises OutputError."""
    summary = {
        "files": found.files,
        "lines": found.lines,
        "texts": found.texts.height,
        "alerts": len(found.alerts),
        "warnings": len(found.warnings),
        "incidents": len(found.incidents),
        "origin": found.origin,
        "new_words": found.new_words,
        "problems": [str(problem) for problem in found.problems],
        "seconds": sum(stage.seconds for stage in found.timings),
        "stages": found.timings,
    }
    with atomic_write(path, private=True) as part:
        part.write_bytes(msgspec.json.format(msgspec.json.encode(summary), indent=1))
