"""EVTX → one event a record: the binary logs of Windows, decoded by the `evtx` library.

In: a file on a disk. Out: its events as JSON, each on one line, with their ordinals, a few at a time; chunks that are
damaged are noted by their numbers, and what can be read of them and all others is read. The time of an event is what it
says itself (`TimeCreated`), not when its record was written.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Generator, Iterator
from typing import IO, cast

from forewarn.reading.problems import Problems

HEADER, CHUNK = 4096, 65_536
"""Bytes of a file's header, and of each of the chunks after it."""
MAGIC, CHUNK_MAGIC = b"ElfFile\0", b"ElfChnk\0"
_CHUNK_NUMBER = re.compile(r"chunk number ([0-9]+)")
_NOT_AS_WRITTEN = "CRC32"
"""In what the library says of a chunk that is whole, but not as its checksum says."""
_MOST_NAMED = 8
_REMEDY = "Copy the log again (wevtutil epl)."
_FAULTS = (RuntimeError, OSError, ValueError)


def events(file: IO[bytes], size: int, name: str, problems: Problems) -> Iterator[tuple[range, bytes]]:
    """The events of a file: ordinals from 1, and as many lines of JSON, of about `size` bytes together.

    `file` is on a disk; `name` is what it is called in problems. Raises ValueError where nothing of it can be read.
    """
    lines: list[str] = []
    first, filled = 1, 0
    for text in _texts(file, name, problems):
        lines.append(text)
        filled += len(text)
        if filled >= size:
            yield range(first, first + len(lines)), _joined(lines)
            first, lines, filled = first + len(lines), [], 0
    if lines:
        yield range(first, first + len(lines)), _joined(lines)


def with_header(file: IO[bytes], copy: IO[bytes]) -> None:
    """Write a file of which the first bytes are lost, but not the chunks, to `copy`, so that it can be read."""
    file.seek(0)
    copy.write(_whole_header(file.read(HEADER)))
    while piece := file.read(1 << 20):
        copy.write(piece)


def _texts(file: IO[bytes], name: str, problems: Problems) -> Iterator[str]:
    chunks, rest, blank = _chunks(file)
    try:
        records = _records(file, validated=True)
    except _FAULTS as error:
        raise ValueError(str(error).rpartition("stream.: ")[2]) from error
    damaged: list[int] = []
    doubtful: list[int] = []
    unnumbered = 0
    while True:
        try:
            for record in records:
                yield record["data"]
            break
        except _FAULTS as error:
            found = _CHUNK_NUMBER.search(str(error))
            if found is None:
                unnumbered += 1
                continue
            number = int(found[1])
            whole = yield from _chunk(file, number)
            whole = whole and _NOT_AS_WRITTEN in str(error)
            (doubtful if whole else damaged).append(number + 1)
    if rest:
        yield from _chunk(file, chunks)
        problems.note(
            name, f"is cut inside chunk {chunks + 1}; what is whole of it and before it is read", remedy=_REMEDY
        )
    if blank:
        problems.note(name, f"{_named(blank)} empty, and others follow; their events are lost", remedy=_REMEDY)
    if damaged:
        problems.note(name, f"{_named(damaged)} damaged; the rest is read", remedy=_REMEDY)
    if unnumbered:
        problems.note(name, "holds records that are damaged; the rest is read", times=unnumbered, remedy=_REMEDY)
    if doubtful:
        why = "not as written (copied while in use, or damaged); read as it stands"
        problems.note(name, f"{_named(doubtful)} {why}", remedy=_REMEDY)


def _chunk(file: IO[bytes], number: int) -> Generator[str, None, bool]:
    """What can be read of one chunk (from 0) by itself, whatever its checksum says; returns whether that is all."""
    file.seek(0)
    head = _whole_header(file.read(HEADER))
    file.seek(HEADER + number * CHUNK)
    alone = io.BytesIO(head + file.read(CHUNK).ljust(CHUNK, b"\0"))
    whole = True
    try:
        records = _records(alone, validated=False)
    except _FAULTS:
        return False
    while True:
        try:
            for record in records:
                yield record["data"]
            return whole
        except _FAULTS:
            whole = False


def _records(file: IO[bytes], *, validated: bool) -> Iterator[dict[str, str]]:
    """The records of a file, each with its JSON under `data`; what is damaged is raised, and the next goes on."""
    from evtx import PyEvtxParser

    # One thread: processes share the cores, and records come in the order of the file. By its name a file is read
    # without the interpreter; one that was laid down has none.
    source = file.name if isinstance(getattr(file, "name", None), str) else file
    parser = PyEvtxParser(source, number_of_threads=1, indent=False, validate_checksums=validated)
    return cast("Iterator[dict[str, str]]", parser.records_json())


def _chunks(file: IO[bytes]) -> tuple[int, int, list[int]]:
    """How many whole chunks a file has, the bytes after them, and which of the others are empty, from 1."""
    chunks, rest = divmod(max(file.seek(0, 2) - HEADER, 0), CHUNK)
    blank: list[int] = []
    waiting: list[int] = []
    descriptor = file.fileno()
    for number in range(chunks):
        magic = os.pread(descriptor, len(CHUNK_MAGIC), HEADER + number * CHUNK)
        if magic == bytes(len(CHUNK_MAGIC)):
            waiting.append(number + 1)
        else:
            blank, waiting = blank + waiting, []
    return chunks, rest, blank


def _whole_header(head: bytes) -> bytes:
    return MAGIC + head[len(MAGIC) :]


def _named(numbers: list[int]) -> str:
    named = ", ".join(map(str, numbers[:_MOST_NAMED]))
    more = f" and {len(numbers) - _MOST_NAMED:,} more" if len(numbers) > _MOST_NAMED else ""
    return f"chunk {named} is" if len(numbers) == 1 else f"chunks {named}{more} are"


def _joined(lines: list[str]) -> bytes:
    return "\n".join([*lines, ""]).encode()
