"""What requests hold, checked before anything is done with them; and the OpenAPI page, which is made from the same.

In: bytes of a body. Out: a struct, or a refusal that says which part is wrong.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from forewarn.cases.similar import SimilarCase
from forewarn.findings import Alert
from forewarn.serving.access import Refused

MOST_TEXTS = 1000
_Text = Annotated[str, Meta(min_length=1, max_length=65_536)]


class ScoreRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Texts to be scored, each as if it were alone; without their evidence where `evidence` is false."""

    texts: Annotated[list[_Text], Meta(min_length=1, max_length=MOST_TEXTS)]
    evidence: bool = True


class ScoreAnswer(msgspec.Struct, frozen=True):
    """What is said of each text, in their order."""

    scores: list[Alert]


class SimilarRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A text, and how many past crises like it are wanted."""

    text: _Text
    k: Annotated[int, Meta(ge=1, le=100)] = 5
    category: Annotated[str, Meta(max_length=100)] | None = None


class SimilarAnswer(msgspec.Struct, frozen=True):
    """The past crises, most similar first."""

    cases: list[SimilarCase]


class RuleRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule file, as YAML."""

    yaml: Annotated[str, Meta(min_length=1, max_length=1_000_000)]


class FeedbackRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether a text was of a crisis; `id` that of its alert, where it has one."""

    text: _Text
    right: bool
    id: Annotated[str, Meta(max_length=100)] = ""


class Fault(msgspec.Struct, frozen=True):
    """Why a request was not served, and what to do."""

    error: str
    remedy: str | None = None


_S = TypeVar("_S", bound=msgspec.Struct)


def body_of(content: bytes, kind: type[_S]) -> _S:
    """A body as a struct. Raises Refused, 400 or 422."""
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.ValidationError as error:
        raise Refused(422, str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, f"the body is no JSON: {error}") from None


_ROUTES: dict[str, tuple[str, str, str, type[msgspec.Struct] | None, type[msgspec.Struct] | None]] = {
    "/v1/score": ("post", "Score texts", "read", ScoreRequest, ScoreAnswer),
    "/v1/similar": ("post", "Past crises like a text", "read", SimilarRequest, SimilarAnswer),
    "/v1/feedback": ("post", "Say whether a text was of a crisis", "feedback", FeedbackRequest, None),
    "/v1/rules": ("get", "The rules that are loaded", "read", None, None),
    "/v1/rules/check": ("post", "Lint a rule file and run its examples", "read", RuleRequest, None),
    "/v1/rules/swap": ("post", "Use this rule file beside the others, whole or not at all", "rules", RuleRequest, None),
    "/v1/findings": ("get", "The latest warnings and incidents", "read", None, None),
    "/v1/events": ("get", "Warnings and incidents as they arise (server-sent events)", "read", None, None),
}


def openapi(version: str) -> dict[str, Any]:
    """The OpenAPI 3.1 description of the service."""
    kinds = [one for route in _ROUTES.values() for one in route[3:] if one] + [Fault]
    schemas, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    by_kind = dict(zip(kinds, schemas, strict=True))
    fault = {"description": "Not served", "content": {"application/json": {"schema": by_kind[Fault]}}}
    paths: dict[str, Any] = {}
    for path, (method, summary, scope, asked, answered) in _ROUTES.items():
        done: dict[str, Any] = {"description": "Done"}
        if answered:
            done["content"] = {"application/json": {"schema": by_kind[answered]}}
        operation: dict[str, Any] = {
            "summary": summary,
            "description": f"Scope: {scope}.",
            "responses": {"200": done, "4XX": fault, "503": fault},
            "security": [{"token": []}],
        }
        if asked:
            operation["requestBody"] = {
                "required": True,
                "content": {"application/json": {"schema": by_kind[asked]}},
            }
        paths[path] = {method: operation}
    return {
        "openapi": "3.1.0",
        "info": {"title": "forewarn", "version": version, "description": "First signs of a crisis in text."},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }
