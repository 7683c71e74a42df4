"""Findings in the formats that other programs of the field take in.

In: alerts, warnings, incidents. Out: the bytes of a file, in pieces. Each format is a file of its own beside this one.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from forewarn.findings import Finding
from forewarn.runtime.atomic import atomic_write


@dataclass(frozen=True)
class Format:
    """A format: its name, what it is for, the module and function that write it."""

    name: str
    title: str
    module: str
    function: str

    def write(self, findings: Iterable[Finding]) -> Iterator[bytes]:
        """Findings in this format, the pieces of a file."""
        module = importlib.import_module(f"forewarn.output.formats.{self.module}")
        written: Callable[[Iterable[Finding]], Iterator[bytes]] = getattr(module, self.function)
        return written(findings)


FORMATS = {
    one.name: one
    for one in (
        Format("ocsf", "OCSF Detection Finding, JSON lines: security lakes, SIEMs", "ocsf", "lines"),
        Format("ecs", "Elastic Common Schema, JSON lines: Elasticsearch, OpenSearch", "ecs", "lines"),
        Format("timesketch", "Timesketch timeline, JSON lines", "timesketch", "lines"),
        Format("timesketch-csv", "Timesketch timeline, CSV", "timesketch", "table"),
        Format("sarif", "SARIF 2.1.0: editors, code review", "sarif", "report"),
        Format("stix", "STIX 2.1 bundle: threat intelligence platforms", "stix", "bundle"),
        Format("cap", "Common Alerting Protocol 1.2, drafts: public warning", "cap", "messages"),
        Format("alertmanager", "body of POST /api/v2/alerts: Prometheus Alertmanager", "alertmanager", "body"),
        Format("rss", "RSS 2.0 feed of incidents", "rss", "feed"),
        Format("csv", "one table, CSV", "tables", "csv"),
        Format("parquet", "one table, Parquet", "tables", "parquet"),
    )
}


def write_converted(findings: Iterable[Finding], form: Format, path: Path) -> None:
    """Write findings in a format. Raises OutputError."""
    with atomic_write(path, private=True) as part, part.open("wb") as file:
        file.writelines(form.write(findings))
