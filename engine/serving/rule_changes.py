"""Rules of a running service: listed, checked, and changed whole or not at all.

In: a rule file as YAML. Out: remarks, failed examples, and, where there is nothing wrong, a service that uses it from
the next round on. The file is kept beside the service's state, so that it is there after a restart.
"""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from forewarn.options import Options
from forewarn.resident import Resident
from forewarn.rules import load_rules
from forewarn.rules.loading import packs
from forewarn.rules.tools.linting import lint
from forewarn.rules.tools.testing import run_tests
from forewarn.runtime.atomic import atomic_write
from forewarn.serving.scoring import Scoring

_NAME = "rules.yml"


class RuleChanges:
    """The rules of `scoring`, and the file of `folder` that is used beside those that the options name."""

    def __init__(self, scoring: Scoring, options: Options, folder: Path) -> None:
        self._scoring, self._options, self._file = scoring, options, folder / _NAME
        self._lock = threading.Lock()

    def listed(self) -> list[dict[str, Any]]:
        """Each rule: its id, title, level, category, description."""
        return [
            {"id": rule.id, "title": rule.title, "level": rule.level, "file": Path(rule.path).name}
            for rule in self._scoring.resident.rules.known
        ]

    def check(self, content: str) -> dict[str, Any]:
        """What lint says of a file and which of its examples go wrong; whether it could be used."""
        with _as_file(content) as file:
            count, remarks = lint([file])
            examples, failures = run_tests(load_rules([file], cache=False))
        said = [{name: value for name, value in asdict(one).items() if name != "path"} for one in remarks]
        failed = [{"rule": one.rule.title, "expected": one.expected, "text": one.text} for one in failures]
        usable = count > 0 and not failed and not any(one["severity"] == "error" for one in said)
        return {"rules": count, "examples": examples, "remarks": said, "failed": failed, "usable": usable}

    def swap(self, content: str) -> dict[str, Any]:
        """Use a file from now on, where nothing is wrong with it; else everything stays as it was."""
        with self._lock:
            checked = self.check(content)
            digest = hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()
            if not checked["usable"]:
                return checked | {"swapped": False, "digest": digest, "error": "it cannot be used: nothing was changed"}
            with _as_file(content) as file:
                made = self._with(file)
            # What could not be kept is not used: after a restart it would be gone.
            with atomic_write(self._file, private=True) as part:
                part.write_text(content, "utf-8")
            self._scoring.resident = made
            return checked | {"swapped": True, "digest": digest}

    def restored(self) -> Resident | None:
        """A resident with the file that an earlier run kept; None where there is none."""
        return self._with(self._file) if self._file.exists() else None

    def _with(self, file: Path) -> Resident:
        named = list(self._options.rules) if self._options.rules else list(packs())
        return self._scoring.resident.with_rules([*named, file])


@contextmanager
def _as_file(content: str) -> Iterator[Path]:
    """A rule file with this content, for as long as it is looked at."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / _NAME
        file.write_text(content, "utf-8")
        yield file
