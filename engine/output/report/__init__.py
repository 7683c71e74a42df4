"""A report that can be mailed: one HTML file that opens from disk, prints, and asks the network for nothing.

In: what a scan found, or an output of one. Out: HTML, in which no character of the input is markup or script.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from forewarn.output.report.facts import facts_of
from forewarn.output.report.page import write_report
from forewarn.reading.surroundings import surroundings

if TYPE_CHECKING:
    from forewarn.scan_result import Scan

_WITH_LINES_AROUND = 2000
"""Alerts, the most alarming first, that are shown with the lines before and after them."""


def report_scan(found: Scan, path: Path, paths: Sequence[str], settings: Mapping[str, object]) -> None:
    """Write the report of a scan of `paths`; `settings` as the user gave them. Raises OutputError."""
    around = surroundings(alert.first for alert in found.alerts[:_WITH_LINES_AROUND])
    write_report(found.findings(), facts_of(found, paths, settings), path, around)
