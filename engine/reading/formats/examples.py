"""What each format looks like, and what becomes of it: for people, and for the tests.

In: nothing. Out: `EXAMPLES`, by the names of the formats: a title, a few lines, the text and level of the first record
that they give, and where text, time, level and fields come from.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Example:
    """A format as a person meets it.

    `lines` begin a file of it; `gives` is the text and `level` the level of the first record, which is of 2026-11-29,
    8:04 UTC, unless `timeless`; `text`, `time`, `grave` and `fields` say where they come from.
    """

    title: str
    lines: str
    gives: str
    level: int | None
    text: str
    time: str
    grave: str
    fields: str
    timeless: bool = False


_MESSAGE = "the message, or where there is none the telling fields as `name: value; …`"
_KNOWN_TIME = "the field with a known name (`time`, `ts`, `@timestamp`, …), else the one whose values are times"
_LEVEL = "`level`, `severity`, `PRIORITY`, `levelname`, `severityNumber`, … by word or number"
_OPENED = "the message, opened in turn where it is JSON or logfmt"

_WINDOWS_EVENT = (
    "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='Works'/>"
    "<EventID>1</EventID><TimeCreated SystemTime='2026-11-29T08:0{}:00.000Z'/><Channel>Pumps</Channel></System>"
    "<EventData><Data Name='Note'>{}</Data></EventData></Event>\n"
)

EXAMPLES: dict[str, Example] = {
    "xml_events": Example(
        "Windows events as XML: `wevtutil qe /f:xml`, `Get-WinEvent … ToXml()`, Sysmon for Linux; EVTX is read too",
        _WINDOWS_EVENT.format(4, "pump stopped") + _WINDOWS_EVENT.format(5, "pump started"),
        "Works 1; Note: pump stopped",
        None,
        "provider, number, who, from where, the program; the other fields as `name: value; …`",
        "`TimeCreated`",
        "none: rules for such events know them",
        "the whole event, as EVTX has it",
    ),
    "json_lines": Example(
        "JSON lines: pino, bunyan, GELF, ECS, GCP, journald (`-o json`), docker json-file, Suricata, …",
        '{"time":"2026-11-29T08:04:00Z","level":50,"msg":"pump stopped","err":"no pressure"}\n'
        '{"time":"2026-11-29T08:05:00Z","level":30,"msg":"pump started"}\n',
        "[error] pump stopped: no pressure",
        3,
        f"{_MESSAGE}; a reason (`error`, `err`, `exception`, …) after it; a message that is JSON or logfmt is opened",
        _KNOWN_TIME,
        _LEVEL,
        "the whole event",
    ),
    "json_document": Example(
        "A JSON document: an array, or an object with a list of objects anywhere in it; OpenTelemetry batches",
        '{"kind": "List", "data": {"items": [\n'
        '  {"time": "2026-11-29T08:04:00Z", "reason": "Killed", "message": "container out of memory"},\n'
        '  {"time": "2026-11-29T08:05:00Z", "reason": "Started", "message": "container started"}\n]}}\n',
        "container out of memory: Killed",
        None,
        f"of each object in the longest list: {_MESSAGE}",
        _KNOWN_TIME,
        _LEVEL,
        "the object",
    ),
    "declared_fields": Example(
        "Fields named in comments: W3C extended (IIS, CloudFront), Zeek",
        "#Version: 1.0\n#Date: 2026-11-29 08:00:00\n#Fields: time cs-method cs-uri-stem sc-status\n"
        "08:04:00 GET /orders 502\n08:05:00 GET /orders 200\n",
        "cs-method: GET; cs-uri-stem: /orders status=502",
        None,
        "the fields that hold words, as `name: value; …`",
        "`date` and `time`, `ts`; the day of `#Date:` where a row has none",
        "none; the status is that of `sc-status`",
        "the row by the names of `#Fields`",
    ),
    "delimited": Example(
        "CSV, TSV and the like, with a header; PostgreSQL's csvlog, which has none",
        "time,severity,message\n2026-11-29 08:04:00,error,pump stopped\n2026-11-29 08:05:00,info,pump started\n",
        "[error] pump stopped",
        3,
        "the column of text (`--text-column`, a known name, else the one that reads like sentences), else all words",
        f"`--time-column`; {_KNOWN_TIME}",
        "the column with a known name",
        "the row",
    ),
    "journald_export": Example(
        "journald's export format (`journalctl -o export`)",
        "__CURSOR=s=1;i=1\n__REALTIME_TIMESTAMP=1795939440000000\nPRIORITY=3\n_SYSTEMD_UNIT=pump.service\n"
        "MESSAGE=pump stopped\n\n__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=1795939500000000\nPRIORITY=6\n"
        "MESSAGE=pump started\n",
        "[error] pump stopped",
        3,
        "`MESSAGE`",
        "`_SOURCE_REALTIME_TIMESTAMP`, `__REALTIME_TIMESTAMP`",
        "`PRIORITY`",
        "the entry",
    ),
    "log4j_xml": Example(
        "log4j's XML layout, on one line or several",
        '<log4j:event logger="pump" timestamp="1795939440000" level="FATAL" thread="main">'
        "<log4j:message><![CDATA[pump stopped]]></log4j:message></log4j:event>\n"
        '<log4j:event logger="pump" timestamp="1795939500000" level="INFO" thread="main">\n'
        "<log4j:message><![CDATA[pump started]]></log4j:message>\n</log4j:event>\n",
        "[fatal] pump stopped",
        2,
        "the message, and the first line of what was thrown",
        "`timestamp`, `timeMillis`, `epochSecond`",
        "`level`",
        "logger, message, level, what was thrown",
    ),
    "mysql_slow": Example(
        "MySQL's log of slow queries",
        "# Time: 2026-11-29T08:04:00.000000Z\n# User@Host: shop[shop] @ [192.0.2.7]\n"
        "# Query_time: 12.5  Lock_time: 0.0 Rows_sent: 1  Rows_examined: 900000\n"
        "SET timestamp=1795939440;\nSELECT count(*) FROM orders;\n"
        "# Time: 2026-11-29T08:05:00.000000Z\n# User@Host: shop[shop] @ [192.0.2.7]\n"
        "# Query_time: 3.5  Lock_time: 0.0 Rows_sent: 1  Rows_examined: 9\nSELECT 1;\n",
        "# User@Host: shop[shop] @ [192.0.2.7]\n"
        "# Query_time: 12.5  Lock_time: 0.0 Rows_sent: 1  Rows_examined: 900000\nSELECT count(*) FROM orders;",
        None,
        "who asked, how long it took, and the statement",
        "`# Time:`, else `SET timestamp=`",
        "none",
        "none",
    ),
    "cri": Example(
        "Kubernetes container logs (CRI: containerd, CRI-O)",
        '2026-11-29T08:04:00.000000001Z stdout F {"level":"fatal","msg":"pump stopped"}\n'
        "2026-11-29T08:05:00.000000001Z stderr P the pump is sta\n2026-11-29T08:05:00.000000001Z stderr F rted\n",
        "[fatal] pump stopped",
        2,
        f"{_OPENED}; parts of one line (`P`, then `F`) are joined",
        "that of the runtime",
        "that of the message",
        "stream, tag, and those of the message",
    ),
    "kubectl_prefix": Example(
        "`kubectl logs --prefix`",
        '[pod/pump-7f/main] 2026-11-29T08:04:00Z {"level":"error","msg":"pump stopped"}\n'
        '[pod/pump-7f/main] 2026-11-29T08:05:00Z {"level":"info","msg":"pump started"}\n',
        "[error] pump stopped",
        3,
        _OPENED,
        "that of `--timestamps`, else that of the message",
        "that of the message",
        "pod, container, and those of the message",
    ),
    "compose": Example(
        "docker compose logs",
        'pump-1  | {"ts":1795939440,"level":"error","msg":"pump stopped"}\n'
        'valve-1 | {"ts":1795939500,"level":"info","msg":"valve open"}\n',
        "[error] pump stopped",
        3,
        _OPENED,
        "that of the message",
        "that of the message",
        "service, and those of the message",
    ),
    "cef": Example(
        "CEF (ArcSight), alone or behind a syslog head",
        "2026-11-29T08:04:00Z gate CEF:0|Acme|Wall|1.0|100|outbound traffic blocked|9|src=192.0.2.4 act=blocked\n"
        "2026-11-29T08:05:00Z gate CEF:0|Acme|Wall|1.0|101|session opened|2|src=192.0.2.4\n",
        "[fatal] outbound traffic blocked",
        2,
        "the name of the event",
        "that of the syslog head, else `rt=`",
        "the severity: 4 to 6 a warning, 7 and 8 an error, 9 and 10 fatal",
        "vendor, product, signature, extension",
    ),
    "leef": Example(
        "LEEF (QRadar), alone or behind a syslog head",
        "2026-11-29T08:04:00Z gate LEEF:1.0|Acme|Wall|1.0|worm found|sev=8\tsrc=192.0.2.4\n"
        "2026-11-29T08:05:00Z gate LEEF:1.0|Acme|Wall|1.0|session opened|sev=2\tsrc=192.0.2.4\n",
        "[error] worm found|sev=8\tsrc=192.0.2.4",
        3,
        "the event with its attributes",
        "that of the syslog head, else `devTime=`",
        "`sev=`, as CEF has it",
        "vendor, product, version",
    ),
    "syslog_5424": Example(
        "syslog (RFC 5424) around JSON or logfmt",
        '<26>1 2026-11-29T08:04:00Z gate pump 77 - - {"msg":"pump stopped"}\n'
        '<30>1 2026-11-29T08:05:00Z gate pump 77 - - {"msg":"pump started"}\n',
        "[fatal] pump stopped",
        2,
        _OPENED,
        "that of the head",
        "that of the message, else the priority",
        "host, app, pid, and those of the message",
    ),
    "syslog_3164": Example(
        "syslog (RFC 3164, or with ISO times) around JSON or logfmt",
        'Nov 29 08:04:00 gate pump[77]: {"time":"2026-11-29T08:04:00Z","level":"error","msg":"pump stopped"}\n'
        'Nov 29 08:05:00 gate pump[77]: {"time":"2026-11-29T08:05:00Z","level":"info","msg":"pump started"}\n',
        "[error] pump stopped",
        3,
        _OPENED,
        "that of the message, else that of the head, whose year is the newest that fits",
        "that of the message, else the priority",
        "host, app, pid, and those of the message",
    ),
    "logfmt": Example(
        "logfmt: Go programs, Heroku, firewalls",
        'time=2026-11-29T08:04:00Z level=error msg="pump stopped" err="no pressure"\n'
        'time=2026-11-29T08:05:00Z level=info msg="pump started"\n',
        "[error] pump stopped: no pressure",
        3,
        "the value of `msg` and its like with a reason after it; else the line",
        "`time`, `ts`, `t`, …",
        "`level`, `lvl`, `severity`",
        "all pairs",
    ),
    "syslog_priority": Example(
        "syslog with a priority, any message",
        "<26>1 2026-11-29T08:04:00Z gate pump 77 - - pump stopped\n"
        "<30>1 2026-11-29T08:05:00Z gate pump 77 - - pump started\n",
        "[fatal] 2026-11-29T08:04:00Z gate pump 77 - - pump stopped",
        2,
        "the line without its priority",
        "that of the head",
        "the priority",
        "none",
    ),
    "klog": Example(
        "klog: Kubernetes' own programs",
        "E1129 08:04:00.000000       1 pump.go:77] pump stopped\n"
        "I1129 08:05:00.000000       1 pump.go:78] pump started\n",
        "[error] E1129 08:04:00.000000       1 pump.go:77] pump stopped",
        3,
        "the line",
        "that of the head, whose year is the newest that fits",
        "its letter",
        "none",
    ),
    "access_log": Example(
        "Access logs of web servers (common and combined log format)",
        '192.0.2.7 - - [29/Nov/2026:08:04:00 +0000] "GET /orders HTTP/1.1" 502 17 "-" "probe"\n'
        '192.0.2.7 - - [29/Nov/2026:08:05:00 +0000] "GET /orders HTTP/1.1" 200 17 "-" "probe"\n',
        '192.0.2.7 - - [29/Nov/2026:08:04:00 +0000] "GET /orders HTTP/1.1" 502 17 "-" "probe"',
        None,
        "the line",
        "that in brackets",
        "none; the status is that of the answer",
        "none",
    ),
    "plain_lines": Example(
        "Any other text and log; stack traces of Java, Python, Go, Node, .NET, PHP and Rust",
        "2026-11-29 08:04:00 ERROR pump: stopped\njava.io.IOException: no pressure\n"
        "\tat works.Pump.run(Pump.java:77)\n\tat java.lang.Thread.run(Thread.java:750)\n"
        "2026-11-29 08:05:00 INFO pump: started\n",
        "2026-11-29 08:04:00 ERROR pump: stopped\njava.io.IOException: no pressure\n\tat works.Pump.run(Pump.java:77)\n"
        "… 1 more frames",
        3,
        "the line; a stack trace is one with the line before it: head, causes, the first own frames",
        "whichever of some 200 forms its lines carry; `--time-format` names another",
        "the word in capitals, in brackets or after `level=`",
        "none",
    ),
}
