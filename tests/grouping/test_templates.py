"""Masking and grouping: what varies is masked, words never are, nothing is counted twice or lost."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from unittest.mock import patch

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forewarn.frames import RECORDS, TEXTS
from forewarn.grouping.templates import MASK, Templates, group, keyed, mask, mask_of
from forewarn.grouping.text_table import TextTable
from forewarn.rules.matching.digits import Kinds


def masked(text: str) -> str:
    return pl.select(mask(pl.lit(text))).item()


@pytest.mark.parametrize(
    ("text", "template"),
    [
        ("took 35 ms", "took <*> ms"),
        ("delta -3.25 now", "delta <*> now"),
        ("from 10.251.39.209:50010 ok", "from <*> ok"),
        ("at 2024-05-01 09:12:33,120 start", "at <*> <*> start"),
        ("mail to anna.berg+x@example.org sent", "mail to <*> sent"),
        ("see https://example.org/a?b=1#c now", "see <*> now"),
        ("open /var/log/app/today.log failed", "open <*> failed"),
        (r"load C:\Windows\System32\a.dll", "load <*>"),
        ("id 3bc17f6d-1354-4a2b-9c1d-0123456789ab done", "id <*> done"),
        ("mac 00:1a:2b:3c:4d:5e up", "mac <*> up"),
        ("pointer 0x7ffe12", "pointer <*>"),
        ("commit deadbeefcafe1234 merged", "commit <*> merged"),
        ('user="anna berg" denied', "user<*> denied"),
        ('level="warn" msg="disk full" shard="east 7"', 'level="warn" msg="disk full" shard<*>'),
        (
            '{"severity": "error", "message": "gate 7 shut", "host": "ln4"}',
            '{"severity": "error", "message": "gate <*> shut", "host"<*>}',
        ),
        ('note="the gate was shut" by="anna"', 'note="the gate was shut" by<*>'),
        ("Mar  9 07:05:03 host gate shut", "<*> host gate shut"),
        ("[Sat Mar 09 07:05:03.5 2024] [notice] shut", "[<*>] [notice] shut"),
        ("Sat Mar  9 07:05:03 CET 2024 shut", "<*> shut"),
        ("Sat, 09 Mar 2024 07:05:03 +0100 shut", "<*> <*> shut"),
        ("Mar 9, 2024 7:05:03 PM shut", "<*> shut"),
        ("2024/3/9 下午 07:05:03 关闭", "<*> <*> 关闭"),
        ("we may 7 times march on", "we may <*> times march on"),
        ("block blk_38865049064139660 lost", "block blk<*> lost"),
        ("entry for pay_7f3c09c, ok", "entry for pay<*>, ok"),
        ("done req-12ab34cd", "done req<*>"),
        ("two   spaces\tand a tab", "two spaces and a tab"),
        ("2018年5月11日 储户排队 300 人", "<*>年<*>月<*>日 储户排队 <*> 人"),
        ("详见 https://example.cn/新闻，请转发", "详见 <*>，请转发"),
    ],
)
def test_what_varies_is_masked(text: str, template: str) -> None:
    assert masked(text) == template


@settings(max_examples=300)
@given(st.lists(st.text(alphabet=st.sampled_from("0123456789xXabcdefg_-=:./\"' \n\r@é水"), max_size=24), max_size=6))
def test_lines_that_differ_in_their_digits_are_masked_as_each_would_be_alone(texts: list[str]) -> None:
    assert mask_of(pl.Series(texts, dtype=pl.String)).to_list() == [masked(text) for text in texts]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.lists(st.text(alphabet="079xXa_-=: \n", max_size=8), max_size=6), min_size=2, max_size=4),
    st.integers(1, 8),
)
def test_lines_are_masked_the_same_whatever_came_before(blocks: list[list[str]], most: int) -> None:
    kinds = Kinds()
    templates = Templates(kinds)
    with patch("forewarn.rules.matching.digits._MOST_KINDS", most):
        for block in blocks:
            texts = pl.Series(block, dtype=pl.String)
            kind = kinds.of(texts)
            number, written = templates.of(texts, kind)
            assert written.gather(number).to_list() == [masked(text) for text in block]
            alike = [re.sub("[0-9]", "0", text) for text in block]
            assert kinds.alike.gather(kind).to_list() == alike
            assert written.is_duplicated().sum() == 0


@pytest.mark.parametrize(
    "text",
    [
        "connection refused by peer",
        'he said "the water is coming" and ran',
        "储户在银行门口排队取款",
        "effaced facade",
        "snake_case_decade",
        "and/or",
        "état d'urgence",
    ],
)
def test_words_and_quoted_speech_stay(text: str) -> None:
    assert masked(text) == text


@given(st.text(alphabet=st.characters(categories=["L", "Zs"], exclude_characters="ABCDEFabcdef"), max_size=80))
def test_letters_of_any_script_are_never_masked(text: str) -> None:
    assert MASK not in masked(text)


@given(st.text(max_size=200))
def test_masking_twice_changes_nothing_more(text: str) -> None:
    once = masked(text)
    assert masked(once) == once


def records(texts: list[str], source: str = "a.log") -> pl.DataFrame:
    rows = {
        "source": [source] * len(texts),
        "line": range(1, len(texts) + 1),
        "time": [datetime(2024, 5, 1, 9, n % 60, tzinfo=UTC) for n in range(len(texts))],
        "text": texts,
        "raw": [None] * len(texts),
        "level": [None] * len(texts),
        "status": [None] * len(texts),
    }
    return pl.DataFrame(rows, schema=RECORDS)


def table_of(blocks: list[pl.DataFrame], sets: list[list[int]]) -> pl.DataFrame:
    table, row, kinds = TextTable(), 0, Kinds()
    templates = Templates(kinds)
    for block, numbers in zip(blocks, sets, strict=True):
        made = templates.of(block["text"], kinds.of(block["text"]))
        table.add(group(keyed(block, pl.Series(numbers, dtype=pl.UInt32), made), row))
        row += block.height
    return table.texts().whole()


def test_lines_of_one_template_become_one_text_with_its_first_and_last_line() -> None:
    texts = table_of([records(["job 1 done", "disk full", "job 2 done", "job 3 done"])], [[0, 0, 0, 0]])
    assert texts.schema == pl.Schema(TEXTS)
    assert texts["template"].to_list() == ["job <*> done", "disk full"]
    first = texts.row(0, named=True)
    assert (first["example"], first["count"], first["first_line"], first["last_line"]) == ("job 1 done", 3, 1, 4)
    assert (first["first_time"].minute, first["last_time"].minute) == (0, 3)


def test_lines_of_one_template_on_which_different_rules_fire_are_different_texts() -> None:
    texts = table_of([records(["from 10.0.0.1", "from 66.6.6.6", "from 10.0.0.2"])], [[0, 7, 0]])
    assert texts.select("template", "rule_set", "count").rows() == [("from <*>", 0, 2), ("from <*>", 7, 1)]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["a 1", "a 2", "b", "c 9 d", "水 3"]), st.integers(0, 2)), max_size=60),
    st.lists(st.integers(1, 20), min_size=1, max_size=6),
)
def test_the_blocks_do_not_matter(lines: list[tuple[str, int]], cuts: list[int]) -> None:
    whole = records([text for text, _ in lines])
    sets = [number for _, number in lines]
    blocks, numbers, at = [], [], 0
    while at < len(lines):
        size = cuts[len(blocks) % len(cuts)]
        blocks.append(whole[at : at + size])
        numbers.append(sets[at : at + size])
        at += size
    assert table_of(blocks, numbers).equals(table_of([whole], [sets]))
    expected: dict[tuple[str, int], int] = {}
    for text, number in lines:
        expected[masked(text), number] = expected.get((masked(text), number), 0) + 1
    counted = table_of([whole], [sets]).select("template", "rule_set", "count").rows()
    assert {(template, number): count for template, number, count in counted} == expected
    assert [(template, number) for template, number, _ in counted] == list(expected)
