"""Writes docs/options.md from the commands: `make options`."""

from __future__ import annotations

from pathlib import Path

from forewarn.cli import cli
from forewarn.cli.reference import options_page

if __name__ == "__main__":
    Path(__file__).with_name("options.md").write_text(options_page(cli), "utf-8")
