"""What a scan or a watch is asked to do.

In: nothing. Out: `Options`, each with a default that works, and how they part an input into streams.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path

from forewarn.options.policy import Policy
from forewarn.options.promise import Promise

EVERYTHING = "everything"
"""The one family of streams in which all records are one stream."""


@dataclass(frozen=True)
class Options:
    """What a scan is told; every field has a default that works.

    `rules` pack names, files or folders (None = all shipped packs); `logsource` what all the input is known to be of,
    such as `{"product": "linux", "service": "sshd"}`; `cases` a case base folder (None = the shipped
    one); `detectors` names of PyOD detectors for the view of meaning (None = those
    of the model, or KNN); `adapt` whether the scanned texts teach a fifth
    signal; `model` a folder that `forewarn fit` wrote; `prior` the share of crisis texts in this input, where it is
    known; `unusual` whether texts are ranked by how unusual they are, whatever they mean (rules and past cases add
    nothing then, and there are no early warnings); `policy` how alerts are chosen; `seed` of every random choice;
    `cache` whether vectors are kept for the next scan.
    Of early warning: `promise` how seldom a false one may come, None = no warnings; `late` how far behind its source's
    clock a record may be; `one_stream` whether the files are parts of one stream; `stream_by` a field of the input
    whose values are streams too; `by_category` whether the categories of rules are; `voices` whether a text that is
    said again soon counts once.
    """

    text_column: str | None = None
    time_column: str | None = None
    rules: Sequence[str | Path] | None = None
    logsource: Mapping[str, str] | None = None
    cases: Path | None = None
    encoder: str = "bundled"
    device: str | None = None
    detectors: tuple[str, ...] | None = None
    adapt: bool = True
    model: Path | None = None
    prior: float | None = None
    unusual: bool = False
    policy: Policy = field(default_factory=lambda: Policy(threshold=0.5))
    seed: int = 0
    cache: bool = True
    promise: Promise | None = field(default_factory=Promise)
    late: timedelta = timedelta(minutes=5)
    one_stream: bool = False
    stream_by: str | None = None
    by_category: bool = False
    voices: bool = True

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
