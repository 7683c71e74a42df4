"""Records as they come to the correlations that they complete.

In: blocks of records and the rules that fired on them. Out: a `Hit` for each correlation that a record completes. The
order in which records come does not matter as long as everything is remembered; when that takes more than `most_bytes`
or `most_groups`, first what lies further back than the span is forgotten, then groups that are seldom seen
(`frequency`). A record without a time takes no part and is counted.
"""

from __future__ import annotations

import hashlib
import math
import time as clock
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from operator import itemgetter
from typing import NamedTuple

import msgspec
import polars as pl

from forewarn.errors import RuleError
from forewarn.rules.correlation.fields import MemberFields, asked_of_rules, field_names
from forewarn.rules.correlation.frequency import FrequentKeys
from forewarn.rules.correlation.group import MOST_RECORDS, Completed, Group, PackedGroup
from forewarn.rules.correlation.windows import Value, number_of, window_of
from forewarn.rules.language.correlations import COMPARE, METRICS, TEMPORAL, VALUES
from forewarn.rules.language.references import Names
from forewarn.rules.language.rule import Correlation
from forewarn.rules.matching.fired import Fired
from forewarn.rules.rule_set import RuleSet

MOST_GROUPS = 1 << 16
MOST_BYTES = 64 << 20
_BYTES_OF_GROUP = 1_000
_LEFT = 0.8
"""The share of the bytes that is kept when there are too many."""
_LONGEST = 200
"""Characters of a field's value; what is longer is told apart by a digest."""
_TIME, _ROW, _SOURCE, _LINE = "\x00time", "\x00row", "\x00source", "\x00line"
"""Columns that no field is called like."""
_DAY = 86_400_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Hit(msgspec.Struct, frozen=True):
    """A correlation that a record completes.

    `row` of its block; `rule` its place in `RuleSet.known`; `group` the values of its fields; `value` what was counted
    or made of values; `first`, `last` the times of the window's records (UTC), `size` how many; `records` the latest of
    them, source and line; `news` whether its group completed none for a span before, or has doubled since.
    """

    row: int
    rule: int
    group: dict[str, str]
    value: int | float
    first: datetime
    last: datetime
    size: int
    records: list[tuple[str, int]]
    news: bool


class _Entry(NamedTuple):
    """A member of a correlation fired: `rule` its place in `RuleSet.known`, `fields` the values of its record."""

    time: int
    row: int
    rule: int
    source: int
    line: int
    fields: Mapping[str, str | None]


class _Saved(msgspec.Struct):
    sources: list[str]
    new: list[tuple[str, PackedGroup]]
    known: list[tuple[str, PackedGroup]]
    sketch: tuple[int, bytes]
    latest: int
    rows: int
    untimed: int
    untimed_of: dict[int, int]
    left_out: int


class Correlator:
    """The state of every correlation of a rule set.

    `untimed` records that could take no part, having no time; `left_out` groups that were given up while they still
    counted.
    """

    def __init__(self, rules: RuleSet, *, most_groups: int = MOST_GROUPS, most_bytes: int = MOST_BYTES) -> None:
        self._rules, self._first = rules, len(rules.rules)
        names = Names(rules.known)
        self._members: list[dict[int, list[int]]] = []
        for correlation in rules.correlations:
            places: dict[int, list[int]] = {}
            for member, of in enumerate(names.members(correlation)):
                for rule in of:
                    places.setdefault(rule, []).append(member)
            self._members.append(places)
        self._several = [len(places) > 1 or any(len(own) > 1 for own in places.values()) for places in self._members]
        self._inner = {rule for places in self._members for rule in places if rule >= self._first}
        # A correlation of correlations wants to know each record that completes one.
        self._at_once = [
            one.kind == "event_count"
            and not self._several[number]
            and not self._inner.intersection([self._first + number, *self._members[number]])
            for number, one in enumerate(rules.correlations)
        ]
        self._fields = MemberFields(rules, asked_of_rules(rules, self._members))
        self._most_bytes, self._bytes = most_bytes, 0
        self._groups = FrequentKeys[Group](most_groups, self._expired)
        self._sources: dict[str, int] = {}
        self._names: list[str] = []
        self._latest = -(1 << 62)
        self._rows = self._before = 0
        self.untimed = 0
        self._untimed: dict[int, int] = {}

    @property
    def left_out(self) -> int:
        """Groups that were given up while they still counted: there were more than can be remembered."""
        return self._groups.left_out

    def add(self, records: pl.DataFrame, fired: Fired) -> list[Hit]:
        """The correlations that the n records of a block complete, in the order of their times, but for silent ones.

        `records` is a records frame, `fired` what fired on it, members of correlations included.
        """
        if not self._members:
            return []
        self._before = self._rows
        self._rows += records.height
        frames = self._frames(records, fired)
        by_rule: dict[int, list[_Entry]] = {}
        found: list[Hit] = []
        for number, members in enumerate(self._members):
            if self._at_once[number]:
                (rule,) = members
                found += self._counted(number, frames[rule]) if rule in frames else []
                continue
            for rule in members.keys() & frames.keys() - by_rule.keys():
                by_rule[rule] = _entries(rule, frames[rule])
            own = [entry for rule in members for entry in by_rule.get(rule, ())]
            hits = self._correlated(number, sorted(own, key=itemgetter(0, 1, 2)))
            found += [hit for _, hit in hits]
            if (rule := self._first + number) in self._inner:
                by_rule[rule] = [entry._replace(rule=rule, fields={**entry.fields, **hit.group}) for entry, hit in hits]
        found = [hit for hit in found if hit.rule not in self._rules.silent]
        return sorted(found, key=lambda hit: (hit.last, hit.row, hit.rule))

    def _frames(self, records: pl.DataFrame, fired: Fired) -> dict[int, pl.DataFrame]:
        """The rules about records that are members, each with the timed records on which it fired, by time.

        Their `time`, `row`, `source` and `line` are numbers; a column for each field that is asked of the rule.
        """
        wanted = [rule for rule in {rule for places in self._members for rule in places} if rule < self._first]
        hits = fired.of_rules(wanted).by_row()
        if hits.is_empty():
            return {}
        chosen = records[hits["row"]]
        timed = chosen["time"].is_not_null()
        without = hits.filter(~timed)
        self.untimed += without["row"].n_unique()
        for rule, records_of_it in without.group_by("rule").len().iter_rows():
            self._untimed[rule] = self._untimed.get(rule, 0) + records_of_it
        hits, chosen = hits.filter(timed), chosen.filter(timed)
        times = chosen["time"].dt.epoch("us")
        latest = int(times.to_numpy().max()) if len(times) else self._latest
        if latest < clock.time_ns() // 1_000 + _DAY:
            self._latest = max(self._latest, latest)
        for name in chosen["source"].unique(maintain_order=True):
            if name not in self._sources:
                self._sources[name] = len(self._names)
                self._names.append(name)
        places = pl.DataFrame(
            {
                _TIME: times,
                _ROW: hits["row"].cast(pl.Int64) + self._before,
                _SOURCE: chosen["source"].replace_strict(self._sources, return_dtype=pl.Int64),
                _LINE: chosen["line"].cast(pl.Int64),
            }
        )
        frames = {}
        for rule in hits["rule"].unique():
            own = (hits["rule"] == rule).arg_true()
            frames[rule] = places[own].hstack(self._fields.of(rule, chosen[own])).sort(_TIME, _ROW)
        return frames

    def _counted(self, number: int, frame: pl.DataFrame) -> list[Hit]:
        """What a correlation that counts the hits of one rule makes of them: a group at once.

        The same as `_correlated` makes of them one by one.
        """
        one = self._rules.correlations[number]
        fields, _ = field_names(one, one.rules[0])
        own = frame.drop_nulls(fields)
        groups = own.group_by(fields, maintain_order=True) if fields else [((), own)]
        found = []
        for names, records in groups:
            if records.height:
                group = self._group(number, one, tuple(_shortened(str(name)) for name in names))
                group.seen += records.height - 1
                columns = [records[column].to_list() for column in (_TIME, _ROW, _SOURCE, _LINE)]
                rows, completed = columns[1], group.extend(columns, one.bounds)
                found += [self._hit(number, one, group, rows[at], window) for at, window in completed]
                self._grown(group, records.height * group.bytes_of(None))
        return found

    def _correlated(self, number: int, entries: Sequence[_Entry]) -> list[tuple[_Entry, Hit]]:
        """What one correlation makes of the entries of its members, which are sorted by time."""
        correlation, members = self._rules.correlations[number], self._members[number]
        by_member = [field_names(correlation, name) for name in correlation.rules]
        found: list[tuple[_Entry, Hit]] = []
        for entry in entries:
            for member in members[entry.rule]:
                fields, counted = by_member[member]
                names = tuple(entry.fields.get(field) or "" for field in fields)
                value = _value(correlation, member, entry.fields.get(counted) if counted else None)
                if "" in names or (value is None and correlation.kind in VALUES):
                    continue
                group = self._group(number, correlation, tuple(map(_shortened, names)))
                # Two members may fire on one record, which is counted once.
                if (completed := self._added(group, entry, value)) is not None:
                    hit = self._hit(number, correlation, group, entry.row, completed)
                    found.append((entry, hit))
        return found

    def _group(self, number: int, correlation: Correlation, names: tuple[str, ...]) -> Group:
        key = "\x1f".join([str(number), *names])
        group = self._groups.get(key)
        if group is None:
            group = Group(number, names, correlation.seconds * 1_000_000, partial(window_of, correlation))
            self._bytes += _BYTES_OF_GROUP
            if (gone := self._groups.put(key, group)) is not None:
                self._bytes -= _BYTES_OF_GROUP + gone.size()
        return group

    def _added(self, group: Group, entry: _Entry, value: Value) -> Completed | None:
        if self._several[group.correlation] and group.has(entry.time, entry.row, value):
            return None
        completed = group.add(entry.time, entry.row, entry.source, entry.line, value)
        self._grown(group, group.bytes_of(value))
        return completed

    def _grown(self, group: Group, size: int) -> None:
        self._bytes += size
        if len(group) > MOST_RECORDS:
            self._bytes -= group.forget(group.last - group.span, MOST_RECORDS // 2)
        if self._bytes > self._most_bytes:
            self._make_room()

    def _hit(self, number: int, one: Correlation, group: Group, row: int, completed: Completed) -> Hit:
        names, value = self._names, completed.value
        whole = isinstance(value, int) or value == value.to_integral_value()
        return Hit(
            row=row - self._before,
            rule=self._first + number,
            group=dict(zip(one.group_by, group.names, strict=True)),
            value=int(value) if whole else float(value),
            first=_moment(completed.first),
            last=_moment(completed.last),
            size=completed.size,
            records=[(names[source], line) for source, line in completed.records],
            news=completed.news,
        )

    def _expired(self, group: Group) -> bool:
        return group.last < self._latest - group.span

    def _make_room(self) -> None:
        """Forget what is further back than the span; then groups, the seldom seen first."""
        for key, group in list(self._groups.items()):
            self._bytes -= group.forget(self._latest - group.span)
            if not len(group):
                self._groups.drop(key)
                self._bytes -= _BYTES_OF_GROUP
        enough = int(self._most_bytes * _LEFT)
        if self._bytes <= enough:
            return
        seldom = sorted(self._groups.items(), key=lambda item: item[1].seen)
        for key, group in seldom:
            if self._bytes <= enough:
                break
            self._groups.drop(key)
            self._bytes -= _BYTES_OF_GROUP + group.size()

    def problems(self) -> list[RuleError]:
        """What could not be judged: it is not the same as nothing wrong."""
        found = []
        if any(
            sum(self._untimed.get(rule, 0) for rule in members) >= _least(one)
            for one, members in zip(self._rules.correlations, self._members, strict=True)
        ):
            said = (
                f"no time is known of {self.untimed:,} records on which rules of correlations fire: they take no part"
            )
            found.append(RuleError(said, remedy="Name the column or key of the time with --time-column."))
        if self.left_out:
            said = f"{self.left_out:,} groups of correlations were given up: there are more than can be remembered"
            found.append(RuleError(said, remedy="Group by a field with fewer values, or take a shorter timespan."))
        return found

    def packed(self) -> bytes:
        """The whole state, to be saved."""
        new, known = ([(key, group.packed()) for key, group in part.items()] for part in self._groups.parts())
        sketch, sources = self._groups.sketch.packed(), self._names
        saved = _Saved(
            sources, new, known, sketch, self._latest, self._rows, self.untimed, self._untimed, self.left_out
        )
        return msgspec.msgpack.encode(saved)

    def restore(self, content: bytes) -> None:
        """Go on from a state that was saved with the same rules. Raises ValueError where it cannot be used."""
        saved = msgspec.msgpack.decode(content, type=_Saved)
        parts: list[dict[str, Group]] = []
        for part in (saved.new, saved.known):
            parts.append({})
            for key, packed in part:
                if not 0 <= packed.correlation < len(self._members):
                    raise ValueError("a group of no correlation")
                one = self._rules.correlations[packed.correlation]
                span = one.seconds * 1_000_000
                group = Group(packed.correlation, tuple(packed.names), span, partial(window_of, one))
                group.restore(packed, numbers=one.kind in METRICS)
                parts[-1][key] = group
        self._groups.sketch.restore(*saved.sketch)
        self._groups.restore(*parts)
        self._groups.left_out = saved.left_out
        self._bytes = sum(_BYTES_OF_GROUP + group.size() for _, group in self._groups.items())
        self._names = list(saved.sources)
        self._sources = {name: at for at, name in enumerate(saved.sources)}
        self._latest, self._rows, self.untimed = saved.latest, saved.rows, saved.untimed
        self._untimed = saved.untimed_of


def _entries(rule: int, frame: pl.DataFrame) -> list[_Entry]:
    """The records of a frame of `_frames`, one by one."""
    fields = frame.drop(_TIME, _ROW, _SOURCE, _LINE).to_dicts() if frame.width > 4 else [{}] * frame.height
    places = frame.select(_TIME, _ROW, _SOURCE, _LINE).iter_rows()
    return [
        _Entry(time, row, rule, source, line, own)
        for (time, row, source, line), own in zip(places, fields, strict=True)
    ]


def _least(one: Correlation) -> int:
    """How many records may complete a correlation at least."""
    if one.kind not in ("event_count", "value_count"):
        return 1
    near = sorted({1, *(max(1, math.floor(bound) + step) for _, bound in one.bounds for step in (0, 1))})
    return next((count for count in near if all(COMPARE[name](count, bound) for name, bound in one.bounds)), 1)


def _value(correlation: Correlation, member: int, text: str | None) -> Value:
    """What a record brings into the window of a correlation; None where it brings nothing."""
    if correlation.kind in TEMPORAL:
        return member
    if correlation.kind in METRICS:
        return number_of(text) if text else None
    return _shortened(text) if text and correlation.kind == "value_count" else None


def _shortened(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_LONGEST]}… {hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:16]}"


def _moment(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
