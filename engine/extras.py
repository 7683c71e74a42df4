"""The libraries that only an extra of the package brings.

In: the names of modules. Out: nothing, or an error that says what to install. `scan`, `watch`, `similar`, `rules`,
`cases` and `explain` need none of them.
"""

from __future__ import annotations

from importlib.util import find_spec

from forewarn.errors import ForewarnError

EXTRAS: dict[str, dict[str, str]] = {
    "fit": {"sklearn": "scikit-learn", "venn_abers": "venn-abers", "pyod": "pyod"},
    "serve": {"starlette": "starlette", "uvicorn": "uvicorn", "prometheus_client": "prometheus_client"},
    "neural": {
        "torch": "torch",
        "transformers": "transformers",
        "peft": "peft",
        "sentence_transformers": "sentence-transformers",
        "huggingface_hub": "huggingface_hub",
    },
}
"""For each extra, the modules that it brings and the names under which they are installed."""


class MissingExtraError(ForewarnError):
    """A library is needed that only an extra brings."""


def installed(module: str) -> bool:
    """Whether a module can be found; it is not imported."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def require(*modules: str) -> None:
    """Ask for libraries, before they are imported or long work begins.

    Raises MissingExtraError for the first that is not installed, with the command that installs its extra.
    """
    for module in modules:
        if not installed(module):
            extra = next(name for name, libraries in EXTRAS.items() if module in libraries)
            raise MissingExtraError(
                f"this needs {EXTRAS[extra][module]}, which is not installed",
                remedy=f"pip install 'forewarn[{extra}]'",
            )
