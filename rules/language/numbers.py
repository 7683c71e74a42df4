"""Numbers as rules compare them: one way to write each, and an order that is exact at any size.

In: numbers of JSON and of YAML. Out: texts that are the same where the numbers are; which of some texts compare.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

import numpy as np
import polars as pl
from numpy.typing import NDArray

_COMPARE = {"lt": "__lt__", "lte": "__le__", "gt": "__gt__", "gte": "__ge__", "neq": "__ne__"}
_EXACT = 2.0**53
"""Whole numbers from here on may differ and yet be one and the same as floating point."""


def number_text(number: float) -> str:
    """A number (an `int` or a `float`) as rules compare it: `1.0` is `1`, `5e-1` is `0.5`."""
    if number.__class__ is float and number.is_integer():
        number = int(number)
    return str(number)


def compares(values: pl.Series, operator: str, bound: str) -> NDArray[np.bool_]:
    """Which of n texts (String) are numbers that compare with `bound` as the operator (`gt`, …) says: bool (n,)."""
    numbers = values.cast(pl.Float64, strict=False).fill_nan(None)
    holds = getattr(numbers, _COMPARE[operator])(float(bound)).fill_null(False).to_numpy().copy()
    if abs(float(bound)) >= _EXACT:
        for at in np.flatnonzero((numbers.abs() >= _EXACT).fill_null(False).to_numpy()).tolist():
            try:
                holds[at] = getattr(Decimal(values[at]), _COMPARE[operator])(Decimal(bound))
            except InvalidOperation:
                continue
    return np.asarray(holds, dtype=np.bool_)
