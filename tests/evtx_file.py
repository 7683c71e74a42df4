"""A small writer of EVTX files, for tests: events as binary XML without templates, in as many chunks as are asked for.

After the public description of the format (libevtx, "Windows XML Event Log (EVTX) format").
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

CHUNK, HEADER = 65_536, 4096
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
Event = dict[str, Any]


def event(number: int, data: dict[str, str], **system: Any) -> Event:
    """An event as evtx_dump writes it: `number` its EventID; `system`: provider, channel, computer, time, record."""
    return {
        "Event": {
            "System": {
                "Provider": {"#attributes": {"Name": system.get("provider", "Microsoft-Windows-Sysmon")}},
                "EventID": number,
                "TimeCreated": {"#attributes": {"SystemTime": system.get("time", "2026-03-05T08:00:00.250000Z")}},
                "EventRecordID": system.get("record", 1),
                "Channel": system.get("channel", "Microsoft-Windows-Sysmon/Operational"),
                "Computer": system.get("computer", "ws-07.example.test"),
            },
            "EventData": data,
        }
    }


def evtx_file(chunks: Sequence[Sequence[Event]], written: datetime = datetime(2026, 3, 5, 9, tzinfo=UTC)) -> bytes:
    """The events of each chunk as an EVTX file; all records were `written` at one time."""
    body, first = b"", 1
    for events in chunks:
        body += _chunk(events, first, int((written - _EPOCH).total_seconds() * 10**7))
        first += len(events)
    head = struct.pack("<8sQQQIHHHH76xI", b"ElfFile\0", 0, len(chunks) - 1, first, 128, 1, 3, HEADER, len(chunks), 0)
    return (head + struct.pack("<I", zlib.crc32(head[:120]))).ljust(HEADER, b"\0") + body


def _chunk(events: Sequence[Event], first: int, filetime: int) -> bytes:
    body = bytearray(512)
    last_at = 512
    for number, one in enumerate(events, first):
        last_at = len(body)
        xml = _Xml(last_at + 24).document(one)
        size = 24 + len(xml) + 4
        body += struct.pack("<4sIQQ", b"**\0\0", size, number, filetime) + xml + struct.pack("<I", size)
    last = first + len(events) - 1
    head = struct.pack(
        "<8sQQQQIIII68x", b"ElfChnk\0", first, last, first, last, 128, last_at, len(body), zlib.crc32(body[512:])
    )
    body[: len(head)] = head
    body[124:128] = struct.pack("<I", zlib.crc32(body[:120] + body[128:512]))
    assert len(body) <= CHUNK
    return bytes(body).ljust(CHUNK, b"\0")


class _Xml:
    """Binary XML that begins at a place in its chunk: names are found by their places."""

    def __init__(self, start: int) -> None:
        self._start = start
        self._out = bytearray()

    def document(self, one: Event) -> bytes:
        system = one["Event"]["System"]
        self._out += b"\x0f\x01\x01\0"
        self._open("Event", {})
        self._open("System", {})
        self._leaf("Provider", system["Provider"]["#attributes"])
        for name in ("EventID", "TimeCreated", "EventRecordID", "Channel", "Computer"):
            value = system.get(name)
            if isinstance(value, dict):
                self._leaf(name, value["#attributes"])
            elif value is not None:
                self._leaf(name, {}, str(value))
        self._out += b"\x04"
        self._open("EventData", {})
        for name, value in one["Event"]["EventData"].items():
            self._leaf("Data", {"Name": name}, value)
        self._out += b"\x04\x04\0"
        return bytes(self._out)

    def _leaf(self, name: str, attributes: dict[str, str], text: str | None = None) -> None:
        self._open(name, attributes, closed=text is None)
        if text is not None:
            self._text(text)
            self._out += b"\x04"

    def _open(self, name: str, attributes: dict[str, str], closed: bool = False) -> None:
        self._out += struct.pack("<BI", 0x41 if attributes else 0x01, 0)
        self._name(name)
        if attributes:
            at = len(self._out)
            self._out += bytes(4)
            for number, (key, value) in enumerate(attributes.items(), 1):
                self._out += bytes([0x46 if number < len(attributes) else 0x06])
                self._name(key)
                self._text(value)
            self._out[at : at + 4] = struct.pack("<I", len(self._out) - at - 4)
        self._out += b"\x03" if closed else b"\x02"

    def _name(self, name: str) -> None:
        here = self._start + len(self._out) + 4
        self._out += struct.pack("<IIHH", here, 0, 0, len(name)) + name.encode("utf-16-le") + b"\0\0"

    def _text(self, text: str) -> None:
        coded = text.encode("utf-16-le")
        self._out += struct.pack("<BBH", 5, 1, len(coded) // 2) + coded
