"""The service: the answers of the commands over HTTP, for those who may ask, and a log of who did what."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from starlette.testclient import TestClient

from forewarn.errors import InputError, OutputError
from forewarn.options import Options
from forewarn.reading.labelled import read_labelled
from forewarn.resident import score
from forewarn.serving.access import Access, Refused, Token, add_token, is_loopback, read_tokens
from forewarn.serving.app import MOST_BYTES, Service
from forewarn.serving.audit import AuditLog, verify
from forewarn.serving.limits import Rate
from forewarn.serving.running import Listening, service_of
from forewarn.serving.stream import Findings
from forewarn.text_gate import json_line
from tests.output.test_hostile_text import STEERING
from tests.output.test_report import MARKUP
from tests.output.test_report_in_browser import warned

Run = Callable[..., Any]
RULE = """title: Zorblax of the pumps
id: 2f6f0c1e-4c1b-4d0e-9a52-6f2b3a0d7c11
status: experimental
level: high
logsource: {category: text}
detection:
  words:
    text|contains: zorblax
  condition: words
tests:
  match: ["the zorblax of pump 3"]
  no_match: ["the pump is well"]
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Service:
    return service_of(Options(), tmp_path_factory.mktemp("service"), None, Listening("127.0.0.1", 0))


@pytest.fixture
def client(made: Service) -> TestClient:
    return TestClient(made.app(), "http://localhost", raise_server_exceptions=False)


def test_scores_are_those_of_the_command(client: TestClient) -> None:
    texts = ["Bank halts withdrawals", "a quiet afternoon at the lake"]
    answer = client.post("/v1/score", json={"texts": texts})
    assert answer.status_code == 200
    for text, one in zip(texts, answer.json()["scores"], strict=True):
        alone = score(text)
        assert one["text"] == text
        assert one["log_odds"] == pytest.approx(alone.log_odds, abs=1e-3)
        assert sum(item["log_odds"] for item in one["evidence"]) == pytest.approx(one["log_odds"], abs=1e-6)
    short = client.post("/v1/score", json={"texts": texts, "evidence": False}).json()["scores"]
    assert [one["evidence"] for one in short] == [[], []]


def test_similar_names_past_crises(client: TestClient) -> None:
    found = client.post("/v1/similar", json={"text": "savers queue for cash outside the bank", "k": 3}).json()["cases"]
    assert len(found) == 3
    assert found[0]["category"] == "finance"


@pytest.mark.parametrize(
    ("path", "content", "kind", "status"),
    [
        ("/v1/score", b"{", "application/json", 400),
        ("/v1/score", b"\xff\xfe", "application/json", 400),
        ("/v1/score", b"[" * 100_000, "application/json", 422),
        ("/v1/score", b"{}", "application/json", 422),
        ("/v1/score", b'{"texts": []}', "application/json", 422),
        ("/v1/score", b'{"texts": [""]}', "application/json", 422),
        ("/v1/score", b'{"texts": ["  "]}', "application/json", 422),
        ("/v1/score", b'{"texts": ["a"], "also": 1}', "application/json", 422),
        ("/v1/score", b'{"texts": ["a"]}', "text/plain", 415),
        ("/v1/score", b'{"texts": ["a"]}', "application/x-www-form-urlencoded", 415),
        ("/v1/score", b" " * (MOST_BYTES + 1), "application/json", 413),
        ("/v1/similar", b'{"text": "a", "k": 0}', "application/json", 422),
        ("/v1/similar", b'{"text": "a", "category": "../../etc"}', "application/json", 422),
        ("/v1/rules/check", b'{"yaml": ""}', "application/json", 422),
        ("/v1/rules/swap", b'{"yaml": "a: &a [*a, *a]"}', "application/json", 422),
        ("/v1/nothing", b"{}", "application/json", 404),
        ("/v1/../../etc/passwd", b"{}", "application/json", 404),
    ],
)
def test_what_is_no_request_gets_a_reason(
    client: TestClient, path: str, content: bytes, kind: str, status: int
) -> None:
    answer = client.post(path, content=content, headers={"Content-Type": kind})
    assert answer.status_code == status
    if status != 404:
        assert answer.json()["error"]
        assert "Traceback" not in answer.text
        assert not STEERING.search(answer.text.rstrip("\n"))


def test_a_blank_text_is_its_senders_fault_alone(made: Service) -> None:
    async def asked() -> list[object]:
        texts = ["Bank halts withdrawals"], ["  "], ["a quiet afternoon"]
        return await asyncio.gather(*map(made.scoring.score, texts), return_exceptions=True)

    first, blank, last = asyncio.run(asked())
    assert isinstance(blank, InputError)
    assert isinstance(first, list)
    assert isinstance(last, list)
    assert (first[0].text, last[0].text) == ("Bank halts withdrawals", "a quiet afternoon")


def test_a_rule_file_that_cannot_be_kept_is_not_used(made: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OutputError("no space left on device")

    before = made.scoring.resident
    monkeypatch.setattr("forewarn.serving.rule_changes.atomic_write", full)
    with pytest.raises(OutputError):
        made.rules.swap(RULE)
    assert made.scoring.resident is before


def test_after_a_restart_a_number_means_the_same_finding(tmp_path: Path) -> None:
    log = tmp_path / "warnings.jsonl"
    assert Findings.of(log).latest == Findings().latest
    others = [msgspec.structs.replace(warned(), id=f"fw-w{number}") for number in range(3)]
    log.write_bytes(b"".join(json_line(one) for one in others))
    found = Findings.of(log)
    assert [(number, one.id) for number, one in found.after(1)] == [(2, "fw-w1"), (3, "fw-w2")]
    found.add(msgspec.structs.replace(warned(), id="fw-w3"))
    assert [number for number, _ in found.after(3)] == [4]


def test_feedback_on_a_warning_is_that_of_the_command(made: Service, tmp_path: Path) -> None:
    own = replace(made, feedback=tmp_path / "feedback.csv", findings=Findings())
    found = msgspec.structs.replace(warned(), id="fw-w77")
    own.findings.add(found)
    answer = TestClient(own.app(), "http://localhost").post(
        "/v1/feedback", json={"text": found.moved[0].text, "right": False, "id": found.id}
    )
    assert answer.status_code == 200
    rows = read_labelled([own.feedback], text_column="text", label_column="label")
    told = dict(zip(rows["text"], rows["label"], strict=True))
    assert {told[one.text] for one in found.moved} == {"0"}


def test_answers_are_safe_to_look_at(client: TestClient) -> None:
    answer = client.post("/v1/score", json={"texts": [MARKUP + "\x1b[31m\u202e"]})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert not STEERING.search(answer.text.rstrip("\n"))
    assert "server" not in answer.headers


def test_another_sites_name_is_not_served(client: TestClient) -> None:
    # A page whose name was made to lead here (DNS rebinding) asks with its own name.
    assert client.get("/v1/rules", headers={"Host": "evil.example"}).status_code == 400


def test_a_rule_is_used_from_now_on_or_everything_stays(client: TestClient, made: Service) -> None:
    before = made.scoring.resident
    broken = RULE.replace("the pump is well", "no zorblax here")
    refused = client.post("/v1/rules/swap", json={"yaml": broken})
    assert refused.status_code == 422
    assert refused.json()["failed"][0]["text"] == "no zorblax here"
    assert made.scoring.resident is before
    checked = client.post("/v1/rules/check", json={"yaml": RULE}).json()
    assert checked["usable"]
    assert checked["examples"] == 2
    text = {"texts": ["we heard of a zorblax today"]}
    rules = [item["signal"] for item in client.post("/v1/score", json=text).json()["scores"][0]["evidence"]]
    assert client.post("/v1/rules/swap", json={"yaml": RULE}).status_code == 200
    after = client.post("/v1/score", json=text).json()["scores"][0]["evidence"]
    why = [reason["title"] for item in after if item["signal"] == "rules" for reason in item["why"]]
    assert why == ["Zorblax of the pumps"]
    assert len(client.get("/v1/rules").json()["rules"]) == len(before.rules.known) + 1
    assert rules
    restored = made.rules.restored()
    assert restored is not None
    assert restored.rules.rules[-1].title == "Zorblax of the pumps"


def test_feedback_is_kept_for_fit_and_told_once(client: TestClient, made: Service) -> None:
    for right in (True, False):
        answer = client.post("/v1/feedback", json={"text": "=SUM(1) 储户排队", "right": right})
        assert answer.status_code == 200
    rows = read_labelled([made.feedback], text_column="text", label_column="label")
    assert rows["text"].to_list() == ["=SUM(1) 储户排队"]
    assert rows["label"].to_list() == ["0"]
    assert made.feedback.stat().st_mode & 0o077 == 0


def test_tokens_let_do_what_they_say_and_no_more(made: Service, tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    reader, ruler = add_token(file, "reader", ["read"]), add_token(file, "ruler", ["rules"])
    assert reader not in file.read_text("utf-8")
    assert file.stat().st_mode & 0o077 == 0
    log = tmp_path / "audit.jsonl"
    own = Service(
        made.scoring, made.rules, Access(read_tokens(file)), AuditLog(log), made.metrics, Findings(), made.feedback
    )
    asking = TestClient(own.app(), "http://localhost")

    def status(path: str, secret: str | None, body: dict[str, Any] | None = None) -> int:
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        found = asking.get(path, headers=headers) if body is None else asking.post(path, json=body, headers=headers)
        return found.status_code

    assert status("/v1/rules", None) == 401
    assert status("/v1/rules", "fw_wrong") == 401
    assert status("/v1/rules", reader) == 200
    assert status("/metrics", None) == 401
    assert status("/healthz", None) == 200
    assert status("/v1/feedback", reader, {"text": "a", "right": True}) == 403
    assert status("/v1/rules/swap", reader, {"yaml": RULE}) == 403
    assert status("/v1/rules/check", ruler, {"yaml": RULE}) == 403
    assert status("/v1/rules/swap", ruler, {"yaml": "title: x"}) == 422
    own.audit.close()
    lines, _ = verify(log)
    told = [
        (entry["who"], entry["action"], entry["outcome"]) for entry in map(json.loads, log.read_bytes().splitlines())
    ]
    assert lines == len(told) == 7
    assert told[-1] == ("ruler", "rules", "refused")


def test_an_audit_log_shows_what_was_done_to_it(tmp_path: Path, forewarn: Run) -> None:
    log = tmp_path / "audit.jsonl"
    audit = AuditLog(log)
    for number in range(5):
        audit.add("anna", "127.0.0.1", "feedback", "kept", id=f"fw-{number}")
    audit.close()
    assert verify(log)[0] == 5
    again = AuditLog(log)
    again.add("anna", "127.0.0.1", "feedback", "kept")
    again.close()
    assert verify(log)[0] == 6
    assert forewarn("audit", log).status == 0
    lines = log.read_bytes().splitlines(keepends=True)
    for changed in (
        [*lines[:2], lines[2].replace(b"anna", b"otto"), *lines[3:]],
        [*lines[:2], *lines[3:]],
        [*lines[:2], lines[3], lines[2], *lines[4:]],
        [*lines[:2], b"nothing\n", *lines[2:]],
    ):
        log.write_bytes(b"".join(changed))
        with pytest.raises(InputError):
            verify(log)
        with pytest.raises(InputError):
            AuditLog(log)
        assert forewarn("audit", log).status == 2


def test_a_link_in_the_audit_logs_place_is_not_followed(tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    link = tmp_path / "audit.jsonl"
    link.symlink_to(mine)
    with pytest.raises(Exception, match="cannot be"):
        AuditLog(link)
    assert not mine.exists()


def test_a_rate_is_kept_for_each_asker() -> None:
    moment = [0.0]
    rate = Rate(2.0, 3, lambda: moment[0])
    for _ in range(3):
        rate.take("anna")
    with pytest.raises(Refused) as refused:
        rate.take("anna")
    assert (refused.value.status, refused.value.retry_after) == (429, 1)
    rate.take("otto")
    moment[0] = 0.5
    rate.take("anna")


def test_tokens_of_others_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    for content in ("", "{}", "[]", '[{"name": "a"}]', '[{"name":"a","scopes":["all"],"sha256":"","made":""}]'):
        file.write_text(content, "utf-8")
        file.chmod(0o600)
        with pytest.raises(InputError):
            read_tokens(file)
    add_token(tmp_path / "own.json", "a", ["read"])
    (tmp_path / "own.json").chmod(0o644)
    with pytest.raises(InputError, match="read by others"):
        read_tokens(tmp_path / "own.json")
    with pytest.raises(InputError):
        add_token(tmp_path / "own2.json", "../a", ["read"])
    with pytest.raises(Refused):
        Access([Token("a", ["read"], "", "")]).who("Bearer ", "read")


@pytest.mark.parametrize(
    ("host", "own"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("127.0.0.1.evil.example", False)],
)
def test_only_this_machine_is_loopback(host: str, own: bool) -> None:
    assert is_loopback(host) == own


def test_beyond_this_machine_a_token_is_needed(forewarn: Run, tmp_path: Path) -> None:
    ran = forewarn("serve", "--host", "0.0.0.0", "--state", tmp_path / "state")
    assert ran.status == 2
    assert "--tokens" in ran.err


def test_metrics_and_the_description(client: TestClient) -> None:
    client.post("/v1/score", json={"texts": ["Bank halts withdrawals"]})
    text = client.get("/metrics").text
    names = {line.split("{")[0].split()[0] for line in text.splitlines() if line and not line.startswith("#")}
    assert all(name.startswith("forewarn_") for name in names)
    assert {"forewarn_texts_total", "forewarn_warnings_promised", "forewarn_warnings_total"} <= names
    described = client.get("/v1/openapi.json").json()
    assert described["openapi"] == "3.1.0"
    for path, operations in described["paths"].items():
        assert set(operations) <= {"get", "post"}, path


def test_listeners_get_what_arises_and_what_they_missed(made: Service) -> None:
    made.findings.add(warned())
    with TestClient(made.app(), "http://localhost") as asking:
        latest = asking.get("/v1/findings").json()["findings"]
        assert latest[-1]["finding"]["id"] == "fw-w1"
        assert asking.get("/v1/findings", params={"after": latest[-1]["number"]}).json()["findings"] == []


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A service in a process of its own, watching a log."""
    import os
    import re
    import subprocess
    import sys

    log = tmp_path / "app.log"
    log.write_text("", "utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "forewarn", "serve", str(log), "--port", "0", "--state", str(tmp_path / "state")],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout
    line = process.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:\d+", line)
    assert found, line
    with process.stdout:
        yield found[0], tmp_path
        process.terminate()
        assert process.wait(10) == 0


def test_a_running_service_answers_lives_and_ends(running: tuple[str, Path]) -> None:
    import httpx

    address, folder = running
    with httpx.Client(base_url=address) as asking:
        assert asking.get("/healthz").json() == {"status": "alive"}
        texts = [f"Train {number} derails outside a city" for number in range(8)]
        statuses: list[int] = []

        def ask(text: str) -> None:
            statuses.append(httpx.post(f"{address}/v1/score", json={"texts": [text]}, timeout=30).status_code)

        threads = [threading.Thread(target=ask, args=(text,)) for text in texts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses == [200] * 8
        assert "<title>forewarn</title>" in asking.get("/").text
        with asking.stream("GET", "/v1/events") as events:
            assert next(events.iter_lines()) == ": forewarn"
    assert (folder / "state" / "audit.jsonl").exists()
