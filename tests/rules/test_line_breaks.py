"""Line breaks in texts are line breaks: for expressions, for phrases, in whatever block the texts stand."""

from __future__ import annotations

import json
import re

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forewarn.rules import RuleSet
from forewarn.rules.language.reading import read_rules


def _rules(*searches: dict[str, object]) -> RuleSet:
    documents = [
        {"title": f"T{at}", "id": str(at), "logsource": {"category": "text"}}
        | {"detection": {"s": search, "condition": "s"}}
        for at, search in enumerate(searches)
    ]
    content = "\n---\n".join(
        json.dumps({**one, "id": f"0000000{at}-0000-4000-8000-000000000000"}) for at, one in enumerate(documents)
    )
    rules, errors = read_rules(content, "own.yaml")
    assert errors == []
    return RuleSet(rules)


def _fires(rules: RuleSet, texts: list[str]) -> set[tuple[int, int]]:
    frame = pl.DataFrame({"text": texts, "raw": [None] * len(texts)}, schema={"text": pl.String, "raw": pl.String})
    return set(rules.match(frame).rows())


@pytest.mark.parametrize(
    ("search", "text", "fires"),
    [
        ({"text|re": "a\\nb"}, "a\nb", True),
        ({"text|re": "a\\nb"}, "a\rb", False),
        ({"text|re": "a\\rb"}, "a\nb", False),
        ({"text|re": "a\\r\\nb"}, "a\r\nb", True),
        ({"text|re": "a.b"}, "a\nb", False),
        ({"text|re": "a.b"}, "a\rb", True),
        ({"text|re|s": "a.b"}, "a\nb", True),
        ({"text|re": "a[^x]b"}, "a\nb", True),
        ({"text|re": "a[^\\n]b"}, "a\nb", False),
        ({"text|re": "a[^\\r]b"}, "a\nb", True),
        ({"text|re": "a[\\n]b"}, "a\nb", True),
        ({"text|re": "a\\x0ab"}, "a\nb", True),
        ({"text|re": "^b"}, "a\nb", False),
        ({"text|re|m": "^b"}, "a\nb", True),
        ({"text|re": "a$"}, "a\nb", False),
        ({"text|re|m": "a$"}, "a\nb", True),
        ({"text|re": "b$"}, "a\nb\n", True),
        ({"text|contains": "a\nb"}, "xa\nby", True),
        ({"text|contains": "a\nb"}, "xa\rby", False),
        ({"text|contains": "a*b"}, "a x\n\n b", True),
        ({"text|contains": "\\x0a"}, "write \\x0a here", True),
        ({"text|contains": "\\x0a"}, "a\nb", False),
        ({"text|startswith": "b"}, "a\nb", False),
        ({"text|endswith": "a"}, "a\nb", False),
        ({"text|word": "two words"}, "two words\nand more", True),
    ],
)
def test_a_line_break_is_one(search: dict[str, object], text: str, fires: bool) -> None:
    rules = _rules(search, {"text|re": "zz[0-9]\\nq"})
    assert _fires(rules, ["no", text, "zz1 q", "zz1\nq"]) == ({(1, 0)} if fires else set()) | {(3, 1)}
    assert rules.explain(0, text).holds is fires


def test_places_in_a_text_of_several_lines_are_where_they_stand() -> None:
    text = "First line\nthe DAM wall\nlast"
    rules = _rules({"text|contains": "dam wall"})
    assert [text[start:end] for start, end in rules.spans(0, text)] == ["DAM wall"]


PARTS = ["a", "b", ".", "\\n", "\\r", "[^a]", "[ab\\n]", "\\s", "\\S", "^", "$", "a*", "(?:b|\\n)", "1"]


@given(
    st.lists(st.sampled_from(PARTS), min_size=1, max_size=5).map("".join),
    st.sampled_from(["", "|s", "|m", "|m|s"]),
    st.lists(st.text("ab\n\r1 ", max_size=6), min_size=1, max_size=6),
)
@settings(deadline=None, max_examples=150)
def test_expressions_mean_what_pythons_mean(expression: str, modifiers: str, texts: list[str]) -> None:
    flags = (re.DOTALL if "s" in modifiers else 0) | (re.MULTILINE if "m" in modifiers else 0)
    # Runs of blanks are folded to one before any rule looks, and letters to small ones.
    folded = [re.sub(" {2,}", " ", text) for text in texts]
    expected = {(row, 0) for row, text in enumerate(folded) if re.search(expression, text, flags | re.ASCII)}
    assert _fires(_rules({f"text|re{modifiers}": expression}), texts) == expected
