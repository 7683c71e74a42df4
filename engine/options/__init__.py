"""What a scan or a watch is asked to do: data and how a person writes it; decides nothing.

In: values of options. Out: `Options`, `Policy`, `Promise`.
"""

from __future__ import annotations

from forewarn.options.options import EVERYTHING, Options, changed, check_names, families, merged, with_settings
from forewarn.options.policy import DEFAULT_THRESHOLD, Policy, parse_policy, parse_prior
from forewarn.options.promise import AUTO, DEFAULT_PROMISE, Promise, parse_late, parse_promise

__all__ = [
    "AUTO",
    "DEFAULT_PROMISE",
    "DEFAULT_THRESHOLD",
    "EVERYTHING",
    "Options",
    "Policy",
    "Promise",
    "changed",
    "check_names",
    "families",
    "merged",
    "parse_late",
    "parse_policy",
    "parse_prior",
    "parse_promise",
    "with_settings",
]
