"""The report in a real browser: nothing from outside runs, nothing is fetched, and a person can work with it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from forewarn.findings import Alert, EarlyWarning, Finding, Incident, Moved, Place
from forewarn.output.report.facts import Facts, facts_of_file
from forewarn.output.report.page import report_of
from forewarn.reading.labelled import read_labelled
from tests.browser import Seen, browser
from tests.output.test_hostile_text import hostile
from tests.output.test_report import MARKUP, NINE, alert


def opened(seen: Seen, tmp_path: Path, findings: list[Finding], facts: Facts | None = None) -> Any:
    file = tmp_path / "report.html"
    file.write_text(report_of(findings, facts or facts_of_file("alerts.jsonl")), "utf-8")
    seen.page.goto(file.as_uri())
    seen.page.wait_for_function("document.getElementById('count').textContent !== ''")
    return seen.page


def warned() -> EarlyWarning:
    at = Place("app.log", 9, NINE)
    moved = [Moved(at, "the loudest of all", 4.0), Moved(at, '=another, "quoted"', 3.0)]
    return EarlyWarning(
        id="fw-w1", incident="fw-i1", level="high", stream="source app.log", raised=at, onset=at, onset_low=at,
        onset_high=at, false_warnings="1/10000", value=20_000.0, size=9, text="t", category=None, sources=[],
        moved=moved, new_words=[], similar=[], playbook=[], curve=[],
    )  # fmt: skip


def test_hostile_texts_are_inert_in_every_field(tmp_path: Path) -> None:
    everything: list[Finding] = [hostile(kind, text=MARKUP) for kind in (Alert, EarlyWarning, Incident)]
    facts = Facts(made=NINE, title=MARKUP, problems=[MARKUP], young=[MARKUP], new_words=[MARKUP], origin=MARKUP)
    with browser() as seen:
        page = opened(seen, tmp_path, everything, facts)
        page.locator("#list summary").first.click()
        page.locator(".opened").first.wait_for()
        assert page.locator("img").count() == 0
        assert page.locator("body script").count() == 2
        assert MARKUP.split("<img")[0] in page.locator("#list .text").inner_text()
        assert "49" not in page.locator("h1").inner_text()
    assert (seen.said, seen.dialogs) == ([], [])
    assert [url for url in seen.asked if not url.startswith("file:")] == []


def test_a_policy_stops_even_a_script_that_were_there(tmp_path: Path) -> None:
    file = tmp_path / "changed.html"
    page = report_of([alert()], facts_of_file("x")).replace("</main>", "</main><script>alert('ran')</script>")
    file.write_text(page, "utf-8")
    with browser() as seen:
        seen.page.goto(file.as_uri())
        seen.page.wait_for_function("document.getElementById('count').textContent !== ''")
    assert seen.dialogs == []
    assert any("Content Security Policy" in said for said in seen.said)


def test_a_thousand_alerts_open_at_once_and_ten_thousand_are_filtered_at_once(tmp_path: Path) -> None:
    found: list[Finding] = [alert(n, f"{n} worker {n * 7919 % 10_007} lost db-{n % 31}") for n in range(10_000)]
    with browser() as seen:
        begun = time.perf_counter()
        opened(seen, tmp_path, found[:1000])
        assert time.perf_counter() - begun < 3  # a second on an idle machine
        page = opened(seen, tmp_path, found)
        page.evaluate("() => { byId('search').value = 'lost db-7'; }")
        took = page.evaluate("() => { const begun = performance.now(); choose(); return performance.now() - begun; }")
        assert took < 300  # a hundred milliseconds on an idle machine
        assert "323 alerts" in page.locator("#count").inner_text()
    assert seen.said == []


def test_answers_are_saved_in_the_form_that_fit_reads(tmp_path: Path) -> None:
    with browser() as seen:
        page = opened(seen, tmp_path, [warned(), alert(1, '=1+1 "quoted", and\nbroken'), alert(2, "储户排队取款")])
        page.locator("#list .wrong").nth(0).click()
        page.locator("#list .right").nth(1).click()
        page.locator(".warning .wrong").click()
        assert page.locator("#answered").inner_text() == "3"
        with page.expect_download() as download:
            page.locator("#save").click()
        saved = tmp_path / "feedback.csv"
        download.value.save_as(saved)
    rows = read_labelled([saved], text_column="text", label_column="label")
    told = dict(zip(rows["text"], rows["label"], strict=True))
    assert told == {
        '=1+1 "quoted", and\nbroken': "0",
        "储户排队取款": "1",
        "the loudest of all": "0",
        '=another, "quoted"': "0",
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(tmp_path: Path, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    with browser(color_scheme=scheme, bypass_csp=True) as seen:
        page = opened(seen, tmp_path, [warned(), alert(1), alert(2, score=0.98, hour=30)])
        page.locator("#list summary").first.click()
        found = Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")] == []


def test_the_page_is_in_the_language_of_its_reader_and_fits_a_telephone(tmp_path: Path) -> None:
    with browser(locale="zh-CN", viewport={"width": 390, "height": 800}) as seen:
        page = opened(seen, tmp_path, [warned(), alert(1, "x" * 500), alert(2, hour=30)])
        assert page.locator("h2").first.inner_text() == "概要"
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.locator("#language").click()
        assert page.locator("h2").first.inner_text() == "In short"
