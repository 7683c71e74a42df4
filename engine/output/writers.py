"""Alerts, warnings, incidents and scores to files and to the terminal.

In: alerts, a frame, a path. Out: a file that is whole or not there (written under a temporary name, then renamed), or
a rendered table in which no character of the input can steer the terminal. Decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from forewarn.findings import Finding
from forewarn.runtime.atomic import atomic_write
from forewarn.text_gate import json_line

if TYPE_CHECKING:
    from forewarn.scan_result import Scan


def jsonl(findings: Iterable[Finding]) -> Iterator[bytes]:
    """Alerts, warnings and incidents as JSON lines, UTF-8."""
    return map(json_line, findings)


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
        "nearest": found.nearest and {"score": found.nearest.score, "first": found.nearest.first},
        "origin": found.origin,
        "new_words": found.new_words,
        "problems": [str(problem) for problem in found.problems],
        "seconds": sum(stage.seconds for stage in found.timings),
        "stages": found.timings,
    }
    with atomic_write(path, private=True) as part:
        part.write_bytes(msgspec.json.format(msgspec.json.encode(summary), indent=1))
