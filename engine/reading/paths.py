"""Paths → the files to read, in a fixed order.

In: files, folders and `-` as the user named them. Out: the names of the files, each file once, those of a folder
sorted; what leads nowhere is noted. It opens no file.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from forewarn.reading.problems import Problems


def files_in(paths: Iterable[str | Path], problems: Problems) -> Iterator[str]:
    """The files to read, each once; `-` stands for standard input."""
    seen: set[tuple[int, int]] = set()
    for path in map(str, paths):
        if path == "-":
            yield path
            continue
        try:
            found = os.stat(path)
        except OSError as error:
            what = "there is no such file or folder" if isinstance(error, FileNotFoundError) else reason(error)
            problems.note(
                path, what, remedy="Check the spelling; a relative path starts at the current folder.", unread=True
            )
            continue
        if not stat.S_ISDIR(found.st_mode):
            if (found.st_dev, found.st_ino) not in seen:
                seen.add((found.st_dev, found.st_ino))
                yield path
            continue
        empty = True
        for below in _below(path, seen, problems):
            empty = False
            yield below
        if empty:
            problems.note(
                path, "the folder holds no file to read", remedy="Hidden files are skipped; name them.", unread=True
            )


def _below(folder: str, seen: set[tuple[int, int]], problems: Problems) -> Iterator[str]:
    """The files below a folder, in the order of their names; a link back to a folder above is noted, not followed."""
    waiting: list[tuple[str, frozenset[tuple[int, int]]]] = [(folder, frozenset())]
    while waiting:
        path, above = waiting.pop()
        try:
            found = os.stat(path)
            place = found.st_dev, found.st_ino
            if stat.S_ISDIR(found.st_mode):
                if place in above:
                    problems.note(path, "a link that leads back to a folder above it; not followed")
                    continue
                names = sorted((name for name in os.listdir(path) if not name.startswith(".")), reverse=True)
                waiting += [(os.path.join(path, name), above | {place}) for name in names]
            elif not stat.S_ISREG(found.st_mode):
                problems.note(path, "is no regular file; skipped", remedy="Name it on its own to read it.")
            elif place not in seen:
                seen.add(place)
                yield path
        except OSError as error:
            problems.note(path, "a link that leads nowhere" if os.path.islink(path) else reason(error), unread=True)


def can_be_read_again(path: str | Path) -> bool:
    """Whether a path is no pipe: what comes from one comes when it comes, and once."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return str(path) != "-"
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def reason(error: OSError) -> str:
    """Why a file cannot be read, in words."""
    if isinstance(error, FileNotFoundError):
        return "has gone since its folder was listed"
    return f"cannot be read: {error.strerror or error}"
