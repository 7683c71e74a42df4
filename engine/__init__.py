"""forewarn finds the first signs of a crisis in text.

In: logs, feeds, news, reports, events. Out: alerts, each with its evidence. What a command can do, a script can:

"""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

_STUB = Path(__file__).with_name("__init__.pyi").read_text("utf-8")
_PUBLIC = {
    public: (module, name, about)
    for module, name, public, about in re.findall(r"^from (\S+) import (\w+) as (\w+)  # (.*)$", _STUB, re.MULTILINE)
}
"""Each public name: where it is, what it is called there, and what it is. Nothing is imported before it is used."""

__all__ = sorted(_PUBLIC)
__doc__ = (__doc__ or "") + "\n".join(f"* `{name}`: {_PUBLIC[name][2]}" for name in __all__)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'forewarn' has no attribute {name!r}")
    found = import_module(_PUBLIC[name][0])
    # All names of that module: a function that is called like its module would else give way to it.
    globals().update(
        {public: getattr(found, there) for public, (module, there, _) in _PUBLIC.items() if module == found.__name__}
    )
    return globals()[name]


def __dir__() -> list[str]:
    return __all__
