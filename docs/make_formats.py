"""Writes docs/formats.md from the registry of formats: `make formats`."""

from __future__ import annotations

from pathlib import Path

from forewarn.reading.formats.page import formats_page

if __name__ == "__main__":
    Path(__file__).with_name("formats.md").write_text(formats_page(), "utf-8")
