"""Work after a fork is refused: the threads of the libraries used before it are gone, and would be waited for.

In: the place where work begins. Out: nothing, or an error in place of a process that never ends.
"""

from __future__ import annotations

import os

from forewarn.errors import ForewarnError

_began: list[int] = []
"""The process in which work began first."""


def check_not_forked() -> None:
    """Raises ForewarnError in a child that was forked after its parent had worked."""
    if not _began:
        _began.append(os.getpid())
    elif _began[0] != os.getpid():
        raise ForewarnError(
            "this process was forked from one that had used forewarn already, whose threads it lacks",
            remedy='Start processes with multiprocessing.get_context("spawn"), or fork before the first use.',
        )
