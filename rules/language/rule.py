"""What a rule is once it is read: what people see of it, and a condition over atoms.

In: nothing. Out: plain data that can be kept as JSON, so that a cached rule needs no Sigma parser.
"""

from __future__ import annotations

import re

import msgspec

LEVELS = ("informational", "low", "medium", "high", "critical")
TEXT = "text"
"""The field that keywords look at: the record's text."""
_SPECIAL = re.compile(r"([\\.^$|()\[\]{}*+?/-])")

# Patterns and atoms, tens of thousands without cycles, need not be looked through by Python's collector: `gc=False`.


class Pattern(msgspec.Struct, frozen=True, gc=False):
    """One expression, in the syntax that Hyperscan and RE2 share, searched for in one value.

    `^` and `$` are the ends of the value; `multiline`: of each of its lines; `dotall`: `.` is a line break, too.
    `literal` is the plain string that the expression stands for, where it is one; `edges` what its two ends have to
    stand at: nothing, the end of a `word`, or the end of the value (`line`); `written` says that its author wrote
    the expression.
    """

    expression: str
    caseless: bool = True
    literal: str | None = None
    edges: tuple[str, str] = ("", "")
    written: bool = False
    multiline: bool = False
    dotall: bool = False


def escape(text: str) -> str:
    """`text` as an expression that matches just it; control characters as escapes, since they cut lines."""
    escaped = _SPECIAL.sub(r"\\\1", text)
    return "".join(char if char >= " " else f"\\x{ord(char):02x}" for char in escaped)


class Atom(msgspec.Struct, frozen=True, gc=False):
    """One thing that is true or false of a record, and the place it is true of.

    `kind` says how `patterns` and `arguments` are read:
    `find` the pattern occurs in the field; `affirmed` it occurs and is not negated; `near` all patterns occur within
    `window` words of each other; `similar` the text is close in meaning to one of `arguments`; `compare` the number
    compares (`arguments` operator, value); `cidr` the address lies in the network; `null`, `exists` about the field;
    `same` it equals the field named in `arguments`; `part` a part of its time equals a number.
    """

    field: str
    kind: str
    patterns: tuple[Pattern, ...] = ()
    arguments: tuple[str, ...] = ()
    window: int = 0
    label: str = ""


class Leaf(msgspec.Struct, frozen=True, gc=False, tag="atom"):
    """An atom's truth; `atom` is its index in the rule's `atoms`."""

    atom: int


class All(msgspec.Struct, frozen=True, gc=False, tag="all"):
    """True where every part is."""

    parts: tuple[Node, ...]


class Any(msgspec.Struct, frozen=True, gc=False, tag="any"):
    """True where a part is."""

    parts: tuple[Node, ...]


class Not(msgspec.Struct, frozen=True, gc=False, tag="not"):
    """True where the part is not."""

    part: Node


Node = Leaf | All | Any | Not


class Rule(msgspec.Struct, frozen=True):
    """A rule.

    `category` is the domain of a shipped pack (the `forewarn.` tag), else the log source's category, product or
    service; `weight` natural log-odds in place of the level's; `decision` an expert's last word, `always` or `never`;
    `path` its file and `document` which of the file's
    YAML documents it is, from 0.
    """

    id: str
    title: str
    level: str
    category: str
    path: str
    document: int
    atoms: tuple[Atom, ...]
    condition: Node
    logsource: dict[str, str]
    description: str = ""
    status: str = ""
    author: str = ""
    name: str = ""
    weight: float | None = None
    decision: str | None = None
    playbook: str | None = None
    match: tuple[str, ...] = ()
    no_match: tuple[str, ...] = ()
    falsepositives: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


class Correlation(msgspec.Struct, frozen=True):
    """A rule about rules: so many hits, such values, or several rules, within a span of time.

    `kind` is a correlation type of Sigma; `rules` the ids or names that it is about, its members; `group_by` fields
    that have to agree; `aliases` what such a field is called in the events of each member; `seconds` the span. Its
    `bounds` hold all together, each an operator (`gte`, …) and a number: of hits, of distinct values of `field`, of
    members, or of what is made of the values of `field` (their `percentile`-th percentile among others); `expression`
    is over members in their place, and None where the bounds decide. `generate`: its members also fire by themselves.
    The rest is as in a `Rule`.
    """

    id: str
    title: str
    level: str
    path: str
    document: int
    kind: str
    rules: tuple[str, ...]
    group_by: tuple[str, ...]
    seconds: int
    bounds: tuple[tuple[str, int | float], ...] = ()
    expression: Node | None = None
    field: str | None = None
    percentile: int | float = 50
    aliases: dict[str, dict[str, str]] = {}
    generate: bool = False
    category: str = ""
    description: str = ""
    status: str = ""
    author: str = ""
    name: str = ""
    weight: float | None = None
    decision: str | None = None
    playbook: str | None = None
    falsepositives: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
