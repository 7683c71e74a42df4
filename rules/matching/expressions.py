"""Many expressions over many values at once.

In: patterns, a column of values. Out: which pattern occurs in which row. Hyperscan scans the values as one block, a
value a line, or each apart; where it has no wheel, or cannot take an expression, RE2 does the same, slower. Time is
linear in the input. RE2's answer is the right one; where Hyperscan may say more, RE2 is asked.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.rules.language.rule import Pattern
from forewarn.rules.matching.dialects import compiled, for_hyperscan, hyperscan_flags, in_re2, left_to_re2, loosened

Integers = NDArray[np.int64]
_LONG = 600
_MANY = 8
"""Patterns that may occur anywhere in a value, from which a scan of its own is worth its 2 µs (docs/decisions.md)."""
_MAY_CROSS = re.compile(r"\[\^|\\[sWD]|\\x0[ad]|\\[nr]|\[\[:")
"""What can match a line break, so that a hit has to be checked on its own line."""
_MAY_DIFFER = re.compile(r"\\[^dDwWtrnf\W]|\[\[?:|\(\?")
"""What the two may not take for the same: classes of blanks, words' ends, flags; the rest is letter by letter."""
_AS_LONG_AS = re.compile(r"\^?\(?(?:\.|\[[^\]\\]+\])\)?\{(\d+)(?:,\d*)?\}\$?")
"""An expression that asks only for so many characters of a kind."""


_EDGE = {"": 0, "word": 1, "line": 2}
_BREAKS = np.ones(256, dtype=np.int8)
"""How much each byte ends: 0 the inside of a word, 1 a word, 2 a line."""
_BREAKS[np.frombuffer(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz", dtype=np.uint8)] = 0
_BREAKS[ord("\n")] = 2


class Expressions:
    """A set of patterns, compiled once.

    `state` is what `compiled()` gave for the same patterns; with it, nothing is compiled. `apart`: the values are
    scanned one by one, and what occurs in one again and again is found once, where at least `many` patterns may occur
    so. Values with a line break are always scanned apart, but for `texts`: those are scanned as if on one line, for
    more than there may be, and RE2 is asked.
    """

    def __init__(
        self,
        patterns: Sequence[Pattern],
        state: bytes | None = None,
        *,
        apart: bool = False,
        texts: bool = False,
        many: int = _MANY,
    ) -> None:
        self.patterns = list(patterns)
        self._always = [i for i, p in enumerate(self.patterns) if p.expression == ""]
        self._empty = [i for i, p in enumerate(self.patterns) if p.expression == "^$" and not p.written]
        special = {*self._always, *self._empty}
        self._ids = [i for i in range(len(self.patterns)) if i not in special]
        anywhere = [i for i in self._ids if not self.patterns[i].expression.startswith("^")]
        self._apart = apart and sum(self.patterns[i].edges == ("", "") for i in anywhere) >= many
        doubtful = _differs if self._apart else _may_cross
        self._check = np.array([doubtful(pattern) for pattern in self.patterns], dtype=bool)
        self._written = np.array([pattern.written for pattern in self.patterns], dtype=bool)
        self._least = np.array([_least(p.expression) if p.written else 0 for p in self.patterns], dtype=np.int64)
        # A literal that has to end a word or a line is found as it is, and its ends are looked at afterwards.
        edges = [p.edges if p.literal is not None else ("", "") for p in self.patterns]
        self._edges = np.array([[_EDGE[edge] for edge in pair] for pair in edges], dtype=np.int8).reshape(-1, 2)
        self._bytes = np.array([len((p.literal or "").encode()) for p in self.patterns], dtype=np.int64)
        self._own = threading.local()
        self._of_lines: Expressions | None = None
        self._texts = texts
        self._database, self._slow = _database(self.patterns, self._ids, state, self._apart)

    def compiled(self) -> bytes:
        """The compiled form, to be kept and given back as `state`."""
        import hyperscan

        database = b"" if self._database is None else bytes(hyperscan.dumpb(self._database))
        return msgspec.msgpack.encode((self._slow, database))

    @property
    def slow(self) -> list[int]:
        """The patterns that Hyperscan cannot take and RE2 matches."""
        return self._slow

    def hits(self, values: pl.Series) -> tuple[Integers, Integers]:
        """Where patterns occur: rows and pattern numbers, each of shape (k,), sorted by pattern, then row, no doubles.

        `values` is a String series of length n; a null holds nothing.
        """
        if values.is_empty():
            return np.empty(0, np.int64), np.empty(0, np.int64)
        lines = values.str.contains("\n", literal=True).fill_null(False).to_numpy()
        if lines.any() and not self._apart and not self._texts:
            return self._hits_with_lines(values, lines)
        present = np.flatnonzero(values.is_not_null().to_numpy())
        filled = values.fill_null("")
        scan = self._scan_apart if self._apart else self._scan
        scanned = filled.str.replace_all("\n", "\r", literal=True) if self._texts and lines.any() else filled
        found = [scan(scanned)] if self._database is not None else []
        found += [_search(self.patterns[i], i, filled) for i in self._slow]
        found += [(present, np.full(len(present), i)) for i in self._always]
        if self._empty:
            empty = np.flatnonzero((values == "").fill_null(False).to_numpy())
            found += [(empty, np.full(len(empty), i)) for i in self._empty]
        if not found:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        rows = np.concatenate([r for r, _ in found])
        ids = np.concatenate([i for _, i in found])
        if len(present) < len(values):
            held = values.is_not_null().to_numpy()[rows]
            rows, ids = rows[held], ids[held]
        rows, ids = _sorted(rows, ids, len(values))
        return self._on_their_own_line(filled, rows, ids, lines)

    def _hits_with_lines(self, values: pl.Series, lines: NDArray[np.bool_]) -> tuple[Integers, Integers]:
        """The same where some values have line breaks: those are scanned by expressions for values apart."""
        if self._of_lines is None:
            self._of_lines = Expressions(self.patterns, apart=True, many=0)
        parts = []
        for own, expressions in ((np.flatnonzero(~lines), self), (np.flatnonzero(lines), self._of_lines)):
            rows, ids = expressions.hits(values.gather(own))
            parts.append((own[rows], ids))
        return _sorted(np.concatenate([r for r, _ in parts]), np.concatenate([i for _, i in parts]), len(values))

    def _scan(self, values: pl.Series) -> tuple[Integers, Integers]:
        block = values.str.join("\n").cast(pl.Binary).item() or b""
        ends_of_lines = np.cumsum(values.str.len_bytes().to_numpy().astype(np.int64) + 1)
        ids: list[int] = []
        ends: list[int] = []
        add_id, add_end = ids.append, ends.append

        def on_match(number: int, _start: int, end: int, _flags: int, _context: Any) -> None:
            add_id(number)
            add_end(end)

        self._database.scan(block, match_event_handler=on_match, scratch=self._scratch())
        number, end = np.asarray(ids, dtype=np.int64), np.asarray(ends, dtype=np.int64)
        keep = self._at_their_edges(block, number, end)
        rows = np.searchsorted(ends_of_lines, end[keep], side="right")
        # An empty match at the end of a line that ends the block lies one past the last row.
        return np.minimum(rows, len(values) - 1), number[keep]

    def _scratch(self) -> Any:
        """What Hyperscan writes into while it scans: one for each thread."""
        import hyperscan

        if not hasattr(self._own, "scratch"):
            self._own.scratch = hyperscan.Scratch(self._database)
        return self._own.scratch

    def _at_their_edges(self, block: bytes, number: Integers, end: Integers) -> NDArray[np.bool_]:
        """Which of k matches in values, one a line, end and begin where their patterns ask for it: bool (k,)."""
        letters = np.frombuffer(block + b"\n", dtype=np.uint8)
        # letters[-1] is the line end added above: what stands before the block.
        keep = _BREAKS[letters[end - self._bytes[number] - 1]] >= self._edges[number, 0]
        keep &= _BREAKS[letters[end]] >= self._edges[number, 1]
        return np.asarray(keep)

    def _scan_apart(self, values: pl.Series) -> tuple[Integers, Integers]:
        ids: list[int] = []
        ends: list[int] = []
        counts = [0]
        add_id, add_end = ids.append, ends.append

        def on_match(number: int, _start: int, end: int, _flags: int, _context: Any) -> None:
            add_id(number)
            add_end(end)

        # The calls of a loop are the cost here: names are looked up once.
        scan, count = self._database.scan, counts.append
        texts = values.cast(pl.Binary).to_list()
        for text in texts:
            scan(text, match_event_handler=on_match)
            count(len(ids))
        number = np.asarray(ids, dtype=np.int64)
        rows = np.repeat(np.arange(len(texts)), np.diff(counts))
        sizes = values.str.len_bytes().to_numpy().astype(np.int64)
        starts = np.cumsum(sizes + 1) - sizes - 1
        end = np.asarray(ends, dtype=np.int64) + starts[rows]
        # The ends of lines inside a value are no ends of it.
        block = b"\n".join(text.replace(b"\n", b"\r") for text in texts)
        keep = self._at_their_edges(block, number, end) & (sizes[rows] >= self._least[number])
        return rows[keep], number[keep]

    def _on_their_own_line(
        self, values: pl.Series, rows: Integers, ids: Integers, lines: NDArray[np.bool_]
    ) -> tuple[Integers, Integers]:
        """Drop the hits of expressions that may have matched across two values, or otherwise than RE2 does.

        `lines` says which of the values have line breaks, about which the two may think otherwise.
        """
        doubtful = np.flatnonzero(self._check[ids] | (self._written[ids] & lines[rows]))
        if not len(doubtful):
            return rows, ids
        texts = values.gather(rows[doubtful]).to_list()
        keep = np.ones(len(rows), dtype=bool)
        known: dict[tuple[int, str], bool] = {}
        for at, number, text in zip(doubtful.tolist(), ids[doubtful].tolist(), texts, strict=True):
            if (number, text) not in known:
                known[number, text] = compiled(self.patterns[number]).search(text) is not None
            keep[at] = known[number, text]
        return rows[keep], ids[keep]


def _sorted(rows: Integers, ids: Integers, count: int) -> tuple[Integers, Integers]:
    """Hits in `count` values by pattern, then row, no doubles."""
    keys = np.sort(ids * (count + 1) + rows)
    keys = keys[np.diff(keys, prepend=-1) > 0]
    ids, rows = np.divmod(keys, count + 1)
    return rows, ids


def _search(pattern: Pattern, number: int, values: pl.Series) -> tuple[Integers, Integers]:
    """The rows of an expression that Hyperscan cannot take: found by polars where it can, then checked by RE2."""
    expression = compiled(pattern)
    flags = "(?i)" if pattern.caseless else ""
    try:
        # Only for ASCII do the two agree on what a letter is; every other value is looked at by RE2 alone.
        likely = values.str.contains(flags + in_re2(pattern)) | (values.str.len_bytes() != values.str.len_chars())
    except pl.exceptions.ComputeError:
        likely = values.is_not_null()
    matching = pl.Series([text for text in values.filter(likely).unique() if expression.search(text)], dtype=pl.String)
    rows = np.flatnonzero(values.is_in(matching.implode()).to_numpy()) if len(matching) else np.empty(0, np.int64)
    return rows, np.full(len(rows), number, dtype=np.int64)


def _may_cross(pattern: Pattern) -> bool:
    """Whether what Hyperscan finds of a pattern in a block of lines may not be found in one line by itself."""
    return pattern.written or bool(_MAY_CROSS.search(pattern.expression))


def _differs(pattern: Pattern) -> bool:
    """Whether what Hyperscan finds of a pattern in one line by itself may not be found there by RE2."""
    return pattern.written and (
        loosened(pattern.expression) != pattern.expression
        or not pattern.expression.isascii()
        or bool(_MAY_DIFFER.search(pattern.expression))
    )


def _least(expression: str) -> int:
    """How many characters, and so bytes, an expression takes that asks for nothing but their number; 0 = any."""
    found = _AS_LONG_AS.fullmatch(expression)
    return int(found[1]) if found else 0


def _database(patterns: list[Pattern], ids: list[int], state: bytes | None, apart: bool) -> tuple[Any, list[int]]:
    """A Hyperscan database of those patterns that it takes, and the numbers of the others."""
    try:
        import hyperscan
    except ImportError:
        return None, ids
    if state:
        slow, kept = msgspec.msgpack.decode(state, type=tuple[list[int], bytes])
        if not kept:
            return None, slow
        database = hyperscan.loadb(kept, mode=hyperscan.HS_MODE_BLOCK)
        database.scratch = hyperscan.Scratch(database)
        return database, slow
    expressions = {i: for_hyperscan(patterns[i], apart) for i in ids}
    flags = {i: hyperscan_flags(hyperscan, patterns[i], apart) for i in ids}

    def compile_all(taken: list[int]) -> Any:
        made = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        chosen = [expressions[i] for i in taken]
        made.compile(expressions=chosen, ids=taken, elements=len(taken), flags=[flags[i] for i in taken])
        return made

    def refused(i: int) -> bool:
        try:
            compile_all([i])
        except hyperscan.error:
            return True
        return False

    # One expression that cannot be taken refuses all of them. Only a long one ever was too large.
    left = [i for i in ids if left_to_re2(patterns[i], apart)]
    slow = [i for i in ids if patterns[i].written and len(expressions[i]) > _LONG and refused(i)] + left
    taken = [i for i in ids if i not in set(slow)]
    try:
        return (compile_all(taken) if taken else None), slow
    except hyperscan.error:
        slow = [i for i in ids if i in left or (patterns[i].written and refused(i))]
    taken = [i for i in ids if i not in set(slow)]
    return (compile_all(taken) if taken else None), slow
