"""Which device an encoder runs on, and what is said where that device cannot do it.

In: what the user asked for. Out: a device that torch knows, or an EncoderError. Imports torch only where there may be
a GPU: it takes two seconds.
"""

from __future__ import annotations

import os
from pathlib import Path

from forewarn.errors import EncoderError
from forewarn.extras import installed, require


def chosen_device(name: str | None) -> str:
    """`cpu`, `cuda` or `cuda:N`; None = `cuda` where there is one and torch can use it, else `cpu`.

    Raises EncoderError for any other name, and for a GPU that is not there.
    """
    if name == "cpu" or (name is None and not _may_have_gpu()):
        return "cpu"
    if name is not None and name != "cuda" and not (name.startswith("cuda:") and name[5:].isdecimal()):
        raise EncoderError(f"unknown device {name!r}", remedy="Write --device cpu, cuda, or cuda:N for the Nth GPU.")
    if name is None and not installed("torch"):
        return "cpu"
    require("torch")
    import torch

    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name is None:
        return "cuda" if found else "cpu"
    if int(name[5:] or 0) >= found:
        what = f"there is no device {name!r} here" if found else "there is no CUDA device here"
        raise EncoderError(what, remedy="Use --device cpu; forewarn doctor lists what there is.")
    return name


def _may_have_gpu() -> bool:
    """Whether the driver of an NVIDIA GPU (its device node, or that of Windows' Linux) is here and not hidden."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    return not hidden and any(Path(node).exists() for node in ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd"))


def does_not_fit(what: str = "one text") -> EncoderError:
    """The error for a GPU without the memory for even the smallest batch."""
    return EncoderError(f"{what} does not fit in the GPU's memory", remedy="Use --device cpu.")
