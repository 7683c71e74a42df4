"""The bytes of a file → blocks of whole lines in UTF-8.

In: an open binary file, compressed or not, in any encoding. Out: what kind of file it is, and for text a stream of
blocks of bounded size, each a run of whole lines in valid UTF-8 that ends with a line end. Content decides, never the
name. It never holds more than one block and one line of at most `MAX_LINE` bytes, whatever the file does.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO

from forewarn.reading.compression import READ, BrokenStream, bytes_of
from forewarn.reading.formats import evtx_log
from forewarn.reading.problems import Problems

HEAD = 1 << 16
"""How many bytes at the start of a file decide what it is."""
MAX_LINE = 1 << 20
"""Bytes of a line that are kept until its text is cut; the rest of the line is dropped as it is read."""
PARQUET = "a Parquet file"
ZIP, TAR = "a ZIP archive", "a tar archive"
BINARY = "a binary file"
EVTX = "a Windows event log (EVTX)"
_UNPACK = "Unpack it first."
_BINARY: tuple[tuple[bytes, int, str, str | None], ...] = (
    (b"PAR1", 0, PARQUET, None),
    (b"PK\x03\x04", 0, ZIP, _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", 0, "a 7z archive", _UNPACK),
    (b"Rar!\x1a\x07", 0, "a RAR archive", _UNPACK),
    (b"ustar", 257, TAR, _UNPACK),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 0, "an Office document", "Save it as CSV or plain text first."),
    (b"%PDF-", 0, "a PDF document", "Convert it to plain text first (pdftotext)."),
    (evtx_log.MAGIC, 0, EVTX, None),
    (evtx_log.CHUNK_MAGIC, evtx_log.HEADER, EVTX, None),
    (b"LPKSHHRH", 0, "a systemd journal", "Export it first (journalctl -o json --file …)."),
    (b"SQLite format 3\0", 0, "an SQLite database", "Export the table as CSV first."),
    (b"\x89PNG", 0, "an image", None),
    (b"\xff\xd8\xff", 0, "an image", None),
    (b"GIF8", 0, "an image", None),
    (b"\x7fELF", 0, "a program", None),
)
# In all of these a line end is the byte 10, so that lines can be cut before they are decoded.
_LEGACY = [
    *("cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "cp866", "koi8_r"),
    *("koi8_u", "iso8859_2", "iso8859_5", "iso8859_7", "iso8859_9", "iso8859_15", "cp932", "euc_jp", "big5", "cp949"),
    *("tis_620", "mac_cyrillic"),
]
# Control characters that text does not hold: all below space but tab, line ends, form feed, back space and escape.
_TEXT_BYTES = bytes(byte for byte in range(256) if (byte >= 0x20 and byte != 0x7F) or byte in b"\t\n\r\f\v\b\x1b")
# The 150 commonest characters of Chinese: a third of any Chinese text, and hardly anything of a text misread as it.
_COMMON_HAN = frozenset(
    "的一是了不在有人我他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可里后小么心多天而能好都然没日"
    "于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长知民样现分将外但身些与高意进把法此实回二理美点"
    "月明其种声全工己话儿者向情部正名定女问力机给等几很业最间新什打便位因重被走电四第门相次东政海口使教西再平真市股司期据关"
)


# Colours and other orders to a terminal: CSI and OSC sequences, and the short ones.
_ANSI = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]{0,4096}(?:\x07|\x1b\\)|[@-Z\\^_=>])")
_NULS = re.compile(rb"\0{8,}")
_LONG_NULS = re.compile(rb"\0{32,}")
_MOST_NULS = 1 << 32
"""Bytes of NULs at a file's start that are passed over; a device gives them without end."""


@dataclass(frozen=True)
class TextBlock:
    """`data` holds whole lines of UTF-8, the last one ended too; `first_line` is the 1-based number of the first.

    `lines` is how many there are, where that is known.
    """

    first_line: int
    data: bytes
    lines: int | None = None

    @property
    def height(self) -> int:
        """How many lines there are."""
        return self.data.count(b"\n") if self.lines is None else self.lines


@dataclass(frozen=True)
class Look:
    """What the first bytes of a file say: a `binary` kind with what to do about it, or a text's `encoding`.

    `guessed` is set where the encoding is only the likeliest of several.
    """

    encoding: str = "utf-8"
    skip: int = 0
    guessed: bool = False
    binary: str | None = None
    remedy: str | None = None


def look_at(head: bytes, whole: bool) -> Look:
    """Decide from the first bytes of a (decompressed) file what it holds; `whole` = there are no more."""
    for magic, at, kind, remedy in _BINARY:
        if head.startswith(magic, at):
            return Look(binary=kind, remedy=remedy)
    for bom, encoding in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if head.startswith(bom):
            return Look(encoding, skip=len(bom))
    if wide := _utf16_without_mark(head, whole):
        return Look(wide)
    # What is text but for runs of NULs is a log after a power cut, or one that was truncated under its writer.
    without = _LONG_NULS.sub(b"", head)
    if without:
        head = without
    controls = len(head.translate(None, _TEXT_BYTES)) / max(len(head), 1)
    text = _decoded(head, "utf-8", whole)
    if controls > (0.3 if text is not None else 0.02):
        return Look(binary=BINARY)
    return Look() if text is not None else _legacy(head, whole)


def _decoded(head: bytes, encoding: str, whole: bool) -> str | None:
    try:
        return codecs.getincrementaldecoder(encoding)("strict").decode(head, whole)
    except UnicodeDecodeError:
        return None


def _utf16_without_mark(head: bytes, whole: bool) -> str | None:
    """UTF-16 shows by zero bytes that stand in even places only, or in odd places only."""
    if head.count(0) == 0:
        return None
    pairs = len(head) // 2
    even, odd = head[: 2 * pairs : 2].count(0), head[1 : 2 * pairs : 2].count(0)
    many, few, encoding = (odd, even, "utf-16-le") if odd > even else (even, odd, "utf-16-be")
    # In valid UTF-8, zeros are odd control characters; only if they fill every other place is it UTF-16 all the same.
    enough = 0.2 * pairs if _decoded(head, "utf-8", whole) is not None else 0
    if many < 2 or many < enough or many < 3 * few or (whole and len(head) % 2):
        return None
    text = _decoded(head[: 2 * pairs], encoding, False)
    if not text:
        return None
    likely = sum(
        character in "\t\n\r"
        or " " <= character < "\u0590"
        or "\u2000" <= character < "\ua000"
        or character >= "\uac00"
        for character in text
    )
    private = sum("\ue000" <= character < "\uf900" for character in text)
    return encoding if likely - 2 * private >= 0.95 * len(text) else None


def _legacy(head: bytes, whole: bool) -> Look:
    """The encoding of bytes that are not valid UTF-8 throughout."""
    replaced = head.decode("utf-8", "replace")
    bad = replaced.count("\ufffd")
    multibyte = sum(character > "\x7f" for character in replaced) - bad
    if bad <= 0.1 * multibyte:
        return Look()
    chinese = _decoded(head, "gb18030", whole)
    if chinese is not None and _reads_as_chinese(chinese, sum(byte > 0x7F for byte in head)):
        return Look("gb18030")
    # Stray bytes in what is otherwise ASCII are damage; another encoding shows throughout.
    if bad < 4 or bad < 0.005 * len(head):
        return Look()
    from charset_normalizer import from_bytes  # a fallback that few files need

    best = from_bytes(head[:16_384], cp_isolation=_LEGACY).best()
    if best is None or best.encoding in ("ascii", "utf_8"):
        return Look()
    return Look(best.encoding.replace("_", "-"), guessed=True)


def _reads_as_chinese(text: str, high_bytes: int) -> bool:
    wide = [character for character in text if character > "\x7f"]
    han = [character for character in wide if "\u4e00" <= character < "\ua000"]
    near = sum("\u3000" <= character < "\u3100" or "\uff00" <= character < "\uffe7" for character in wide)
    marks = sum(character in "“”‘’…—·×℃①②③④⑤" for character in wide)
    if len(han) + near + marks < 0.7 * len(wide) or high_bytes < 1.6 * len(wide):
        return False
    return len(han) < 60 or sum(character in _COMMON_HAN for character in han) >= 0.12 * len(han)


class TextStream:
    """A file that is being read: a `look` at its first bytes, then its blocks, once.

    `path` names it in problems. A break in its bytes ends the blocks and is noted.
    """

    def __init__(self, path: str, file: BinaryIO, piece: int, problems: Problems) -> None:
        self.path = path
        self._problems = problems
        self._piece = min(piece, READ)
        self.broken: BrokenStream | None = None
        """Why the bytes ended early, if they did."""
        pieces, self.compressed = bytes_of(file, self._piece)
        self._pieces = self._guarded(pieces)
        held, length, nuls = [], 0, 0
        while length < HEAD and (data := next(self._pieces, None)) is not None:
            if not length and nuls < _MOST_NULS and not data.strip(b"\0"):
                # What a power cut or a truncated log leaves in front; the one at hand stands for all of them.
                nuls += len(data)
                continue
            if not length and (nuls or data.startswith(bytes(32))):
                nuls, data = nuls + 1, data.lstrip(b"\0")
            held.append(data)
            length += len(data)
        if nuls and not length:
            held, length = [bytes(64)], 64
        self._start = b"".join(held)
        self._head = self._start[:HEAD]
        self.whole = length < HEAD
        """Whether the head is all there is."""
        self.look = look_at(self._head, self.whole)
        self._encoding = self.look.encoding
        # Line ends of old Macs: never a line feed.
        self._only_returns = b"\n" not in self._head and b"\r" in self._head.rstrip(b"\r")
        text = self._head[self.look.skip :].decode(self._encoding, "replace")
        if "\x1b" in text or "\0" in text or self._only_returns:
            text = self._readable(text.encode("utf-8", "replace")).decode()
        self.head = text if self.whole else text.rstrip("\ufffd")
        """The first characters, up to `HEAD` bytes of them, for deciding on the format."""
        self._only_ascii = self._encoding == "utf-8" and self._head.isascii()
        self.lines = 0
        """How many lines the blocks have held so far."""

    def _guarded(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        try:
            yield from pieces
        except BrokenStream as error:
            self.broken = error

    def starts_with(self, magic: bytes) -> bool:
        """Whether the (decompressed) file begins with these bytes."""
        return self._head.startswith(magic)

    def content(self) -> Iterator[bytes]:
        """All bytes as they are, decompressed; for formats that are no text. Instead of `blocks`, not beside it."""
        yield self._start
        yield from self._pieces

    def blocks(self, size: int) -> Iterator[TextBlock]:
        """The whole file in blocks of about `size` bytes: at most that, one piece and one line."""
        if self.look.guessed:
            self._note_guess()
        pieces = self._after_mark()
        if self._encoding.startswith("utf-16") or self._encoding.startswith("utf-32"):
            pieces = self._narrowed(pieces, self._encoding)
            self._encoding = "utf-8"
        for data in map(self._readable, _whole_lines(map(self._without_nuls, pieces), size)):
            first_line = self.lines + 1
            height = data.count(b"\n")
            self.lines += height
            yield TextBlock(first_line, data if data.isascii() else self._valid(data, first_line), height)
        if self.broken:
            self._problems.note(
                self.path,
                f"{self.broken}; the lines up to here were read",
                line=max(self.lines, 1),
                remedy="Fetch or export the file again.",
            )

    def _without_nuls(self, piece: bytes) -> bytes:
        """A piece in which runs of NULs are blanks, and line ends are line feeds."""
        if b"\0" in piece:
            piece = _NULS.sub(b" ", piece)
        return piece.replace(b"\r", b"\n") if self._only_returns else piece

    def _readable(self, data: bytes) -> bytes:
        """Text without what only a terminal or a disk wants."""
        data = self._without_nuls(data)
        return _ANSI.sub(b"", data) if b"\x1b" in data else data

    def _after_mark(self) -> Iterator[bytes]:
        start, self._start = self._start, b""
        for at in range(self.look.skip, len(start), self._piece):
            yield start[at : at + self._piece]
        yield from self._pieces

    def _narrowed(self, pieces: Iterator[bytes], encoding: str) -> Iterator[bytes]:
        """UTF-16 or UTF-32 as UTF-8, before lines are cut: there, the byte 10 is not always a line end."""
        decoder = codecs.getincrementaldecoder(encoding)("replace")
        line = 1
        for piece in chain(pieces, [None]):
            text = decoder.decode(piece or b"", piece is None)
            if "\ufffd" in text:
                self._note_bad(line + text.count("\n", 0, text.index("\ufffd")), encoding, text)
            line += text.count("\n")
            yield text.encode("utf-8", "replace")

    def _valid(self, data: bytes, first_line: int) -> bytes:
        """`data`, which is not all ASCII, as valid UTF-8."""
        try:
            text = data.decode(self._encoding)
        except UnicodeDecodeError as error:
            line_start = data.rfind(b"\n", 0, error.start) + 1
            if self._only_ascii and (look := _legacy(data[line_start : line_start + HEAD], False)).encoding != "utf-8":
                self._only_ascii, self.look, self._encoding = False, look, look.encoding
                if look.guessed:
                    self._note_guess()
                return self._valid(data, first_line)
            text = data.decode(self._encoding, "replace")
            self._note_bad(first_line + data.count(b"\n", 0, error.start), self._encoding, text)
            return text.encode("utf-8", "replace")
        self._only_ascii = False
        return data if self._encoding == "utf-8" else text.encode("utf-8", "replace")

    def _note_guess(self) -> None:
        self._problems.note(
            self.path,
            f"is not UTF-8; read as {self._encoding}, the likeliest of several encodings",
            remedy="Convert it to UTF-8 (iconv) if the text looks wrong.",
        )

    def _note_bad(self, line: int, encoding: str, text: str) -> None:
        self._problems.note(
            self.path,
            f"is not valid {encoding.upper()} here; the odd bytes are read as \ufffd",
            line=line,
            times=sum("\ufffd" in part for part in text.split("\n")),
        )


def _whole_lines(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Cut a stream of bytes at line ends into blocks of `size` bytes or a little more; the last line gets an end."""
    lines: list[bytes] = []
    unended: list[bytes] = []
    filled = length = 0
    for piece in pieces:
        end = piece.rfind(b"\n") + 1
        if not end:
            if length < MAX_LINE:
                unended.append(piece)
                length += len(piece)
                if length >= MAX_LINE:
                    unended = [cut_line(b"".join(unended))]
            continue
        # What is left of a line that was cut is dropped up to its end.
        begin = piece.find(b"\n") if length >= MAX_LINE else 0
        lines += [*unended, piece[begin:end]]
        filled += length + end - begin
        unended = [piece[end:]] if end < len(piece) else []
        length = len(piece) - end
        if filled >= size:
            yield b"".join(lines)
            lines, filled = [], 0
    if unended:
        lines += [*unended, b"\n"]
    if lines:
        yield b"".join(lines)


def cut_line(line: bytes) -> bytes:
    """The first `MAX_LINE` bytes, less a character that the cut would tear."""
    line = line[:MAX_LINE]
    end = len(line)
    while end > MAX_LINE - 4 and line[end - 1] & 0xC0 == 0x80:
        end -= 1
    return line[: end - 1] if line[end - 1] >= 0xC0 else line
