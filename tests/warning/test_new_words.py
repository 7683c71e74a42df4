"""The words of a warning: whole words, in both languages, and none that says nothing."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forewarn.grouping.function_words import content_runs, is_function_word
from forewarn.runtime.chunked_frame import ChunkedFrame
from forewarn.warning.early_warnings import Words


def new_words(loud: list[str], earlier: list[str]) -> list[str]:
    words = Words(ChunkedFrame.of(pl.DataFrame({"template": [*loud, *earlier]})))
    return words.new(list(range(len(loud))), np.arange(len(loud), len(loud) + len(earlier), dtype=np.uint32))


EARLIER = ["昨天的天气很好", "网点今天照常开门", "the weather is fine", "the branch is open today"] * 5


def test_chinese_new_words_are_whole() -> None:
    loud = ["青湾银行怎么了", "听说青湾银行兑付不了", "青湾银行老板跑路，兑付没了", "去青湾银行看看"]
    assert new_words(loud, EARLIER) == ["青湾银行", "兑付"]


def test_words_that_stand_with_different_others_stay_apart() -> None:
    loud = ["青湾银行关门", "江口银行挤兑", "江口超市关门", "青湾超市挤兑"]
    assert set(new_words(loud, EARLIER)) == {"青湾", "江口", "银行", "超市", "关门", "挤兑"}


def test_a_sentence_that_is_said_again_is_no_word() -> None:
    said = "小区三个群都在转说老板跑路不知真假先去网点看看"
    assert all(len(word) <= 12 for word in new_words([said, said + "！", said + "？"], EARLIER))


def test_english_function_words_are_no_new_words() -> None:
    loud = [
        "water is rising under the bridge and over the road",
        "water came up under the bridge",
        "under water on the road",
    ]
    assert set(new_words(loud, EARLIER)) == {"water", "bridge", "road"}


def test_no_new_word_is_part_of_another() -> None:
    loud = ["青湾银行理财兑付不了", "青湾银行理财没到账", "青湾银行出事", "银行出事"]
    words = new_words(loud, EARLIER)
    assert words
    assert not [(a, b) for a in words for b in words if a != b and a in b]


@pytest.mark.parametrize("word", ["under", "On", "don't", "THEY’RE", "isn’t", "the"])
def test_function_words_are_known_in_any_form(word: str) -> None:
    assert is_function_word(word)


@pytest.mark.parametrize("word", ["flood", "bank", "down", "trapped", "now-defunct"])
def test_words_of_a_subject_are_kept(word: str) -> None:
    assert not is_function_word(word)


@given(st.text(st.sampled_from("青湾银行的了是在被困")))
def test_runs_hold_no_function_character_and_nothing_else_is_lost(run: str) -> None:
    pieces = content_runs(run)
    assert not set("的了是在") & set("".join(pieces))
    assert all(piece in run and len(piece) > 1 for piece in pieces)


def test_being_trapped_is_a_word() -> None:
    assert content_runs("有人被困在车里了") == ["有人被困", "车里"]
    assert content_runs("车被吊走了还没偿还") == ["吊走", "没偿还"]
