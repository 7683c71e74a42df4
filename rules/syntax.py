"""What an expression needs, and a looser form of it that compiles in no time.

In: an expression in RE2's syntax. Out: how much text every match of it has to hold, whether it can reach over a line
break, and an expression for Hyperscan that matches wherever it does. Nothing is matched here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from forewarn.rules.rule import escape

_COUNTED = re.compile(r"\{(\d{1,5})(?:(,)(\d{0,5}))?\}")
_ESCAPED = re.compile(
    r"\\(?:x\{([0-9A-Fa-f]{1,6})\}|x([0-9A-Fa-f]{2})|([0-7]{1,3})|p\{\^?\w+\}|P\{\^?\w+\}|[pP]\w|Q|.)", re.DOTALL
)
_GROUP = re.compile(r"\(\?(?:P?<\w+>|[imsU-]*:|[imsU-]*\))")
_CONTROL = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "a": "\a"}
_CLASSES_WITH_BREAK = "sDWC"
_FEW = 3
"""Repetitions that are kept as they are: Hyperscan unrolls counted ones, and a few `.{0,100}` among 300 expressions
took it five minutes."""
_LARGE = 5_000
"""Positions from which on Hyperscan is not asked at all."""


@dataclass(frozen=True)
class Syntax:
    """What is known of an expression.

    `loose` matches wherever the expression does; `exact` says that it matches nowhere else, on one line. `weight` is
    about the number of letters that every match holds in one piece; `empty` that it matches the empty text.
    """

    loose: str
    exact: bool
    weight: float
    empty: bool
    large: bool


@dataclass(frozen=True)
class _Part:
    """A piece of an expression.

    `text` its loose form; `weight` of the best piece inside; `run` the plain characters that it is, where it is plain;
    `empty` whether it matches the empty text; `exact` whether the loose form is the piece itself; `size` its positions;
    `crosses` whether it can match a line break; `rest` what of it is needed at an end of the expression, where it is a
    repetition and more of it changes nothing.
    """

    text: str
    weight: float = 0.0
    run: str | None = None
    empty: bool = False
    exact: bool = True
    size: int = 1
    crosses: bool = False
    rest: _Part | None = None


class _Unknown(Exception):
    """Syntax that is not known here."""


def weight(text: str) -> float:
    """How much a plain text narrows down what holds it: letters count one, Chinese characters more, signs less."""
    return sum((1.0 if char.isalpha() else 0.6 if char.isdigit() else 0.4) if char.isascii() else 2.5 for char in text)


@lru_cache(maxsize=16_384)
def syntax(expression: str) -> Syntax:
    """What is known of an expression; of one in unknown syntax, that it may match anything anywhere."""
    try:
        reader = _Reader(expression)
        part = reader.alternatives(0)
        if reader.at < len(expression):
            raise _Unknown
    except (_Unknown, RecursionError):
        return Syntax(expression, False, 0.0, True, True)
    exact = part.exact and not part.crosses and not reader.flagged
    return Syntax(part.text, exact, part.weight, part.empty, part.size > _LARGE)


class _Reader:
    """Reads an expression from left to right, once."""

    def __init__(self, expression: str) -> None:
        self.expression = expression
        self.at = 0
        self.flagged = False
        """Whether flags inside the expression change what `.`, `^` and `$` mean."""

    def alternatives(self, depth: int) -> _Part:
        if depth > 50:
            raise _Unknown
        branches = [self._sequence(depth)]
        while self._next("|"):
            branches.append(self._sequence(depth))
        if len(branches) == 1:
            return branches[0]
        return _Part(
            "|".join(branch.text for branch in branches),
            min(branch.weight for branch in branches),
            empty=any(branch.empty for branch in branches),
            exact=all(branch.exact for branch in branches),
            size=sum(branch.size for branch in branches),
            crosses=any(branch.crosses for branch in branches),
        )

    def _sequence(self, depth: int) -> _Part:
        parts: list[_Part] = []
        while self.at < len(self.expression) and self.expression[self.at] not in "|)":
            parts += self._repeated(depth)
        if depth == 0:
            parts = _without_ends(parts)
        best, run = 0.0, ""
        for part in parts:
            run = run + part.run if part.run is not None else ""
            best = max(best, weight(run), part.weight)
        return _Part(
            "".join(part.text for part in parts),
            best,
            empty=all(part.empty for part in parts),
            exact=all(part.exact for part in parts),
            size=sum(part.size for part in parts),
            crosses=any(part.crosses for part in parts),
        )

    def _repeated(self, depth: int) -> list[_Part]:
        literal, items = self.expression.startswith("\\Q", self.at), self._item(depth)
        if literal or not items:
            return items
        part = items[-1]
        while (found := self._repetition()) is not None:
            part = _repeat(part, *found)
        return [*items[:-1], part]

    def _repetition(self) -> tuple[int, int | None] | None:
        """How often the last item is repeated, at least and at most; None where it is not."""
        if self._next("*"):
            bounds: tuple[int, int | None] = (0, None)
        elif self._next("+"):
            bounds = (1, None)
        elif self._next("?"):
            bounds = (0, 1)
        elif counted := _COUNTED.match(self.expression, self.at):
            self.at = counted.end()
            low = int(counted[1])
            bounds = (low, low if not counted[2] else int(counted[3]) if counted[3] else None)
        else:
            return None
        self._next("?")  # Lazy or greedy makes no difference to whether it matches.
        return bounds

    def _item(self, depth: int) -> list[_Part]:
        char = self.expression[self.at]
        if char == "(":
            return [self._group(depth)]
        if char == "[":
            return [self._class()]
        if char == "\\":
            return self._escape()
        self.at += 1
        if char == ".":
            return [_Part(".")]
        if char in "^$":
            return [_Part(char, empty=True)]
        if char in "*+?)":
            raise _Unknown
        return [_plain(char)]

    def _group(self, depth: int) -> _Part:
        opening = _GROUP.match(self.expression, self.at)
        if opening is None and self.expression.startswith("(?", self.at):
            raise _Unknown
        head = opening[0] if opening else "("
        self.at += len(head)
        if head.startswith("(?") and "<" not in head:
            letters = head.strip("(?:)")
            self.flagged |= bool(set(letters) & set("ms-"))
            if head.endswith(")"):
                return _Part(head, empty=True)
            opened = head
        else:
            opened = "(?:"
        inner = self.alternatives(depth + 1)
        if not self._next(")"):
            raise _Unknown
        return replace(inner, text=f"{opened}{inner.text})")

    def _class(self) -> _Part:
        start = self.at
        self.at += 1
        crosses = self._next("^")
        first, low = True, ""
        while self.at < len(self.expression) and (first or self.expression[self.at] != "]"):
            first = False
            if self.expression.startswith("[:", self.at):
                end = self.expression.find(":]", self.at)
                if end < 0:
                    raise _Unknown
                crosses |= self.expression[self.at + 2] == "^" or "space" in self.expression[self.at : end]
                crosses |= "cntrl" in self.expression[self.at : end]
                self.at, low = end + 2, ""
                continue
            if self.expression[self.at] == "-" and low and not self.expression.startswith("-]", self.at):
                self.at += 1
                high, _ = self._class_char()
                crosses |= low <= "\n" <= (high or "\U0010ffff")
                low = ""
                continue
            low, any_break = self._class_char()
            crosses |= any_break or low == "\n"
        if not self._next("]"):
            raise _Unknown
        return _Part(self.expression[start : self.at], crosses=crosses)

    def _class_char(self) -> tuple[str, bool]:
        """A character of a class (empty for a named class such as `\\d`), and whether that can be a line break."""
        char = self.expression[self.at]
        if char != "\\":
            self.at += 1
            return char, False
        read, text = self._escaped()
        return read or "", read is None and text[1] in _CLASSES_WITH_BREAK + "pP"

    def _escaped(self) -> tuple[str | None, str]:
        """The character that an escape stands for (None for a class or an assertion), and the escape itself."""
        found = _ESCAPED.match(self.expression, self.at)
        if found is None:
            raise _Unknown
        self.at = found.end()
        code = found[1] or found[2]
        if code:
            return chr(int(code, 16)), found[0]
        if found[3]:
            return chr(int(found[3], 8)), found[0]
        char = found[0][1]
        if char in _CONTROL:
            return _CONTROL[char], found[0]
        return (None if char.isalnum() else char), found[0]

    def _escape(self) -> list[_Part]:
        char, text = self._escaped()
        if text == "\\Q":
            end = self.expression.find("\\E", self.at)
            inner = self.expression[self.at : end if end >= 0 else None]
            self.at = end + 2 if end >= 0 else len(self.expression)
            return [_plain(letter) for letter in inner]
        if char is not None:
            return [_plain(char, text)]
        if text in ("\\b", "\\B"):
            return [_Part(text, empty=True)]
        if text in ("\\A", "\\z"):  # One value is one line of a block.
            anchor = "^" if text == "\\A" else "$"
            return [_Part(anchor, empty=True)]
        return [_Part(text, crosses=text[1] in _CLASSES_WITH_BREAK + "pP")]

    def _next(self, text: str) -> bool:
        there = self.expression.startswith(text, self.at)
        self.at += len(text) if there else 0
        return there


def _plain(char: str, text: str | None = None) -> _Part:
    return _Part(escape(char) if text is None else text, weight(char), run=char, crosses=char == "\n")


def _repeat(part: _Part, low: int, high: int | None) -> _Part:
    few, most = min(low, _FEW), high if high is not None and high <= _FEW else None
    if (few, most) == (1, 1):
        text = part.text
    elif (few, most) in ((0, None), (1, None), (0, 1)):
        text = f"{part.text}{'?' if most else '+' if few else '*'}"
    else:
        text = f"{part.text}{{{few},{'' if most is None else most}}}"
    if low == 0:
        rest = _Part("", empty=True)
    else:
        times = "" if few == 1 else f"{{{few}}}"
        rest = replace(part, text=f"{part.text}{times}", exact=part.exact and few == low, size=part.size * few)
    return _Part(
        text,
        part.weight if low else 0.0,
        empty=part.empty or low == 0,
        exact=part.exact and (few, most) == (low, high),
        size=part.size * max(few, most or 0, 1),
        crosses=part.crosses,
        rest=rest,
    )


def _without_ends(parts: list[_Part]) -> list[_Part]:
    """The sequence without the repetitions at its ends that make no difference to whether it matches."""
    kept = list(parts)
    for end in (0, -1):
        while kept and (rest := kept[end].rest) is not None:
            if rest.text:
                kept[end] = rest
                break
            kept.pop(end)
    return kept
