"""Where rules come from: packs by name, files, folders; and the cache that saves reading and compiling them again.

In: names and paths. Out: a `RuleSet`. The cache is keyed by the content of every file and by the versions of what
reads and compiles it; a damaged or older entry is made anew without a word.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import importlib.metadata
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

import msgspec

from forewarn.errors import RuleError
from forewarn.names import shown
from forewarn.rules.language.rule import Correlation, Rule
from forewarn.rules.rule_set import RuleSet, Similarity
from forewarn.runtime.cache import cache_folder, checked, keep_checked

_SUFFIXES = (".yml", ".yaml")
_CACHE_FORMAT = "1"


def load_rules(
    sources: str | Path | Sequence[str | Path] | None = None,
    *,
    strict: bool = False,
    similarity: Similarity | None = None,
    logsource: Mapping[str, str] | None = None,
    cache: bool = True,
) -> RuleSet:
    """Read and compile rules.

    `sources` are names of shipped packs, rule files, or folders (None = every shipped pack); `similarity` is asked by
    `|similar`; `logsource` what all records are known to be of (`sources.parse_logsource`). Rules that cannot be used
    are in `RuleSet.problems`; with `strict` the first of them is raised. Raises RuleError where a source is no pack,
    file or folder.
    """
    contents: dict[str, str] = {}
    unreadable: list[RuleError] = []
    for file in rule_files([sources] if isinstance(sources, str | Path) else sources):
        try:
            contents[shown(str(file))] = _text(file)
        except RuleError as error:
            unreadable.append(error)
    kept = _cache_file(contents, logsource or {})
    rule_set = _from_cache(kept, similarity, logsource) if cache else None
    if rule_set is None:
        rule_set = _read(contents, similarity, logsource)
        if cache:
            _to_cache(kept, rule_set)
    rule_set.problems += unreadable
    if strict and rule_set.problems:
        raise rule_set.problems[0]
    return rule_set


def check_loaded(sources: Sequence[str | Path] | None, rules: RuleSet) -> None:
    """Raise RuleError where one of the sources that were asked for gave no rule at all: silence would be no answer."""
    given = {rule.path for rule in rules.rules} | {one.path for one in rules.correlations}
    for source in sources or ():
        files = [shown(str(file)) for file in rule_files([source])]
        if given.isdisjoint(files):
            found = next((problem for problem in rules.problems if problem.path in files), None)
            raise found or RuleError("holds no rule", path=source, remedy="Name a rule file, or a folder of them.")


def packs() -> dict[str, Path]:
    """The shipped packs: name to folder."""
    root = Path(str(resources.files("forewarn.rules.packs")))
    return {folder.name: folder for folder in sorted(root.iterdir()) if folder.is_dir() and folder.name[0] not in "._"}


def find_rule(rules: RuleSet, wanted: str) -> int:
    """The index of the rule with that title, id or file name. Raises RuleError with the nearest titles."""
    for number, rule in enumerate(rules.rules):
        if wanted.lower() in (rule.title.lower(), rule.id.lower(), Path(rule.path).stem.lower()):
            return number
    for one in rules.correlations:
        if wanted.lower() in (one.title.lower(), one.id.lower(), one.name.lower()):
            raise RuleError(
                f"{wanted!r} is a correlation: no single text completes it",
                remedy="`forewarn rules match` shows the records that do, and what each rests on.",
            )
    near = difflib.get_close_matches(wanted, [rule.title for rule in rules.rules], 3)
    raise RuleError(
        f"no rule is called {wanted!r}",
        remedy=f"Did you mean {' or '.join(map(repr, near))}?" if near else "`forewarn rules list` shows them.",
    )


def rule_files(sources: Sequence[str | Path] | None) -> list[Path]:
    """The rule files of the sources, each once, sorted within a folder. Raises RuleError."""
    shipped = packs()
    files: dict[Path, None] = {}
    for source in shipped if sources is None else sources:
        path = Path(source)
        if str(source) in shipped and not path.exists():
            path = shipped[str(source)]
        if path.is_dir():
            files.update(dict.fromkeys(file for file in sorted(path.rglob("*")) if file.suffix in _SUFFIXES))
        elif path.is_file():
            files[path] = None
        else:
            near = difflib.get_close_matches(str(source), shipped, 1)
            known = f"Did you mean {near[0]}?" if near else f"Shipped packs: {', '.join(shipped)}."
            raise RuleError(f"{str(source)!r} is no pack, rule file or folder", remedy=known)
    return list(files)


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except OSError as error:
        raise RuleError(f"cannot be read: {error.strerror}", path=file) from None
    except UnicodeDecodeError as error:
        before = file.read_bytes()[: error.start]
        line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
        raise RuleError("is not UTF-8", path=file, line=line, column=column, remedy="Save the file as UTF-8.") from None


def _read(contents: dict[str, str], similarity: Similarity | None, logsource: Mapping[str, str] | None) -> RuleSet:
    from forewarn.rules.language.reading import read_library

    library = read_library(contents)
    return RuleSet(
        library.rules, library.errors, correlations=library.correlations, similarity=similarity, logsource=logsource
    )


class _Kept(msgspec.Struct):
    rules: list[Rule]
    correlations: list[Correlation]
    problems: list[tuple[str, str | None, int | None, int | None, str | None]]
    state: dict[str, bytes]


def _cache_file(contents: dict[str, str], logsource: Mapping[str, str]) -> Path:
    digest = hashlib.sha256(_CACHE_FORMAT.encode())
    digest.update(repr(sorted(logsource.items())).encode())
    for package in ("pysigma", "hyperscan", "forewarn"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            digest.update(f"{package}={importlib.metadata.version(package)};".encode())
    own = Path(str(resources.files("forewarn.rules")))
    for file in [*sorted(own.rglob("*.py")), *sorted(own.glob("*/*.yaml"))]:
        digest.update(file.read_bytes())
    for path, content in contents.items():
        digest.update(f"\x00{path}\x00{content}".encode())
    return cache_folder() / "rules" / f"{digest.hexdigest()[:32]}.msgpack"


def _from_cache(file: Path, similarity: Similarity | None, logsource: Mapping[str, str] | None) -> RuleSet | None:
    try:
        content = checked(file)
        if content is None:
            return None
        kept = msgspec.msgpack.decode(content, type=_Kept)
        problems = [
            RuleError(message, path=path, line=line, column=column, remedy=remedy)
            for message, path, line, column, remedy in kept.problems
        ]
        return RuleSet(
            kept.rules,
            problems,
            correlations=kept.correlations,
            state=kept.state,
            similarity=similarity,
            logsource=logsource,
        )
    except (OSError, msgspec.DecodeError, ValueError, RuntimeError):
        return None


def _to_cache(file: Path, rule_set: RuleSet) -> None:
    problems = [(p.message, p.path, p.line, p.column, p.remedy) for p in rule_set.problems]
    try:
        content = msgspec.msgpack.encode(_Kept(rule_set.rules, rule_set.correlations, problems, rule_set.compiled()))
    except (OSError, ImportError):
        return  # No cache is no error: the next run reads the rules again.
    keep_checked(file, content)
