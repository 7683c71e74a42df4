"""Logs that name their fields in comments → tables.

In: how a file starts, and its blocks: the W3C extended format (IIS, CloudFront: `#Fields: date time …`, by blanks or
tabs) and Zeek's (`#fields<tab>ts<tab>uid …`). Out: its layout as a `delimited.Table`, and the same blocks without
comments, the day of `#Date:` before a time that has none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from forewarn.field_names import BODY, TIME, plain
from forewarn.reading import columns as fields
from forewarn.reading import levels
from forewarn.reading.decoding import TextBlock
from forewarn.reading.formats.delimited import Table

_FIELDS = re.compile(r"^#(?:Fields:[ \t]*|fields\t)(.+)$", re.MULTILINE)
_DATE = re.compile(r"^#(?:Date|Start-Date):[ \t]*(\d{4}-\d\d-\d\d)", re.MULTILINE)


def table_in(head: str) -> Table | None:
    """The layout of a file that starts like this, or None where no comment names fields."""
    if not head.lstrip("\ufeff").startswith("#") or not (found := _FIELDS.search(head)):
        return None
    written = found[1].rstrip("\r")
    delimiter = "\t" if "\t" in written or found[0].startswith("#fields") or _rows_have_tabs(head) else " "
    names = [name for name in written.replace("\t", delimiter).split(delimiter) if name]
    if len(set(names)) < len(names) or len(names) < 2:
        return None
    times = fields.known(names, TIME)
    bodies = fields.known(names, BODY)
    statuses = fields.known(names, levels.STATUS)
    day = _DATE.search(head)
    has_day = any(plain(name) in ("date", "datetime", "timestamp", "ts") for name in names)
    return Table(
        delimiter,
        tuple(names),
        False,
        tuple(bodies),
        (),
        tuple(times),
        statuses=tuple(statuses),
        day=day[1] if day and not has_day else "",
    )


def _rows_have_tabs(head: str) -> bool:
    rows = [line for line in head.split("\n") if line and not line.startswith("#")]
    return bool(rows) and "\t" in rows[0]


def without_comments(blocks: Iterator[TextBlock]) -> Iterator[TextBlock]:
    """The same blocks with blank lines in the place of comments, so that lines keep their numbers."""
    for block in blocks:
        data = block.data
        yield TextBlock(block.first_line, uncommented(data))


def uncommented(data: bytes) -> bytes:
    """Lines without what comments say."""
    if b"\n#" in data or data.startswith(b"#"):
        data = re.sub(rb"(?m)^#[^\n]*", b"", data)
    # Some lay their columns out with blanks.
    return re.sub(rb" {2,}", b" ", data) if b"    " in data else data
