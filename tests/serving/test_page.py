"""The service's page in a real browser: a text is scored, feedback kept, a rule tried; nothing from outside runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from forewarn.options import Options
from forewarn.reading.labelled import read_labelled
from forewarn.serving.app import Service
from forewarn.serving.running import Listening, _socket, service_of
from tests.browser import browser
from tests.output.test_report import MARKUP
from tests.output.test_report_in_browser import warned


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Service]]:
    service = service_of(Options(), tmp_path, None, Listening("127.0.0.1", 0))
    at = _socket(Listening("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(service.app(), log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [at]})
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{at.getsockname()[1]}/", service
    server.should_exit = True
    thread.join()
    at.close()
    service.audit.close()


def test_a_person_works_in_the_page(served: tuple[str, Service]) -> None:
    address, service = served
    with browser(viewport={"width": 390, "height": 800}) as seen:
        page = seen.page
        page.goto(address)
        page.fill("#text", f"Bank halts withdrawals\n{MARKUP}")
        page.click("#score button")
        page.locator("#scores .card").nth(1).wait_for()
        assert MARKUP in page.locator("#scores").inner_text()
        page.locator("#scores .card", has_text="Bank halts").locator("button").nth(0).click()
        page.locator("#scores", has_text="kept").wait_for()
        service.findings.add(warned())
        page.locator("#fw-w1").wait_for()
        rule = page.locator("#rule").input_value()
        page.fill("#rule", rule.replace("connection pool resized", "connection pool exhausted, again"))
        page.locator("#remarks", has_text="fired on connection pool exhausted, again").wait_for()
        assert page.locator("#swap").is_disabled()
        page.fill("#rule", rule)
        page.locator("#checked", has_text="(2/2)").wait_for()
        page.click("#swap")
        # All rules are compiled with it, for the first time.
        page.locator("#checked", has_text="used from now on").wait_for(timeout=180_000)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.locator("img").count() == 0
    assert seen.dialogs == []
    assert [url for url in seen.asked if not url.startswith(address)] == []
    assert [said for said in seen.said if "Password field" not in said] == []
    assert service.scoring.resident.rules.rules[-1].title == "Pool exhausted"
    rows = read_labelled([service.feedback], text_column="text", label_column="label")
    assert rows["text"].to_list() == ["Bank halts withdrawals"]
