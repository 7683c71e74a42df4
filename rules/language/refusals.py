"""What is wrong with a rule, and where: errors with line, column and remedy.

In: a rule's YAML, what pySigma or the reader says of it. Out: `RuleError`s. The YAML is composed a second time to find
a place, only where there is something to report.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import yaml
from sigma.exceptions import SigmaError
from sigma.modifiers import modifier_mapping

from forewarn.errors import RuleError


class Refused(Exception):
    """Why a document is no rule, and the keys that lead to the place; `like` is the text at fault there."""

    def __init__(self, message: str, keys: tuple[str, ...], remedy: str | None = None, like: str | None = None) -> None:
        super().__init__(message)
        self.message, self.keys, self.remedy, self.like = message, keys, remedy, like


_PLACES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Level", ("level",)),
    ("Status", ("status",)),
    ("Identifier", ("id",)),
    ("Title", ("title",)),
    ("Logsource", ("logsource",)),
    ("Date", ("date",)),
    ("Modified", ("modified",)),
    ("Tag", ("tags",)),
    ("Author", ("author",)),
    ("Description", ("description",)),
    ("References", ("references",)),
    ("FalsePositives", ("falsepositives",)),
    ("Fields", ("fields",)),
    ("Name", ("name",)),
    ("Related", ("related",)),
    ("Condition", ("detection", "condition")),
)


def refusal(error: SigmaError) -> Refused:
    """pySigma's error as ours, with the keys under which its place is."""
    kind = type(error).__name__
    keys = next((keys for name, keys in _PLACES if name in kind), ("detection",))
    said = str(error).split(" in ")[0].strip()
    modifier = re.match(r"Modifier (\w+) ", said)
    named = {made.__name__: name for name, made in modifier_mapping.items()}
    if modifier and modifier[1] in named:
        name = named[modifier[1]]
        return Refused(f"|{name} cannot be used on this value", ("detection",), like=f"|{name}")
    if "tag" in said.lower():
        keys = ("tags",)
    if keys == ("detection", "condition"):
        said = f"the condition cannot be read: {said}"
    own = re.match(r"(\|\w+) takes", said) or re.search(r"(?i)(base64)", said)
    if own:
        return Refused(said, ("detection",), like=own[1].lower())
    quoted = re.findall(r"'([^']+)'", said)
    return Refused(said, keys, like=quoted[-1] if quoted else None)


def yaml_error(error: Exception, content: str, path: str) -> RuleError:
    """What the YAML reader says, with its place in the content."""
    mark = getattr(error, "problem_mark", None)
    said = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error).splitlines()[0]
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    if isinstance(error, yaml.reader.ReaderError) and isinstance(error.position, int):
        before = content.encode()[: error.position].decode(errors="replace")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    remedy = "Indent with spaces, put quotes around texts that hold `: ` or begin with a special character."
    return RuleError(f"is not YAML: {said}", path=path, line=line, column=column, remedy=remedy)


def located(reason: Refused, content: str, number: int, path: str) -> RuleError:
    """Why the n-th document of a file is refused, with line and column."""
    line, column = place(content, number, reason.keys, reason.like)
    return RuleError(reason.message, path=path, line=line, column=column, remedy=reason.remedy)


def place(content: str, document: int, keys: Sequence[str], like: str | None = None) -> tuple[int, int]:
    """The 1-based line and column of a key of the n-th document, or of the first scalar below it that holds `like`.

    Composes the YAML a second time: called only where there is something to report.
    """
    documents = list(yaml.compose_all(content, Loader=yaml.CSafeLoader))
    node = documents[document] if document < len(documents) else None
    if node is None:
        return 1, 1
    mark = node.start_mark
    for key in keys:
        pair = next((pair for pair in _pairs(node) if pair[0].value == key), None)
        if pair is None:
            break
        mark, node = pair[0].start_mark, pair[1]
    if like is not None:
        mark = next((scalar.start_mark for scalar in _scalars(node) if like in scalar.value), mark)
    return mark.line + 1, mark.column + 1


def _pairs(node: yaml.Node) -> list[tuple[yaml.Node, yaml.Node]]:
    return node.value if isinstance(node, yaml.MappingNode) else []


def _scalars(node: yaml.Node) -> Iterator[yaml.ScalarNode]:
    if isinstance(node, yaml.ScalarNode):
        yield node
    elif isinstance(node, yaml.SequenceNode):
        for inner in node.value:
            yield from _scalars(inner)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _scalars(key)
            yield from _scalars(value)
