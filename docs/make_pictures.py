"""Draw the README's pictures from real runs: `make pictures`.

In: the example inputs. Out: `docs/scan.svg`, what `forewarn scan examples/logs/social.csv` prints.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from rich.console import Console

from forewarn.options import Policy
from forewarn.output.terminal import Terminal
from forewarn.pipeline import Options, scan

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Scan the examples and keep the screen as SVG."""
    os.chdir(ROOT)
    with Path(os.devnull).open("w") as nowhere:
        screen = Console(
            record=True, width=110, file=nowhere, highlight=False, force_terminal=True, color_system="truecolor"
        )
        screen.print("$ forewarn scan examples/logs/social.csv --budget 2")
        Terminal(screen, screen).scan(scan(["examples/logs/social.csv"], Options(policy=Policy(budget=2))), None)
    drawing = screen.export_svg(title="forewarn", unique_id="scan")
    # The picture shows in the reader's own monospace font: a page must not fetch one from elsewhere.
    drawing = re.sub(r"@font-face \{.*?\}", "", drawing, flags=re.DOTALL)
    (ROOT / "docs" / "scan.svg").write_text(re.sub(r"[ \t]+$", "", drawing, flags=re.MULTILINE))


if __name__ == "__main__":
    main()
