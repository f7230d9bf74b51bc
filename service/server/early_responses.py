"""Responses on connections that sent no complete request: whole HTTP/1.1 messages, each the last of its connection."""

from http import HTTPStatus
from typing import NamedTuple

from service.http.headers import NO_SNIFFING
from service.http.problem import BY_STATUS, Kind, problem_response


class EarlyResponse(NamedTuple):
    """One such message."""

    reason: str
    """One of `limits.DROP_REASONS`."""
    status: int
    content: bytes


def _response(reason: str, kind: Kind, detail: str) -> EarlyResponse:
    headers = {"Connection": "close", **NO_SNIFFING} | ({"Retry-After": "1"} if kind.status == 503 else {})
    response = problem_response(kind, detail, (), headers)
    lines = [
        b"HTTP/1.1 %d %s" % (kind.status, HTTPStatus(kind.status).phrase.encode()),
        *(b": ".join(header) for header in response.raw_headers),
    ]
    return EarlyResponse(reason, kind.status, b"\r\n".join([*lines, b"", bytes(response.body)]))


TOO_MANY_DETAIL = "Too many connections are open; try again later, and keep using those you have."
_NOT_HTTP = Kind(400, "not-http", "What was sent is not HTTP/1.1")
_TIMEOUT, _TOO_LARGE, _NOT_READY = (BY_STATUS[status] for status in (408, 431, 503))

HEADER_TIMEOUT = _response("header-timeout", _TIMEOUT, "The headers didn't arrive in time; send a request in one go.")
BODY_TIMEOUT = _response("body-timeout", _TIMEOUT, "The body came too slowly, or not at all; send a request in one go.")
HEADERS_TOO_LARGE = _response("headers-too-large", _TOO_LARGE, "The headers are too large; send fewer or shorter ones.")
MALFORMED = _response("not-http", _NOT_HTTP, "What was sent is no request as RFC 9112 has them; mind its framing.")
TOO_MANY = _response("too-many", _NOT_READY, TOO_MANY_DETAIL)
STOPPING = _response("drained", _NOT_READY, "The service is going down; send the request again on a new connection.")
