"""Warnings that wait on disk until they are written, however many there are.

In: warnings that are in no incident yet, as they are found. Out: a sequence of `EarlyWarning`s in the order of time,
each in its incident, read one at a time. Of each one a few numbers stay in memory.
"""

from __future__ import annotations

import tempfile
import weakref
from array import array
from collections.abc import Iterable, Sequence
from typing import overload

import msgspec
import numpy as np

from forewarn.alerts import EarlyWarning
from forewarn.early import Incidents, Lead
from forewarn.errors import OutputError


class KeptWarnings(Sequence[EarlyWarning]):
    """The warnings of `leads`; `central` the numbers of their most central texts, by text.

    The file is gone with the sequence. Raises OutputError where it cannot be written.
    """

    def __init__(self, leads: Iterable[Lead] = (), incidents: Incidents | None = None) -> None:
        self._file = tempfile.TemporaryFile(prefix="forewarn-warnings-")  # noqa: SIM115 - as long as the sequence
        weakref.finalize(self, self._file.close)
        self.central: dict[str, int] = {}
        self._incidents: list[str] = []
        ends, clocks, names = array("q", [0]), array("q"), list[str]()
        centre_bytes = 0
        try:
            for lead in leads:
                packed = msgspec.msgpack.encode(lead.warning)
                centre_bytes = lead.centre.nbytes
                self._file.write(lead.centre.tobytes() + packed)
                ends.append(ends[-1] + centre_bytes + len(packed))
                clocks.append(lead.clock)
                names.append(lead.warning.id)
                self.central.setdefault(lead.warning.text, lead.central)
            self._file.flush()
        except OSError as error:
            raise OutputError(
                f"warnings cannot be kept: {error.strerror}",
                path=tempfile.gettempdir(),
                remedy="Free space there, or name another folder in TMPDIR.",
            ) from None
        order = np.argsort(clocks, kind="stable")
        edges = np.array(ends)
        self._spans = np.stack([edges[order] + centre_bytes, edges[order + 1]], axis=1)
        grouped = incidents or Incidents()
        for at in order.tolist():
            centre = np.frombuffer(self._read(ends[at], ends[at] + centre_bytes), dtype=np.float32)
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
        first, last = self._spans[at].tolist()
        warning = msgspec.msgpack.decode(self._read(first, last), type=EarlyWarning)
        return msgspec.structs.replace(warning, incident=self._incidents[at])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(EarlyWarning.__eq__, self, other))

    __hash__ = None  # type: ignore[assignment]

    def _read(self, first: int, last: int) -> bytes:
        self._file.seek(first)
        return self._file.read(last - first)
