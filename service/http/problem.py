"""Refusals as `application/problem+json` (RFC 9457): the one place where HTTP statuses are mapped.

    {"type": "urn:seqserve:problem:invalid", "title": "…", "status": 422, "detail": "…",
     "errors": [{"loc": […], "msg": "…"}]}

`errors` is there for malformed payloads only. No input is echoed.
"""

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
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


def header(name: str, description: str, json_type: str = "string") -> dict[str, Any]:
    """A header, as OpenAPI describes it."""
    return {name: {"description": description, "schema": {"type": json_type}}}


_CHALLENGE = header("WWW-Authenticate", "what is wrong, as RFC 6750 has it")
_RETRY = header("Retry-After", "seconds to wait before trying again", "integer")
_ACCEPT = header("Accept", "the media type that is taken") | header("Accept-Encoding", "the encoding that is taken")


class Kind(NamedTuple):
    """One kind of problem."""

    status: int
    name: str
    title: str
    error: type[Refusal] | None = None
    """What is raised."""
    headers: Mapping[str, Any] = MappingProxyType({})
    """Of the answer, as OpenAPI describes them."""


NOT_HTTP = Kind(400, "not-http", "What was sent is not HTTP/1.1")
KINDS = (
    NOT_HTTP,
    Kind(400, "not-json", "The body is not JSON", NotJSON),
    Kind(401, "unauthenticated", "No key, or none that counts", Unauthenticated, _CHALLENGE),
    Kind(403, "origin-refused", "Pages of this origin may not ask", OriginRefused),
    Kind(403, "forbidden", "The key lacks a scope", Forbidden, _CHALLENGE),
    Kind(404, "not-found", "No such route, model or version", NotFound),
    Kind(405, "method-not-allowed", "The route doesn't take this method"),
    Kind(408, "request-timeout", "The request took too long to arrive"),
    Kind(413, "body-too-large", "The body is over its limit", BodyTooLarge),
    Kind(415, "unsupported-media", "The body is of a type or encoding not spoken here", Unsupported, _ACCEPT),
    Kind(422, "invalid", "The request has the wrong shape or value", Invalid),
    Kind(429, "rate-limited", "The key asks for too much a second", RateLimited),
    Kind(429, "quota-exceeded", "The key asks for too much a day", QuotaExceeded),
    Kind(429, "queue-full", "Too many requests are waiting", QueueFull, _RETRY),
    Kind(431, "headers-too-large", "The headers are over their limit"),
    Kind(500, "defect", "A defect of the service"),
    Kind(503, "not-ready", "Not ready, or going down", NotReady, _RETRY),
    Kind(504, "deadline-exceeded", "The deadline passed", DeadlineExceeded),
)
KIND_BY_STATUS = {kind.status: kind for kind in KINDS}
"""The last of a status is its usual one."""
_KIND_BY_ERROR = {kind.error: kind for kind in KINDS if kind.error is not None}


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
    kind: Kind | None = None,
) -> JSONResponse:
    """One error body with its status; `kind` where it isn't the usual one of the status."""
    kind = kind or KIND_BY_STATUS.get(status) or Kind(status, "http", HTTPStatus(status).phrase)
    body: dict[str, Any] = {"type": f"urn:seqserve:problem:{kind.name}", "title": kind.title}
    body |= {"status": status, "detail": detail}
    if errors:
        body["errors"] = [{"loc": list(error.loc), "msg": error.msg} for error in errors[:MAX_FIELD_ERRORS]]
        if len(errors) > MAX_FIELD_ERRORS:
            body["detail"] += f" The first {MAX_FIELD_ERRORS} of {len(errors)} are listed."
    return JSONResponse(body, status, headers=headers, media_type=MEDIA_TYPE)


CHALLENGE = 'Bearer realm="seqserve"'


def declared(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI `responses` of a route for the refusals it may give, 500 excepted; `examples` has some of each."""
    return {
        status: {
            "description": KIND_BY_STATUS[status].title,
            **({"headers": headers} if (headers := KIND_BY_STATUS[status].headers) else {}),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def answer(error: Exception) -> Response:
    """The answer to a request on which this was raised."""
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
    kind = _KIND_BY_ERROR.get(type(error))  # type: ignore[arg-type]  # of any other error there is none
    return None if kind is None or kind is KIND_BY_STATUS[kind.status] else kind.name


def is_foreseen(error: Exception) -> bool:
    """Whether it is the client's to mend; anything else is a defect of the service, for the log."""
    return isinstance(error, _FORESEEN)


_FORESEEN = (Refusal, RequestValidationError, ClientDisconnect, HTTPException)


@functools.lru_cache(maxsize=64)
def _queue_full(detail: str, retry_after_seconds: int | None) -> JSONResponse:
    """Made once: under overload it is sent very often, and the admitted requests need that time."""
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
    kind = next(_KIND_BY_ERROR[error] for error in type(refusal).__mro__ if error in _KIND_BY_ERROR)
    return problem_response(kind.status, refusal.detail, errors, headers, kind)


def _malformed(error: RequestValidationError) -> JSONResponse:
    errors = [FieldError(_short(fault["loc"][1:]), _plain(fault)) for fault in error.errors()]  # loc[0] says "body"
    return problem_response(422, Invalid(errors).detail, errors)


def _short(loc: Sequence[str | int]) -> tuple[str | int, ...]:
    """The field path, without what a client could put into a key: only what looks like a name is repeated."""
    return tuple(part if isinstance(part, int) or re.fullmatch(r"\w{1,64}", part) else "…" for part in loc)


def _plain(fault: Mapping[str, Any]) -> str:
    """Pydantic's sentence, except where it does not say what to change."""
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
