"""The shapes in which events come, and how each is known.

In: a decoded event. Out: its shape, as `shapes.yaml` describes it: of what log source it is, and where in it the fields
stand that Sigma's rules name. A shape is known by the topmost keys, once for each distinct set of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from typing import Any

import yaml

Path = tuple[str, ...]
Fields = Mapping[str, tuple[Path, ...]]
"""Sigma's names of fields, and the paths at which each may stand, the preferred one first."""
_MOST_KEY_SETS = 4096
_MOST_NAMED_KEYS = 6


@dataclass(frozen=True)
class Shape:
    """What is known of events of one shape.

    `product` and `service` are those of Sigma's log sources, empty where they are not known; `has` groups of topmost
    keys, one of each of which is there; `inside` objects whose fields are the event's own; `system` whether the event
    is as under `Event`; `as_event` (of OCSF) the channel and event ID of a class and activity.
    """

    name: str
    product: str = ""
    service: str = ""
    has: tuple[tuple[str, ...], ...] = ()
    inside: tuple[Path, ...] = ()
    fields: Fields = field(default_factory=dict)
    by_channel: Mapping[str, Fields] = field(default_factory=dict)
    by_class: Mapping[int, Fields] = field(default_factory=dict)
    as_event: Mapping[int, Mapping[int, tuple[str, int]]] = field(default_factory=dict)
    any_case: bool = False
    system: bool = False


EVTX = Shape("evtx", product="windows")
"""`{"Event": {"System": …, "EventData": …}}`, as evtx_dump writes it, and as EVTX and XML are read."""
NO_EVENT = Shape("no JSON object")


@dataclass(frozen=True)
class Source:
    """Of what log source one event is: `product`, `service`; `categories` where they are known, else empty."""

    shape: str
    product: str = ""
    service: str = ""
    categories: frozenset[str] = frozenset()

    def fits(self, logsource: Mapping[str, str]) -> bool:
        """Whether an event of this source may be one of a rule's: nothing that is known of it says otherwise."""
        for known, key in ((self.product, "product"), (self.service, "service")):
            if known and logsource.get(key, known) != known:
                return False
        return not self.categories or logsource.get("category") in self.categories


@lru_cache(maxsize=1)
def shapes() -> tuple[Shape, ...]:
    """The shapes of `shapes.yaml`, in its order."""
    return tuple(_shape(name, said) for name, said in _document()["shapes"].items())


def unwrapped(event: dict[str, Any]) -> dict[str, Any]:
    """An event without what a search engine puts around it."""
    for name in _document()["wrappers"]:
        inner = event.get(name)
        if isinstance(inner, dict) and len(inner) > 1:
            return inner
    return event


def nested(event: dict[str, Any]) -> dict[str, Any]:
    """An event whose keys are written with dots, as objects within objects."""
    made: dict[str, Any] = {}
    for name, value in event.items():
        *above, last = name.split(".")
        inner = made
        for part in above:
            if not isinstance(inner.get(part), dict):
                inner[part] = {}
            inner = inner[part]
        inner[last] = value
    return made


class Recogniser:
    """Tells shapes apart; remembers what it said of each set of keys."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], tuple[Shape, bool]] = {}

    def shape(self, event: dict[str, Any]) -> tuple[Shape, bool]:
        """The shape of an event, and whether its keys have to be `nested` first; one that none fits has their names."""
        keys = tuple(event)
        found = self._known.get(keys)
        if found is None:
            if len(self._known) >= _MOST_KEY_SETS:
                self._known.clear()
            found = self._known[keys] = _recognised(event)
        return found


def at(event: Any, path: Path) -> Any:
    """What stands at a path; in a list, what stands there in each member. None where there is nothing."""
    for place, name in enumerate(path):
        if event.__class__ is dict:
            event = event.get(name)
        elif event.__class__ is list:
            found = [at(member, path[place:]) for member in event]
            return [value for value in found if value is not None] or None
        else:
            return None
    return event


def _recognised(event: dict[str, Any]) -> tuple[Shape, bool]:
    if shape := _fitting(event):
        return shape, False
    if any("." in name for name in event) and (shape := _fitting(nested(event))):
        return shape, True
    named = sorted(event)
    rest = ", …" if len(named) > _MOST_NAMED_KEYS else ""
    return Shape(f"with {', '.join(named[:_MOST_NAMED_KEYS])}{rest}" if named else "without a key"), False


def _fitting(event: Mapping[str, Any]) -> Shape | None:
    return next((s for s in shapes() if all(any(key in event for key in one_of) for one_of in s.has)), None)


def _shape(name: str, said: Mapping[str, Any]) -> Shape:
    return Shape(
        name,
        product=said.get("product", ""),
        service=said.get("service", ""),
        has=tuple((one_of,) if isinstance(one_of, str) else tuple(one_of) for one_of in said["has"]),
        inside=tuple(tuple(path.split(".")) for path in said.get("inside", ())),
        fields=_fields(said.get("fields", {})),
        by_channel={channel: _fields(own) for channel, own in said.get("by_channel", {}).items()},
        by_class={number: _fields(own) for number, own in said.get("by_class", {}).items()},
        as_event={
            number: {activity: (channel, ident) for activity, (channel, ident) in own.items()}
            for number, own in said.get("as_event", {}).items()
        },
        any_case=said.get("any_case", False),
        system=said.get("system", False),
    )


def _fields(said: Mapping[str, list[str]]) -> Fields:
    return {name: tuple(_path(path) for path in paths) for name, paths in said.items()}


def _path(said: str) -> Path:
    return tuple(said.replace("\\", ".\\.").split("."))


@lru_cache(maxsize=1)
def _document() -> dict[str, Any]:
    text = resources.files("forewarn.rules.events").joinpath("shapes.yaml").read_text("utf-8")
    read: dict[str, Any] = yaml.load(text, Loader=yaml.CSafeLoader)
    return read
