"""How alerts are chosen: the policy, and how a person writes it.

In: the values of `--budget`, `--fdr`, `--threshold`, `--cost`, `--prior`. Out: a `Policy`, a share.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from forewarn.errors import ForewarnError

DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True)
class Policy:
    """One of four ways to decide; exactly one field is set.

    `budget` at most so many alerts, `per_hours` the span they are for (None = the whole input); `fdr` the expected
    share of false alerts among the alerts (Benjamini & Hochberg 1995, on the conformal p-values); `threshold` the
    least probability.
    """

    budget: float | None = None
    per_hours: float | None = None
    fdr: float | None = None
    threshold: float | None = None


def parse_policy(budget: str | None, fdr: float | None, threshold: float | None, cost: str | None) -> Policy:
    """The policy that the options of a command describe.

    `budget` is `N`, `N/hour` or `N/day`; `cost` is `MISS:FALSE`, what a missed crisis and a false alert cost, which
    makes the threshold `FALSE / (MISS + FALSE)`. Raises ForewarnError where more than one is given
    or one is malformed.
    """
    given = [
        name
        for name, value in (("--budget", budget), ("--fdr", fdr), ("--threshold", threshold), ("--cost", cost))
        if value is not None
    ]
    if len(given) > 1:
        raise ForewarnError(f"{' and '.join(given)} each decide alone", remedy=f"Keep one of {', '.join(given)}.")
    if budget is not None:
        found = re.fullmatch(r"(\d{1,9})(?:/(hour|day))?", budget.strip())
        if not found or int(found[1]) == 0:
            raise ForewarnError(
                f"--budget {budget!r} is not understood",
                remedy="Write --budget 20, --budget 5/hour or --budget 50/day.",
            )
        return Policy(budget=float(found[1]), per_hours={"hour": 1.0, "day": 24.0, None: None}[found[2]])
    if fdr is not None:
        if not 0 < fdr < 1:
            raise ForewarnError(
                f"--fdr {fdr} is not a share", remedy="Write a number between 0 and 1, such as --fdr 0.05."
            )
        return Policy(fdr=fdr)
    if cost is not None:
        parts = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?):(\d{1,9}(?:\.\d{1,9})?)", cost.strip())
        if not parts or float(parts[1]) + float(parts[2]) == 0:
            raise ForewarnError(
                f"--cost {cost!r} is not understood",
                remedy="Write what a miss and a false alert cost, such as --cost 20:1.",
            )
        return Policy(threshold=float(parts[2]) / (float(parts[1]) + float(parts[2])))
    if threshold is not None and not 0 <= threshold <= 1:
        raise ForewarnError(f"--threshold {threshold} is not a probability", remedy="Write a number between 0 and 1.")
    return Policy(threshold=DEFAULT_THRESHOLD if threshold is None else threshold)


def parse_prior(share: float | None) -> float | None:
    """The share of `--prior`. Raises ForewarnError where it is none between 0 and 1."""
    if share is not None and not 0 < share < 1:
        raise ForewarnError(
            f"--prior {share} is no share", remedy="Write a number between 0 and 1, such as --prior 0.01."
        )
    return share
