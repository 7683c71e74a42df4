"""What a command writes, looked at before it begins: no output is one of its inputs, no two outputs are one.

In: the names of inputs and outputs, as the user gave them. Out: nothing, or one readable error. Files are the same by
device and inode, whatever links lead to them; what is kept nowhere (standard output, a device) harms nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from forewarn.errors import OutputError
from forewarn.reading.paths import files_in
from forewarn.reading.problems import Problems
from forewarn.runtime.atomic import STANDARD_OUTPUT, is_written_through, target_of

_Inode = tuple[int, int]


def check_outputs(
    inputs: Iterable[str | Path | None],
    files: Iterable[Path | None] = (),
    folders: Iterable[Path | None] = (),
    *,
    growing: bool = False,
) -> None:
    """Raise OutputError where writing `files` and `folders` would harm `inputs` or one another; None = not asked for.

    `inputs` are files, folders and `-`; a name that is none of them (of a rule pack, of an encoder) does not count.
    `growing`: what comes to be in a folder of the inputs is read too.
    """
    read = [str(name) for name in inputs if name is not None]
    kept = [path for path in files if path is not None and not is_written_through(path)]
    made = [path for path in folders if path is not None]
    if STANDARD_OUTPUT in made:
        raise OutputError("standard output holds no folder", remedy="Name a folder with -o.")
    _check_apart(kept, made)
    inodes = {inode: path for path in kept if (inode := _inode(target_of(path)))}
    places = {path: target_of(path) for path in [*kept, *made]}
    if growing:
        for path, place in places.items():
            for name in read:
                if os.path.isdir(name) and Path(os.path.realpath(name)) in (place, *place.parents):
                    raise _is_read(path, f"is in {name}, which is followed: its own lines would be read")
    for name, inode in _inodes_of(read) if inodes or any(places[path].exists() for path in made) else ():
        if inode in inodes:
            raise _is_read(inodes[inode], "is one of the files to read; it would be lost")
        for path in made:
            if places[path] in Path(os.path.realpath(name)).parents:
                raise _is_read(path, f"holds {name}, which is to be read; it would be lost")


def _check_apart(files: list[Path], folders: list[Path]) -> None:
    seen: dict[object, Path] = {}
    for path in [*files, *folders]:
        place = target_of(path)
        key = _inode(place) or place
        if key in seen:
            raise OutputError("is named for two outputs", path=path, remedy="Give each output a name of its own.")
        seen[key] = path
        inside = next((folder for folder in folders if target_of(folder) in place.parents), None)
        if inside is not None:
            raise OutputError(f"is inside {inside}, another output", path=path, remedy="Name a place outside of it.")


def _inodes_of(names: list[str]) -> Iterator[tuple[str, _Inode]]:
    """Every file that is read, hidden ones aside, and standard input where it is a file."""
    if "-" in names:
        try:
            found = os.fstat(0)
            yield "-", (found.st_dev, found.st_ino)
        except OSError:
            pass
    noted = Problems([])
    noted.muted = True
    for name in files_in([name for name in names if name != "-" and "\0" not in name], noted):
        if inode := _inode(Path(name)):
            yield name, inode


def _inode(path: Path) -> _Inode | None:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def _is_read(path: Path, why: str) -> OutputError:
    return OutputError(why, path=path, remedy="Name another place with -o.")
