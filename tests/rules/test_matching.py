"""Which texts a rule fires on, and where: keywords, expressions, phrases that are taken back, conditions."""

from __future__ import annotations

import json
import time

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from forewarn.rules import RuleSet
from forewarn.rules.language.normalise import fold, fold_with_places, folded
from forewarn.rules.language.reading import read_rules
from forewarn.rules.matching.nearby import near, negated


def _rules(search: object, condition: str = "words", **attributes: object) -> RuleSet:
    """One rule whose search `words` is what is given, or whose detection is, where it is a dictionary with `words`."""
    searches = search if isinstance(search, dict) and "words" in search else {"words": search}
    rule = {
        "title": "T",
        "logsource": {"category": "text"},
        "detection": {**searches, "condition": condition},
        **attributes,
    }
    rules, errors = read_rules(json.dumps(rule, ensure_ascii=False), "own.yaml")
    assert errors == [], errors
    return RuleSet(rules)


def _frame(*texts: str | None) -> pl.DataFrame:
    return pl.DataFrame({"text": texts, "raw": [None] * len(texts)}, schema={"text": pl.String, "raw": pl.String})


def _fires(rules: RuleSet, *texts: str | None) -> list[bool]:
    rows = set(rules.match(_frame(*texts))["row"].to_list())
    return [row in rows for row in range(len(texts))]


def _check(rules: RuleSet, yes: list[str], no: list[str]) -> None:
    """All texts in one block, and `explain` has to agree with `match` on each."""
    fired = _fires(rules, *yes, *no)
    assert [text for text, hit in zip([*yes, *no], fired, strict=True) if hit] == yes
    for text in [*yes, *no]:
        assert rules.explain(0, text).holds is (text in yes), text


# Keywords.


def test_a_keyword_stands_anywhere_in_any_case() -> None:
    _check(
        _rules(["bank run"]),
        ["bank run", "a Bank Run today", "BANK RUNS", "riverbank running"],
        ["bank", "bankrun", "run bank", ""],
    )


def test_any_keyword_of_a_list_is_enough() -> None:
    _check(_rules(["flood", "地震"]), ["a flood", "昨夜地震了", "flood 地震"], ["fire", "地 震"])


def test_all_keywords_are_needed_with_all() -> None:
    _check(_rules({"|all": ["bank", "run"]}), ["run to the bank", "bank run"], ["bank", "run", "ban run"])


def test_a_field_called_text_is_the_text() -> None:
    _check(_rules({"text|contains": "flood"}), ["a flood", "FLOOD"], ["fire"])


@pytest.mark.parametrize(
    ("wildcard", "yes", "no"),
    [
        ("ban*run", ["ban run", "the bank will run", "banrun"], ["run ban"]),
        ("b?nk", ["bank", "bonk", "the bünk", "b银nk"], ["bnk", "boonk"]),
        ("*bank*", ["bank", "my bank!"], ["ban"]),
        ("*bank", ["bank", "a bank of"], ["ban"]),
        (r"5\*5", ["5*5", "25*55"], ["5x5", "55"]),
        (r"what\?", ["what?"], ["whats"]),
        (r"C:\\temp", [r"c:\temp", r"in C:\Temp\x"], ["c:temp", "c:/temp"]),
        (r"C:\temp", [r"c:\temp"], ["c:temp"]),
        ("a.c", ["a.c"], ["abc"]),
        ("(x)[y]{z}^$|+", ["((x)[y]{z}^$|+)"], ["x"]),
        ("50 %", ["50 % off"], ["50% off"]),
    ],
)
def test_wildcards(wildcard: str, yes: list[str], no: list[str]) -> None:
    _check(_rules([wildcard]), yes, no)


def test_a_wildcard_alone_matches_every_text() -> None:
    _check(_rules(["*"]), ["", "a", "银行"], [])


def test_a_number_is_a_keyword() -> None:
    _check(_rules([503]), ["status 503", "15034"], ["5 03"])


@pytest.mark.parametrize("modifier", ["startswith", "endswith"])
def test_text_ends_are_its_own_ends(modifier: str) -> None:
    yes, no = {
        "startswith": (["error: x", "ERROR"], ["an error", " error"]),
        "endswith": (["an error", "ERROR"], ["error: x", "error "]),
    }[modifier]
    _check(_rules({f"text|{modifier}": "error"}), yes, no)


def test_the_same_pattern_in_two_rules_fires_both() -> None:
    one = _rules(["flood"]).rules[0]
    assert RuleSet([one, one]).match(_frame("no", "a flood")).rows() == [(1, 0), (1, 1)]


def test_hits_are_sorted_by_row_then_rule() -> None:
    rules = RuleSet([_rules([word]).rules[0] for word in ("c", "b", "a")])
    assert rules.match(_frame("a b", "c", "b c")).rows() == [(0, 1), (0, 2), (1, 0), (2, 0), (2, 1)]


def test_the_columns_of_hits_have_their_types() -> None:
    schema = pl.Schema({"row": pl.UInt32(), "rule": pl.UInt32()})
    for frame in (_frame(), _frame("x"), _frame("a flood")):
        assert _rules(["flood"]).match(frame).schema == schema


# Expressions.


@pytest.mark.parametrize(
    ("expression", "yes", "no"),
    [
        ("b[ao]nk", ["a bank", "BONK"], ["bnk"]),
        ("^error", ["Error: x"], ["an error"]),
        ("error$", ["an Error"], ["error: x"]),
        ("^$", [""], [" ", "a"]),
        ("^a*$", ["", "aaa"], ["ab"]),
        (r"\d{3} errors?", ["503 error", "1200 errors"], ["50 errors"]),
        ("银.挤兑", ["今天银行挤兑"], ["银挤兑"]),
        (r"\bfire\b", ["a fire!", "fire"], ["fired", "campfire"]),
        ("a|b|", ["a", "", "c"], []),
        ("(?i)BANK", ["bank", "Bank"], ["ban"]),
        ("[^a]", ["b", "ab"], ["", "a", "aa"]),
        (r"a\sb", ["a b", "a\tb"], ["ab", "a-b"]),
        (r"x\Sy", ["x-y"], ["x y", "xy"]),
    ],
)
def test_expressions(expression: str, yes: list[str], no: list[str]) -> None:
    _check(_rules({"|re": expression}), yes, no)


def test_a_list_of_expressions_is_any_of_them() -> None:
    _check(_rules({"|re": ["b[ao]nk", "fl.od"]}), ["bonk", "flood"], ["bnk"])


# Words.


def test_a_word_is_whole() -> None:
    _check(
        _rules({"|word": ["run"]}),
        ["run", "a run.", "RUN!", "bank-run", "run,", "跑run了"],
        ["runs", "prerun", "run_1", "run2"],
    )


def test_a_word_may_be_a_phrase_with_a_wildcard() -> None:
    _check(
        _rules({"|word": ["bank run*"]}), ["a bank run", "bank runs", "bank running"], ["bank  -run", "bankrun", "bank"]
    )


def test_chinese_has_no_word_ends() -> None:
    _check(_rules({"|word": ["挤兑"]}), ["银行挤兑潮", "挤兑"], ["挤 兑"])


def test_a_word_that_ends_in_a_sign_needs_no_word_end_there() -> None:
    _check(_rules({"|word": ["c++"]}), ["c++", "c++11", "in C++."], ["xc++"])


# Phrases that are taken back.

TAKEN_BACK = [
    "no evidence of an outbreak",
    "There is no outbreak.",
    "the ministry denies an outbreak",
    "an outbreak was ruled out",
    "a drill for an outbreak",
    "outbreak drill on Monday",
    "a film about an outbreak",
    "a simulated outbreak",
    "there isn't an outbreak",
    "No cases, no deaths and no outbreak",
    "the outbreak was averted",
    "outbreak: false alarm",
    "NO OUTBREAK",
    "ｎｏ outbreak",
]
STANDS = [
    "an outbreak",
    "outbreak",
    "There is no doubt. An outbreak has begun",
    "no panic, but an outbreak is under way",
    "no panic; an outbreak is under way",
    "Do not drink the water: outbreak in town",
    "not long ago the well by the old mill was shut and then an outbreak began",
    "the knot of the outbreak",
    "a note on the outbreak",
    "first they said there was no outbreak. Today the outbreak is here",
]


def test_a_phrase_that_is_taken_back_does_not_count() -> None:
    _check(_rules({"|affirmed": ["outbreak"]}), STANDS, TAKEN_BACK)


def test_chinese_phrases_are_taken_back() -> None:
    _check(
        _rules({"|affirmed": ["挤兑", "疫情"]}),
        ["发生挤兑", "没有下雨。发生挤兑", "没有回应,但是挤兑已经开始", "无锡疫情", "挤兑", "疫情扩散，没有停"],
        ["没有发生挤兑", "未发现疫情", "辟谣：银行挤兑", "疫情演练", "模拟疫情", "疫情系谣言", "挤兑一说不实"],
    )


@pytest.mark.parametrize(
    "text",
    [
        "没有回应，但挤兑已经开始",
        "不会下雨；昨天疫情扩散",
        "没有！昨天疫情扩散",
        "没有下雨？昨天挤兑",
        "预防火灾：昨天疫情扩散",
    ],
)
def test_chinese_signs_end_a_clause(text: str) -> None:
    _check(_rules({"|affirmed": ["挤兑", "疫情"]}), [text], [])


@pytest.mark.parametrize("text", ["an outbreak, not a drill", "outbreak: this is no drill", "疫情，不是演习"])
def test_a_cue_that_is_itself_negated_takes_nothing_back(text: str) -> None:
    _check(_rules({"|affirmed": ["outbreak", "疫情"]}), [text], [])


def test_another_phrase_that_stands_is_enough() -> None:
    _check(
        _rules({"|affirmed": ["outbreak", "epidemic"]}),
        ["no outbreak but an epidemic"],
        ["no outbreak and no epidemic"],
    )


def test_a_cue_reaches_six_words_and_no_farther() -> None:
    rules = _rules({"|affirmed": ["outbreak"]})
    near_enough = "denied " + "word " * 6 + "outbreak"
    too_far = "denied " + "word " * 7 + "outbreak"
    _check(rules, [too_far], [near_enough])


def test_a_chinese_cue_reaches_ten_characters_and_no_farther() -> None:
    rules = _rules({"|affirmed": ["挤兑"]})
    _check(rules, ["否认" + "字" * 11 + "挤兑"], ["否认" + "字" * 10 + "挤兑"])


def test_a_typographic_apostrophe_is_an_apostrophe() -> None:
    _check(_rules({"|affirmed": ["outbreak"]}), [], ["there isn’t an outbreak", "there isn't an outbreak"])


def test_a_phrase_of_digits_is_judged_in_each_text() -> None:
    rules = _rules({"|affirmed": ["503"]})
    assert _fires(rules, "no 503, but 200", "no 200, but 503") == [False, True]
    assert _fires(rules, "no 200, but 503", "no 503, but 200") == [True, False]
    rules = _rules({"|near": ["7", "bank"]}, window=3)
    assert _fires(rules, "7 x x x x x bank 1", "1 x x x x x bank 7") == [False, True]


@pytest.mark.parametrize("modifier", ["affirmed", "word", "near"])
def test_a_phrase_that_is_only_a_wildcard_stops_nothing(modifier: str) -> None:
    content = {
        "title": "T",
        "logsource": {"category": "text"},
        "detection": {"w": {f"|{modifier}": ["*"]}, "condition": "w"},
    }
    rules, errors = read_rules(json.dumps(content), "p")
    assert errors or len(RuleSet(rules).match(_frame("", "x"))) <= 2


def test_a_text_has_no_other_field() -> None:
    _check(_rules({"Image|contains": "bank"}), [], ["a bank"])


def test_texts_that_differ_in_numbers_are_judged_alike() -> None:
    rules = _rules({"|affirmed": ["outbreak"]})
    assert _fires(rules, "12 say no outbreak", "7 say no outbreak", "7 outbreaks, an outbreak") == [False, False, True]


def test_a_line_break_ends_a_clause() -> None:
    assert _fires(_rules({"|affirmed": ["outbreak"]}), "no smoking\noutbreak in town") == [True]


def test_a_line_break_ends_a_clause_in_the_explanation_too() -> None:
    assert _rules({"|affirmed": ["outbreak"]}).spans(0, "no smoking\noutbreak in town") == [(11, 19)]


def test_only_the_occurrences_that_stand_are_marked() -> None:
    text = "first no outbreak. Now an outbreak"
    assert _rules({"|affirmed": ["outbreak"]}).spans(0, text) == [(26, 34)]


# Phrases near each other.


def test_near_needs_all_values_within_the_window() -> None:
    _check(
        _rules({"|near": ["bank", "queue"]}),
        ["a queue at the bank", "bank: a long queue", "Bank Queue", "queue bank"],
        ["bank", "queue", "the bank opened " + "and then " * 6 + "a queue", "banks in queue"],
    )


def test_the_window_counts_words_of_both_values() -> None:
    rules = _rules({"|near": ["bank", "queue"]}, window=4)
    _check(rules, ["bank one two queue", "queue one two bank"], ["bank one two three queue"])


def test_near_takes_the_closest_occurrences() -> None:
    text = "bank " + "word " * 20 + "bank queue"
    rules = _rules({"|near": ["bank", "queue"]})
    assert _fires(rules, text) == [True]
    assert rules.spans(0, text) == [(len(text) - 10, len(text) - 6), (len(text) - 5, len(text))]


def test_three_values_are_near_where_all_three_fit() -> None:
    _check(
        _rules({"|near": ["a1", "b1", "c1"]}, window=3),
        ["a1 b1 c1", "c1 a1 b1", "x a1 c1 b1 y"],
        ["a1 b1 x c1", "a1 b1", "a1 x b1 c1"],
    )


def test_chinese_near_counts_two_and_a_half_characters_as_a_word() -> None:
    rules = _rules({"|near": ["银行", "排队"]})
    _check(rules, ["银行" + "字" * 16 + "排队", "排队银行"], ["银行" + "字" * 17 + "排队"])


def test_three_values_are_near_although_each_has_a_nearer_twin_elsewhere() -> None:
    _check(_rules({"|near": ["a1", "b1", "c1"]}, window=5), ["b1 y a1 x x b1 c1"], [])


# One form for every way of writing the same letters.


@pytest.mark.parametrize(
    "text",
    [
        "Ｂａｎｋ ｒｕｎ",
        "bаnk run",
        "b\u200bank r\u00adun",
        "bank  \t run",
        "bank\trun",
        "bank\u3000run",
        "bank\u00a0run",
        "𝐛𝐚𝐧𝐤 run",
        "BANK RUN",
        "\ufeffbank run",
        "bank\u2009\u2009run",
    ],
)
def test_another_way_of_writing_is_the_same(text: str) -> None:
    rules = _rules(["bank run"])
    assert _fires(rules, "x", text, "y") == [False, True, False]
    ((start, end),) = rules.spans(0, text)
    assert fold(text[start:end]) == "bank run"


@pytest.mark.parametrize("keyword", ["ＢＡＮＫ  ＲＵＮ", "Bаnk Run", "bank\u200b run", "bank\trun"])
def test_the_rule_may_be_written_another_way_too(keyword: str) -> None:
    assert _fires(_rules([keyword]), "a bank run", "a bank") == [True, False]


def test_traditional_letters_stay_themselves() -> None:
    assert _fires(_rules(["擠兌"]), "擠兌", "挤兑") == [True, False]


def test_accents_compose() -> None:
    assert _fires(_rules(["café"]), "cafe\u0301", "CAFÉ", "cafe") == [True, True, False]


def test_a_span_does_not_cut_a_composed_letter() -> None:
    assert _rules(["café"]).spans(0, "a cafe\u0301!") == [(2, 7)]


# Letters newer than this Python's Unicode may be folded by the column only.
KNOWN = st.text(st.characters(exclude_categories=["Cs", "Cn"]), max_size=20)


@settings(max_examples=300, deadline=None)
@given(
    st.text(alphabet=st.sampled_from("aAbİIıßﬁＡ　 \t\u200b\u0301\u00adаς한각ᄀ가\u11a8Å①㍿，；éñか"), max_size=12)
    | KNOWN
)
@example("\t\u200b ")
@example("e\u0301\u200b\u0301")
@example("\u1100\u1161\u11a8")
def test_the_three_ways_of_folding_agree(text: str) -> None:
    one, places = fold_with_places(text)
    assert one == fold(text) == folded(pl.Series([text], dtype=pl.String))[0]
    assert len(places) == len(one) + 1
    assert places == sorted(places)
    assert places[-1] == len(text)


@pytest.mark.parametrize("text", [" \u00b4", "a \u00a8", "  \u309b", "\t\u037a"])
def test_signs_that_fold_to_a_blank_and_a_mark_agree(text: str) -> None:
    assert fold_with_places(text)[0] == fold(text)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.none() | KNOWN, max_size=8))
def test_a_folded_column_is_each_text_folded(texts: list[str | None]) -> None:
    expected = [None if text is None else fold(text) for text in texts]
    assert folded(pl.Series(texts, dtype=pl.String)).to_list() == expected


# Where it matched.


@pytest.mark.parametrize(
    ("search", "text", "marked"),
    [
        (["bank run"], "a Bank Run!", ["Bank Run"]),
        (["bank"], "bank BANK bаnk", ["bank", "BANK", "bаnk"]),
        (["bank", "run"], "run, bank", ["run", "bank"]),
        ({"|re": "r.n"}, "run ran", ["run", "ran"]),
        ({"|word": ["run"]}, "runs run", ["run"]),
        (["挤兑"], "银行挤兑了", ["挤兑"]),
        (["a b"], "x a  \t b", ["a  \t b"]),
        (["ab"], "😀a\u200bb😀", ["a\u200bb"]),
        ({"|re": "x*"}, "abc", []),
        ({"|all": ["bank", "run"]}, "run bank", ["run", "bank"]),
    ],
)
def test_spans_point_into_the_original(search: object, text: str, marked: list[str]) -> None:
    rules = _rules(search)
    assert _fires(rules, text) == [True]
    assert [text[start:end] for start, end in rules.spans(0, text)] == marked


def test_what_is_excluded_is_not_marked() -> None:
    rules = _rules({"words": ["bank"], "film": ["film"]}, "words and not film")
    assert rules.spans(0, "a bank") == [(2, 6)]


# Conditions.

SEARCHES = {"words": ["aa"], "word_b": ["bb"], "other": ["cc"]}
TEXTS = ["", "aa", "bb", "cc", "aa bb", "aa cc", "bb cc", "aa bb cc"]


@pytest.mark.parametrize(
    ("condition", "holding"),
    [
        ("words", "aa|aa bb|aa cc|aa bb cc"),
        ("not words", "|bb|cc|bb cc"),
        ("not not words", "aa|aa bb|aa cc|aa bb cc"),
        ("words and word_b", "aa bb|aa bb cc"),
        ("words or word_b", "aa|bb|aa bb|aa cc|bb cc|aa bb cc"),
        ("words and not word_b", "aa|aa cc"),
        ("not words and not word_b", "|cc"),
        ("not (words or word_b)", "|cc"),
        ("not (words and word_b)", "|aa|bb|cc|aa cc|bb cc"),
        ("words or word_b and other", "aa|aa bb|aa cc|bb cc|aa bb cc"),
        ("(words or word_b) and other", "aa cc|bb cc|aa bb cc"),
        ("words or not other", "|aa|bb|aa bb|aa cc|aa bb cc"),
        ("1 of them", "aa|bb|cc|aa bb|aa cc|bb cc|aa bb cc"),
        ("any of them", "aa|bb|cc|aa bb|aa cc|bb cc|aa bb cc"),
        ("all of them", "aa bb cc"),
        ("not 1 of them", ""),
        ("not all of them", "|aa|bb|cc|aa bb|aa cc|bb cc"),
        ("1 of word*", "aa|bb|aa bb|aa cc|bb cc|aa bb cc"),
        ("all of word*", "aa bb|aa bb cc"),
        ("all of word* and not other", "aa bb"),
        ("other and 1 of word*", "aa cc|bb cc|aa bb cc"),
        ("words and not other", "aa|aa bb"),
    ],
)
def test_conditions(condition: str, holding: str) -> None:
    _check(_rules(SEARCHES, condition), holding.split("|"), [text for text in TEXTS if text not in holding.split("|")])


def test_several_conditions_are_any_of_them() -> None:
    rules, errors = read_rules(
        json.dumps(
            {
                "title": "T",
                "logsource": {"category": "text"},
                "detection": {**SEARCHES, "condition": ["words", "other"]},
            }
        ),
        "p",
    )
    assert errors == [], errors
    assert _fires(RuleSet(rules), *TEXTS) == ["aa" in text or "cc" in text for text in TEXTS]


def test_maps_in_a_list_are_any_of_them_and_keys_in_a_map_are_all() -> None:
    rules = _rules([{"text|contains": "aa", "text|re": "b."}, {"text|contains": "cc"}])
    _check(rules, ["aa bb", "cc"], ["aa", "bb"])


def test_searches_of_one_rule_may_use_several_modifiers() -> None:
    rules = _rules(
        {"words": {"|affirmed": ["outbreak"]}, "place": {"|near": ["north", "town"]}, "code": {"|re": r"\bq\d\b"}},
        "words and (place or code)",
    )
    _check(
        rules,
        ["outbreak in the north of town", "outbreak Q7"],
        ["outbreak", "no outbreak q7", "town north", "outbreak q77"],
    )


# Texts of every shape.


def test_empty_and_missing_texts() -> None:
    assert _fires(_rules(["flood"]), "", None, "flood") == [False, False, True]
    assert _fires(_rules(["flood"], "not words"), "", None, "flood") == [True, True, False]
    assert _rules(["flood"]).match(_frame()).rows() == []


def test_a_null_text_is_an_empty_text() -> None:
    assert _fires(_rules({"|re": "^$"}), None, "", "x") == [True, True, False]


@pytest.mark.parametrize(
    "search", [["b c"], {"|re": "b.c"}, {"|re": r"b\sc"}, {"|re": "b[^x]c"}, {"|re": r"b\Wc"}, ["b?c"], ["b*c"]]
)
def test_no_pattern_reaches_into_the_next_record(search: object) -> None:
    assert _fires(_rules(search), "a b", "c d", "b c") == [False, False, True]


@pytest.mark.parametrize(
    "search", [{"|re": r"(?s)b.c"}, {"|re": r"b\n*c"}, {"|re": r"b[\s\S]*c"}, {"|re": "b(?s:.+)c"}]
)
def test_an_expression_that_takes_line_breaks_stays_in_its_record(search: object) -> None:
    assert _fires(_rules(search), "a b", "c d", "x") == [False, False, False]


def test_near_and_affirmed_stay_in_their_record() -> None:
    assert _fires(_rules({"|near": ["bank", "queue"]}), "a bank", "queue", "bank queue") == [False, False, True]
    assert _fires(_rules({"|affirmed": ["outbreak"]}), "there is no", "outbreak", "drill") == [False, True, False]


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"])
def test_a_text_of_several_lines_is_one_record(line_break: str) -> None:
    text = f"first{line_break}a flood{line_break}third"
    rules = _rules(["flood"])
    assert _fires(rules, "x", text, "flood", text) == [False, True, True, True]
    start = text.index("flood")
    assert rules.spans(0, text) == [(start, start + 5)]
    assert _fires(_rules({"|all": ["first", "third"]}), text) == [True]


def test_words_end_at_line_breaks() -> None:
    _check(_rules({"|word": ["flood"]}), ["a\nflood\nb", "flood\n", "\nflood"], ["a\nfloods"])


@pytest.mark.parametrize("char", list("\x00\x01\x0b\x0c\x1f\x7f\x85\u2028\u2029"))
def test_odd_characters_cut_nothing(char: str) -> None:
    text = f"{char}a flood{char}b"
    assert _fires(_rules(["flood"]), "x", text, "flood") == [False, True, True]
    start = text.index("flood")
    assert _rules(["flood"]).spans(0, text) == [(start, start + 5)]


def test_very_long_lines() -> None:
    line = "x " * 2_000_000 + "flood" + " y" * 1000
    rules = _rules({"|affirmed": ["flood"]})
    started = time.perf_counter()
    assert _fires(rules, "flood", line, "no " + line) == [True, True, True]
    assert rules.match(_frame(line)).rows() == [(0, 0)]
    assert time.perf_counter() - started < 5


def test_many_records() -> None:
    texts = [f"line {i}{' flood' if i % 1000 == 7 else ''}" for i in range(50_000)]
    assert _rules(["flood"]).match(_frame(*texts))["row"].to_list() == list(range(7, 50_000, 1000))


# Linear time.

BLOW_UPS = ["(a+)+$", "(a|aa)+$", "(a*)*b", "((a+)+)+$", "(a|a?)+$", "(.*a){20}", "a*a*a*a*a*a*a*b", "(x+x+)+y"]


@pytest.mark.parametrize("expression", BLOW_UPS)
def test_an_expression_made_to_blow_up_is_linear_or_refused(expression: str) -> None:
    content = {
        "title": "T",
        "logsource": {"category": "text"},
        "detection": {"words": {"|re": expression}, "condition": "words"},
    }
    rules, errors = read_rules(json.dumps(content), "own.yaml")
    if errors:
        assert expression in errors[0].message
        return
    rule_set = RuleSet(rules)
    text = "a" * 200_000 + "!" + "x" * 200_000
    started = time.perf_counter()
    rule_set.match(_frame(text, "a" * 30 + "!"))
    assert time.perf_counter() - started < 2


def test_ten_thousand_alternatives_over_a_megabyte() -> None:
    words = [f"w{i:05d}z" for i in range(10_000)]
    rules = _rules({"|re": "|".join(words)})
    text = "w0000 " * 170_000
    started = time.perf_counter()
    assert _fires(rules, text, text + "w09999z") == [False, True]
    assert time.perf_counter() - started < 2


def test_ten_thousand_keywords_over_a_megabyte() -> None:
    rules = _rules([f"w{i:05d}z" for i in range(10_000)])
    text = "w0000 " * 170_000
    started = time.perf_counter()
    assert _fires(rules, text, text + "w09999z") == [False, True]
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize("search", [{"|near": ["aa", "bb"]}, {"|word": ["aa"]}, ["aa"]])
def test_a_phrase_that_fills_a_megabyte_is_judged_quickly(search: object) -> None:
    started = time.perf_counter()
    assert _fires(_rules(search), "no aa bb " * 110_000) == [True]
    assert time.perf_counter() - started < 5


def test_a_phrase_that_is_taken_back_eight_thousand_times_is_judged_quickly() -> None:
    started = time.perf_counter()
    assert _fires(_rules({"|affirmed": ["aa"]}), "no aa bb " * 8_000) == [False]
    assert time.perf_counter() - started < 2


def test_folding_a_long_text_with_its_places_is_quick() -> None:
    rules = _rules(["flood"])
    started = time.perf_counter()
    assert rules.spans(0, "x" * 300_000 + " flood " + "字" * 100_000) == [(300_001, 300_006)]
    assert rules.spans(0, "a" + "\u0301" * 3_000 + " flood")[0][1] == 3_007
    assert time.perf_counter() - started < 4


def test_a_cue_is_looked_for_in_its_own_clause_only() -> None:
    text = fold("no panic. the outbreak grew")
    start = text.index("outbreak")
    assert not negated(text, (start, start + 8))
    text = fold("no outbreak")
    assert negated(text, (3, 11))


def test_near_gives_the_closest_choice() -> None:
    assert set(near("a b c a", [[(0, 1), (6, 7)], [(4, 5)]], 8) or []) == {(4, 5), (6, 7)}
    assert near("a b", [[(0, 1)], []], 8) is None
