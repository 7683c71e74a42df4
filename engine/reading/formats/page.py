"""The page about formats, made of what the registry says.

In: the registry. Out: docs/formats.md, as Markdown.
"""

from __future__ import annotations

from forewarn.reading.formats.registry import FORMATS
from forewarn.reading.levels import LEVELS, LOUD

_HEAD = """# Formats

Made from the registry of formats (`engine/reading/formats/registry.py`) by `make formats`: change it there.

A file is known by how it begins, never by its name alone, and compression (gzip, bzip2, xz, zstandard) and encoding
(UTF-8, UTF-16, UTF-32, GB18030, others guessed and named) count for nothing. What a file of yours is taken for,
which of its fields become text, time and level, and its first three records:

```sh
forewarn scan --explain-reading examples/logs
```

The formats are tried in the order of this page. **Text** is what rules, embedding and people read, **level** a
number from 0 to 7 ({levels}); from {loud} down to 0 it stands before the text as a word in brackets, unless the
text says it itself. An HTTP **status** of 400 and above stands after it (`status=502`). **Fields** are what rules
about events see. Colours and other orders to a terminal are taken out, runs of NULs are blanks.

A fact has one score in whatever envelope it comes: for the encoder and the statistics of a scan, time, host and
program at the head of a line are taken off, and its level is spelled in one way.

**Times.** Some 200 forms, in nine languages, are known by themselves; without an offset a time is UTC, and a zone
that is several (CST) is named. A file in which no time is known is named too: there is no early warning from it.
Then say which field has it (`--time-column`) or how it is written, in the letters of `strftime` (`--time-format
'%d.%m.%Y %H:%M:%S'`), or give each record the time of its arrival (`forewarn watch --arrival-times`).

**Archives.** The members of ZIP and tar archives are sources of their own (`logs.zip!/a.log`). What unpacks to far
more than it takes is left, an archive in an archive is named.

**Not read**, and named with what to do: EVTX, systemd's binary journal, PDF, Office documents, 7z and RAR archives,
databases, images, programs.
"""


def formats_page() -> str:
    """docs/formats.md."""
    levels = ", ".join(f"{number} {word}" for number, word in enumerate(LEVELS))
    parts = [_HEAD.replace("{levels}", levels).replace("{loud}", str(LOUD))]
    for one in FORMATS:
        example = one.example
        parts.append(
            f"## {example.title}\n\n`{one.name}`\n\n```text\n{example.lines}```\n\n"
            f"* Text: {example.text}. Here: {_code(example.gives)}\n* Time: {example.time}.\n"
            f"* Level: {example.grave}.\n* Fields: {example.fields}.\n"
        )
    parts.append(
        "## Parquet\n\n`parquet`\n\n* Text, time and level: as of a table.\n* Times may be times, numbers or text.\n"
        "* Fields: the row.\n"
    )
    return "\n".join(parts)


def _code(text: str) -> str:
    if "\n" in text or "`" in text:
        return f"\n\n  ```text\n  {text.replace(chr(10), chr(10) + '  ')}\n  ```\n"
    return f"`{text}`."
