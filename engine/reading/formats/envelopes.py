"""Lines that a collector, a runtime or a product has wrapped → the message inside, with the time and level outside.

In: lines of Kubernetes (CRI), docker compose, `kubectl logs --prefix`, syslog, CEF, LEEF or log4j XML. Out: what
`line_reader.SAID` names: the message as the program wrote it, opened in turn where it is JSON or logfmt; what the
envelope says of it is in `raw`. A line that is not in the envelope is its own text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import polars as pl

from forewarn.reading import levels
from forewarn.reading.formats import stack_traces
from forewarn.reading.formats.json_events import JsonLines, are_objects, keys_in
from forewarn.reading.formats.line_reader import LineReader, are_mostly, to_said
from forewarn.reading.formats.logfmt import logfmt_in

_SAMPLE = 40
_ISO = r"[12]\d{3}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"
_BSD = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d \d\d:\d\d:\d\d"
_CELL = r"(?:[^|\\]|\\.)*"
PARTIAL = "P"


@dataclass(frozen=True)
class Envelope(LineReader):
    """One way to wrap lines.

    `pattern` is a Rust regular expression; its groups are `m` the message, `t` its time, and what else the envelope
    says; `pri` is a syslog priority, `sev` a severity of `scale`, `tag` of a part of a line. `alone`: it is an envelope
    whatever is inside; else only where that is JSON or logfmt. `after_time`: the time inside counts first, for the one
    outside has no year; `bare`: there need not be one outside. `share` is the least part of a file's lines that are in
    the envelope, `needs` a quick look that spares most files the pattern, `further_in` finds the time of a line whose
    head has none. `inner` reads the messages.
    """

    name: str
    pattern: str
    alone: bool = True
    scale: str = ""
    after_time: bool = False
    share: float = 0.6
    needs: str = ""
    bare: bool = False
    further_in: str = ""
    inner: LineReader | None = None
    joins = True
    odd = ""

    @property
    def cells(self) -> bool:  # type: ignore[override]
        """Where neither the envelope nor what reads its messages has a time, it stands in their text."""
        return self.inner is not None or not self.bare

    def said(self, lines: pl.Series) -> pl.DataFrame:
        """What n lines say."""
        found = _groups(lines, self.pattern)
        names = set(found.columns)
        inside = found["m"].is_not_null()
        message = pl.select(pl.coalesce(found["m"].str.strip_chars_end(), lines)).to_series()
        nothing = pl.repeat(None, len(lines), dtype=pl.UInt8, eager=True)
        level = nothing
        if "pri" in names:
            level = found.select(levels.of_priority(pl.col("pri"))).to_series()
        if "sev" in names:
            level = found.select(levels.number(pl.col("sev"), name=self.scale)).to_series()
        stamp = found["t"] if "t" in names else pl.repeat(None, len(lines), dtype=pl.String, eager=True)
        if self.further_in:
            head = pl.when(stamp.str.contains("[0-9]")).then(stamp)
            stamp = pl.select(pl.coalesce(head, lines.str.extract(self.further_in))).to_series()
        if not self.cells:
            stamp = pl.select(pl.coalesce(stamp, message)).to_series()
        outer = [name for name in found.columns if name not in ("m", "t", "tag")]
        text, raw = message, _as_json(found, [*outer, "m"], inside)
        status = pl.repeat(None, len(lines), dtype=pl.UInt16, eager=True)
        if self.inner:
            rows = (inside & (message != "")).arg_true()
            own = self.inner.said(message.gather(rows))
            good = (~own["broken"]).arg_true()
            rows, own = rows.gather(good), own[good]
            text, status = text.scatter(rows, own["text"]), status.scatter(rows, own["status"])
            stamps = (own["stamp"], stamp.gather(rows)) if self.after_time else (stamp.gather(rows), own["stamp"])
            stamp = stamp.scatter(rows, pl.select(pl.coalesce(stamps)).to_series())
            level = level.scatter(rows, pl.select(pl.coalesce(own["level"], level.gather(rows))).to_series())
            raw = raw.scatter(rows, _spliced(_as_json(found, outer, inside).gather(rows), own["raw"]))
        stamp = pl.select(pl.when(inside).then(stamp).otherwise(lines)).to_series()
        text = levels.with_marks(text, level, pl.repeat(None, len(lines), dtype=pl.UInt16, eager=True))
        return to_said({"text": text, "stamp": stamp, "raw": raw, "level": level, "status": status}, len(lines))

    def belongs(self, lines: pl.Series) -> pl.Series:
        """Which of n lines go on with the one before: the rest of a line that was cut, or a stack trace's."""
        found = _groups(lines, self.pattern)
        message = found["m"].fill_null("")
        tail = pl.repeat(False, len(lines), eager=True)
        if "tag" in found.columns:
            tail = (found["tag"] == PARTIAL).shift(1, fill_value=False) & found["m"].is_not_null()
            if "stream" in found.columns:
                tail &= found["stream"] == found["stream"].shift(1)
        if isinstance(self.inner, LineReader) or not stack_traces.may_go_on(message):
            return tail.fill_null(False)
        return (tail | stack_traces.belongs(message)).fill_null(False)

    def together(self, lines: pl.Series) -> str:
        """One line: the head of the first, and the messages of all."""
        found = _groups(lines, self.pattern)
        first, messages = lines[0], found["m"].fill_null("").to_list()
        head = first[: len(first) - len(messages[0])] if messages[0] else first
        parts = [messages[0]]
        cut = found["tag"].to_list() if "tag" in found.columns else [None] * len(messages)
        for before, message in zip(cut, messages[1:], strict=False):
            if before == PARTIAL:
                parts[-1] += message
            else:
                parts.append(message)
        head = re.sub(r" P ", " F ", head, count=1) if cut[0] == PARTIAL else head
        return head + stack_traces.together(parts)


def _groups(lines: pl.Series, pattern: str) -> pl.DataFrame:
    line = lines.alias("line").to_frame()
    return line.select(pl.col("line").str.extract_groups(pattern).alias("found")).unnest("found")


def _as_json(found: pl.DataFrame, names: list[str], inside: pl.Series) -> pl.Series:
    """The named groups of each line as a JSON object, the message as `message`; null for a line outside."""
    if not names:
        return pl.Series(["{}"], dtype=pl.String).new_from_index(0, found.height).set(~inside, None)
    fields = [pl.col(name).alias("message" if name == "m" else name) for name in names]
    made = found.select(pl.struct(fields).struct.json_encode()).to_series()
    return made.set(~inside, None)


def _spliced(outer: pl.Series, inner: pl.Series) -> pl.Series:
    """Two JSON objects as one, the inner's fields last, so that they count where both name the same."""
    both = pl.DataFrame({"outer": outer, "inner": inner}).select(
        pl.when(pl.col("outer") == "{}")
        .then("inner")
        .otherwise(
            pl.concat_str(
                pl.col("outer").str.strip_suffix("}"),
                pl.lit(","),
                pl.col("inner").str.strip_chars().str.strip_prefix("{"),
            )
        )
    )
    return both.to_series().str.replace(r",\s*\}$", "}")


ENVELOPES: tuple[Envelope, ...] = (
    Envelope(
        "cri",
        rf"(?s)^(?P<t>{_ISO}) (?P<stream>stdout|stderr) (?P<tag>[PF])(?::[A-Za-z:]+)? (?P<m>.*)$",
        needs=" std(?:out|err) [PF]",
    ),
    Envelope(
        "kubectl_prefix",
        r"(?s)^\[pod/(?P<pod>[^/\]\s]+)/(?P<container>[^\]\s]+)\] (?:(?P<t>" + _ISO + r") )?(?P<m>.*)$",
        share=0.9,
        needs=r"^\[pod/",
        bare=True,
    ),
    Envelope(
        "compose",
        r"(?s)^(?P<service>[a-z][a-z0-9_.-]{0,62}) {0,60}\| ?(?P<m>.*)$",
        share=0.9,
        needs=r"^[a-z][^ |]* *\|",
        bare=True,
    ),
    Envelope(
        "cef",
        r"(?s)^(?:<(?P<pri>[0-9]{1,3})>)?(?P<t>.{0,120}?)\s*CEF: ?[01]\|(?P<vendor>"
        + _CELL
        + r")\|(?P<product>"
        + _CELL
        + r")\|(?P<version>"
        + _CELL
        + r")\|(?P<signature>"
        + _CELL
        + r")\|(?P<m>"
        + _CELL
        + r")\|(?P<sev>[^|]{0,20})\|"
        + r"(?P<extension>.*)$",
        scale="agentseverity",
        further_in=r"[| ](?:rt|end|start)=([^=|]{6,40}?)(?: [A-Za-z0-9]+=|$)",
        needs="CEF: ?[01]",
    ),
    Envelope(
        "leef",
        r"(?s)^(?:<[0-9]{1,3}>)?(?P<t>.{0,120}?)\s*LEEF: ?[12][.]0\|(?P<vendor>[^|]*)\|(?P<product>[^|]*)\|"
        r"(?P<version>[^|]*)\|"
        r"(?P<m>[^|]*\|(?:.*?\bsev=(?P<sev>[0-9]{1,2})\b)?.*)$",
        scale="sev",
        further_in=r"\bdevTime=([^\t|^;]{6,40})",
        needs="LEEF: ?[12]",
    ),
    Envelope(
        "syslog_5424",
        r"(?s)^<(?P<pri>[0-9]{1,3})>1 (?P<t>\S+) (?P<host>\S+) (?P<app>\S+) (?P<pid>\S+) (?P<msgid>\S+) "
        r"(?P<data>-|(?:\[(?:[^\]\\]|\\.)*\])+) ?\x{feff}?(?P<m>.*)$",
        alone=False,
        needs="^<[0-9]{1,3}>1 ",
    ),
    Envelope(
        "syslog_3164",
        rf"(?s)^(?:<(?P<pri>[0-9]{{1,3}})>)?(?P<t>{_BSD}|{_ISO}) (?P<host>[^\s:]+) (?P<app>[^\s:\[{{]+)"
        r"(?:\[(?P<pid>[0-9]+)\])?: (?P<m>.*)$",
        alone=False,
        after_time=True,
        needs=r": (?:\{|[A-Za-z_]+=)",
    ),
)
"""Every envelope, the most telling first."""


def envelope_in(lines: list[str], name: str) -> Envelope | None:
    """The envelope of that name with what reads its messages, or None where such lines are not in it."""
    lines = lines[:_SAMPLE]
    envelope = next(one for one in ENVELOPES if one.name == name)
    if not are_mostly(envelope.needs, lines, envelope.share):
        return None
    found = _groups(pl.Series(lines, dtype=pl.String), envelope.pattern)
    messages = found["m"].drop_nulls().to_list()
    if not messages or len(messages) < envelope.share * len(lines):
        return None
    if "tag" in found.columns:
        whole = (pl.col("tag") == "F") & (pl.col("tag").shift(1) != PARTIAL).fill_null(True)
        messages = found.filter(whole)["m"].drop_nulls().to_list() or messages
    inner = inner_of([message for message in messages if message.strip()])
    return replace(envelope, inner=inner) if inner or envelope.alone else None


def inner_of(messages: list[str]) -> LineReader | None:
    """The layout of messages that are JSON or logfmt; None where they are plain."""
    if not messages:
        return None
    if are_objects(messages[:_SAMPLE]):
        return JsonLines(keys_in("\n".join(message for message in messages if message.lstrip().startswith("{"))))
    return logfmt_in(messages)
