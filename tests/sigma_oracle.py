"""Sigma, read slowly: what a rule says of a text or an event, straight from its YAML.

In: a rule as a dictionary, a text or an event. Out: whether it fires. Nothing of the reader, the patterns or the
matcher is used: conditions, wildcards and modifiers are spelled out in plain Python loops. Only folding (`fold`) and
what stands around a phrase (`affirmed`, `near`) are the project's own, since they have tests of their own.

Also hypothesis strategies for such rules, texts and events.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from forewarn.rules.language.normalise import fold
from forewarn.rules.matching.nearby import affirmed, near

Document = dict[str, Any]
WINDOW = 8
_WORD = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"


def fires(rule: Document, text: str | None = None, event: dict[str, Any] | None = None) -> bool:
    """Whether a rule fires: a text rule on `text`, another rule on `event` (flat, not of Windows)."""
    on_text = rule["logsource"].get("category") == "text"
    if on_text:
        subject: dict[str, Any] = {"text": fold(text or "")}
    elif event is None:
        return False
    else:
        subject = event
        if not any(event.get(field) is not None for field in _fields_used(rule)):
            return False
    conditions = rule["detection"]["condition"]
    return any(
        _condition(rule, condition, subject)
        for condition in (conditions if isinstance(conditions, list) else [conditions])
    )


# Conditions.


def _condition(rule: Document, condition: str, subject: dict[str, Any]) -> bool:
    tokens = _grouped(re.findall(r"[()]|[\w*]+", condition))
    value, rest = _or(tokens, lambda name: _search(rule["detection"][name], rule, subject), _names(rule))
    assert rest == [], rest
    return value


def _grouped(tokens: list[str]) -> list[str]:
    """`1 of x*` as one token."""
    out: list[str] = []
    at = 0
    while at < len(tokens):
        if tokens[at] in ("1", "any", "all") and at + 2 < len(tokens) and tokens[at + 1] == "of":
            out.append(" ".join(tokens[at : at + 3]))
            at += 3
        else:
            out.append(tokens[at])
            at += 1
    return out


def _names(rule: Document) -> list[str]:
    return [name for name in rule["detection"] if name != "condition"]


def _or(tokens: list[str], holds: Any, names: list[str]) -> tuple[bool, list[str]]:
    value, rest = _and(tokens, holds, names)
    while rest and rest[0] == "or":
        other, rest = _and(rest[1:], holds, names)
        value = value or other
    return value, rest


def _and(tokens: list[str], holds: Any, names: list[str]) -> tuple[bool, list[str]]:
    value, rest = _not(tokens, holds, names)
    while rest and rest[0] == "and":
        other, rest = _not(rest[1:], holds, names)
        value = value and other
    return value, rest


def _not(tokens: list[str], holds: Any, names: list[str]) -> tuple[bool, list[str]]:
    first, *rest = tokens
    if first == "not":
        value, rest = _not(rest, holds, names)
        return not value, rest
    if first == "(":
        value, rest = _or(rest, holds, names)
        assert rest[0] == ")", rest
        return value, rest[1:]
    if " of " in first:
        how, _, which = first.split()
        truths = [holds(name) for name in _selected(which, names)]
        return (all(truths) if how == "all" else any(truths)), rest
    return holds(first), rest


def _selected(which: str, names: list[str]) -> list[str]:
    if which == "them":
        return names
    return [name for name in names if re.fullmatch(which.replace("*", ".*"), name)]


def _fields_used(rule: Document) -> set[str]:
    """The fields of the searches that the condition speaks of."""
    conditions = rule["detection"]["condition"]
    used: set[str] = set()
    for condition in conditions if isinstance(conditions, list) else [conditions]:
        for token in _grouped(re.findall(r"[()]|[\w*]+", condition)):
            which = token.split()[-1] if " of " in token else token
            if which in ("(", ")", "and", "or", "not"):
                continue
            for name in _selected(which, _names(rule)):
                used |= set(_fields_of(rule["detection"][name]))
    return used


def _fields_of(search: Any) -> Iterator[str]:
    for part in search if isinstance(search, list) else [search]:
        if isinstance(part, dict):
            yield from (key.split("|")[0] for key in part)


# Searches.


def _search(search: Any, rule: Document, subject: dict[str, Any]) -> bool:
    if isinstance(search, dict):
        return all(_item(key, value, rule, subject) for key, value in search.items())
    parts = search if isinstance(search, list) else [search]
    return any(
        _search(part, rule, subject) if isinstance(part, dict) else _item("", part, rule, subject) for part in parts
    )


def _item(key: str, value: Any, rule: Document, subject: dict[str, Any]) -> bool:
    field, *modifiers = key.split("|")
    values = value if isinstance(value, list) else [value]
    on_text = rule["logsource"].get("category") == "text"
    keyword = field == ""
    held = subject.get(field or "text")
    if "near" in modifiers:
        return held is not None and _near(values, _as_text(held), rule.get("window", WINDOW))
    truths = [_value(one, modifiers, held, subject, on_text=on_text, keyword=keyword) for one in values]
    return all(truths) if "all" in modifiers else any(truths)


def _value(
    value: Any, modifiers: list[str], held: Any, subject: dict[str, Any], *, on_text: bool, keyword: bool
) -> bool:
    """One value of a search against what the field holds."""
    if "exists" in modifiers:
        return (held is not None) == value
    if value is None:
        return held is None
    if held is None:
        return False
    text = _as_text(held)
    if "re" in modifiers:
        flags = re.ASCII | (re.IGNORECASE if on_text or "i" in modifiers else 0)
        return re.search(value, text, flags) is not None
    if "cidr" in modifiers:
        return _inside(text, value)
    for name, test in _COMPARISONS.items():
        if name in modifiers:
            return _is_number(text) and test(float(text), value)
    if "fieldref" in modifiers:
        other = subject.get(value)
        return other is not None and text.lower() == _as_text(other).lower()
    if "word" in modifiers:
        return bool(_phrase(value, text))
    if "affirmed" in modifiers:
        return bool(affirmed(text, _phrase(value, text)))
    pattern = value if isinstance(value, str) else _as_text(value)
    parts = _parts(pattern) if isinstance(value, str) else [*pattern]
    if on_text:
        parts = _folded(parts)
    elif "cased" not in modifiers:
        parts = [part if part in (_MANY, _ONE) else part.lower() for part in parts]
        text = text.lower()
    before = keyword or "contains" in modifiers or "endswith" in modifiers
    after = keyword or "contains" in modifiers or "startswith" in modifiers
    return _like([*([_MANY] if before else []), *parts, *([_MANY] if after else [])], text)


_COMPARISONS = {
    "gt": lambda held, bound: held > bound,
    "gte": lambda held, bound: held >= bound,
    "lt": lambda held, bound: held < bound,
    "lte": lambda held, bound: held <= bound,
}


def _as_text(held: Any) -> str:
    if isinstance(held, bool):
        return str(held).lower()
    return held if isinstance(held, str) else str(held)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?\d+(\.\d+)?", text, re.ASCII) is not None


def _inside(text: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(text) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


# Wildcards.

_MANY, _ONE = "MANY", "ONE"


def _parts(pattern: str) -> list[str]:
    """A Sigma string as single characters and wildcards; a backslash takes a wildcard or a backslash literally."""
    out: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if char == "\\" and at + 1 < len(pattern) and pattern[at + 1] in "*?\\":
            out.append(pattern[at + 1])
            at += 2
            continue
        out.append({"*": _MANY, "?": _ONE}.get(char, char))
        at += 1
    return out


def _folded(parts: list[str]) -> list[str]:
    """Each stretch between wildcards folded as a whole."""
    out: list[str] = []
    stretch = ""
    for part in [*parts, _MANY]:
        if part in (_MANY, _ONE):
            out += [*fold(stretch), part]
            stretch = ""
        else:
            stretch += part
    return out[:-1]


def _like(parts: list[str], text: str) -> bool:
    """Whether the whole text is as the parts say: the places that can be reached, one part after the other."""
    reached = {0}
    for part in parts:
        if part == _MANY:
            reached = set(range(min(reached), len(text) + 1)) if reached else set()
        elif part == _ONE:
            reached = {at + 1 for at in reached if at < len(text)}
        else:
            reached = {at + 1 for at in reached if at < len(text) and text[at] == part}
    return len(text) in reached


# Phrases.


def _phrase(value: str, text: str) -> list[tuple[int, int]]:
    """Where a phrase stands in a text as whole words, from left to right, none over another."""
    parts = _folded(_parts(value))
    spans: list[tuple[int, int]] = []
    at = 0
    while at <= len(text):
        end = _phrase_at(parts, text, at)
        if end is None or end == at:
            at += 1
        else:
            spans.append((at, end))
            at = end
    return spans


def _phrase_at(parts: list[str], text: str, start: int) -> int | None:
    """The end of the longest occurrence that begins at `start`."""
    if parts[0] in _WORD and _is_word(text, start - 1):
        return None
    reached = {start}
    for part in parts:
        if part == _MANY:
            reached = {end for at in reached for end in range(at, len(text) + 1) if _all_words(text[at:end])}
        elif part == _ONE:
            reached = {at + 1 for at in reached if _is_word(text, at)}
        else:
            reached = {at + 1 for at in reached if at < len(text) and text[at] == part}
    ends = [end for end in reached if parts[-1] not in _WORD or not _is_word(text, end)]
    return max(ends, default=None)


def _is_word(text: str, at: int) -> bool:
    return 0 <= at < len(text) and text[at] in _WORD


def _all_words(text: str) -> bool:
    return all(char in _WORD for char in text)


def _near(values: list[str], text: str, window: int) -> bool:
    return near(text, [_phrase(value, text) for value in values], window) is not None


# What hypothesis makes.

WORDS = ["bank", "run", "runs", "Bank", "fire", "503", "7", "q7", "a", "ab", "银行", "挤兑", "行"]
CUES = ["no", "not", "denied", "drill", "没有", "未发现", "演练", "but", "但是", "no evidence of"]
SIGNS = [" ", " ", " ", " ", "", "", "  ", ", ", ". ", ": ", "，", "。", "-", "\t", "\n", "_"]
ODD = ["ｂａｎｋ", "b\u200bank", "bаnk", "BANK", "é", "*", "?", "\\", "(", "$", "银 行", "😀"]

_word = st.sampled_from([*WORDS, *WORDS, *WORDS, *CUES, *CUES, *ODD])
texts = st.lists(st.tuples(_word, st.sampled_from(SIGNS)), max_size=9).map(
    lambda pairs: "".join(word + sign for word, sign in pairs)
)


def _escaped(text: str) -> str:
    return re.sub(r"([*?\\])", r"\\\1", text)


_piece = st.sampled_from([*WORDS, *WORDS, *[_escaped(odd) for odd in ODD]])
_phrases = st.lists(_piece, min_size=1, max_size=2).map(" ".join)
_wild = st.tuples(_piece, st.sampled_from(["*", "?", "* ", ""]), st.sampled_from([*WORDS, ""])).map("".join)
_strings = _phrases | _wild
_wild_words = st.sampled_from(["ban*", "ru?s", "run*", "b*k", "q?", "?ank", "银*", "a*"])
_expressions = st.sampled_from(
    [
        r"b.nk",
        r"^bank",
        r"run$",
        r"\brun\b",
        r"[^a]b",
        r"\d{3}",
        r"银.?行",
        r"a+b?",
        r"(no|not) \w+",
        r"\W7",
        r"q[0-9]$",
        "^$",
    ]
)


def _listed(strategy: st.SearchStrategy[Any], size: int = 3) -> st.SearchStrategy[Any]:
    return st.lists(strategy, min_size=1, max_size=size)


_text_items = st.one_of(
    st.tuples(st.just("|affirmed"), _listed(_phrases | _wild_words)),
    st.tuples(st.just("|word"), _listed(_phrases | _wild_words)),
    st.tuples(
        st.just("|near"),
        st.lists(st.sampled_from(["bank", "run", "7", "银行", "ru?*"]), min_size=2, max_size=3, unique=True),
    ),
    st.tuples(st.just("|all"), _listed(_strings)),
    st.tuples(st.just("|re"), _listed(_expressions, 2)),
    st.tuples(
        st.sampled_from(["text|contains", "text|startswith", "text|endswith", "text|contains|all"]), _listed(_strings)
    ),
)
_text_maps = st.lists(_text_items, min_size=1, max_size=2).map(dict)
_text_searches = (
    _listed(_strings | st.sampled_from([7, 503])) | _text_maps | st.lists(_text_maps, min_size=1, max_size=2)
)

SEARCHES = ["words", "word_two", "word_three", "other"]
_leaves = st.sampled_from(
    ["words", "word_two", "word_three", "other", "1 of word*", "all of word*", "1 of them", "all of them"]
)
_conditions = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        inner.map(lambda part: f"not {part}" if " " not in part or " of " in part[:8] else f"not ({part})"),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
            lambda parts: f"({parts[0]}) {parts[1]} {parts[2]}"
        ),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda parts: f"{parts[0]} {parts[1]} {parts[2]}"),
    ),
    max_leaves=5,
)


def _rule(searches: st.SearchStrategy[Any], logsource: dict[str, str]) -> st.SearchStrategy[Document]:
    return st.builds(
        lambda made, condition, window: {
            "title": "T",
            "logsource": logsource,
            "window": window,
            "detection": {**dict(zip(SEARCHES, made, strict=True)), "condition": condition},
        },
        st.tuples(*[searches] * len(SEARCHES)),
        _conditions,
        st.sampled_from([1, 2, 3, WINDOW]),
    )


def _plain(searches: st.SearchStrategy[Any], logsource: dict[str, str]) -> st.SearchStrategy[Document]:
    """Rules of one search, with a window of their own or without one."""
    return st.builds(
        lambda search, window: {
            "title": "T",
            "logsource": logsource,
            "detection": {"words": search, "condition": "words"},
            **window,
        },
        searches,
        st.sampled_from([{}, {"window": 2}, {"window": 3}]),
    )


text_rules = _rule(_text_searches, {"category": "text"}) | _plain(_text_maps, {"category": "text"})

FIELDS = ["a", "b", "user.name"]
_field_values = st.sampled_from(
    [
        "bank",
        "Bank run",
        "x bank",
        "7",
        "503",
        "",
        "10.1.2.3",
        "11.0.0.1",
        "银行",
        "银行x",
        "a*b",
        "a\\b",
        "a\nb",
        "É",
        "no",
    ]
)
events = st.dictionaries(st.sampled_from(FIELDS), _field_values | st.sampled_from([7, 503, -1, 1.5, True, False, None]))


_whole = st.sampled_from(
    [
        "bank",
        "BANK*",
        "*bank",
        "ba?k",
        "?*",
        "*",
        "",
        "银*",
        r"a\*b",
        "a\\b",
        "a*b",
        "é",
        "7",
        "10.*",
        7,
        503,
        -1,
        1.5,
        True,
        None,
    ]
)
_fields = st.sampled_from(FIELDS)
_event_items = st.one_of(
    st.tuples(_fields, _listed(_whole)),
    st.tuples(_fields.map(lambda f: f"{f}|contains"), _listed(st.sampled_from(["an", "run", "行", "\\", "7", "É"]))),
    st.tuples(_fields.map(lambda f: f"{f}|contains|all"), _listed(st.sampled_from(["a", "n", "k"]))),
    st.tuples(_fields.map(lambda f: f"{f}|startswith"), _listed(st.sampled_from(["ba", "X ", "银", "1"]))),
    st.tuples(_fields.map(lambda f: f"{f}|endswith"), _listed(st.sampled_from(["nk", "RUN", "x", "1"]))),
    st.tuples(_fields.map(lambda f: f"{f}|cased"), _listed(st.sampled_from(["bank", "Bank*", "BANK"]))),
    st.tuples(_fields.map(lambda f: f"{f}|re"), _listed(st.sampled_from(["^b", "K$", "a.b", r"^\d+$", "银", "^$"]), 2)),
    st.tuples(_fields.map(lambda f: f"{f}|re|i"), _listed(st.sampled_from(["^B", "K$"]), 2)),
    st.tuples(_fields.map(lambda f: f"{f}|cidr"), _listed(st.sampled_from(["10.0.0.0/8", "11.0.0.0/24"]), 2)),
    st.tuples(
        st.tuples(_fields, st.sampled_from(["gt", "gte", "lt", "lte"])).map("|".join), st.sampled_from([7, 0, 100, 1.5])
    ),
    st.tuples(_fields.map(lambda f: f"{f}|exists"), st.booleans()),
    st.tuples(_fields.map(lambda f: f"{f}|fieldref"), _fields),
)
_event_maps = st.lists(_event_items, min_size=1, max_size=2).map(dict)
_event_searches = _event_maps | st.lists(_event_maps, min_size=1, max_size=2)
event_rules = _rule(_event_searches, {"category": "webserver"}) | _plain(_event_maps, {"category": "webserver"})
