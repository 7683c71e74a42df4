"""Why a correlation speaks for a text: which records, of which group, and how many.

In: the latest hit of each correlation on each text (`templates.Keying.completed`). Out: reasons that a person can
check.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from forewarn.findings import Place, Reason
from forewarn.rules.language.correlations import METRICS, TEMPORAL

if TYPE_CHECKING:
    from forewarn.rules import RuleSet
    from forewarn.rules.correlation.correlator import Hit
    from forewarn.rules.language.rule import Correlation

Completed = Mapping[tuple[int, int], "Hit"]
"""Hits by the text (`text_key`) and the correlation (its place in `RuleSet.known`)."""
_NAMED = 3


def correlated(completed: Completed, rules: RuleSet, text_key: int, members: Sequence[int]) -> dict[int, Reason]:
    """For the correlations among the rules of a text (places in `RuleSet.known`), the reason why each fired."""
    reasons = {}
    for rule in members:
        if (hit := completed.get((text_key, rule))) is not None:
            one = rules.correlations[rule - len(rules.rules)]
            places = [Place(source, line) for source, line in hit.records]
            reasons[rule] = Reason(
                id=one.id,
                title=one.title,
                level=one.level,
                category=one.category,
                playbook=one.playbook,
                decision=one.decision,
                note=sentence(one, hit),
                records=places,
            )
    return reasons


def sentence(one: Correlation, hit: Hit) -> str:
    """`12 records of source.ip 10.0.0.1 in 0:02:10, the last auth.log:40, auth.log:41, auth.log:42`."""
    number = f"{hit.value:,}" if isinstance(hit.value, int) else f"{hit.value:,.4g}"
    records = f"{hit.size:,} record{'s' if hit.size != 1 else ''}"
    if one.kind in TEMPORAL:
        what = f"{number} of {len(one.rules)} rules in {records}"
    elif one.kind == "value_count":
        what = f"{number} values of {one.field} in {records}"
    elif one.kind in METRICS:
        what = f"{one.kind.removeprefix('value_')} of {one.field} {number} in {records}"
    else:
        what = records
    group = " and ".join(f"{name} {value}" for name, value in hit.group.items())
    last = ", ".join(f"{source}:{line}" for source, line in hit.records[-_NAMED:])
    lasted = timedelta(seconds=round((hit.last - hit.first).total_seconds()))
    return f"{what}{f' of {group}' if group else ''} in {lasted}, the last {last}"
