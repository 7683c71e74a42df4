"""The service's routes: requests in, answers out.

In: requests of HTTP. Out: JSON, events, the page. Every request is limited in size, time and number, its asker known by
a token, and what changes anything is in the audit log.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from forewarn.cases.similar import similar
from forewarn.errors import ForewarnError
from forewarn.findings import ALERT_LEVELS, EarlyWarning
from forewarn.output.pages import page_part
from forewarn.serving import bodies
from forewarn.serving.access import Access, Refused
from forewarn.serving.audit import AuditLog
from forewarn.serving.limits import Rate
from forewarn.serving.metrics import Metrics
from forewarn.serving.rule_changes import RuleChanges
from forewarn.serving.scoring import Busy, Scoring
from forewarn.serving.stream import Findings
from forewarn.text_gate import json_line
from forewarn.training.feedback import keep_answer, keep_text

MOST_BYTES = 4 << 20
_BODY_SECONDS = 15.0
_BEAT_SECONDS = 20.0
"""Seconds after which a quiet stream of events says that it lives."""
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
"""The names by which this machine asks itself."""
_Answer = Callable[[Request, str], Awaitable[Response]]


@dataclass
class Service:
    """What a service is made of; `feedback` the file of answers, `hosts` the names that it is asked by."""

    scoring: Scoring
    rules: RuleChanges
    access: Access
    audit: AuditLog
    metrics: Metrics
    findings: Findings
    feedback: Path
    rate: Rate = field(default_factory=lambda: Rate(100.0, 200))
    hosts: Sequence[str] = LOOPBACK
    ready: bool = True

    def app(self) -> Starlette:
        """The application, for any server of ASGI."""
        return Starlette(
            routes=[
                self._route("/v1/score", "POST", "read", self._score),
                self._route("/v1/similar", "POST", "read", self._similar),
                self._route("/v1/feedback", "POST", "feedback", self._keep_feedback),
                self._route("/v1/rules", "GET", "read", self._rules_list),
                self._route("/v1/rules/check", "POST", "read", self._rules_check),
                self._route("/v1/rules/swap", "POST", "rules", self._rules_swap),
                self._route("/v1/findings", "GET", "read", self._latest),
                self._route("/v1/events", "GET", "read", self._events),
                self._route("/metrics", "GET", "read", self._metrics),
                Route("/healthz", _said("alive"), methods=["GET"]),
                Route("/readyz", self._readyz, methods=["GET"]),
                Route("/v1/openapi.json", self._openapi, methods=["GET"]),
                Route("/", _page_part("page.html", "text/html"), methods=["GET"]),
                Route("/page.js", _page_part("page.js", "text/javascript"), methods=["GET"]),
                Route("/page.css", _page_part("page.css", "text/css"), methods=["GET"]),
            ],
            middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(self.hosts))],
            lifespan=self._lifespan,
        )

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        yield
        self.scoring.close()

    def _route(self, path: str, method: str, scope: str, answer: _Answer) -> Route:
        """A route that is limited, known and counted."""

        async def serve(request: Request) -> Response:
            begun, status = time.perf_counter(), 500
            try:
                who = self.access.who(request.headers.get("authorization"), scope)
                self.rate.take(who if not self.access.open else _address(request))
                response = await answer(request, who)
                status = response.status_code
            except Refused as refused:
                status = refused.status
                if status in (401, 403):
                    self.audit.add("?", _address(request), f"{method} {path}", "refused", why=refused.why)
                response = _fault(refused.status, refused.why, retry_after=refused.retry_after)
            except Busy:
                status = 503
                response = _fault(503, "so many texts wait that no more are taken", retry_after=1)
            except ForewarnError as error:
                status = 422
                response = _fault(422, error.message, remedy=error.remedy)
            finally:
                self.metrics.requests.labels(path, str(status)).inc()
                self.metrics.seconds.labels(path).observe(time.perf_counter() - begun)
            return response

        return Route(path, serve, methods=[method])

    async def _score(self, request: Request, _: str) -> Response:
        asked = bodies.body_of(await _body(request), bodies.ScoreRequest)
        scores = await self.scoring.score(asked.texts)
        self.metrics.texts.inc(len(scores))
        for one in scores:
            if one.score >= ALERT_LEVELS["medium"]:
                self.metrics.alerts.labels(one.level).inc()
        if not asked.evidence:
            scores = [msgspec.structs.replace(one, evidence=[]) for one in scores]
        return _json(bodies.ScoreAnswer(scores))

    async def _similar(self, request: Request, _: str) -> Response:
        asked = bodies.body_of(await _body(request), bodies.SimilarRequest)
        parts = self.scoring.resident.parts
        found = await asyncio.to_thread(
            lambda: similar(asked.text, k=asked.k, cases=parts.cases, encoder=parts.encoder, category=asked.category)
        )
        return _json(bodies.SimilarAnswer(found))

    async def _keep_feedback(self, request: Request, who: str) -> Response:
        asked = bodies.body_of(await _body(request), bodies.FeedbackRequest)
        answers = await asyncio.to_thread(self._kept, asked)
        self.metrics.feedback.labels("right" if asked.right else "wrong").inc()
        await asyncio.to_thread(
            lambda: self.audit.add(who, _address(request), "feedback", "kept", id=asked.id, right=asked.right)
        )
        return _json({"answers": answers.height})

    def _kept(self, asked: bodies.FeedbackRequest) -> pl.DataFrame:
        """The answers with this one: on a warning of the watch, whose texts are known, or on the text itself."""
        found = self.findings.named(asked.id) if asked.id else None
        if isinstance(found, EarlyWarning):
            return keep_answer(found, asked.right, self.feedback)
        return keep_text(asked.text, asked.right, self.feedback, asked.id)

    async def _rules_list(self, _: Request, __: str) -> Response:
        return _json({"rules": self.rules.listed()})

    async def _rules_check(self, request: Request, _: str) -> Response:
        asked = bodies.body_of(await _body(request), bodies.RuleRequest)
        return _json(await asyncio.to_thread(self.rules.check, asked.yaml))

    async def _rules_swap(self, request: Request, who: str) -> Response:
        asked = bodies.body_of(await _body(request), bodies.RuleRequest)
        outcome = await asyncio.to_thread(self.rules.swap, asked.yaml)
        said = "swapped" if outcome["swapped"] else "refused"
        await asyncio.to_thread(
            lambda: self.audit.add(
                who, _address(request), "rules", said, rules=outcome["rules"], digest=outcome["digest"]
            )
        )
        self.metrics.rules.set(len(self.scoring.resident.rules.rules))
        return _json(outcome, 200 if outcome["swapped"] else 422)

    async def _latest(self, request: Request, _: str) -> Response:
        found = self.findings.after(_number(request))
        return _json({"findings": [{"number": number, "finding": one} for number, one in found]})

    async def _events(self, request: Request, _: str) -> Response:
        if self.findings.full:
            raise Refused(503, "so many listen that no more are taken", retry_after=30)
        return StreamingResponse(
            self._told(_number(request)), media_type="text/event-stream", headers=_HEADERS | {"X-Accel-Buffering": "no"}
        )

    async def _told(self, after: int) -> AsyncIterator[bytes]:
        yield b": forewarn\n\n"
        found = aiter(self.findings.listen(after))
        coming = asyncio.ensure_future(anext(found))
        try:
            while True:
                done, _ = await asyncio.wait({coming}, timeout=_BEAT_SECONDS)
                if not done:
                    yield b": alive\n\n"
                    continue
                try:
                    number, one = coming.result()
                except StopAsyncIteration:
                    return
                yield b"id: %d\nevent: finding\ndata: " % number + json_line(one) + b"\n"
                coming = asyncio.ensure_future(anext(found))
        finally:
            coming.cancel()

    async def _metrics(self, _: Request, __: str) -> Response:
        return Response(self.metrics.text(), media_type="text/plain; version=0.0.4", headers=_HEADERS)

    async def _readyz(self, _: Request) -> Response:
        return _json({"ready": self.ready}, 200 if self.ready else 503)

    async def _openapi(self, _: Request) -> Response:
        return _json(bodies.openapi(version("forewarn")))


async def _body(request: Request) -> bytes:
    """The body, which is JSON and no larger or slower than it may be. Raises Refused."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        # A page of another site can send forms and plain text without being asked, JSON it cannot.
        raise Refused(415, "the body must be application/json")
    content = bytearray()

    async def read() -> None:
        async for piece in request.stream():
            content.extend(piece)
            if len(content) > MOST_BYTES:
                raise Refused(413, f"the body is larger than {MOST_BYTES >> 20} MiB")

    try:
        await asyncio.wait_for(read(), _BODY_SECONDS)
    except TimeoutError:
        raise Refused(408, f"the body took longer than {_BODY_SECONDS:.0f} seconds") from None
    except ClientDisconnect:
        raise Refused(400, "the asker has gone") from None
    return bytes(content)


def _number(request: Request) -> int:
    said = request.headers.get("last-event-id") or request.query_params.get("after") or "0"
    return int(said) if said.isascii() and said.isdecimal() and len(said) < 19 else 0


def _address(request: Request) -> str:
    return request.client.host if request.client else "?"


def _json(value: Any, status: int = 200) -> Response:
    return Response(json_line(value), status, media_type="application/json", headers=_HEADERS)


def _fault(status: int, why: str, *, remedy: str | None = None, retry_after: int | None = None) -> Response:
    response = _json(bodies.Fault(why, remedy), status)
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


def _said(what: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(_: Request) -> Response:
        return _json({"status": what})

    return answer


def _page_part(name: str, kind: str) -> Callable[[Request], Awaitable[Response]]:
    content = page_part(__package__, name)
    headers = _HEADERS | {"Content-Security-Policy": _PAGE_POLICY}

    async def answer(_: Request) -> Response:
        return Response(content, headers=headers, media_type=kind)

    return answer
