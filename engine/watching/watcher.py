"""New records to warnings, as they arrive: what `scan` does at once, piece by piece, with a state that can be saved.

In: blocks of records. Out: warnings. The same records in any pieces give the same warnings. Memory is bounded by the
distinct texts that are kept.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.alerting.incidents import OpenIncidents
from forewarn.errors import ForewarnError, InputError
from forewarn.findings import EarlyWarning, Incident
from forewarn.frames import SIGNAL_FRAME
from forewarn.grouping.deobfuscation import plain
from forewarn.grouping.machine_texts import by_people
from forewarn.grouping.rule_sets import RuleSets
from forewarn.grouping.templates import Keying
from forewarn.options import DEFAULT_PROMISE, Options, families, merged
from forewarn.rules.correlation.correlator import Correlator, Hit
from forewarn.runtime.atomic import atomic_write
from forewarn.runtime.chunked_frame import ChunkedFrame
from forewarn.scoring import fusion
from forewarn.scoring.case_votes import case_votes
from forewarn.scoring.crisis_signal import crisis_signal
from forewarn.scoring.parts import Parts, rules_of
from forewarn.warning.detector import STREAM_SCHEMA, ChangeDetector, Ended, Raised, Stream
from forewarn.warning.early_warnings import Incidents, TextIndex, explain, place
from forewarn.warning.timeline import Clocks, scored
from forewarn.watching.follow import Position

STATE_SCHEMA = 5
_MOST_TEXTS = 200_000
"""Distinct texts after which only those of the references and the newest half are kept."""
_KNOWN = {
    "text_key": pl.UInt64(),
    "template": pl.String(),
    "rule_set": pl.UInt32(),
    "example": pl.String(),
    "score": pl.Float64(),
}


class _Saved(msgspec.Struct):
    """What is not an array or a frame."""

    schema: int
    made_for: str
    positions: dict[str, Position]
    clocks: dict[str, list[int]]
    left_out: int
    rule_sets: list[list[int]]
    streams: list[str]
    sources: list[list[str]]
    incidents: dict[str, int]
    warnings: dict[str, list[EarlyWarning]]
    lasting: dict[str, str]
    lines: int
    completed: list[tuple[int, int, Hit]]


class Watcher:
    """Everything that `watch` knows: rules, encoder, cases, model, and the state of every stream."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._rules = rules_of(options)
        self.problems: list[ForewarnError] = list(self._rules.problems)
        # No text that arrives is kept in a cache, and no share is known of what is still to come.
        parts = Parts.of(replace(options, cache=False, prior=None, unusual=False), self.problems)
        self._model, self._numbers, self._encoder, self._cases = parts.model, parts.numbers, parts.encoder, parts.cases
        self._sets = RuleSets()
        self._keying = Keying(self._rules, self._sets)
        self._texts = pl.DataFrame(schema=_KNOWN)
        self._clocks = Clocks(options.late)
        self._promise = options.promise or DEFAULT_PROMISE
        self.surge = ChangeDetector(
            self._promise, families(options), options.voices, options.stream_by or "by", self._numbers.base
        )
        self._merge = merged(self.surge.families)
        self._incidents = Incidents()
        self._open = OpenIncidents()
        self._embedded: dict[str, NDArray[np.float32]] = {}
        self.lines = 0
        self._made_for = self._fingerprint()

    def _fingerprint(self) -> str:
        """What a state must have been made with to be gone on with."""
        rules = "\n".join(rule.id or rule.title for rule in self._rules.rules) + repr(self._rules.correlations)
        model = self._model.origin if self._model else ""
        said = (self._encoder.checksum, model, rules, self.surge.families, self._promise, self._options.stream_by)
        content = repr((*said, self._options.voices, self._options.late, pl.__version__))
        return hashlib.sha256(content.encode()).hexdigest()

    @property
    def correlator(self) -> Correlator:
        """The state of the correlations."""
        return self._keying.correlator

    @property
    def events_seen(self) -> str | None:
        """Which events there were, and for which no rule was."""
        return self._rules.events_seen

    @property
    def left_out(self) -> int:
        """Records that came too late for an early warning."""
        return self._clocks.left_out

    def add(self, records: pl.DataFrame, now: int = 0) -> list[EarlyWarning | Incident]:
        """Take in a block of records (a records frame), and return what they warn of and what came of it.

        `now` (microseconds since 1970) where they are read as they are written.
        """
        self.lines += records.height
        if records.is_empty():
            return []
        rows = self._keying.keyed(records)
        self._learn(rows)
        texts = self._texts.select(
            "text_key",
            "score",
            pl.int_range(pl.len(), dtype=pl.UInt32).alias("text"),
            self._sets.categories(self._rules).gather(self._texts["rule_set"]),
        )
        timed = self._clocks.timed(rows, self._options.stream_by, now)
        warnings = self._explained(self.surge.advance(scored(timed, texts, merge=self._merge)))
        if self._texts.height > _MOST_TEXTS:
            self._forget()
        return warnings

    def wait(self, now: int) -> list[EarlyWarning | Incident]:
        """Nothing is left to be read at `now`: return the warnings of what did not come."""
        return self._explained(self.surge.wait(self._clocks.passed(now)))

    def _explained(self, events: Sequence[Raised | Ended]) -> list[EarlyWarning | Incident]:
        # In the order of time, whatever was read together.
        events = sorted(events, key=lambda event: int(event.at["clock"]))
        if not events:
            return []
        known = TextIndex(
            ChunkedFrame.of(self._texts),
            self._encoder,
            self._rules,
            self._sets,
            self._cases,
            embedded=self._embedded,
            completed=self._keying.completed,
        )
        leads = iter(explain([event for event in events if isinstance(event, Raised)], known, self._promise))
        found: list[EarlyWarning | Incident] = []
        for event in events:
            if isinstance(event, Raised):
                lead = next(leads)
                incident = self._incidents.of(lead.centre, lead.clock, lead.warning.id)
                warning = msgspec.structs.replace(lead.warning, incident=incident)
                found += [warning, *self._open.begun(warning, known.encode)]
            else:
                found += self._open.ended(event.stream, event.by_volume, place(event.at), known.encode)
        self._open.forget(self._incidents.open)
        return found

    def _learn(self, rows: pl.DataFrame) -> None:
        """Score the texts that are new."""
        distinct = rows.unique("text_key", keep="first", maintain_order=True)
        new = distinct.join(self._texts, on="text_key", how="anti", maintain_order="left")
        if new.is_empty():
            return
        scores = self._score(new)
        made = new.select("text_key", "template", "rule_set", pl.col("text").alias("example")).with_columns(
            score=pl.Series(scores)
        )
        self._texts = pl.concat([self._texts, made.select(pl.col(n).cast(t) for n, t in _KNOWN.items())])

    def _score(self, new: pl.DataFrame) -> NDArray[np.float64]:
        written = plain(new["text"])
        vectors = self._encoder.encode(written.to_list())
        rules = self._numbers.log_odds_of_sets(self._sets, self._rules)[new["rule_set"].to_numpy()]
        people = by_people(new["text"])
        given: dict[str, Any] = {"rules": rules, "cases": case_votes(self._cases, vectors, people)}
        kinds = self._model.classify(vectors, written) if self._model else None
        given["classifier"] = crisis_signal(self._encoder.checksum, vectors, people) if kinds is None else kinds[:, 0]
        columns = {"text_id": np.arange(new.height, dtype=np.uint32)} | {
            name: given.get(name) for name in SIGNAL_FRAME if name != "text_id"
        }
        return fusion.past_scores(self._numbers, pl.DataFrame(columns, schema=SIGNAL_FRAME, nan_to_null=True))

    def _forget(self) -> None:
        """Keep the texts that a reference still holds and the newest half of the others."""
        streams = self.surge.streams.values()
        held = pl.concat([stream.recent["text"] for stream in streams]).unique()
        newest = pl.Series(range(self._texts.height - _MOST_TEXTS // 2, self._texts.height), dtype=pl.UInt32)
        kept = pl.concat([held, newest]).unique().sort()
        self._texts = self._texts[kept.to_list()]
        texts = set(self._texts["text_key"])
        self._keying.completed = {key: hit for key, hit in self._keying.completed.items() if key[0] in texts}
        number = pl.DataFrame({"text": kept, "now": pl.Series(range(len(kept)), dtype=pl.UInt32)})
        for stream in streams:
            joined = stream.recent.join(number, on="text", how="left", maintain_order="left")
            stream.recent = joined.with_columns(text=pl.col("now")).drop("now")

    def save(self, path: Path, positions: dict[str, Position]) -> None:
        """Write the state: whole or not at all. Raises OutputError."""
        from safetensors.numpy import save_file

        arrays: dict[str, NDArray[Any]] = {"texts": _packed(self._texts)}
        for number, stream in enumerate(self.surge.streams.values()):
            arrays |= {f"{number}.{name}": array for name, array in stream.arrays.items()}
            arrays |= {f"{number}.counts.{name}": array for name, array in stream.counts.arrays.items()}
            arrays[f"{number}.recent"] = _packed(stream.recent)
        arrays["correlations"] = np.frombuffer(self._keying.correlator.packed(), dtype=np.uint8)
        for number, (centre, _) in enumerate(self._incidents.open.values()):
            arrays[f"incident.{number}"] = centre
        saved = _Saved(
            STATE_SCHEMA,
            self._made_for,
            positions,
            {name: state.tolist() for name, state in self._clocks.state.items()},
            self._clocks.left_out,
            [list(members) for members in self._sets.sets],
            list(self.surge.streams),
            [stream.counts.sources for stream in self.surge.streams.values()],
            {name: clock for name, (_, clock) in self._incidents.open.items()},
            self._open.warnings,
            self._open.lasting,
            self.lines,
            [(*text, hit) for text, hit in self._keying.completed.items()],
        )
        with atomic_write(path, private=True) as part:
            save_file(arrays, part, {"state": msgspec.json.encode(saved).decode()})

    def load(self, path: Path) -> dict[str, Position]:
        """Go on from a saved state: returns how far the files were read. Raises InputError where it cannot be used."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "numpy") as file:
                saved = msgspec.json.decode((file.metadata() or {}).get("state", "{}"), type=_Saved)
                if saved.schema != STATE_SCHEMA or saved.made_for != self._made_for:
                    raise InputError("was made with other rules, options or another version", path=path)
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
            texts = _unpacked(arrays["texts"], _KNOWN)
            streams = {}
            for number, name in enumerate(saved.streams):
                streams[name] = stream = Stream()
                stream.restore({part: arrays[f"{number}.{part}"] for part in stream.arrays})
                stream.counts.restore({part: arrays[f"{number}.counts.{part}"] for part in stream.counts.arrays})
                stream.counts.sources = saved.sources[number]
                stream.recent = _unpacked(arrays[f"{number}.recent"], STREAM_SCHEMA)
            opened = {
                name: (arrays[f"incident.{number}"], clock)
                for number, (name, clock) in enumerate(saved.incidents.items())
            }
            self._keying.restore(arrays["correlations"].tobytes(), saved.completed)
        except (
            OSError,
            SafetensorError,
            msgspec.MsgspecError,
            LookupError,
            ValueError,
            pl.exceptions.PolarsError,
        ) as error:
            raise InputError(f"is damaged: {str(error).splitlines()[0]}", path=path) from None
        self._texts, self.surge.streams, self._incidents.open = texts, streams, opened
        self._open = OpenIncidents(saved.warnings, saved.lasting)
        self._clocks.state = {name: np.array(state, dtype=np.int64) for name, state in saved.clocks.items()}
        self._clocks.left_out, self.lines = saved.left_out, saved.lines
        self._sets.restore([tuple(members) for members in saved.rule_sets])
        return saved.positions


def _packed(frame: pl.DataFrame) -> NDArray[np.uint8]:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return np.frombuffer(buffer.getvalue(), dtype=np.uint8)


def _unpacked(packed: NDArray[np.uint8], schema: dict[str, Any]) -> pl.DataFrame:
    return pl.read_parquet(io.BytesIO(packed.tobytes())).select(pl.col(n).cast(t) for n, t in schema.items())
