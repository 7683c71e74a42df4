"""A first draft of a rule, complete and commented, that passes lint.

In: what the author knows: a title, phrases, texts that must match and must not. Out: the YAML of a rule.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

DRAFT = """\
# A rule says: when a text holds one of these phrases, and nothing takes them back, it may be the start of a crisis.
# `forewarn rules test FILE` runs the examples at the end, `forewarn rules lint FILE` reads it over.
title: {title}
id: {id}
status: experimental
description: {description}
author: {author}
date: {date}
tags: [forewarn.{domain}]
logsource: {{category: text}}
detection:
  # Any one of the phrases is enough. `|affirmed` leaves out "no …", "未发现…", drills and denials.
  phrases:
    '|affirmed':
{phrases}
  # A text with one of these words is about something else. Write your own, or leave the line out here and below.
  something_else: {exceptions}
  condition: phrases and not something_else
falsepositives:
  - {falsepositives}
# How much it adds: informational, low, medium, high, critical.
level: {level}
# At least three of each; the hard ones are worth most: a drill, a film, a denial, a figure of speech.
tests:
  match:
{match}
  no_match:
{no_match}
# What to do first, in one sentence, for whoever gets the alert.
playbook: {playbook}
"""


_NAME = 60
"""Characters of a title that a file is named by: a name has 255 bytes at most."""


def file_name(title: str) -> str:
    """The file name of a rule of that title: kebab-case, letters of any script kept, the end of a long title not."""
    return (re.sub(r"[^\w]+", "-", title.lower())[:_NAME].strip("-") or "rule") + ".yaml"


def draft(
    *,
    title: str,
    domain: str,
    phrases: Sequence[str],
    match: Sequence[str],
    no_match: Sequence[str],
    exceptions: Sequence[str] = ("film", "movie", "电影"),
    level: str = "medium",
    author: str = "me",
    playbook: str = "Call the person on duty.",
) -> str:
    """The YAML of a new rule; every text is quoted, so that no character of it can change the file's meaning."""
    return DRAFT.format(
        title=_quoted(title),
        id=uuid.uuid4(),
        description=_quoted(f"{title}: the first signs of it, in the words that people use."),
        author=_quoted(author),
        date=datetime.now(UTC).date().isoformat(),
        domain=domain,
        phrases=_items(phrases, 6),
        exceptions=json.dumps(list(exceptions), ensure_ascii=False),
        falsepositives=_quoted("Texts that speak of it in passing."),
        level=level,
        match=_items(match, 4),
        no_match=_items(no_match, 4),
        playbook=_quoted(playbook),
    )


def _quoted(text: str) -> str:
    # A JSON string is a YAML string, whatever it holds.
    return json.dumps(text, ensure_ascii=False)


def _items(texts: Sequence[str], indent: int) -> str:
    return "\n".join(f"{' ' * indent}- {_quoted(text)}" for text in texts)
