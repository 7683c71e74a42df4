"""Patterns that do not tell digits apart: they never miss what the pattern itself finds."""

from __future__ import annotations

import polars as pl
import pytest
import re2
from hypothesis import example, given
from hypothesis import strategies as st

from forewarn.rules import load_rules
from forewarn.rules.language.rule import Pattern
from forewarn.rules.matching.digits import blinded


@pytest.mark.parametrize(
    ("expression", "expected", "asks"),
    [
        ("error", "error", False),
        (r"\d+ errors?", r"\d+ errors?", False),
        ("[0-9a-f]{8,16}", "[0-9a-f]{8,16}", False),
        (r"[^\n]{0,40}x", r"[^\n]{0,40}x", False),
        ("0 failed", "0 failed", True),
        ("HTTP 5[0-9]{2}", "HTTP 0[0-9]{2}", True),
        ("[4-6]x", "(?:[4-6]|0)x", True),
        ("[^0]x", "(?:[^0]|0)x", True),
        (r"\x35", r"(?:\x35|0)", True),
        (r"(?P<n1>7)\.8", r"(?P<n1>0)\.0", True),
        (r"[[:digit:]]\]9", r"[[:digit:]]\]0", True),
        (r"a{2}9{3,}", r"a{2}0{3,}", True),
    ],
)
def test_every_digit_that_is_asked_for_may_be_0(expression: str, expected: str, asks: bool) -> None:
    made, found = blinded(Pattern(expression))
    assert (made.expression, found) == (expected, asks)


PIECES = ["a", "0", "1", "7", r"\d", r"\D", r"\w", r"\W", ".", "[0-9]", "[1-3]", "[^5]", "[^0-9]", "[a-f0-4]", r"\x31"]
PIECES += [r"\b", "(?:1|a)", "[!-2]", "[[:alnum:]]", "[^a1]", "%2[57]"]


@given(
    st.lists(
        st.tuples(st.sampled_from(PIECES), st.sampled_from(["", "?", "*", "{2}", "{1,3}"])), min_size=1, max_size=5
    ),
    st.text("0123579a %f!", max_size=12),
)
@example([("1", "")], "1")
def test_a_blinded_pattern_finds_whatever_the_pattern_finds(pieces: list[tuple[str, str]], text: str) -> None:
    expression = "".join(f"(?:{piece}){often}" for piece, often in pieces)
    made, asks = blinded(Pattern(expression))
    alike = "".join("0" if letter.isdigit() else letter for letter in text)
    if re2.search(expression, text):
        assert re2.search(made.expression, alike)
    if not asks:
        assert bool(re2.search(expression, text)) == bool(re2.search(expression, alike))


def test_lines_that_differ_in_digits_alone_are_still_told_apart_where_a_rule_does(tmp_path) -> None:
    (tmp_path / "rule.yml").write_text(
        """
title: Failures
id: 1f0c9f1e-0c55-4d0a-9d0f-0a6f2f0b6a11
logsource: {category: text}
detection:
  failed: [failed]
  none: [0 failed]
  zero: {'|re': 'failed: 0+$'}
  condition: failed and not none and not zero
level: high
""",
        "utf-8",
    )
    rules = load_rules([tmp_path])
    assert not rules.problems
    lines = ["0 failed", "1 failed", "10 failed", "failed: 0", "failed: 00", "failed: 7", "failed"]
    records = pl.DataFrame({"text": lines, "raw": [None] * len(lines)}, schema={"text": pl.String, "raw": pl.String})
    assert rules.match(records)["row"].to_list() == [1, 5, 6]
