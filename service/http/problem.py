"""Refusals as `application/problem+json` (RFC 9457): the one place where HTTP statuses are mapped.

    {"type": "urn:seqserve:problem:invalid", "title": "…", "status": 422, "detail": "…",
     "errors": [{"loc": […], "msg": "…"}]}

`errors` is there for malformed payloads only. No input is echoed.
"""

import functools
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match, Route

from service import errors
from service.errors import FieldError, Refusal
from service.telemetry.request_record import SCOPE_KEY

MEDIA_TYPE = "application/problem+json"
CLIENT_GONE = 499
"""As nginx has it: the client disconnected before it was answered. Only log and metrics show it."""

MAX_FIELD_ERRORS = 20
"""Faults listed of one payload; the rest are counted."""

HEADERS = {
    "Accept": ([415], "the media type that is taken"),
    "Accept-Encoding": ([415], "the encoding that is taken"),
    "Retry-After": ([429, 503], "seconds to wait before trying again"),
    "WWW-Authenticate": ([401, 403], "what is wrong, as RFC 6750 has it"),
}
"""Headers of refusals: statuses that have them, and the description in the OpenAPI document."""
FORESEEN = (Refusal, RequestValidationError, ClientDisconnect, HTTPException)
"""Any other exception is a defect of ours, for the log."""

_CHALLENGE = 'Bearer realm="seqserve"'


class Kind(NamedTuple):
    """A kind of problem."""

    status: int
    name: str
    title: str
    refusal: type[Refusal] | None = None


KINDS = (
    Kind(400, "not-json", "The body is not JSON", errors.NotJSON),
    Kind(401, "unauthenticated", "No key, or none that counts", errors.Unauthenticated),
    Kind(403, "forbidden", "The key lacks a scope", errors.Forbidden),
    Kind(403, "origin-refused", "Pages of this origin may not ask", errors.OriginRefused),
    Kind(404, "not-found", "No such route, model or version", errors.NotFound),
    Kind(405, "method-not-allowed", "The route doesn't take this method"),
    Kind(408, "request-timeout", "The request took too long to arrive"),
    Kind(413, "body-too-large", "The body is over its limit", errors.BodyTooLarge),
    Kind(415, "unsupported-media", "The body is of a type or encoding not spoken here", errors.Unsupported),
    Kind(422, "invalid", "The request has the wrong shape or value", errors.Invalid),
    Kind(429, "queue-full", "Too many requests are waiting", errors.QueueFull),
    Kind(429, "rate-limited", "The key asks for too much a second", errors.RateLimited),
    Kind(429, "quota-exceeded", "The key asks for too much a day", errors.QuotaExceeded),
    Kind(431, "headers-too-large", "The headers are over their limit"),
    Kind(500, "defect", "A defect of the service"),
    Kind(503, "not-ready", "Not ready, or going down", errors.NotReady),
    Kind(504, "deadline-exceeded", "The deadline passed", errors.DeadlineExceeded),
)
BY_STATUS = {kind.status: kind for kind in reversed(KINDS)}
"""The first kind of each status."""


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
    kind: Kind, detail: str, faults: Sequence[FieldError] = (), headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """One error body with its status."""
    body: dict[str, Any] = {
        "type": f"urn:seqserve:problem:{kind.name}",
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
    }
    if faults:
        body["errors"] = [{"loc": list(fault.loc), "msg": fault.msg} for fault in faults[:MAX_FIELD_ERRORS]]
    if len(faults) > MAX_FIELD_ERRORS:
        body["detail"] += f" The first {MAX_FIELD_ERRORS} of {len(faults)} are listed."
    return JSONResponse(body, kind.status, headers=headers, media_type=MEDIA_TYPE)


def declared(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI `responses` of a route for the refusals it may give, 500 excepted."""
    responses: dict[int | str, dict[str, Any]] = {}
    for status in statuses:
        content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        headers = {name: _header(name) for name, (having, _) in HEADERS.items() if status in having}
        responses[status] = {"description": BY_STATUS[status].title, "content": content, "headers": headers}
    return responses


def _header(name: str) -> dict[str, Any]:
    return {"description": HEADERS[name][1], "schema": {"type": "integer" if name == "Retry-After" else "string"}}


def answer(error: Exception) -> Response:
    """The response to an error that was raised while a request was answered."""
    match error:
        case errors.QueueFull():
            return _queue_full(error.detail, error.retry_after_seconds)
        case Refusal():
            return _refusal(error)
        case RequestValidationError():
            faults = [FieldError(_shorten(fault["loc"][1:]), _message(fault)) for fault in error.errors()]
            return _refusal(errors.Invalid(faults))
        case ClientDisconnect():
            return Response(status_code=CLIENT_GONE)
        case HTTPException():
            return _http(error)
        case _:
            return problem_response(
                BY_STATUS[500], "The service failed on this request; the operators' log says where."
            )


def kind_of(error: Exception) -> str | None:
    """The kind of problem that a refusal is; None for any other error."""
    return _kind(error).name if isinstance(error, Refusal) else None


def _kind(refusal: Refusal) -> Kind:
    return next(kind for kind in KINDS if kind.refusal is not None and isinstance(refusal, kind.refusal))


@functools.lru_cache(maxsize=64)
def _queue_full(detail: str, retry_after_seconds: int | None) -> JSONResponse:
    """Made once: it is sent often under overload, when the admitted requests need the time."""
    return _refusal(errors.QueueFull(detail, retry_after_seconds=retry_after_seconds))


def _refusal(refusal: Refusal) -> JSONResponse:
    faults = refusal.errors if isinstance(refusal, errors.Invalid) else ()
    return problem_response(_kind(refusal), refusal.detail, faults, _headers(refusal))


def _headers(refusal: Refusal) -> dict[str, str]:
    headers = {} if refusal.retry_after_seconds is None else {"Retry-After": str(refusal.retry_after_seconds)}
    match refusal:
        case errors.UnsupportedMedia():  # RFC 9110, 15.5.16: say what would have been taken
            headers["Accept"] = ", ".join(refusal.accepted)
        case errors.UnsupportedEncoding():
            headers["Accept-Encoding"] = ", ".join(refusal.accepted)
        case errors.BodyTooLarge():
            headers["Connection"] = "close"  # the rest of the body won't be read
        case errors.Unauthenticated():  # RFC 6750, 3.1
            headers["WWW-Authenticate"] = _CHALLENGE + (', error="invalid_token"' if refusal.was_sent else "")
        case errors.Forbidden():
            scope = "" if refusal.scope is None else f', scope="{refusal.scope}"'
            headers["WWW-Authenticate"] = f'{_CHALLENGE}, error="insufficient_scope"{scope}'
    return headers


def _shorten(loc: Sequence[str | int]) -> tuple[str | int, ...]:
    """The field path, without what a client could put into a key: only what looks like a name is repeated."""
    return tuple(part if isinstance(part, int) or re.fullmatch(r"\w{1,64}", part) else "…" for part in loc)


def _message(fault: Mapping[str, Any]) -> str:
    """Pydantic's sentence, except where it would not say what to change."""
    if fault["type"] == "finite_number":
        return "The number is infinite; send a finite one, or null where a value is missing"
    return str(fault["msg"]).removeprefix("Value error, ")


_DETAILS = {
    404: "There is no such route; GET /openapi.json lists them.",
    405: "The route is there, but not for this method; see Allow.",
}


def _http(error: HTTPException) -> JSONResponse:
    status = error.status_code
    kind = BY_STATUS.get(status) or Kind(status, "http", HTTPStatus(status).phrase)
    return problem_response(kind, _DETAILS.get(status, str(error.detail)), (), error.headers)


def install(app: FastAPI) -> None:
    """Answer every refusal and every defect of `app`, whose routes are flat, as problem+json."""

    async def handle(request: Request, error: Exception) -> Response:
        response = answer(error)
        if SCOPE_KEY in request.scope:
            request.scope[SCOPE_KEY].problem = kind_of(error)
        if response.status_code == 405:  # each route knows its own methods only
            matching = (route for route in app.routes if route.matches(request.scope)[0] is not Match.NONE)
            methods = {method for route in matching if isinstance(route, Route) for method in route.methods or ()}
            response.headers["Allow"] = ", ".join(sorted(methods))
        return response

    # Starlette raises what it knows no other handler for again after this answer, so uvicorn logs the traceback.
    for kind in (*FORESEEN, Exception):
        app.add_exception_handler(kind, handle)
