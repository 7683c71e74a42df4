"""The same events in other dresses have the same hits, and events of other products are known for what they are."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forewarn.reading.event_text import event_texts
from forewarn.rules import RuleSet
from forewarn.rules.events.fields import Events
from forewarn.rules.events.shapes import shapes
from forewarn.rules.language.reading import read_rules
from tests.event_dresses import DRESSES
from tests.evtx_file import event

SYSMON, SECURITY = "Microsoft-Windows-Sysmon/Operational", "Security"
PROCESS = {"product": "windows", "category": "process_creation"}


def _rule(search: Any, **logsource: str) -> dict[str, Any]:
    return {"title": "T", "logsource": logsource, "detection": {"s": search, "condition": "s"}}


def _rules(*documents: dict[str, Any]) -> RuleSet:
    rules, errors = read_rules("\n---\n".join(map(json.dumps, documents)), "own.yaml")
    assert errors == [], errors
    return RuleSet(rules)


def _hits(rules: RuleSet, events: list[Any]) -> list[tuple[int, int]]:
    raw = [json.dumps(one) for one in events]
    return rules.match(pl.DataFrame({"text": raw, "raw": raw}, schema={"text": pl.String, "raw": pl.String})).rows()


def _fires(event: Any, search: Any, **logsource: str) -> bool:
    return bool(_hits(_rules(_rule(search, **logsource)), [event]))


RULES = (
    _rule({"Image|endswith": "\\mshta.exe", "CommandLine|contains": "http"}, **PROCESS),
    _rule({"ParentImage|endswith": "\\winword.exe"}, **PROCESS),
    _rule({"User|contains": "SYSTEM"}, **PROCESS),
    _rule({"EventID": 4625, "LogonType": 3}, product="windows", service="security"),
    _rule({"EventID": 1102}, product="windows", service="security"),
    _rule({"SubjectUserName": "ines"}, product="windows", service="security"),
    _rule({"Data|contains": "msiexec"}, product="windows", service="application"),
    _rule({"NewValue|contains": "Exclusions"}, product="windows", service="windefend"),
    _rule({"DestinationPort": [4444, 8443], "Initiated": "true"}, product="windows", category="network_connection"),
    _rule({"Provider_Name": "Contoso-Agent"}, product="windows", service="application"),
    _rule(["lateral"], product="windows", service="system"),
)
EVENTS = [
    event(
        1, {"Image": "C:\\Windows\\System32\\mshta.exe", "CommandLine": "mshta http://x.test/a", "User": "NT\\SYSTEM"}
    ),
    event(1, {"Image": "C:\\a.exe", "ParentImage": "C:\\Office\\WINWORD.EXE", "CommandLine": ""}),
    event(
        4688,
        {"NewProcessName": "C:\\w\\mshta.exe", "CommandLine": "mshta http:", "SubjectUserName": "x"},
        channel=SECURITY,
    ),
    event(4688, {"NewProcessName": "C:\\w\\calc.exe", "ParentProcessName": "C:\\o\\winword.exe"}, channel="security"),
    event(4625, {"LogonType": "3", "TargetUserName": "ines", "IpAddress": "192.0.2.8"}, channel=SECURITY),
    event(4624, {"LogonType": "3", "SubjectUserName": "Ines"}, channel=SECURITY),
    event(3, {"DestinationPort": "4444", "Initiated": "true"}),
    event(3, {"DestinationPort": "444", "Initiated": "true"}),
    event(5007, {"New Value": "HKLM\\Exclusions\\Paths"}, channel="Microsoft-Windows-Windows Defender/Operational"),
    event(7, {"Text": "lateral movement"}, channel="System"),
    event(7, {"lateral": "a key is no keyword"}, channel="System"),
    event(1000, {"Data": {"#text": ["x", "C:\\Temp\\msiexec.exe"]}}, channel="Application", provider="Contoso-Agent"),  # type: ignore[dict-item]
]
CLEARED = event(1102, {}, channel=SECURITY)
CLEARED["Event"].pop("EventData")
CLEARED["Event"]["UserData"] = {"LogFileCleared": {"SubjectUserName": "ines"}}
EVENTS.append(CLEARED)
EXPECTED = [
    *((0, 0), (0, 2), (1, 1), (2, 0), (3, 1), (4, 3), (5, 5), (6, 8), (8, 7), (9, 10), (11, 6), (11, 9)),
    *((12, 4), (12, 5)),
]


def test_the_events_have_these_hits_as_windows_writes_them() -> None:
    assert _hits(_rules(*RULES), EVENTS) == EXPECTED


@pytest.mark.parametrize("dress", DRESSES)
def test_in_another_dress_an_event_has_the_same_hits(dress: str) -> None:
    assert _hits(_rules(*RULES), [DRESSES[dress](one) for one in EVENTS]) == EXPECTED


def test_one_by_one_and_all_dresses_in_one_block_the_hits_are_the_same() -> None:
    """A block of everything, each event alone, and every rule by its explanation, without an index."""
    rules = _rules(*RULES)
    everything = [made(one) for made in DRESSES.values() for one in EVENTS]
    expected = [(number * len(EVENTS) + row, rule) for number in range(len(DRESSES)) for row, rule in EXPECTED]
    assert _hits(rules, everything) == expected
    assert [(at, rule) for at, one in enumerate(everything) for _, rule in _hits(rules, [one])] == expected
    fields = sorted({atom.field for rule in rules.rules for atom in rule.atoms})
    for at, one in enumerate(everything):
        events = Events(pl.Series([json.dumps(one)]), fields)
        for number, rule in enumerate(rules.rules):
            covered = len(events.covered(rule.logsource, [atom.field for atom in rule.atoms])) > 0
            assert (covered and rules.explain(number, json.dumps(one)).holds) is ((at, number) in expected)


VALUES = st.sampled_from(["", "a", "C:\\w\\mshta.exe", "http://x", "洪水", "-", "a\nb", '"q"', "4444", "true"])


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from([(1, SYSMON), (4688, SECURITY), (3, SYSMON), (1, "SECURITY")]),
    st.dictionaries(
        st.sampled_from(["Image", "NewProcessName", "CommandLine", "DestinationPort", "Initiated"]), VALUES
    ),
)
def test_made_events_have_the_same_hits_in_every_dress(kind: tuple[int, str], data: dict[str, str]) -> None:
    rules = _rules(*RULES)
    one = event(kind[0], data, channel=kind[1])
    expected = _hits(rules, [one])
    assert {dress: _hits(rules, [made(one)]) for dress, made in DRESSES.items()} == dict.fromkeys(DRESSES, expected)


def test_what_winlogbeat_renames_to_ecs_has_sigmas_names() -> None:
    one = {
        "winlog": {"channel": SYSMON, "event_id": 1, "event_data": {"IntegrityLevel": "High"}},
        "process": {
            "executable": "C:\\w\\mshta.exe",
            "command_line": "mshta http:",
            "hash": {"sha256": "ab12", "md5": "cd34"},
            "pe": {"imphash": "ef56", "original_file_name": "MSHTA.EXE"},
            "parent": {"executable": "C:\\o\\winword.exe"},
        },
        "user": {"domain": "NT", "name": "SYSTEM"},
    }
    assert [rule for _, rule in _hits(_rules(*RULES), [one])] == [0, 1, 2]
    assert _fires(one, {"Hashes|contains": "IMPHASH=EF56"}, **PROCESS)
    assert _fires(one, {"Hashes": "MD5=CD34,SHA256=AB12,IMPHASH=EF56"}, **PROCESS)
    assert _fires(one, {"User": "NT\\SYSTEM"}, **PROCESS)
    assert _fires(one, {"process.executable|endswith": "mshta.exe"}, **PROCESS)
    assert not _fires(one, {"OriginalFileName": "x"}, **PROCESS)


def _ocsf(number: int, activity: int, **more: Any) -> dict[str, Any]:
    return {"class_uid": number, "activity_id": activity, "metadata": {"version": "1.6.0"}, **more}


WINDOWS_HOST = {"hostname": "ws-07", "os": {"type_id": 100}}


@pytest.mark.parametrize(
    ("one", "search", "category"),
    [
        (
            _ocsf(1007, 1, process={"cmd_line": "x -enc", "file": {"path": "C:\\p.exe"}}),
            {"Image": "C:\\p.exe"},
            "process_creation",
        ),
        (
            _ocsf(1007, 1, process={"file": {"path": "C:\\p"}, "parent_process": {"file": {"path": "C:\\q"}}}),
            {"ParentImage": "C:\\q"},
            "process_creation",
        ),
        (
            _ocsf(4001, 1, dst_endpoint={"ip": "192.0.2.1", "port": 4444}),
            {"DestinationPort": 4444},
            "network_connection",
        ),
        (_ocsf(1001, 1, file={"path": "C:\\x.hta"}), {"TargetFilename|endswith": ".hta"}, "file_event"),
        (_ocsf(1005, 1, module={"file": {"path": "C:\\x.dll"}}), {"ImageLoaded|endswith": ".dll"}, "image_load"),
        (_ocsf(201002, 2, reg_value={"path": "HKLM\\Run\\x", "data": "calc"}), {"Details": "calc"}, "registry_set"),
        (_ocsf(4003, 1, query={"hostname": "x.test"}), {"QueryName": "x.test"}, "dns_query"),
    ],
)
def test_ocsf_says_by_class_what_windows_says_by_channel(one: dict[str, Any], search: Any, category: str) -> None:
    one["device"] = WINDOWS_HOST
    assert _fires(one, search, product="windows", category=category)
    assert not _fires(one, search, product="windows", category="create_stream_hash")
    assert not _fires(one | {"device": {"os": {"type_id": 200}}}, search, product="windows", category=category)
    assert _fires(one | {"device": {"os": {"type_id": 200}}}, search, product="linux", category=category)


def test_ocsf_tells_a_failed_logon_from_one() -> None:
    logon = _ocsf(3002, 1, status_id=2, user={"name": "ines"}, device=WINDOWS_HOST, src_endpoint={"ip": "192.0.2.9"})
    search = {"EventID": 4625, "TargetUserName": "ines", "IpAddress|startswith": "192."}
    assert _fires(logon, search, product="windows", service="security")
    assert not _fires(logon | {"status_id": 1}, search, product="windows", service="security")


def test_sysmon_for_linux_is_linux() -> None:
    one = event(
        1,
        {"Image": "/usr/bin/curl", "CommandLine": "curl x.test"},
        channel="Linux-Sysmon/Operational",
        provider="Linux-Sysmon",
    )
    for dressed in [
        one,
        *(DRESSES[name](one) for name in ("flat", "winlogbeat", "velociraptor", "splunk", "xmltodict")),
    ]:
        assert _fires(dressed, {"Image|endswith": "/curl"}, product="linux", category="process_creation")
        assert not _fires(dressed, {"Image|endswith": "/curl"}, product="linux", category="network_connection")
        assert not _fires(dressed, {"Image|endswith": "/curl"}, product="macos", category="process_creation")
        assert not _fires(dressed, {"Image|endswith": "/curl"}, **PROCESS)


TRAIL = {
    "eventVersion": "1.09",
    "userIdentity": {"type": "Root", "arn": "arn:aws:iam::000000000000:root"},
    "eventTime": "2026-03-05T08:00:00Z",
    "eventSource": "cloudtrail.amazonaws.com",
    "eventName": "StopLogging",
    "awsRegion": "eu-north-1",
    "requestParameters": {"containerDefinitions": [{"command": ["sh", "-c"]}]},
}
AZURE = {
    "time": "2026-03-05T08:00:00Z",
    "resourceId": "/TENANTS/X",
    "operationName": "MICROSOFT.NETWORK/FIREWALLPOLICIES/DELETE",
    "category": "Administrative",
    "resultType": "50126",
    "properties": {"message": "Delete policy", "riskEventType": "maliciousIPAddress"},
}
OKTA = {
    "actor": {"alternateId": "ines@example.test"},
    "eventType": "user.mfa.factor.deactivate",
    "displayMessage": "Reset factor for user",
    "debugContext": {"debugData": {"requestUri": "/api/v1"}},
    "published": "2026-03-05T08:00:00Z",
}
KUBERNETES = {
    "kind": "Event",
    "auditID": "1",
    "verb": "create",
    "requestURI": "/api/v1/pods",
    "objectRef": {"resource": "pods", "apiGroup": "batch"},
    "requestObject": {"spec": {"volumes": [{"hostPath": {"path": "/"}}]}},
}
ZEEK = {
    "_path": "http",
    "id.orig_h": "192.0.2.3",
    "id.resp_p": 80,
    "method": "GET",
    "uri": "/x.ps1",
    "user_agent": "curl/8",
}
SURICATA = {
    "event_type": "http",
    "src_ip": "192.0.2.3",
    "dest_ip": "192.0.2.4",
    "dest_port": 80,
    "http": {"hostname": "x.test", "url": "/a.php?c=id", "http_method": "POST", "status": 200},
}
AUDITD = {"type": "EXECVE", "audit_id": "1700000000.1:7", "argc": "2", "a0": "cat", "a1": "/etc/shadow"}
M365 = {"CreationTime": "2026-03-05T08:00:00", "Operation": "New-InboxRule", "Workload": "Exchange", "Id": "1"}


@pytest.mark.parametrize(
    ("one", "search", "logsource"),
    [
        (TRAIL, {"eventName": "StopLogging", "userIdentity.type": "Root"}, {"product": "aws", "service": "cloudtrail"}),
        (TRAIL, {"requestParameters.containerDefinitions.command": "-c"}, {"product": "aws", "service": "cloudtrail"}),
        (AZURE, {"operationName|endswith": "/DELETE"}, {"product": "azure", "service": "activitylogs"}),
        (AZURE, {"OperationName|endswith": "/DELETE"}, {"product": "azure", "service": "auditlogs"}),
        (AZURE, {"ResultType": 50126}, {"product": "azure", "service": "signinlogs"}),
        (AZURE, {"properties.message|contains": "policy"}, {"product": "azure", "service": "activitylogs"}),
        (AZURE, {"riskEventType": "maliciousIPAddress"}, {"product": "azure", "service": "riskdetection"}),
        (OKTA, {"eventtype": "user.mfa.factor.deactivate"}, {"product": "okta", "service": "okta"}),
        (OKTA, {"debugContext.debugData.requestUri|startswith": "/api"}, {"product": "okta", "service": "okta"}),
        (KUBERNETES, {"verb": "create", "objectRef.resource": "pods"}, {"product": "kubernetes", "service": "audit"}),
        (KUBERNETES, {"hostPath": "/", "apiGroup": "batch"}, {"product": "kubernetes", "category": "application"}),
        (ZEEK, {"uri|endswith": ".ps1", "id.orig_h": "192.0.2.3"}, {"product": "zeek", "service": "http"}),
        (ZEEK, {"c-uri|endswith": ".ps1", "c-useragent|startswith": "curl"}, {"category": "proxy"}),
        (SURICATA, {"cs-uri-query|contains": "c=id", "cs-method": "POST", "sc-status": 200}, {"category": "webserver"}),
        (SURICATA, {"dst_ip": "192.0.2.4", "dst_port": 80}, {"category": "firewall"}),
        (AUDITD, {"type": "EXECVE", "a1|endswith": "shadow"}, {"product": "linux", "service": "auditd"}),
        (M365, {"Operation": "New-InboxRule"}, {"product": "m365", "service": "audit"}),
    ],
)
def test_events_of_other_products_are_what_their_rules_are_for(
    one: Any, search: Any, logsource: dict[str, str]
) -> None:
    assert _fires(one, search, **logsource)
    assert _fires({"_index": "i", "_source": one}, search, **logsource)
    if "product" in logsource:
        assert not _fires(one, search, **{**logsource, "product": "opencanary"})


def test_a_rule_of_another_service_is_not_for_an_event() -> None:
    assert not _fires(ZEEK, {"uri|endswith": ".ps1"}, product="zeek", service="dns")
    assert not _fires(AUDITD, {"type": "EXECVE"}, product="linux", service="sudo")


def test_an_event_of_no_known_shape_is_for_every_rule_that_has_a_field_of_it() -> None:
    assert _fires({"logtype": 1000, "node_id": "x"}, {"logtype": 1000}, product="opencanary", category="application")


def test_every_shape_is_known_by_its_own_keys() -> None:
    from forewarn.rules.events.shapes import Recogniser

    for shape in shapes():
        keys = {one_of[0]: {} for one_of in shape.has}
        assert Recogniser().shape(keys)[0].name == shape.name


HOSTILE = [
    "[" * 100_000 + "]" * 100_000,
    '{"a":' * 100_000 + "1" + "}" * 100_000,
    '{"Event":{"System":{"EventID":1,"Channel":"Security"},"EventData":'
    + '{"a":' * 100_000
    + "1"
    + "}" * 100_000
    + "}}",
    '{"winlog":' + "[" * 100_000 + "]" * 100_000 + "}",
    '{"Event":{"System":[]}}',
    '{"Event":{"System":{"EventID":{},"Channel":[]}}}',
    '{"System":1}',
    '{"winlog":1,"event":2}',
    '{"class_uid":"x","activity_id":[],"metadata":null}',
    '{"EventCode":null}',
    '{"Event":{"System":{"EventID":1},"EventData":{"Image":"C:\\\\w\\\\mshta.exe","CommandLine":"http"}}}',
    '{"EventID":"4688","Channel":null,"EventData":[1,{"Data":[{"@Name":5}]}]}',
    "{}",
    "not JSON",
]


def test_hostile_events_fire_nothing_and_stop_nothing() -> None:
    rules = _rules(*RULES)
    good = json.dumps(EVENTS[0])
    raw = [good, *HOSTILE, good]
    rows = rules.match(pl.DataFrame({"text": raw, "raw": raw})).rows()
    assert rows == [(0, 0), (0, 2), (len(raw) - 1, 0), (len(raw) - 1, 2)]
    assert event_texts(pl.Series(HOSTILE)).len() == len(HOSTILE)
