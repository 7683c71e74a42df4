"""Texts as they were meant, for the encoder and the n-grams."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forewarn.grouping.deobfuscation import plain, templates_of_plain
from forewarn.grouping.templates import mask_of


def one(text: str) -> str:
    return plain(pl.Series([text])).item()


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("the fl00d is here", "the flood is here"),
        ("expl0si0n in the t0wn", "explosion in the town"),
        ("FL00D", "FLOOD"),
        ("3arthquake!", "earthquake!"),
        ("ba\u200bnk r\u2060un", "bank run"),
        ("bаnk run", "bank run"),
        ("Тhe bridgе", "The bridge"),
        ("Ｂａｎｋ ｒｕｎ", "Bank run"),
        ("银\u200b行挤兑", "银行挤兑"),
    ],
)
def test_a_disguised_word_is_read_as_it_was_meant(written: str, read: str) -> None:
    assert one(written) == read


@pytest.mark.parametrize(
    "text",
    [
        "h1n1 and H5N1 in two wards",
        "log4j 2.14 on eth0, node3a, 10th disk of 2013",
        "RAS KERNEL INFO 0x00544eb8 R02-M1-N0-C:J12-U11 core.2275",
        "банк закрыт, the bank is closed, IBMовский сервер",
        "l'été à la plage… 100 €",
        "公司业绩下降，亏损3亿元",
        "",
    ],
)
def test_an_ordinary_text_is_left_byte_for_byte(text: str) -> None:
    assert one(text) == text


def test_only_the_templates_of_changed_texts_are_made_anew() -> None:
    texts = pl.Series(["fl00d on road 12", "flood on road 12"])
    templates = pl.Series(["fl<*>d on road <*>", "as it is"])
    assert templates_of_plain(templates, texts, plain(texts)).to_list() == ["flood on road <*>", "as it is"]
    assert mask_of(texts).to_list() == ["fl<*>d on road <*>", "flood on road <*>"]


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(max_size=40)), min_size=1, max_size=8))
def test_a_text_is_read_the_same_whatever_stands_beside_it(texts: list[str | None]) -> None:
    together = plain(pl.Series(texts, dtype=pl.String))
    assert together.to_list() == [plain(pl.Series([text], dtype=pl.String)).item() for text in texts]
    assert plain(together).to_list() == together.to_list()
