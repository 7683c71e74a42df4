"""The files of a case base: written so that a reader finds the base as it was before or after, never between.

In: cases, their vectors, an index. Out: a folder of `cases-N.parquet`, `vectors-N.npy` (int8, memory-mapped when read),
`index-N.faiss` (large bases only) and `manifest.json`, which names the files of its generation N with their sizes and
checksums. A change writes new files beside the old ones, then replaces the manifest, then deletes what it no longer
names; whatever is killed on the way leaves strangers that the next change sweeps up. One writer at a time (a lock).
"""

from __future__ import annotations

import contextlib
import os
import re
import tokenize
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.errors import CaseBaseError
from forewarn.runtime.atomic import checksum
from forewarn.runtime.foreign import Unfit, check_array, notes_of, part_of

CASES_SCHEMA = 1
CASES: dict[str, pl.DataType] = {
    "id": pl.String(),
    "time": pl.String(),
    "title": pl.String(),
    "title_zh": pl.String(),
    "text": pl.String(),
    "category": pl.String(),
    "outcome": pl.String(),
    "source": pl.String(),
    "label": pl.Int8(),
    "sign": pl.Boolean(),
    "example": pl.Boolean(),
    "count": pl.UInt32(),
    "joined": pl.List(pl.String()),
}
"""One row for each case: `time` ISO 8601, as precise as it is known, or null; `label` 1 = crisis, 0 = ordinary; `sign`
the words of a beginning, which vote and are never shown as a past crisis; `example` a crisis that was written as an
example and never happened: it has no outcome; `count` how many texts were joined in it and
`joined` the ids of the others."""
LIGHT = ("id", "time", "category", "source", "label", "sign", "example", "count")
"""The columns that are read when a base is opened; the others are read for the cases that are shown."""

_MANIFEST = "manifest.json"
_LOCK = ".lock"
_GROUP = 8_192
"""Cases in one row group of the Parquet file: what is read to show one of them."""
_CHECKED = 64 * 2**20
"""Of a base of at most this many bytes checksums are verified when it is opened (0.1 s), of a larger one sizes."""
_OWN = re.compile(r"cases-[0-9]+[.]parquet|vectors-[0-9]+[.]npy|index-[0-9]+[.]faiss|[.]manifest[.]json[.]part")
_PATIENCE = 600.0
_AGAIN = "Build it anew with `forewarn cases build`, or copy the whole folder again."


class _File(msgspec.Struct):
    size: int
    sha256: str


class Manifest(msgspec.Struct):
    """`manifest.json`: what the folder holds. `parts` vectors of the cases; `files` by role."""

    schema: int
    generation: int
    made_with: str
    encoder: str
    encoder_checksum: str
    dimension: int
    cases: int
    parts: int
    names: dict[str, str]
    files: dict[str, _File]


@dataclass(frozen=True)
class Stored:
    """A base as its folder held it when it was read; a later change of the folder does not touch it.

    `manifest`; `folder`; `file` of the cases, open, since the next generation deletes its name; `vectors` int8 (m, d),
    memory-mapped; `parts` uint8 (n,), how many vectors each case has, in order; `index` of `nearest.train`, or None
    where the base is small.
    """

    manifest: Manifest
    folder: Path
    file: IO[bytes]
    light: pl.DataFrame
    parts: NDArray[np.uint8]
    vectors: NDArray[np.int8]
    index: Any

    def rows(self, numbers: list[int]) -> pl.DataFrame:
        """Whole cases (`CASES`) by their numbers, in the order given."""
        groups = sorted({number // _GROUP for number in numbers})
        # One group at a time: the reader skips the others.
        with _readable(self.folder):
            read = pl.concat(_columns(self.file, CASES).slice(group * _GROUP, _GROUP).collect() for group in groups)
        first = {group: place * _GROUP for place, group in enumerate(groups)}
        return read[[first[number // _GROUP] + number % _GROUP for number in numbers]]

    def all_rows(self) -> pl.DataFrame:
        """Every case (`CASES`)."""
        with _readable(self.folder):
            return _columns(self.file, CASES).collect()


def is_base(folder: Path) -> bool:
    """Whether a folder holds a case base."""
    return (folder / _MANIFEST).is_file()


def strangers(folder: Path) -> list[str]:
    """The files of a folder that no case base has."""
    own = {_MANIFEST, _LOCK}
    return sorted(file.name for file in folder.iterdir() if not (_OWN.fullmatch(file.name) or file.name in own))


def made_with(folder: Path) -> str:
    """The name of the encoder that a base was built with. Raises CaseBaseError where it is none."""
    return _manifest(folder).encoder


def read(folder: Path, *, thorough: bool = False) -> Stored:
    """Read a base's folder. `thorough` verifies checksums whatever the size.

    Raises CaseBaseError where it is none, newer, cut or changed.
    """
    for attempt in range(5):
        manifest = _manifest(folder)
        try:
            return _read(folder, manifest, thorough)
        except CaseBaseError:
            # Another process may have changed the base since its manifest was read.
            if attempt == 4 or _manifest(folder).generation == manifest.generation:
                raise
    raise AssertionError("unreachable")


def _manifest(folder: Path) -> Manifest:
    try:
        content = notes_of(folder, _MANIFEST)
        schema = msgspec.json.decode(content, type=dict[str, Any]).get("schema")
        if schema != CASES_SCHEMA:
            raise CaseBaseError(
                f"has schema {schema}, this program reads {CASES_SCHEMA}",
                path=folder,
                remedy="Use the version of forewarn that wrote it, or build it anew.",
            )
        manifest = msgspec.json.decode(content, type=Manifest)
        roles = {"cases", "vectors", *(("index",) if "index" in manifest.names else ())}
        if manifest.names != _names(manifest.generation, roles) or manifest.files.keys() != roles:
            raise Unfit("names files that no base has")
        return manifest
    except (FileNotFoundError, NotADirectoryError):
        raise CaseBaseError(
            "is no case base", path=folder, remedy="Name a folder that `forewarn cases build` wrote."
        ) from None
    except OSError as error:
        raise CaseBaseError(f"cannot be read: {error.strerror}", path=folder, remedy=_AGAIN) from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise CaseBaseError(f"{_MANIFEST} is damaged: {error}", path=folder, remedy=_AGAIN) from None


def _names(generation: int, roles: set[str]) -> dict[str, str]:
    """The files of a generation, by role."""
    every = {
        "cases": f"cases-{generation}.parquet",
        "vectors": f"vectors-{generation}.npy",
        "index": f"index-{generation}.faiss",
    }
    return {role: every[role] for role in sorted(roles)}


@contextlib.contextmanager
def _readable(folder: Path) -> Iterator[None]:
    """What libraries raise over a damaged file, as CaseBaseError."""
    try:
        yield
    except (
        *(OSError, ValueError, RuntimeError, EOFError, SyntaxError, tokenize.TokenError),
        *(pl.exceptions.PolarsError, pl.exceptions.PanicException),
    ) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise CaseBaseError(f"cannot be read: {said}", path=folder, remedy=_AGAIN) from None


def _read(folder: Path, manifest: Manifest, thorough: bool) -> Stored:
    total = sum(file.size for file in manifest.files.values())
    for role, file in manifest.files.items():
        path = folder / manifest.names[role]
        try:
            size = part_of(folder, path.name, _OWN).stat().st_size
        except Unfit as error:
            raise CaseBaseError(f"cannot be used: {error}", path=folder, remedy=_AGAIN) from None
        except OSError:
            raise CaseBaseError(f"lacks {path.name}, its {role}", path=folder, remedy=_AGAIN) from None
        if size != file.size:
            raise CaseBaseError(
                f"{path.name} has {size:,} bytes, {file.size:,} were written", path=folder, remedy=_AGAIN
            )
        if (thorough or total <= _CHECKED) and checksum(path) != file.sha256:
            raise CaseBaseError(f"{path.name} is not as it was written", path=folder, remedy=_AGAIN)
    with contextlib.ExitStack() as stack, _readable(folder):
        cases = stack.enter_context((folder / manifest.names["cases"]).open("rb"))
        light = _columns(cases, [*LIGHT, "parts"]).collect()
        vectors = np.load(folder / manifest.names["vectors"], mmap_mode="r", allow_pickle=False)
        index = None
        if "index" in manifest.files:
            import faiss

            index = faiss.read_index(str(folder / manifest.names["index"]))
        check_array("vectors", vectors, np.int8, (manifest.parts, manifest.dimension))
        if any(light.schema[name] != CASES[name] for name in LIGHT):
            raise Unfit("its cases have columns of other kinds")
        own = light["parts"].to_numpy()
        whole = light.height == manifest.cases and own.dtype == np.uint8 and own.sum(dtype=np.int64) == len(vectors)
        if not whole or not own.all() or not light["label"].is_in([0, 1]).all() or light["id"].has_nulls():
            raise Unfit("its cases, their labels and their vectors do not go together")
        if index is not None and (index.ntotal, index.d) != (len(vectors), manifest.dimension):
            raise Unfit("its index is of other vectors")
        stored = Stored(manifest, folder, cases, light.drop("parts"), own, vectors, index)
        weakref.finalize(stored, stack.pop_all().close)
    return stored


def _columns(file: IO[bytes], names: Iterable[str]) -> pl.LazyFrame:
    """These columns of the cases; a base that was written before there were examples has none."""
    file.seek(0)
    rows = pl.scan_parquet(file)
    if "example" not in rows.collect_schema():
        rows = rows.with_columns(example=pl.lit(False))
    return rows.select(*names)


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """The right to change a base, held by one process at a time; others wait.

    Raises CaseBaseError where the folder cannot be written, or another writer does not end within ten minutes.
    """
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / _LOCK, timeout=_PATIENCE):
            yield
    except Timeout:
        raise CaseBaseError(
            "is being changed by another process", path=folder, remedy="Try again when it has ended."
        ) from None
    except OSError as error:
        raise _not_written(folder, error) from None


def write(
    folder: Path,
    cases: pl.DataFrame,
    parts: NDArray[np.uint8],
    vectors: list[NDArray[np.int8]],
    index: Any,
    *,
    encoder: tuple[str, str],
) -> None:
    """Write the next generation of a base, within `writing(folder)`.

    `cases` (`CASES`), `parts` uint8 (n,), `vectors` int8 blocks of (·, d) that are written one after the other,
    `encoder` its name and checksum. Raises CaseBaseError where there is no room or no permission; the base is then as
    it was.
    """
    generation = (_manifest(folder).generation + 1) if is_base(folder) else 1
    names = _names(generation, {"cases", "vectors", *(("index",) if index is not None else ())})
    part = folder / f".{_MANIFEST}.part"
    try:
        _sweep(folder)
        for file in (*(folder / name for name in names.values()), part):
            # What stands there now was put there by someone else, this moment.
            os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0), 0o666))
        cases.select(*CASES).with_columns(parts=pl.Series(parts, dtype=pl.UInt8)).write_parquet(
            folder / names["cases"], row_group_size=_GROUP
        )
        _write_vectors(folder / names["vectors"], vectors)
        if index is not None:
            import faiss

            faiss.write_index(index, str(folder / names["index"]))
        files = {role: _written(folder / name) for role, name in names.items()}
        manifest = Manifest(
            CASES_SCHEMA,
            generation,
            _version(),
            *encoder,
            vectors[0].shape[1],
            cases.height,
            sum(len(block) for block in vectors),
            names,
            files,
        )
        part.write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1))
        _written(part)
        part.replace(folder / _MANIFEST)
        _sweep(folder)
    except (OSError, RuntimeError, pl.exceptions.PolarsError) as error:
        raise _not_written(folder, error) from None


def _write_vectors(file: Path, blocks: list[NDArray[np.int8]]) -> None:
    shape = (sum(len(block) for block in blocks), blocks[0].shape[1])
    with file.open("wb") as out:
        header = {"descr": "|i1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(out, header)
        for block in blocks:
            # A memory map is copied piece by piece, never read whole.
            for start in range(0, len(block), 65_536):
                out.write(np.ascontiguousarray(block[start : start + 65_536]).data)


def _written(file: Path) -> _File:
    """The size and checksum of a file that is on the disk."""
    with file.open("rb") as content:
        os.fsync(content.fileno())
    return _File(file.stat().st_size, checksum(file))


def _sweep(folder: Path) -> None:
    """Delete the files of other generations."""
    kept = set(_manifest(folder).names.values()) if is_base(folder) else set()
    for file in folder.iterdir():
        if _OWN.fullmatch(file.name) and file.name not in kept:
            file.unlink(missing_ok=True)


def _not_written(folder: Path, error: Exception) -> CaseBaseError:
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error).splitlines()[0]
    return CaseBaseError(
        f"cannot be written: {said}", path=folder, remedy="Free space or name another place; the base is as it was."
    )


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("forewarn")
    except PackageNotFoundError:
        return "unknown"
