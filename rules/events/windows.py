"""The fields of Windows events: what `System`, `EventData` and `UserData` say, in whichever way XML became JSON.

In: the object that holds `System`. Out: names and values of fields, as Sigma names them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

SYSTEM = ("EventID", "Channel", "Computer", "Level", "Task", "Opcode", "Keywords", "Version", "EventRecordID")
"""What Event.System says of an event, beside its provider."""
PROVIDER = "Provider_Name"
_TEXTS = ("#text", "Value", "$", "_")
"""Under which names converters of XML keep the text of an element that has attributes."""
_ATTRIBUTES = ("#attributes", "$", "@attributes")
_NAMES = ("Name", "@Name", "_Name")


def windows_fields(event: dict[str, Any]) -> list[tuple[str, Any]]:
    """The fields of an event; where System and the data have one of the same name, System's."""
    own = dict(_of_system(event["System"]))
    return [*own.items(), *((name, value) for name, value in _of_data(event) if name not in own)]


def plain(value: Any) -> Any:
    """A value without the attributes around it; of a list the first."""
    while isinstance(value, dict | list):
        if isinstance(value, dict):
            value = next((value[name] for name in _TEXTS if name in value), None)
        else:
            value = next(iter(value), None)
    return value


def inner_fields(data: Any, *, named: bool) -> Iterator[tuple[str, Any]]:
    """The fields of EventData or of another object of fields; of UserData (`named`) those of its element, too."""
    for member in _objects(data):
        for name, value in member.items():
            if name == "Data" and (pairs := named_data(value)):
                yield from pairs
                continue
            yield name, value
            if not named:
                continue
            for element in _objects(value):
                if "#text" not in element:
                    yield from ((key, inner) for key, inner in element.items() if key not in _ATTRIBUTES)


def _of_system(system: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """What Event.System says."""
    for name in SYSTEM:
        value = system.get(name)
        if value is not None:
            yield name, plain(value) if value.__class__ is dict else value
    provider = system.get("Provider")
    if isinstance(provider, dict):
        attributes = next((provider[name] for name in _ATTRIBUTES if isinstance(provider.get(name), dict)), provider)
        yield PROVIDER, next((attributes[name] for name in _NAMES if name in attributes), None)


def _of_data(event: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The fields of EventData, and of UserData, where they stand in an element of it that has a name of its own."""
    yield from inner_fields(event.get("EventData"), named=False)
    yield from inner_fields(event.get("UserData"), named=True)


def named_data(value: Any) -> list[tuple[str, Any]]:
    """The fields of `Data` elements that carry their names as attributes; none where they have no names."""
    pairs: list[tuple[str, Any]] = []
    unnamed: list[Any] = []
    for member in _objects(value):
        attributes = next((member[name] for name in _ATTRIBUTES if isinstance(member.get(name), dict)), member)
        name = next((attributes[key] for key in _NAMES if isinstance(attributes.get(key), str)), None)
        text = next((member[key] for key in _TEXTS if key in member and member[key] is not attributes), "")
        if name is None:
            unnamed.append(text)
        else:
            pairs.append((name, text))
    return [*pairs, ("Data", unnamed)] if pairs and unnamed else pairs


def _objects(value: Any) -> list[dict[str, Any]]:
    """An object, or those of a list."""
    members = value if isinstance(value, list) else [value]
    return [member for member in members if isinstance(member, dict)]
