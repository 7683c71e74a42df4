"""A service from its beginning to its end: what it needs is made, the watch runs beside it, signals end both.

In: paths to watch, options, a state folder, where to listen. Out: an exit status, when it has ended.
"""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from forewarn.errors import ForewarnError, InputError
from forewarn.findings import EarlyWarning
from forewarn.options import DEFAULT_PROMISE, Options
from forewarn.resident import Resident
from forewarn.serving.access import Access, is_loopback, read_tokens
from forewarn.serving.app import LOOPBACK, Service
from forewarn.serving.audit import AuditLog
from forewarn.serving.metrics import Metrics
from forewarn.serving.rule_changes import RuleChanges
from forewarn.serving.scoring import Scoring
from forewarn.serving.stream import Findings
from forewarn.watching.delivery import Notification
from forewarn.watching.watch import LOG, Receivers, Status, watch

_WATCH = "watch"
"""The folder of the watch in that of the service."""


@dataclass(frozen=True)
class Listening:
    """Where a service listens, the names it is asked by, and its certificate."""

    host: str
    port: int
    names: Sequence[str] = ()
    certificate: Path | None = None
    key: Path | None = None


def service_of(options: Options, state: Path, tokens: Path | None, listening: Listening) -> Service:
    """Everything that a service is made of. Raises ForewarnError where something cannot be used."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    access = Access(read_tokens(tokens) if tokens else ())
    scoring = Scoring(Resident(options))
    changes = RuleChanges(scoring, options, state)
    if restored := changes.restored():
        scoring.resident = restored
    # Kernels are loaded and the encoder is warm before the first request comes.
    scoring.resident.score(["warm"])
    hosts = [*LOOPBACK, *listening.names, *([] if is_loopback(listening.host) else [listening.host])]
    return Service(
        scoring,
        changes,
        access,
        AuditLog(state / "audit.jsonl"),
        Metrics(len(scoring.resident.rules.rules), scoring.resident.parts.encoder.name),
        Findings.of(state / _WATCH / LOG),
        state / "feedback.csv",
        hosts=hosts,
    )


def run(
    paths: Sequence[str],
    options: Options,
    state: Path,
    tokens: Path | None,
    listening: Listening,
    *,
    problem: Callable[[ForewarnError], None],
    say: Callable[[str], None],
) -> int:
    """Serve until a signal comes; 0 then. Raises ForewarnError where it cannot begin."""
    at = _socket(listening)
    port = at.getsockname()[1]
    service = service_of(options, state, tokens, listening)
    stop = threading.Event()
    thread = _watching(paths, options, state, service, stop, problem) if paths else None
    config = uvicorn.Config(
        service.app(),
        log_level="warning",
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=1,
        limit_concurrency=1000,
        h11_max_incomplete_event_size=32_768,
        ssl_certfile=listening.certificate,
        ssl_keyfile=listening.key,
    )
    scheme = "https" if listening.certificate else "http"
    named = f"[{listening.host}]" if ":" in listening.host else listening.host
    say(f"{scheme}://{named}:{port}/ with {len(service.scoring.resident.rules.rules):,} rules")
    try:
        with at:
            _Server(config).run(sockets=[at])
    finally:
        stop.set()
        if thread:
            thread.join(5)
        service.audit.close()
    return 0


class _Server(uvicorn.Server):
    """A server that a signal ends well: uvicorn's own raises it again when all is done."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals end the service while it runs."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _socket(listening: Listening) -> socket.socket:
    """Where it listens. Raises InputError where that cannot be."""
    family = socket.AF_INET6 if ":" in listening.host else socket.AF_INET
    try:
        return socket.create_server((listening.host, listening.port), family=family, backlog=1024)
    except OSError as error:
        raise InputError(
            f"cannot listen at {listening.host}:{listening.port}: {error.strerror}",
            remedy="Name another --port or --host.",
        ) from None


def _watching(
    paths: Sequence[str],
    options: Options,
    state: Path,
    service: Service,
    stop: threading.Event,
    problem: Callable[[ForewarnError], None],
) -> threading.Thread:
    """The watch, in a thread of its own; what ends it is said, and the service is no longer ready."""
    promise = options.promise or DEFAULT_PROMISE

    def tell(status: Status) -> None:
        metrics = service.metrics
        metrics.lines.set(status.lines)
        metrics.lag.set(status.lag)
        metrics.behind.set(status.behind)
        metrics.left_out.set(status.left_out)
        if promise.period is None:
            metrics.promised.set(status.lines / promise.texts)

    def follow() -> None:
        try:
            watch(paths, options, state / _WATCH, Receivers(take), stop, status=tell, problem=problem)
        except ForewarnError as error:
            service.ready = False
            problem(error)

    def take(found: Notification) -> None:
        service.findings.add(found)
        if isinstance(found, EarlyWarning):
            service.metrics.warnings.inc()

    thread = threading.Thread(target=follow, name="forewarn-watch", daemon=True)
    thread.start()
    return thread
