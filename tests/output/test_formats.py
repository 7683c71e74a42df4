"""Findings in the formats of other programs: each is what that program's own library or schema takes, and nothing that
is known is lost."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from forewarn.findings import Alert, EarlyWarning, Finding, Incident, Place, dated
from forewarn.output.formats import FORMATS
from forewarn.output.formats.facets import facets
from tests.output.test_hostile_text import HOSTILE, STEERING, hostile
from tests.output.test_report import MARKUP, NINE, alert
from tests.output.test_report_in_browser import warned

Run = Callable[..., Any]
SAID = datetime(2024, 5, 2, tzinfo=UTC)


def incident() -> Incident:
    at = Place("app.log", 1, NINE)
    return Incident(
        id="fw-i1", title="pool exhausted", level="high", category="operations", first=at,
        last=Place("app.log", 9, NINE + timedelta(hours=1)), size=3, speed=None, sources=["app.log"], new_words=[],
        similar=[], playbook=["Look at the pool."], warnings=["fw-w1"], alerts=["fw-000001"],
    )  # fmt: skip


FOUND: list[Finding] = [
    dated(one, SAID) for one in (warned(), incident(), alert(1), alert(2, "=cmd <b> ]]> 储户排队", hour=2, score=0.99))
]
UNTIMED = [msgspec.structs.replace(alert(3), first=Place("a", 1), last=Place("a", 1))]
# Names that are no UTF-8 are printable text from the edge on: a finding holds no lone surrogate.
EVIL: list[Finding] = [
    hostile(kind, text=text)
    for kind in (Alert, EarlyWarning, Incident)
    for text in (HOSTILE.replace("\udcd6", ""), MARKUP)
]


def written(name: str, findings: list[Finding]) -> bytes:
    return b"".join(FORMATS[name].write(findings))


@pytest.mark.parametrize("findings", [FOUND, UNTIMED, EVIL, []], ids=["ordinary", "untimed", "hostile", "none"])
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_writes_whatever_there_is(name: str, findings: list[Finding]) -> None:
    content = written(name, findings)
    assert content == written(name, findings)
    if name != "parquet":
        assert not STEERING.search(content.decode("utf-8"))


@pytest.mark.parametrize("findings", [FOUND, EVIL], ids=["ordinary", "hostile"])
def test_ocsf_is_what_its_library_takes(findings: list[Finding]) -> None:
    from py_ocsf_models.events.findings.detection_finding import DetectionFinding

    rows = [json.loads(line) for line in written("ocsf", findings).splitlines()]
    for row, finding in zip(rows, findings, strict=True):
        # The library drops what it does not know: every name must be one of the class's own.
        assert set(row) <= set(DetectionFinding.model_fields)
        taken = DetectionFinding.model_validate(row)
        assert taken.finding_info.uid == finding.id
        assert row["type_uid"] == row["class_uid"] * 100 + row["activity_id"]
        assert isinstance(row["time"], int)


def test_ocsf_says_how_sure_and_since_when() -> None:
    rows = {row["metadata"]["uid"]: row for row in map(json.loads, written("ocsf", FOUND).splitlines())}
    assert rows["fw-000002"]["confidence_score"] == 99
    assert (rows["fw-000002"]["severity_id"], rows["fw-000001"]["severity_id"]) == (5, 4)
    assert rows["fw-000002"]["time"] == int((NINE + timedelta(hours=2)).timestamp() * 1000)
    assert rows["fw-000001"]["finding_info"]["analytic"]["name"] == "Pool exhausted"
    assert rows["fw-w1"]["unmapped"]["false_warnings"] == "1/10000"
    assert "confidence_score" not in rows["fw-w1"]


@pytest.mark.parametrize("findings", [FOUND, UNTIMED], ids=["ordinary", "untimed"])
def test_stix_is_what_its_library_takes(findings: list[Finding]) -> None:
    import stix2

    bundle = stix2.parse(written("stix", findings).decode())
    kinds = [one.type for one in bundle.objects]
    alerts = sum(not isinstance(one, Incident) for one in findings)
    assert kinds.count("observed-data") == kinds.count("note") == alerts
    assert kinds.count("grouping") == sum(isinstance(one, Incident) for one in findings)
    ids = [one.id for one in bundle.objects]
    assert len(set(ids)) == len(ids)
    known = set(ids)
    for one in bundle.objects:
        assert set(one.get("object_refs", [])) <= known
    assert {one.confidence for one in bundle.objects if one.type == "note" and "confidence" in one} <= {90, 99}


def test_sarif_names_the_line_and_a_rule_that_is_there() -> None:
    (run,) = json.loads(written("sarif", FOUND))["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len(run["results"]) == 3
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "app.log"
        assert place["region"]["startLine"] >= 1
    assert [result["level"] for result in run["results"]] == ["error"] * 3


def test_cap_is_a_draft_with_its_terms() -> None:
    cap = "{urn:oasis:names:tc:emergency:cap:1.2}"
    root = ET.fromstring(written("cap", FOUND))
    assert len(root) == 4
    for message in root:
        assert [child.tag.removeprefix(cap) for child in message][:6] == [
            "identifier", "sender", "sent", "status", "msgType", "scope",
        ]  # fmt: skip
        assert message.findtext(f"{cap}status") == "Draft"
        assert message.findtext(f"{cap}sent") == "2024-05-02T00:00:00-00:00"
    info = root[3].find(f"{cap}info")
    assert info is not None
    terms = [info.findtext(f"{cap}{name}") for name in ("urgency", "severity", "certainty", "onset", "language")]
    assert terms == ["Immediate", "Extreme", "Likely", "2024-05-01T11:00:00-00:00", "zh-CN"]
    (alone,) = [ET.fromstring(written("cap", [FOUND[2]]))]
    assert alone.tag == f"{cap}alert"


def test_timesketch_has_its_fields_and_no_formula() -> None:
    rows = list(csv.DictReader(io.StringIO(written("timesketch-csv", FOUND).decode())))
    assert [row["datetime"] for row in rows][2:] == ["2024-05-01T09:00:00.000+00:00", "2024-05-01T11:00:00.000+00:00"]
    assert all(row["message"] and row["timestamp_desc"] for row in rows)
    lines = [json.loads(line) for line in written("timesketch", UNTIMED).splitlines()]
    assert lines[0]["timestamp_desc"] == "Said by forewarn"
    table = list(csv.DictReader(io.StringIO(written("csv", FOUND).decode())))
    assert table[3]["text"].startswith("'=cmd")


def test_alertmanager_has_few_labels_and_a_beginning() -> None:
    rows = json.loads(written("alertmanager", FOUND))
    assert rows[3]["labels"] == {
        "alertname": "ForewarnAlert", "id": "fw-000002", "severity": "critical", "category": "operations",
        "source": "app.log",
    }  # fmt: skip
    assert rows[3]["startsAt"] == "2024-05-01T11:00:00+00:00"
    closed = msgspec.structs.replace(incident(), state="closed")
    assert json.loads(written("alertmanager", [closed]))[0]["endsAt"] == "2024-05-01T10:00:00+00:00"


def test_a_feed_has_an_item_an_incident_and_what_is_alone() -> None:
    channel = ET.fromstring(written("rss", FOUND)).find("channel")
    assert channel is not None
    items = channel.findall("item")
    assert [item.findtext("guid") for item in items] == ["fw-000002", "fw-i1"]
    assert items[0].findtext("pubDate") == "Wed, 01 May 2024 11:00:00 +0000"
    assert "<b>" not in (items[0].findtext("description") or "")


def test_ecs_nests_and_parquet_keeps_types() -> None:
    rows = [json.loads(line) for line in written("ecs", FOUND).splitlines()]
    assert rows[2]["event"]["kind"] == "alert"
    assert rows[2]["rule"] == {"id": ["r"], "name": ["Pool exhausted"]}
    frame = pl.read_parquet(io.BytesIO(written("parquet", FOUND)))
    assert frame["score"].to_list() == [None, None, 0.9, 0.99]
    assert frame["begin"].to_list()[3] == NINE + timedelta(hours=2)


def test_facets_know_nothing_that_the_finding_does_not() -> None:
    found = facets(UNTIMED[0])
    assert (found.begin, found.end, found.promise) == (None, None, None)
    assert facets(warned()).confidence is None


def test_convert_writes_or_prints(forewarn: Run, tmp_path: Path) -> None:
    alerts, out = tmp_path / "alerts.jsonl", tmp_path / "out.json"
    alerts.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in FOUND))
    assert forewarn("convert", alerts, "--to", "sarif", "-o", out).status == 0
    assert json.loads(out.read_bytes())["version"] == "2.1.0"
    assert out.stat().st_mode & 0o077 == 0
    printed = forewarn("convert", alerts, "--to", "csv")
    assert printed.out.splitlines()[0].startswith("id,kind,level,score")
    assert "Content-Security-Policy" in forewarn("convert", alerts, "--to", "html").out
    assert forewarn("convert", alerts, "--to", "csv", "-o", alerts).status == 2
    assert forewarn("convert", tmp_path / "no.jsonl", "--to", "csv").status == 2
