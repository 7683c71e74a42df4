"""What stands around a phrase: whether it is negated, and whether several phrases stand close together.

In: one folded text and where phrases occur in it. Out: which occurrences count. The cues of negation stand in
`negation.yaml`, which an expert can read and edit. Called for candidates only, once for each distinct text.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

import yaml

from forewarn.rules.language.normalise import fold

Span = tuple[int, int]
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_HAN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
# Texts are folded, so that Chinese punctuation stands here as its Latin form, but for the full stop.
_H = r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"
_CLAUSE_END = re.compile(
    rf"[.;!?](?=\s|$|{_H})|[。\r\n]|,\s?(?=but\b|however\b|yet\b|但|不过|然而|却)|\bbut\b|\bhowever\b|但是|然而"
)
_NARROW_END = re.compile(rf":(?=\s|{_H})|\s[-–—]\s|—|(?<={_H}),")


@dataclass(frozen=True)
class Cues:
    """The cues of negation, compiled, and how far each side reaches in words and in Chinese characters."""

    narrow: Any
    before: Any
    after: Any
    before_words: int
    after_words: int
    before_characters: int
    after_characters: int
    words: tuple[str, ...]


@lru_cache(maxsize=1)
def cues() -> Cues:
    """The cues of `negation.yaml`."""
    text = resources.files("forewarn.rules.matching").joinpath("negation.yaml").read_text("utf-8")
    read = yaml.load(text, Loader=yaml.CSafeLoader)
    return Cues(
        _either(read["narrow"]),
        _either(read["before"]),
        _either(read["after"]),
        read["before_window"],
        read["after_window"],
        read["before_characters"],
        read["after_characters"],
        tuple(fold(str(cue)) for cue in [*read["narrow"], *read["before"], *read["after"]]),
    )


def _either(words: Sequence[str]) -> Any:
    import re2

    ordered = sorted((fold(str(word)) for word in words), key=len, reverse=True)
    return re2.compile("|".join(_cue(word) for word in ordered))


def _cue(word: str) -> str:
    escaped = re.escape(word)
    left = r"\b" if re.match(r"[a-z]", word) and word != "n't" else ""
    right = r"\b" if re.search(r"[a-z]$", word) else ""
    return f"{left}{escaped}{right}"


def affirmed(text: str, spans: Sequence[Span]) -> list[Span]:
    """The occurrences of a phrase in a folded text that no cue takes back."""
    known: dict[tuple[str, str], bool] = {}
    standing = []
    for span in spans:
        around = _clause(text, span)
        if around not in known:
            known[around] = _taken_back(*around)
        if not known[around]:
            standing.append(span)
    return standing


def negated(text: str, span: Span) -> bool:
    """Whether a cue stands close enough before or after the phrase, in its own clause."""
    return _taken_back(*_clause(text, span))


def _clause(text: str, span: Span) -> tuple[str, str]:
    """What stands before and after a phrase in its clause."""
    start, end = span
    # A sentence is long enough at 400 characters; a log line of megabytes must not be walked for each phrase.
    earlier = text[max(0, start - 400) : start]
    clause_start = 0
    for found in _CLAUSE_END.finditer(earlier):
        clause_start = found.end()
    later = text[end : end + 400]
    clause_end = _CLAUSE_END.search(later)
    return earlier[clause_start:], later[: clause_end.start()] if clause_end else later


def _taken_back(before: str, after: str) -> bool:
    known = cues()
    for expression, stop in ((known.narrow, _NARROW_END), (known.before, None)):
        ends = [found.end() for found in expression.finditer(before)]
        # Where the nearest cue does not reach, no farther one does.
        between = before[ends[-1] :] if ends else ""
        close = ends and _close(between, known.before_words, known.before_characters)
        if close and not (stop and stop.search(between)):
            return True
    found = known.after.search(after)
    if found is None or not _close(after[: found.start()], known.after_words, known.after_characters):
        return False
    # "an outbreak, not a drill": a cue that is itself taken back takes nothing back.
    between = after[: found.start()]
    return known.narrow.search(between) is None and "不是" not in between


def _close(between: str, words: int, characters: int) -> bool:
    return len(_HAN.findall(between)) <= characters and len(_WORD.findall(_HAN.sub(" ", between))) <= words


def near(text: str, occurrences: Sequence[Sequence[Span]], window: int) -> list[Span] | None:
    """The closest choice of one occurrence of each phrase that fits in `window` words, or None.

    In Chinese, two and a half characters count as a word (8 words, 20 characters).
    """
    if not all(occurrences):
        return None
    starts = [found.start() for found in _WORD.finditer(_HAN.sub(" ", text))]
    han = [found.start() for found in _HAN.finditer(text)]

    def width(low: int, high: int) -> float:
        words = bisect_left(starts, high) - bisect_left(starts, low)
        return words + (bisect_left(han, high) - bisect_left(han, low)) / 2.5

    merged = sorted((span, phrase) for phrase, spans in enumerate(occurrences) for span in spans)
    latest: dict[int, Span] = {}
    best, narrowest = None, len(text) + 1
    for span, phrase in merged:
        latest[phrase] = span
        if len(latest) < len(occurrences):
            continue
        low, high = min(start for start, _ in latest.values()), max(end for _, end in latest.values())
        if width(low, high) <= window and high - low < narrowest:
            best, narrowest = [latest[phrase] for phrase in range(len(occurrences))], high - low
    return best
