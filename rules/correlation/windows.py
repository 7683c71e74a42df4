"""What a span of time holds: counts, distinct values, sums, percentiles, which members in which order.

In: the values of one group's records, as they enter and leave a window; they leave in the order in which they came.
Out: what a correlation's bounds or expression are compared with. Numbers are decimal, as exact as they are written.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Context, Decimal, InvalidOperation
from typing import Any as AnyValue
from typing import Protocol, TypeVar

from forewarn.rules.language.correlations import COMPARE, METRICS
from forewarn.rules.language.rule import All, Any, Correlation, Leaf, Node, Not

Value = str | Decimal | int | None
"""What a record brings: a text (value_count), a number (the metrics), a member's place (temporal), nothing."""
_NUMBERS = Context(prec=60)
_LONGEST_NUMBER = 40
_LARGEST = 40
"""Digits of a number, and of its power of ten, beyond which a value is none."""


def number_of(text: str) -> Decimal | None:
    """The number that a value is, or None."""
    if len(text) > _LONGEST_NUMBER:
        return None
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) <= _LARGEST else None


class Window(Protocol):
    """The records of one group within a span of time."""

    def enter(self, value: Value, time: int) -> None:
        """One more record, the latest."""

    def leave(self, value: Value) -> None:
        """The oldest record goes."""

    def holds(self) -> Decimal | int | None:
        """What the condition speaks of, where it is fulfilled."""


def window_of(correlation: Correlation) -> Window:
    """An empty window of a correlation."""
    # Counts are whole numbers, which Python compares exactly with any number.
    metric = correlation.kind in METRICS
    bounds = [(COMPARE[name], Decimal(str(bound)) if metric else bound) for name, bound in correlation.bounds]
    match correlation.kind:
        case "event_count":
            return _Hits(bounds)
        case "value_count":
            return _Distinct(bounds)
        case "value_sum" | "value_avg":
            return _Sum(bounds, average=correlation.kind == "value_avg")
        case "value_median" | "value_percentile":
            return _Ranks(bounds, Decimal(str(correlation.percentile)))
    ordered = correlation.kind == "temporal_ordered"
    return _Members(bounds, correlation.expression, len(correlation.rules), ordered=ordered)


Bounds = Sequence[tuple[Callable[[AnyValue, AnyValue], bool], Decimal | float]]
Number = TypeVar("Number", Decimal, int)


def _within(number: Number, bounds: Bounds) -> Number | None:
    for compares, bound in bounds:
        if not compares(number, bound):
            return None
    return number


class _Hits:
    def __init__(self, bounds: Bounds) -> None:
        self._bounds, self._count = bounds, 0

    def enter(self, value: Value, time: int) -> None:
        self._count += 1

    def leave(self, value: Value) -> None:
        self._count -= 1

    def holds(self) -> Decimal | int | None:
        return _within(self._count, self._bounds)


class _Distinct:
    def __init__(self, bounds: Bounds) -> None:
        self._bounds, self._values = bounds, Counter[Value]()

    def enter(self, value: Value, time: int) -> None:
        self._values[value] += 1

    def leave(self, value: Value) -> None:
        self._values[value] -= 1
        if not self._values[value]:
            del self._values[value]

    def holds(self) -> Decimal | int | None:
        return _within(len(self._values), self._bounds)


class _Sum:
    def __init__(self, bounds: Bounds, *, average: bool) -> None:
        self._bounds, self._average = bounds, average
        self._sum, self._count = Decimal(0), 0

    def enter(self, value: Value, time: int) -> None:
        self._sum = _NUMBERS.add(self._sum, Decimal(value or 0))
        self._count += 1

    def leave(self, value: Value) -> None:
        self._sum = _NUMBERS.subtract(self._sum, Decimal(value or 0))
        self._count -= 1

    def holds(self) -> Decimal | int | None:
        return _within(_NUMBERS.divide(self._sum, Decimal(self._count)) if self._average else self._sum, self._bounds)


class _Ranks:
    """Percentiles, interpolated between the two values next to them (Hyndman & Fan 1996, type 7), as medians are."""

    def __init__(self, bounds: Bounds, percentile: Decimal) -> None:
        self._bounds, self._share = bounds, percentile / 100
        self._values: list[Decimal] = []

    def enter(self, value: Value, time: int) -> None:
        insort(self._values, Decimal(value or 0))

    def leave(self, value: Value) -> None:
        del self._values[bisect_left(self._values, Decimal(value or 0))]

    def holds(self) -> Decimal | int | None:
        rank = self._share * (len(self._values) - 1)
        below = self._values[int(rank)]
        above = self._values[min(int(rank) + 1, len(self._values) - 1)]
        return _within(_NUMBERS.fma(_NUMBERS.subtract(above, below), rank - int(rank), below), self._bounds)


class _Members:
    """Which members there are; `ordered`: of which each can be had after those before it, or at the same time."""

    def __init__(self, bounds: Bounds, expression: Node | None, members: int, *, ordered: bool) -> None:
        self._bounds, self._expression, self._ordered = bounds, expression, ordered
        self._times: list[list[int]] = [[] for _ in range(members)]
        self._left = [0] * members

    def enter(self, value: Value, time: int) -> None:
        assert isinstance(value, int)  # noqa: S101 - a member's place
        self._times[value].append(time)

    def leave(self, value: Value) -> None:
        assert isinstance(value, int)  # noqa: S101
        self._left[value] += 1
        times, left = self._times[value], self._left[value]
        if left > 64 and 2 * left > len(times):
            del times[:left]
            self._left[value] = 0

    def holds(self) -> Decimal | int | None:
        present = sum(1 << at for at, times in enumerate(self._times) if len(times) > self._left[at])
        chains = self._chains() if self._ordered else [present]
        for chain in sorted(chains, key=lambda chain: -chain.bit_count()):
            count = chain.bit_count()
            if self._expression is None:
                # Bounds speak of the longest chain that there is.
                return _within(count, self._bounds)
            if _satisfied(self._expression, chain, present):
                return count
        return None

    def _chains(self) -> list[int]:
        """The sets of members that can be had one after the other, as bits: with the earliest end of each."""
        ends = {0: -(1 << 63)}
        for member, times in enumerate(self._times):
            for chain, end in list(ends.items()):
                at = bisect_left(times, end, lo=self._left[member])
                if at < len(times):
                    ends[chain | 1 << member] = times[at]
        return list(ends)


def _satisfied(node: Node, chain: int, present: int) -> bool:
    """Whether an expression holds, if what it asks for has to be of the chain, and what it denies not present."""
    match node:
        case Leaf():
            return bool(chain >> node.atom & 1)
        case Not():
            return not _satisfied(node.part, present, chain)
        case All():
            return all(_satisfied(part, chain, present) for part in node.parts)
        case Any():
            return any(_satisfied(part, chain, present) for part in node.parts)
