"""Events in whatever dress → their fields, as Sigma names them.

In: a decoded event and what tells shapes apart. Out: names and values of its fields, its shape, and of what log source
it is.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from forewarn.rules.events.shapes import EVTX, NO_EVENT, Fields, Path, Recogniser, Shape, Source, at, nested, unwrapped
from forewarn.rules.events.windows import inner_fields, plain, windows_fields
from forewarn.rules.language.sources import sources

LINUX_SYSMON = "linux-sysmon/operational"
"""The channel of Sysmon for Linux, in lower case."""
WINDOWS = Source(EVTX.name, EVTX.product)
NOTHING = Source(NO_EVENT.name)
_SYSMON = "microsoft-windows-sysmon/operational"
_SPLUNK_SOURCE = "wineventlog:"
_HASHES = ("MD5", "SHA1", "SHA256", "IMPHASH")
_SYSTEMS = {100: "windows", 101: "windows", 200: "linux", 201: "linux", 300: "macos"}
"""OCSF's numbers of operating systems (device.os.type_id)."""
_FAILED = 2


def dressed(event: dict[str, Any], recogniser: Recogniser) -> tuple[list[tuple[str, Any]], Shape, Source]:
    """The fields of an event, its shape and its source."""
    windows = event.get("Event")
    if windows.__class__ is dict and windows.get("System").__class__ is dict:
        return _own_shape(windows, EVTX, WINDOWS)
    event = unwrapped(event)
    windows = event.get("Event")
    if windows.__class__ is dict and windows.get("System").__class__ is dict:
        return _own_shape(windows, EVTX, WINDOWS)
    shape, dotted = recogniser.shape(event)
    if dotted:
        event = nested(event)
    if shape.system:
        if isinstance(event["System"], dict):
            return _own_shape(event, shape, Source(shape.name, shape.product))
        shape = Shape(shape.name)
    fields = dict(event)
    for path in shape.inside:
        for name, value in inner_fields(at(event, path), named=path[-1].lower().replace("_", "") == "userdata"):
            if fields.get(name) is None:
                fields[name] = value
    _add(fields, event, shape.fields)
    if shape.as_event:
        return (*_of_ocsf(fields, event, shape),)
    channel = fields.get("Channel")
    if shape.product == "windows":
        channel = fields["Channel"] = _channel(channel)
        fields["EventID"] = plain(fields.get("EventID"))
    if shape.by_channel:
        _add(fields, event, shape.by_channel.get(str(channel).lower(), {}))
    if shape.product == "windows" and str(channel).lower() == LINUX_SYSMON:
        return list(fields.items()), shape, linux_sysmon(fields, shape.name)
    service = str(event.get("_path", "")) if shape.product == "zeek" else shape.service
    return list(fields.items()), shape, Source(shape.name, shape.product, service)


def linux_sysmon(fields: dict[str, Any], shape: str = EVTX.name) -> Source:
    """The source of an event of Sysmon for Linux, which numbers its events as Sysmon does."""
    return Source(shape, "linux", categories=_categories(str(plain(fields.get("EventID")))))


@lru_cache(maxsize=256)
def _categories(ident: str) -> frozenset[str]:
    """Sigma's categories of a Sysmon event; a name that is none where there are none: it is of no other's category."""
    known = sources()["categories"].items()
    found = {
        name
        for name, ways in known
        for way in ways
        if way["channel"].lower() == _SYSMON and ident in map(str, way["ids"])
    }
    return frozenset(found or {"sysmon"})


def _own_shape(event: dict[str, Any], shape: Shape, source: Source) -> tuple[list[tuple[str, Any]], Shape, Source]:
    channel = event["System"].get("Channel")
    if channel.__class__ is str and channel.lower() == LINUX_SYSMON:
        fields = windows_fields(event)
        return fields, shape, linux_sysmon(dict(fields), shape.name)
    return windows_fields(event), shape, source


def _of_ocsf(
    fields: dict[str, Any], event: dict[str, Any], shape: Shape
) -> tuple[list[tuple[str, Any]], Shape, Source]:
    """OCSF says by class and activity what Windows says by channel and event ID."""
    number, activity = event.get("class_uid"), event.get("activity_id")
    _add(fields, event, shape.by_class.get(number, {}) if isinstance(number, int) else {})
    known = shape.as_event.get(number, {}) if isinstance(number, int) else {}
    service, ident = known.get(activity, ("", 0)) if isinstance(activity, int) else ("", 0)
    if number == 3002 and activity == 1 and event.get("status_id") == _FAILED:
        ident = 4625
    product = _product(event, fields)
    if product != "windows":
        if not ident:
            return list(fields.items()), shape, Source(shape.name, product)
        categories = _categories(str(ident)) if service == "sysmon" else frozenset[str]()
        return list(fields.items()), shape, Source(shape.name, product, categories=categories)
    if fields.get("Channel") is None and service:
        fields["Channel"], fields["EventID"] = sources()["services"][service][0], str(ident)
    return list(fields.items()), shape, Source(shape.name, product)


def _product(event: dict[str, Any], fields: dict[str, Any]) -> str:
    """The operating system that an OCSF event is of; where nothing says so, it shows in how paths are written."""
    system = at(event, ("device", "os"))
    if isinstance(system, dict):
        if (known := _SYSTEMS.get(system.get("type_id", 0))) is not None:
            return known
        said = str(system.get("type") or system.get("name") or "").lower()
        for product in ("windows", "linux", "macos"):
            if product in said:
                return product
    if fields.get("Channel") is not None:
        return "windows"
    paths = [value for name in ("Image", "TargetFilename") if isinstance(value := fields.get(name), str)]
    return "windows" if any("\\" in path for path in paths) else ""


def _add(fields: dict[str, Any], event: dict[str, Any], more: Fields) -> None:
    """Fields that stand elsewhere in an event, where they are not there under their own names."""
    for name, paths in more.items():
        if fields.get(name) is None:
            for path in paths:
                if (value := _value(event, path)) is not None:
                    fields[name] = value
                    break


def _value(event: dict[str, Any], path: Path) -> Any:
    if "\\" in path:
        before = path.index("\\")
        parts = at(event, path[:before]), at(event, path[before + 1 :])
        return "\\".join(map(str, parts)) if None not in parts else None
    value = at(event, path)
    if value is None and len(path) > 1:
        return event.get(".".join(path))
    if path[-1] == "hash" and isinstance(value, dict):
        known = {str(name).upper(): hashed for name, hashed in value.items() if isinstance(hashed, str)}
        imphash = at(event, (*path[:-1], "pe", "imphash"))
        if isinstance(imphash, str):
            known["IMPHASH"] = imphash
        return ",".join(f"{name}={known[name].upper()}" for name in _HASHES if name in known) or None
    return value


def _channel(value: Any) -> Any:
    """A channel; Splunk keeps it in the name of the source."""
    if isinstance(value, str) and _SPLUNK_SOURCE in value.lower():
        return value[value.lower().index(_SPLUNK_SOURCE) + len(_SPLUNK_SOURCE) :] or None
    return value
