"""Warnings that wait on disk until they are written, however many there are.

In: warnings that are in no incident yet, as they are found. Out: a sequence of `EarlyWarning`s in the order of time,
each in its incident, read one at a time. Of each one a few numbers and two ids stay in memory.
"""

from __future__ import annotations

import tempfile
import weakref
from array import array
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import overload

import msgspec
import numpy as np
from numpy.typing import NDArray

from forewarn.errors import OutputError
from forewarn.findings import EarlyWarning, dated, now
from forewarn.warning.early_warnings import Incidents, UnassignedWarning


class KeptWarnings(Sequence[EarlyWarning]):
    """The warnings of `leads`, said at `detected_at`.

    `central` the number of each one's most central text, by its id; `texts` what a first record of each such text says.

    The file is gone with the sequence. Raises OutputError where it cannot be written.
    """

    def __init__(self, leads: Iterable[UnassignedWarning] = (), detected_at: datetime | None = None) -> None:
        self._detected_at = detected_at or now()
        self.central: dict[str, int] = {}
        self.texts: dict[int, str] = {}
        self._incidents: list[str] = []
        # Where each one begins, its centre first, where its text does, and where it ends.
        places, clocks, names = array("q"), array("q"), list[str]()
        try:
            self._file = tempfile.TemporaryFile(prefix="forewarn-warnings-")  # noqa: SIM115 - as long as the sequence
            weakref.finalize(self, self._file.close)
            for lead in leads:
                written = (lead.centre.tobytes(), msgspec.msgpack.encode(lead.warning))
                places.append(self._file.tell())
                for part in written:
                    self._file.write(part)
                    places.append(self._file.tell())
                clocks.append(lead.clock)
                names.append(lead.warning.id)
                self.central[lead.warning.id] = lead.central
                self.texts.setdefault(lead.central, lead.warning.text)
            self._file.flush()
        except OSError as error:
            raise OutputError(
                f"warnings cannot be kept: {error.strerror}",
                path=tempfile.gettempdir(),
                remedy="Free space there, or name another folder in TMPDIR.",
            ) from None
        order = np.argsort(clocks, kind="stable")
        self._places: NDArray[np.int64] = np.array(places).reshape(-1, 3)[order]
        grouped = Incidents()
        for at, (first, last, _) in zip(order.tolist(), self._places.tolist(), strict=True):
            centre = np.frombuffer(self._read(first, last), dtype=np.float32)
            self._incidents.append(grouped.of(centre, clocks[at], names[at]))

    def __len__(self) -> int:
        return len(self._incidents)

    @overload
    def __getitem__(self, at: int) -> EarlyWarning: ...
    @overload
    def __getitem__(self, at: slice) -> list[EarlyWarning]: ...
    def __getitem__(self, at: int | slice) -> EarlyWarning | list[EarlyWarning]:
        if isinstance(at, slice):
            return [self[one] for one in range(len(self))[at]]
        _, first, last = self._places[at].tolist()
        warning = msgspec.msgpack.decode(self._read(first, last), type=EarlyWarning)
        return dated(msgspec.structs.replace(warning, incident=self._incidents[at]), self._detected_at)

    def __eq__(self, other: object) -> bool:
        """Whether another sequence, a list of warnings say, holds the same."""
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(one == same for one, same in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def _read(self, first: int, last: int) -> bytes:
        self._file.seek(first)
        return self._file.read(last - first)
