"""Who may ask for what: tokens with scopes, of which only hashes are kept.

In: a file of tokens, an `Authorization` header. Out: a name, or a refusal. Without tokens only this machine is served.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from pathlib import Path

import msgspec

from forewarn.errors import InputError
from forewarn.findings import now
from forewarn.runtime.atomic import atomic_write, one_writer

SCOPES = ("read", "feedback", "rules", "admin")
"""What a token may do: ask; say what was right; change rules; all of it and see the audit log."""
LOCAL = "local"
"""Who asks, where no tokens are configured: whoever is on this machine."""
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_PREFIX = "fw_"


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token: whose it is, what it may do, the SHA-256 of its secret, when it was made."""

    name: str
    scopes: list[str]
    sha256: str
    made: str


class Refused(Exception):
    """A request that is not served: the status of HTTP, and why."""

    def __init__(self, status: int, why: str, *, retry_after: int | None = None) -> None:
        super().__init__(why)
        self.status, self.why, self.retry_after = status, why, retry_after


class Access:
    """The tokens of a service; none: whoever reaches it may do everything, which is for loopback alone."""

    def __init__(self, tokens: Sequence[Token] = ()) -> None:
        self._tokens = {token.sha256: token for token in tokens}

    @property
    def open(self) -> bool:
        """Whether no token is asked for."""
        return not self._tokens

    def who(self, header: str | None, scope: str) -> str:
        """The name of whoever may do this. Raises Refused: 401 where the token is missing or unknown, else 403."""
        if self.open:
            return LOCAL
        kind, _, secret = (header or "").partition(" ")
        if kind.lower() != "bearer" or not secret:
            raise Refused(401, "a token is needed: Authorization: Bearer …")
        digest = _digest(secret.strip())
        known = next((token for kept, token in self._tokens.items() if hmac.compare_digest(kept, digest)), None)
        if known is None:
            raise Refused(401, "this token is not known")
        if scope not in known.scopes and "admin" not in known.scopes:
            raise Refused(403, f"this token may not do that: it has no scope {scope!r}")
        return known.name


def read_tokens(path: Path) -> list[Token]:
    """The tokens of a file. Raises InputError where it cannot be read or holds something else."""
    try:
        tokens: list[Token] = msgspec.json.decode(path.read_bytes(), type=list[Token])
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", path=path, remedy=_MAKE) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"is no file of tokens: {error}", path=path, remedy=_MAKE) from None
    unknown = sorted({scope for token in tokens for scope in token.scopes} - set(SCOPES))
    if unknown:
        raise InputError(f"names the scope {unknown[0]!r}", path=path, remedy=f"Scopes are {', '.join(SCOPES)}.")
    if not tokens:
        raise InputError("holds no token", path=path, remedy=_MAKE)
    if path.stat().st_mode & 0o077:
        raise InputError("can be read by others", path=path, remedy=f"chmod 600 {path}")
    return tokens


def add_token(path: Path, name: str, scopes: Sequence[str]) -> str:
    """Put a new token into a file, its owner's alone; returns the secret, which is kept nowhere.

    A token of the same name is replaced. Raises InputError, OutputError.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"{name!r} is no name of a token", remedy="Use up to 64 letters, digits and . _ -")
    secret = _PREFIX + secrets.token_urlsafe(32)
    with one_writer(path):
        kept = [token for token in (read_tokens(path) if path.exists() else []) if token.name != name]
        made = Token(name, list(scopes), _digest(secret), now().isoformat())
        with atomic_write(path, private=True) as part:
            part.write_bytes(msgspec.json.format(msgspec.json.encode([*kept, made]), indent=1))
    return secret


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host."""
    return host in ("localhost", "::1") or bool(re.fullmatch(r"127(?:\.\d{1,3}){3}", host))


def _digest(secret: str) -> str:
    # A secret of 256 random bits needs no salt and no slow hash.
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


_MAKE = "`forewarn token NAME --to FILE` makes one."
