"""Types of arrays, named once.

In: nothing. Out: names.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
"""Scores, log-odds, weights."""
Vectors = NDArray[np.float32]
"""Vectors of texts, shape (n, d), or what is computed of them in single precision."""
Rows = NDArray[np.int64]
"""Numbers of rows."""
Truth = NDArray[np.bool_]
"""One truth value each."""
