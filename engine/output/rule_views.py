"""How rules are shown to those who write them: a condition on a text, examples that went wrong, a record of hits.

In: an explained condition, rows of a backtest. Out: trees and rows for a terminal. Prints nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text
from rich.tree import Tree

from forewarn.output import rendering
from forewarn.text_gate import printable

if TYPE_CHECKING:
    from forewarn.rules import Explained, Rule

_JOINS = {"all": "all of", "any": "any of", "not": "not"}
_MANY = 3
"""Parts of one kind from which on those that do not hold are only counted."""
_BACKTEST = ("title", "hits", "right", "wrong", "precision", "recall", "only", "verdict")


def tree(rule: Rule, text: str, explained: Explained, *, everything: bool) -> Tree:
    """A rule's condition on a text, each part ticked or crossed, and the words that it found.

    Of many parts of which any one would do only those that hold are shown, unless `everything` is.
    """
    root = Tree(Text(printable(rule.title), style="bold").append(f" ({rule.level})", style="not bold"))
    _add(root, explained, text, everything)
    return root


def _add(tree: Tree, explained: Explained, text: str, everything: bool) -> None:
    label = _JOINS.get(explained.kind) or f"{explained.kind}: {printable(explained.label)}"
    parts, hidden = explained.parts, 0
    if not everything and len(parts) >= _MANY and explained.kind != "all":
        parts = [part for part in parts if part.holds]
        hidden = len(explained.parts) - len(parts)
    if hidden:
        label += f": {len(parts):,} of {len(explained.parts):,}"
    mark = Text("✓ " if explained.holds else "✗ ", style="bold" if explained.holds else "bold red")
    found = ", ".join(printable(text[start:end]) for start, end in explained.spans)
    if hidden and all(not part.parts for part in parts):
        # Phrases: what each of them found says more than the phrase.
        spans = sorted({span for part in parts for span in part.spans})
        found = ", ".join(dict.fromkeys(printable(text[start:end]) for start, end in spans)) or found
        parts = []
    node = tree.add(mark.append(label, style="not bold default").append(f"  “{found}”" if found else "", style="bold"))
    for part in parts:
        _add(node, part, text, everything)


def backtest(rows: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], str]:
    """The rules that hit, the most frequent first, and one sentence about those that did not."""
    alive = sorted((row for row in rows if row["hits"]), key=lambda row: (-row["hits"], row["title"]))
    shown = [{name: row[name] for name in _BACKTEST} for row in alive]
    dead = len(rows) - len(alive)
    return shown, f"{rendering.counted(dead, 'rule')} without a hit (--format jsonl names each)" if dead else ""


def as_rows(explained: Explained, text: str) -> dict[str, Any]:
    """A condition on a text as plain values, for JSON."""
    return {
        "kind": explained.kind,
        "label": explained.label,
        "holds": explained.holds,
        "found": [text[start:end] for start, end in explained.spans],
        "parts": [as_rows(part, text) for part in explained.parts],
    }
