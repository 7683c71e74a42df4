"""What others made (a model, a case base), looked at before it is used: it may be damaged, or made to do harm.

In: a folder, names that stand inside a file of it, arrays. Out: paths and values that are fit for use, or `Unfit`,
which says why not. A name is one of its kind (no path of its own, no `..`), a file is a regular one and no link on the
way to it, its size is bounded before anything of it is read, numbers are finite and of the shape that is expected.
"""

from __future__ import annotations

import math
import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forewarn.runtime.atomic import checksum

MOST_BYTES = 1 << 36
"""Bytes of one file: a sparse file of any size costs nothing to send, and its checksum for ever."""
_MOST_NOTES = 1 << 26
"""Bytes of a file of names and numbers that is read as a whole."""


class Unfit(ValueError):
    """Something that others made cannot be used; `str` says what and why."""


def part_of(folder: Path, name: str, kind: re.Pattern[str], *, most: int = MOST_BYTES) -> Path:
    """The file of a folder that a name inside of it stands for. Raises Unfit, FileNotFoundError, OSError.

    `kind` is what such a name may look like: at most names joined by `/`, none of which begins with a full stop.
    """
    if not kind.fullmatch(name):
        raise Unfit(f"names a file that is none of its own: {name[:100]!r}")
    path = folder
    for step in name.split("/"):
        path = path / step
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            raise Unfit(f"{name} is a link")
    if not stat.S_ISREG(found.st_mode):
        raise Unfit(f"{name} is no regular file")
    if found.st_size > most:
        raise Unfit(f"{name} has {found.st_size:,} bytes")
    return path


def check_parts(folder: Path, files: Mapping[str, str], kind: re.Pattern[str]) -> None:
    """Raise Unfit where one of the files, by name with its SHA-256, is not as it was written. Raises OSError."""
    paths = {name: part_of(folder, name, kind) for name in files}
    for name, path in paths.items():
        if checksum(path) != files[name]:
            raise Unfit(f"{name} is not as it was written")


def notes_of(folder: Path, name: str) -> bytes:
    """The content of a small file of a folder. Raises Unfit, FileNotFoundError, OSError."""
    path = part_of(folder, name, re.compile(re.escape(name)), most=_MOST_NOTES)
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with open(handle, "rb") as content:
        return content.read(_MOST_NOTES + 1)


def check_array(name: str, array: NDArray[Any], dtype: type[np.generic], shape: tuple[int | None, ...]) -> NDArray[Any]:
    """The array, if it is of that dtype and shape (None = any length) and finite. Raises Unfit."""
    if array.dtype != dtype or array.ndim != len(shape):
        raise Unfit(f"{name} is {array.dtype} of {array.ndim} dimensions")
    if any(wanted not in (None, found) for wanted, found in zip(shape, array.shape, strict=True)):
        raise Unfit(f"{name} has the shape {array.shape}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise Unfit(f"{name} holds what is no number")
    return array


def check_numbers(name: str, value: Any) -> None:
    """Raise Unfit where there is a number in plain data (dictionaries, lists) that is not finite."""
    for place, number in _numbers(name, value):
        if not math.isfinite(number):
            raise Unfit(f"{place} is {number}")


def _numbers(name: str, value: Any) -> Iterator[tuple[str, float]]:
    if isinstance(value, int | float):
        yield name, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _numbers(f"{name}.{key}", inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _numbers(name, inner)
