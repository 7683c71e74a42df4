"""One Windows event in the dresses in which other programs write it.

In: an event as evtx_dump writes it. Out: the same as JSON of another shape, or as XML. Written from the formats'
descriptions, apart from the code that reads them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape, quoteattr

Event = dict[str, Any]


def flat(event: Event) -> Event:
    """As NXLog's to_json writes it."""
    system = event["Event"]["System"]
    return {
        "EventTime": _time(event),
        "Hostname": system.get("Computer"),
        "SourceName": _provider(event),
        "EventID": _event_id(event),
        "Channel": system.get("Channel"),
        "Keywords": system.get("Keywords"),
        **_fields(event),
    }


def winlogbeat(event: Event) -> Event:
    """As Winlogbeat writes it, without its modules."""
    system = event["Event"]["System"]
    data = "user_data" if event["Event"].get("UserData") else "event_data"
    return {
        "@timestamp": _time(event),
        "event": {"code": str(_event_id(event)), "kind": "event", "provider": _provider(event)},
        "host": {"name": system.get("Computer")},
        "winlog": {
            "channel": system.get("Channel"),
            "event_id": str(_event_id(event)),
            "provider_name": _provider(event),
            "computer_name": system.get("Computer"),
            "keywords": system.get("Keywords"),
            data: _fields(event),
        },
    }


def winlogbeat_dotted(event: Event) -> Event:
    """The same as Elasticsearch exports it: one level, names with dots, and its own wrapper."""
    found: Event = {}

    def walk(value: Any, name: str) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, f"{name}.{key}" if name else key)
        else:
            found[name] = value

    walk(winlogbeat(event), "")
    return {"_index": "winlogbeat-8", "_source": found}


def velociraptor(event: Event) -> Event:
    """As Velociraptor's parse_evtx gives it: no wrapper, attributes as plain fields, a number of seconds."""
    system = dict(event["Event"]["System"])
    system["Provider"] = {"Name": _provider(event)}
    system["EventID"] = {"Value": _event_id(event)}
    system["TimeCreated"] = {"SystemTime": 1760000000.25}
    return {
        "System": system,
        **{key: value for key, value in event["Event"].items() if key in ("EventData", "UserData")},
    }


def splunk(event: Event) -> Event:
    """As Splunk exports an event of the Windows add-on."""
    system = event["Event"]["System"]
    return {
        "preview": False,
        "result": {
            "_time": _time(event),
            "EventCode": str(_event_id(event)),
            "source": f"XmlWinEventLog:{system.get('Channel')}",
            "sourcetype": "XmlWinEventLog",
            "host": system.get("Computer"),
            "Name": _provider(event),
            "Keywords": system.get("Keywords"),
            **_fields(event),
        },
    }


def xmltodict(event: Event) -> Event:
    """As xmltodict turns the XML of an event into JSON."""
    own = event["Event"]
    system = dict(own["System"])
    system["Provider"] = {"@Name": _provider(event)}
    system["EventID"] = {"@Qualifiers": "0", "#text": str(_event_id(event))}
    system["TimeCreated"] = {"@SystemTime": _time(event)}
    made: Event = {"@xmlns": "http://schemas.microsoft.com/win/2004/08/events/event", "System": system}
    if isinstance(own.get("EventData"), dict):
        made["EventData"] = {"Data": [{"@Name": name, "#text": value} for name, value in own["EventData"].items()]}
    if own.get("UserData"):
        made["UserData"] = own["UserData"]
    return {"Event": made}


def attributes(event: Event) -> Event:
    """As older converters write it: each Data element with its attributes beside it."""
    made = xmltodict(event)
    data = made["Event"].get("EventData", {}).get("Data", [])
    for element in data:
        element["#attributes"] = {"Name": element.pop("@Name")}
    return made


def ocsf(event: Event) -> Event:
    """As a collector writes it that keeps what OCSF has no name for."""
    system = event["Event"]["System"]
    return {
        "class_uid": 1007,
        "category_uid": 1,
        "activity_id": 99,
        "time": 1760000000250,
        "metadata": {
            "version": "1.6.0",
            "log_name": system.get("Channel"),
            "event_code": str(_event_id(event)),
            "log_provider": _provider(event),
        },
        "device": {"hostname": system.get("Computer"), "os": {"type_id": 100, "name": "Windows"}},
        "unmapped": {"Keywords": system.get("Keywords"), "EventData": _fields(event)},
    }


DRESSES: dict[str, Callable[[Event], Event]] = {
    made.__name__: made
    for made in (flat, winlogbeat, winlogbeat_dotted, velociraptor, splunk, xmltodict, attributes, ocsf)
}


def xml(event: Event) -> str:
    """As `wevtutil qe /f:xml` prints it."""
    own = event["Event"]
    system = own["System"]
    lines = [f"<Provider Name={quoteattr(str(_provider(event)))}/>", f"<EventID>{_event_id(event)}</EventID>"]
    lines += _elements(system, "Version", "Level", "Task", "Opcode", "Keywords")
    lines.append(f"<TimeCreated SystemTime='{_time(event)}'/>")
    lines += _elements(system, "EventRecordID", "Channel", "Computer")
    body = ""
    if isinstance(own.get("EventData"), dict):
        body = "".join(_data(name, value) for name, value in own["EventData"].items() if name != "#attributes")
        body = f"<EventData>{body}</EventData>"
    elif own.get("UserData"):
        body = f"<UserData>{_element(own['UserData'])}</UserData>"
    return (
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'>"
        f"<System>{''.join(lines)}</System>{body}</Event>"
    )


def _elements(system: Event, *names: str) -> list[str]:
    return [f"<{name}>{escape(str(system[name]))}</{name}>" for name in names if system.get(name) is not None]


def _data(name: str, value: Any) -> str:
    if name == "Data":
        texts = value.get("#text") if isinstance(value, dict) else value
        return "".join(f"<Data>{_text(text)}</Data>" for text in (texts if isinstance(texts, list) else [texts]))
    return f"<Data Name={quoteattr(name)}>{_text(value)}</Data>"


def _element(value: Event) -> str:
    return "".join(
        f"<{name}>{_element(inner) if isinstance(inner, dict) else _text(inner)}</{name}>"
        for name, inner in value.items()
        if not name.startswith("#")
    )


def _text(value: Any) -> str:
    if value is None:
        return ""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    text = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", "\ufffd", text)
    return escape(text, {"\r": "&#13;", "\n": "&#10;", "\t": "&#9;"})


def _fields(event: Event) -> Event:
    """What the data say, at one level."""
    own = event["Event"]
    if isinstance(own.get("EventData"), dict):
        return {name: value for name, value in own["EventData"].items() if name != "#attributes"}
    for element in (own.get("UserData") or {}).values():
        if isinstance(element, dict):
            return {name: value for name, value in element.items() if name != "#attributes"}
    return {}


def _event_id(event: Event) -> Any:
    ident = event["Event"]["System"]["EventID"]
    return ident["#text"] if isinstance(ident, dict) else ident


def _provider(event: Event) -> Any:
    return event["Event"]["System"]["Provider"]["#attributes"].get("Name")


def _time(event: Event) -> str:
    return str(event["Event"]["System"]["TimeCreated"]["#attributes"]["SystemTime"])
