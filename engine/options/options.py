"""What a scan or a watch is asked to do.

In: nothing. Out: `Options`, each with a default that works, and how they part an input into streams.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from forewarn.errors import ForewarnError
from forewarn.options.policy import Policy, parse_policy, parse_prior
from forewarn.options.promise import DEFAULT_PROMISE, Promise, parse_late, parse_promise

EVERYTHING = "everything"
"""The one family of streams in which all records are one stream."""
_DECIDING = ("budget", "fdr", "threshold", "cost")
"""Ways to choose alerts, of which one makes the policy."""


@dataclass(frozen=True)
class Options:
    """What a scan is told; every field has a default that works.

    `rules` pack names, files or folders (None = all shipped packs); `logsource` what all the input is known to be of,
    such as `{"product": "linux", "service": "sshd"}`; `cases` a case base folder (None = the shipped
    one); `detectors` names of PyOD detectors for the view of meaning (None = those
    of the model, or KNN); `adapt` whether the scanned texts teach a fifth
    signal; `model` a folder that `forewarn fit` wrote (str or Path), or an open `Model`; `prior` the share of
    crisis texts in this input, where it is known; `unusual` whether texts are ranked by how unusual they are,
    whatever they mean (rules and past cases add nothing then, and there are no early warnings);
    `policy` how alerts are chosen; `seed` of every
    random choice; `cache` whether vectors are kept for the next scan.
    Of early warning: `promise` how seldom a false one may come, None = no warnings; `late` how far behind its source's
    clock a record may be; `one_stream` whether the files are parts of one stream; `stream_by` a field of the input
    whose values are streams too; `by_category` whether the categories of rules are; `voices` whether a text that is
    said again soon counts once.
    """

    text_column: str | None = None
    time_column: str | None = None
    rules: Sequence[str | Path] | None = None
    logsource: Mapping[str, str] | None = None
    cases: str | Path | None = None
    encoder: str = "bundled"
    device: str | None = None
    detectors: tuple[str, ...] | None = None
    adapt: bool = True
    model: Any = None
    prior: float | None = None
    unusual: bool = False
    policy: Policy = field(default_factory=lambda: Policy(threshold=0.5))
    seed: int = 0
    cache: bool = True
    promise: Promise | None = DEFAULT_PROMISE
    late: timedelta = timedelta(minutes=5)
    one_stream: bool = False
    stream_by: str | None = None
    by_category: bool = False
    voices: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.policy, Policy):
            raise ForewarnError(
                f"policy={self.policy!r} is no Policy",
                remedy="Write Policy(budget=20), or budget=20 as a keyword of scan.",
            )
        if not isinstance(self.promise, Promise | None):
            raise ForewarnError(
                f"promise={self.promise!r} is no Promise",
                remedy='Write Promise(10_000), or false_warnings="1/10000" as a keyword of scan; None for no warnings.',
            )

    def __repr__(self) -> str:
        return changed(self)

    def as_given(self) -> dict[str, object]:
        """The options that a result depends on, as a person knows them."""
        names = {
            "adapt": "--no-adapt",
            "promise": "--false-warnings",
            "voices": "--count-repeats",
            "policy": "the policy",
        }
        values = {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.name != "cache"}
        return {names.get(name, f"--{name.replace('_', '-')}"): value for name, value in values.items()}


def families(options: Options) -> tuple[str, ...]:
    """How the streams of an input are parted: by source, for texts of two are seldom alike, or not at all."""
    by_family = {"by": options.stream_by, "category": options.by_category}
    return (EVERYTHING if options.one_stream else "source", *(family for family, wanted in by_family.items() if wanted))


def merged(families: Sequence[str]) -> bool:
    """Whether the records of several sources meet in one stream, in the order of their times."""
    return tuple(families) != ("source",)


def with_settings(options: Options | None, settings: Mapping[str, Any]) -> Options:
    """Options with what a script says in keywords: every field of `Options`, and as on the command line `budget` (20,
    "5/hour"), `fdr`, `threshold`, `cost` ("20:1") and `false_warnings` ("1/10000", None = no warnings).

    Raises TypeError where there is no such keyword, ForewarnError where a value makes no sense.
    """
    names = [entry.name for entry in fields(Options)]
    check_names(settings, [*names, *_DECIDING, "false_warnings"], "scan")
    given = {name: value for name, value in settings.items() if name in names}
    deciding = {name: settings[name] for name in _DECIDING if settings.get(name) is not None}
    if deciding:
        if "policy" in given:
            raise ForewarnError(f"policy and {' and '.join(deciding)} each decide alone", remedy="Keep one of them.")
        budget = deciding.get("budget")
        given["policy"] = parse_policy(
            f"{budget:g}" if isinstance(budget, int | float) else budget,
            deciding.get("fdr"),
            deciding.get("threshold"),
            deciding.get("cost"),
        )
    if "false_warnings" in settings:
        promise = settings["false_warnings"]
        given["promise"] = None if promise in (None, "none") else parse_promise(promise)
    if isinstance(given.get("late"), str):
        given["late"] = parse_late(given["late"])
    if isinstance(given.get("rules"), str | Path):
        given["rules"] = [given["rules"]]
    if isinstance(given.get("detectors"), str):
        given["detectors"] = tuple(name.strip() for name in given["detectors"].split(","))
    parse_prior(given.get("prior"))
    return replace(options or Options(), **given)


def check_names(given: Iterable[str], known: Sequence[str], function: str) -> None:
    """Raises TypeError where a keyword is none that a function has, with the one that was meant perhaps."""
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"
            raise TypeError(f"{function}() has no keyword {name!r}{hint}")


def changed(options: Any) -> str:
    """A dataclass in one line: only the fields that are not as they are by default."""
    said = []
    for entry in fields(options):
        default = entry.default if entry.default_factory is MISSING else entry.default_factory()
        value = getattr(options, entry.name)
        if value is not default and (type(value) is not type(default) or value != default):
            said.append(f"{entry.name}={value!r}")
    return f"{type(options).__name__}({', '.join(said)})"
