"""Rules that name other rules: correlations and filters, looked up when all files are read.

In: what was read. Out: the correlations whose members are all there, in an order in which each comes after those that
it is about; and what names a rule that there is not.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from sigma.filters import SigmaFilter

from forewarn.rules.language.refusals import Refused
from forewarn.rules.language.rule import Correlation, Rule


@dataclass(frozen=True)
class Suppression:
    """A Sigma filter, and where it stands."""

    filter: SigmaFilter
    path: str
    document: int


Unresolved = tuple[str, int, Refused]
"""A file, which of its documents, and what is wrong with what it names."""


class Names:
    """Where rules stand by what they are called: a name or an id, else a title."""

    def __init__(self, known: Sequence[Rule | Correlation]) -> None:
        self._known = known
        self._named, self._titled = dict[str, list[int]](), dict[str, list[int]]()
        for at, rule in enumerate(known):
            for name in {rule.id, rule.name} - {""}:
                self._named.setdefault(name, []).append(at)
            self._titled.setdefault(rule.title, []).append(at)

    def members(self, correlation: Correlation) -> list[list[int]]:
        """For each name in a correlation's `rules`, the places of what it names; of nothing by its own title."""
        titled = {
            name: [at for at in self._titled.get(name, []) if self._known[at] is not correlation]
            for name in correlation.rules
        }
        return [self._named.get(name) or titled[name] for name in correlation.rules]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._named, **self._titled})


def resolved(correlations: Sequence[Correlation], rules: Sequence[Rule]) -> tuple[list[Correlation], list[Unresolved]]:
    """The correlations whose members are there, inner ones first; and the others, each with the reason."""
    kept, refused = list(correlations), list[Unresolved]()
    while True:
        names = Names([*rules, *kept])
        lost = set()
        for at, one in enumerate(kept):
            missing = next((name for name, of in zip(one.rules, names.members(one), strict=True) if not of), None)
            if missing is not None:
                lost.add(at)
                refused.append((one.path, one.document, _unknown(missing, names)))
        if not lost:
            try:
                return _inner_first(kept, names, len(rules)), refused
            except CycleError as error:
                lost = set(error.args[1])
                way = " → ".join(repr(kept[at].title) for at in error.args[1])
                reason = Refused(f"the correlation is about itself: {way}", ("correlation", "rules"))
                refused += [(kept[at].path, kept[at].document, reason) for at in sorted(lost)]
        kept = [one for at, one in enumerate(kept) if at not in lost]


def _inner_first(kept: Sequence[Correlation], names: Names, first: int) -> list[Correlation]:
    """Raises CycleError."""
    about = {
        at: {place - first for of in names.members(one) for place in of if place >= first}
        for at, one in enumerate(kept)
    }
    return [kept[at] for at in TopologicalSorter(about).static_order()]


def _unknown(name: str, names: Names) -> Refused:
    near = difflib.get_close_matches(name, sorted(names), 1)
    remedy = f"Did you mean {near[0]!r}?" if near else "Name a rule by its `name` or `id`, and load its file, too."
    return Refused(f"no rule is called {name!r}", ("correlation", "rules"), remedy, like=name)


def unused_filters(filters: Sequence[Suppression], rules: Sequence[Rule]) -> Iterator[Unresolved]:
    """The filters that name rules of which there is none."""
    known = {name for rule in rules for name in (rule.id, rule.name) if name}
    for one in filters:
        named = one.filter.filter.rules
        for name in [] if isinstance(named, str) else [reference.reference for reference in named]:
            if name not in known:
                near = difflib.get_close_matches(name, sorted(known), 1)
                remedy = f"Did you mean {near[0]!r}?" if near else "Name a rule by its `id` or `name`, or write `any`."
                yield (
                    one.path,
                    one.document,
                    Refused(f"the filter is for no rule: {name!r}", ("filter", "rules"), remedy, like=name),
                )
