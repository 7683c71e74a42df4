"""Vectors kept on disk, so that a text is embedded once.

In: an encoder. Out: an encoder that gives the same vectors, those it has seen before from a file. The file is an
SQLite database in the user's cache: a row for each vector, found by a hash of the encoder and the text, with a checksum
of its own. Several processes may use it at once. It is bounded: the oldest rows go first. A damaged file is dropped
and noted, and where none can be written the encoder works without one; no text is ever stored, only its hash.
"""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from forewarn.embeddings.encoder import Encoder
from forewarn.errors import EncoderError, ForewarnError
from forewarn.runtime.cache import cache_folder, is_own, keep

LIMIT = 2**30
"""Bytes of the file: some 500,000 vectors of 512 dimensions."""
_CHUNK = 4096
"""Texts looked up, embedded and stored together."""
_PAGE = 32_768
_WAIT = 5.0
"""Seconds to wait for another process that is writing."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS vectors (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, crc INTEGER, vector BLOB);
"""
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class _Damaged(Exception):
    """A stored vector is not what was stored."""


class CachedEncoder:
    """`encoder` with a file of the vectors it made.

    `file` is where they are kept (None = the user's cache) and `limit` its size in bytes; a note on a damaged file is
    added to `problems`. The vectors are those that `encoder` would give; where those depend in their last digits on
    the other texts of a batch (in torch, not in the bundled encoder on the CPU), they are those of the first time.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        kind: str = "",
        file: Path | None = None,
        limit: int = LIMIT,
        problems: list[ForewarnError] | None = None,
    ) -> None:
        self.name, self.dimension, self.checksum = encoder.name, encoder.dimension, encoder.checksum
        self._encoder = encoder
        self._salt = hashlib.blake2b(f"{encoder.checksum} {encoder.dimension} {kind}".encode()).digest()
        self._in_cache = file is None
        self._file = file or _default_file()
        self._limit = limit
        self._problems = problems if problems is not None else []

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The vectors of n texts: float32, shape (n, d), unit length; equal texts are embedded once."""
        keys = [self._key(text) for text in texts]
        first_place = {key: place for place, key in reversed(list(enumerate(keys)))}
        distinct = sorted(first_place.values())
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        known = self._known(keys, distinct, vectors)
        missing = [place for place in distinct if place not in known]
        database = self._open() if missing else None
        for start in range(0, len(missing), _CHUNK):
            chunk = missing[start : start + _CHUNK]
            vectors[chunk] = self._encoder.encode([texts[place] for place in chunk])
            if database:
                database = self._store(database, [keys[place] for place in chunk], vectors[chunk])
        if database:
            with suppress(sqlite3.Error):
                database.close()
        if len(distinct) < len(texts):
            vectors = vectors[[first_place[key] for key in keys]]
        return vectors

    def _key(self, text: str) -> bytes:
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, key=self._salt).digest()

    def _known(self, keys: list[bytes], places: list[int], vectors: NDArray[np.float32]) -> set[int]:
        """Fill in the vectors of those `places` whose keys are in the file, and say which they were."""
        if not self._is_own() or (database := self._open()) is None:
            return set()
        known = set[int]()
        try:
            with closing(database):
                for start in range(0, len(places), _CHUNK):
                    asked = {keys[place]: place for place in places[start : start + _CHUNK]}
                    rows = database.execute(
                        f"SELECT key, crc, vector FROM vectors WHERE key IN ({','.join('?' * len(asked))})",  # noqa: S608
                        list(asked),
                    ).fetchall()
                    for key, crc, stored in rows:
                        if len(stored) != 4 * self.dimension or zlib.crc32(stored) != crc:
                            raise _Damaged
                        vector = np.frombuffer(stored, dtype="<f4")
                        if not np.isfinite(vector).all():
                            raise _Damaged
                        vectors[asked[key]] = vector
                    known.update(asked[key] for key, _, _ in rows)
        except (sqlite3.Error, _Damaged) as error:
            self._fail(error)
            return set()
        return known

    def _is_own(self) -> bool:
        """Whether there is a file, and it may be read: one in the cache is the user's own."""
        return is_own(self._file) if self._in_cache else self._file.exists()

    def _open(self) -> sqlite3.Connection | None:
        database = None
        try:
            if not self._is_own():
                if not self._in_cache:
                    self._file.parent.mkdir(parents=True, exist_ok=True)
                else:
                    # An empty file is an empty database, and its owner's alone.
                    keep(self._file, lambda _: None)
                    if not is_own(self._file):
                        return None
            database = sqlite3.connect(self._file, timeout=_WAIT, isolation_level=None)
            database.execute(f"PRAGMA page_size = {_PAGE}")
            database.execute("PRAGMA journal_mode = WAL")
            # What a power cut may damage is found by the checksums, and made again.
            database.execute("PRAGMA synchronous = OFF")
            database.execute(_SCHEMA)
        except (sqlite3.Error, OSError) as error:
            if database:
                database.close()
            self._fail(error)
            return None
        return database

    def _store(
        self, database: sqlite3.Connection, keys: list[bytes], vectors: NDArray[np.float32]
    ) -> sqlite3.Connection | None:
        """Add rows, and take the oldest away where the file has grown over its limit."""
        blobs = [row.tobytes() for row in vectors.astype("<f4")]
        rows = [(key, zlib.crc32(blob), blob) for key, blob in zip(keys, blobs, strict=True)]
        try:
            database.execute("BEGIN IMMEDIATE")
            database.executemany("INSERT OR IGNORE INTO vectors (key, crc, vector) VALUES (?, ?, ?)", rows)
            self._shrink(database)
            database.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                database.close()
            self._fail(error)
            return None
        return database

    def _shrink(self, database: sqlite3.Connection) -> None:
        def number(question: str) -> int:
            return int(database.execute(question).fetchone()[0] or 0)

        used = _PAGE * (number("PRAGMA page_count") - number("PRAGMA freelist_count"))
        if used > self._limit:
            oldest, newest = number("SELECT min(id) FROM vectors"), number("SELECT max(id) FROM vectors")
            surplus = (newest - oldest + 1) * (used - self._limit) // used + 1
            database.execute("DELETE FROM vectors WHERE id < ?", (oldest + surplus,))

    def _fail(self, error: Exception) -> None:
        """A damaged file is dropped and noted; any other failure (no space, no permission, locked) is no error."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if not isinstance(error, _Damaged) and code not in _DAMAGE:
            return
        for suffix in ("", "-wal", "-shm"):
            with suppress(OSError):
                Path(f"{self._file}{suffix}").unlink()
        note = EncoderError("the cache of vectors was damaged; it was dropped and is made anew", path=self._file)
        self._problems.append(note)


def _default_file() -> Path:
    return cache_folder() / "vectors-1.sqlite"
