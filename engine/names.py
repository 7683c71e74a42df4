"""Names that the system gives → text.

In: names of files and arguments as Python has them, where bytes that are no UTF-8 stand as lone surrogates. Out: text
that can be written and compared anywhere, such bytes escaped (`\\xd6`). To open a file its own name is kept.
"""

from __future__ import annotations

import os


def shown(name: str) -> str:
    """A name as text; one that is UTF-8 is as it was."""
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "backslashreplace")
