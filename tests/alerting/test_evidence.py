"""What is marked in a text is what a rule found in it, whatever kind of file the text was read from."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forewarn.alerting.rule_matches import matches

Run = Callable[..., object]
PHRASES = ["depositors queue", "Übergabe", "挤兑", 'said "out"', "a\\b", "cafe\u0301"]
RULE = """
title: Phrases
id: 7f0e4e2c-5f4b-4f0c-9a44-5a7f3a4d1b11
logsource:
  category: text
detection:
  phrases:
    '|contains':
PHRASES
  condition: phrases
level: high
"""
WORDS = st.text(st.sampled_from("ab ÜüÉe\u0301,;:\"'{}[]\\/行储户🙂-_0189"), max_size=12)
TEXTS = st.lists(st.tuples(WORDS, st.sampled_from(PHRASES), WORDS), min_size=1, max_size=5)


def txt(texts: list[str], folder: Path) -> Path:
    (folder / "a.txt").write_text("".join(f"{text}\n" for text in texts))
    return folder / "a.txt"


def delimited(texts: list[str], folder: Path) -> Path:
    content = io.StringIO()
    csv.writer(content).writerows([["id", "text", "place"], *([n, text, "north"] for n, text in enumerate(texts))])
    (folder / "a.csv").write_text(content.getvalue())
    return folder / "a.csv"


def jsonl(texts: list[str], folder: Path) -> Path:
    rows = [json.dumps({"id": n, "message": text}, ensure_ascii=n % 2 == 0) for n, text in enumerate(texts)]
    (folder / "a.jsonl").write_text("".join(f"{row}\n" for row in rows))
    return folder / "a.jsonl"


def parquet(texts: list[str], folder: Path) -> Path:
    pl.DataFrame({"id": range(len(texts)), "text": texts}).write_parquet(folder / "a.parquet")
    return folder / "a.parquet"


READERS = [txt, delimited, jsonl, parquet]


@pytest.fixture
def rule(tmp_path: Path) -> Path:
    file = tmp_path / "phrases.yaml"
    file.write_text(RULE.replace("PHRASES", "\n".join(f"      - {json.dumps(phrase)}" for phrase in PHRASES)))
    return file


@pytest.mark.parametrize("written", READERS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=TEXTS)
def test_the_marked_piece_of_a_text_is_the_phrase(
    written: Callable[[list[str], Path], Path], rule: Path, tmp_path: Path, parts: list[tuple[str, str, str]]
) -> None:
    texts = [f"x {before} {phrase} {after} x" for before, phrase, after in parts]
    found = list(matches([written(texts, tmp_path)], [rule], problems=[]))
    assert [one["text"] for one in found] == texts
    for one, (_, phrase, _) in zip(found, parts, strict=True):
        marked = [one["text"][start:end] for start, end in one["rules"][0]["spans"]]
        assert phrase in marked
        assert set(marked) <= set(PHRASES)


@pytest.mark.parametrize("written", READERS)
def test_an_alert_marks_the_same_words_in_every_kind_of_file(
    forewarn: Run, tmp_path: Path, written: Callable[[list[str], Path], Path]
) -> None:
    text = "Depositors queue outside the bank since dawn"
    file = written([text, "fine"], tmp_path)
    ran = forewarn("scan", file, "--budget", "1", "--format", "jsonl", "--false-warnings", "none")
    alert = json.loads(ran.out.splitlines()[0])
    rules = next(item for item in alert["evidence"] if item["signal"] == "rules")
    marked = [alert["text"][start:end] for start, end in rules["why"][0]["spans"]]
    assert alert["text"] == text
    assert marked == ["Depositors", "queue", "queue outside the bank"]
