"""Refusals as `application/problem+json` (RFC 9457): the one place where HTTP statuses are mapped.

    {"type": "urn:seqserve:problem:invalid", "title": "…", "status": 422, "detail": "…",
     "errors": [{"loc": […], "msg": "…"}]}

`errors` is there for malformed payloads only. No input is echoed.
"""

import functools
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from service.errors import (
    BodyTooLarge,
    DeadlineExceeded,
    FieldError,
    Forbidden,
    Invalid,
    NotFound,
    NotJSON,
    NotReady,
    OriginRefused,
    QueueFull,
    QuotaExceeded,
    RateLimited,
    Refusal,
    Unauthenticated,
    Unsupported,
    UnsupportedMedia,
)
from service.telemetry.request_record import SCOPE_KEY

MEDIA_TYPE = "application/problem+json"
CLIENT_GONE = 499
"""As nginx has it: the client disconnected before it was answered. Nobody reads it; log and metrics show it."""

MAX_FIELD_ERRORS = 20
"""Faults listed of one payload; the rest are counted."""

logger = logging.getLogger(__name__)


class Meaning(NamedTuple):
    """What a status means here, everywhere the same."""

    kind: str
    title: str


MEANINGS: Mapping[int, Meaning] = {
    400: Meaning("not-json", "The body is not JSON"),
    401: Meaning("unauthenticated", "No key, or none that counts"),
    403: Meaning("forbidden", "The key lacks a scope"),
    404: Meaning("not-found", "No such route, model or version"),
    405: Meaning("method-not-allowed", "The route doesn't take this method"),
    408: Meaning("request-timeout", "The request took too long to arrive"),
    413: Meaning("body-too-large", "The body is over its limit"),
    415: Meaning("unsupported-media", "The body is of a type or encoding not spoken here"),
    422: Meaning("invalid", "The request has the wrong shape or value"),
    429: Meaning("queue-full", "Too many requests are waiting"),
    431: Meaning("headers-too-large", "The headers are over their limit"),
    500: Meaning("defect", "A defect of the service"),
    503: Meaning("not-ready", "Not ready, or going down"),
    504: Meaning("deadline-exceeded", "The deadline passed"),
}

OTHER_MEANINGS: Mapping[type[Refusal], Meaning] = {
    OriginRefused: Meaning("origin-refused", "Pages of this origin may not ask"),
    RateLimited: Meaning("rate-limited", "The key asks for too much a second"),
    QuotaExceeded: Meaning("quota-exceeded", "The key asks for too much a day"),
}
"""Refusals that share their status with another meaning; `MEANINGS` has what a status means without them."""
NOT_HTTP = Meaning("not-http", "What was sent is not HTTP/1.1")
"""The other 400: there is no request whose body could be anything."""

STATUSES: Mapping[type[Refusal], int] = {
    NotJSON: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    OriginRefused: 403,
    NotFound: 404,
    BodyTooLarge: 413,
    Unsupported: 415,
    Invalid: 422,
    QueueFull: 429,
    RateLimited: 429,
    QuotaExceeded: 429,
    NotReady: 503,
    DeadlineExceeded: 504,
}


class FieldProblem(BaseModel):
    """One fault in a payload."""

    loc: list[str | int] = Field(description="keys and indices from the root of the body to the fault")
    msg: str = Field(description="what to change")


class Problem(BaseModel):
    """The body of every error (RFC 9457)."""

    type: str = Field(description="URN of the kind of problem")
    title: str
    status: int
    detail: str = Field(description="what happened and what to change")
    errors: list[FieldProblem] | None = Field(None, description="faults of a malformed payload, at most 20")


def problem_response(
    status: int,
    detail: str,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
    meaning: Meaning | None = None,
) -> JSONResponse:
    """One error body with its status; `meaning` where it isn't that of the status."""
    body = _body(status, detail, meaning or MEANINGS.get(status) or Meaning("http", HTTPStatus(status).phrase))
    if errors:
        body["errors"] = [{"loc": list(error.loc), "msg": error.msg} for error in errors[:MAX_FIELD_ERRORS]]
        if len(errors) > MAX_FIELD_ERRORS:
            body["detail"] += f" The first {MAX_FIELD_ERRORS} of {len(errors)} are listed."
    return JSONResponse(body, status, headers=headers, media_type=MEDIA_TYPE)


def _body(status: int, detail: str, meaning: Meaning) -> dict[str, Any]:
    return {
        "type": f"urn:seqserve:problem:{meaning.kind}",
        "title": meaning.title,
        "status": status,
        "detail": detail,
    }


CHALLENGE = 'Bearer realm="seqserve"'

_RETRY_AFTER = {"Retry-After": {"description": "seconds to wait before trying again", "schema": {"type": "integer"}}}

_CHALLENGE = {"WWW-Authenticate": {"description": "what is wrong, as RFC 6750 has it", "schema": {"type": "string"}}}

HEADERS: Mapping[int, dict[str, Any]] = {
    401: _CHALLENGE,
    403: _CHALLENGE,
    415: {
        "Accept": {"description": "the media type that is taken", "schema": {"type": "string"}},
        "Accept-Encoding": {"description": "the encoding that is taken", "schema": {"type": "string"}},
    },
    429: _RETRY_AFTER,
    503: _RETRY_AFTER,
}
"""OpenAPI `headers` of refusals, by status."""


def declared(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI `responses` of a route for the refusals it may give, 500 excepted; `examples` has some of each."""
    return {
        status: {
            "description": MEANINGS[status].title,
            **({"headers": HEADERS[status]} if status in HEADERS else {}),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def _status(refusal: Refusal) -> int:
    return next(STATUSES[kind] for kind in type(refusal).__mro__ if kind in STATUSES)


def answer(error: Exception) -> Response:
    """What is said of an error that was raised while a request was answered."""
    if isinstance(error, QueueFull):
        return _queue_full(error.detail, error.retry_after_seconds)
    if isinstance(error, Refusal):
        return _refusal(error)
    if isinstance(error, RequestValidationError):
        return _malformed(error)
    if isinstance(error, ClientDisconnect):
        return Response(status_code=CLIENT_GONE)
    if isinstance(error, HTTPException):
        return _http(error)
    return problem_response(500, "The service failed on this request; the operators' log says where.")


def kind_of(error: Exception) -> str | None:
    """The kind of problem, where its status doesn't tell."""
    meaning = OTHER_MEANINGS.get(type(error))  # type: ignore[arg-type]  # of any other error there is none
    return None if meaning is None else meaning.kind


def is_foreseen(error: Exception) -> bool:
    """Whether it is the caller's to mend; anything else is a defect of ours, for the log."""
    return isinstance(error, _FORESEEN)


_FORESEEN = (Refusal, RequestValidationError, ClientDisconnect, HTTPException)


@functools.lru_cache(maxsize=64)
def _queue_full(detail: str, retry_after_seconds: int | None) -> JSONResponse:
    """Made once: under overload it is said over and over, and what that takes the admitted lack."""
    return _refusal(QueueFull(detail, retry_after_seconds=retry_after_seconds))


def _refusal(refusal: Refusal) -> JSONResponse:
    headers: dict[str, str] = {}
    if refusal.retry_after_seconds is not None:
        headers["Retry-After"] = str(refusal.retry_after_seconds)
    if isinstance(refusal, Unsupported):  # RFC 9110, 15.5.16: say what would have been taken
        name = "Accept" if isinstance(refusal, UnsupportedMedia) else "Accept-Encoding"
        headers[name] = ", ".join(refusal.accepted)
    if isinstance(refusal, BodyTooLarge):
        headers["Connection"] = "close"  # the rest of the body won't be read
    if isinstance(refusal, Unauthenticated):  # RFC 6750, 3.1
        headers["WWW-Authenticate"] = CHALLENGE + (', error="invalid_token"' if refusal.was_sent else "")
    if isinstance(refusal, Forbidden):
        scope = "" if refusal.scope is None else f', scope="{refusal.scope}"'
        headers["WWW-Authenticate"] = f'{CHALLENGE}, error="insufficient_scope"{scope}'
    errors = refusal.errors if isinstance(refusal, Invalid) else ()
    return problem_response(_status(refusal), refusal.detail, errors, headers, OTHER_MEANINGS.get(type(refusal)))


def _malformed(error: RequestValidationError) -> JSONResponse:
    errors = [FieldError(_short(fault["loc"][1:]), _plain(fault)) for fault in error.errors()]  # loc[0] says "body"
    return problem_response(422, Invalid(errors).detail, errors)


def _short(loc: Sequence[str | int]) -> tuple[str | int, ...]:
    """The place, without what a caller could put into a key: only what looks like a name is repeated."""
    return tuple(part if isinstance(part, int) or re.fullmatch(r"\w{1,64}", part) else "…" for part in loc)


def _plain(fault: Mapping[str, Any]) -> str:
    """Pydantic's sentence, except where it would not tell a stranger what to change."""
    match fault["type"]:
        case "finite_number":
            return "The number is infinite; send a finite one, or null where a value is missing"
        case "value_error":
            return str(fault["msg"]).removeprefix("Value error, ")
        case _:
            return str(fault["msg"])


def _http(error: HTTPException) -> JSONResponse:
    details = {
        404: "There is no such route; GET /openapi.json lists them.",
        405: "The route is there, but not for this method; see Allow.",
    }
    return problem_response(error.status_code, details.get(error.status_code, str(error.detail)), (), error.headers)


def _methods(routes: Iterable[BaseRoute], scope: Scope) -> set[str]:
    """Methods that any route takes at a path; `routes` are flat."""
    matching = (route for route in routes if isinstance(route, Route) and route.matches(scope)[0] is not Match.NONE)
    return {method for route in matching for method in route.methods or ()}


def install(app: FastAPI) -> None:
    """Answer every refusal and every defect of `app` as problem+json."""

    async def handle(request: Request, error: Exception) -> Response:
        response = answer(error)
        if SCOPE_KEY in request.scope:
            request.scope[SCOPE_KEY].problem = kind_of(error)
        if response.status_code == 405:  # each route knows its own methods only
            response.headers["Allow"] = ", ".join(sorted(_methods(app.routes, request.scope)))
        return response

    # Starlette raises what it knows no other handler for again after this answer, so uvicorn logs the traceback.
    for kind in (*_FORESEEN, Exception):
        app.add_exception_handler(kind, handle)
