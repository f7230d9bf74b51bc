"""Responses on connections that sent no complete request: whole HTTP/1.1 messages, each the last of its connection."""

from typing import NamedTuple

from service.http.headers import NO_SNIFFING
from service.http.problem import NOT_HTTP, Kind, problem_response


class EarlyResponse(NamedTuple):
    """One such message."""

    reason: str
    """One of `limits.DROP_REASONS`."""
    status: int
    content: bytes


def _response(reason: str, status: int, detail: str, kind: Kind | None = None) -> EarlyResponse:
    headers = {"Connection": "close", **NO_SNIFFING} | ({"Retry-After": "1"} if status == 503 else {})
    response = problem_response(status, detail, (), headers, kind)
    phrases = {400: b"Bad Request", 408: b"Request Timeout", 431: b"Request Header Fields Too Large"}
    lines = [
        b"HTTP/1.1 %d %s" % (status, phrases.get(status, b"Service Unavailable")),
        *(b": ".join(header) for header in response.raw_headers),
    ]
    return EarlyResponse(reason, status, b"\r\n".join([*lines, b"", bytes(response.body)]))


TOO_MANY_DETAIL = "Too many connections are open; try again later, and keep using those you have."

HEADER_TIMEOUT = _response("header-timeout", 408, "The headers didn't arrive in time; send a request in one go.")
BODY_TIMEOUT = _response("body-timeout", 408, "The body came too slowly, or not at all; send a request in one go.")
HEADERS_TOO_LARGE = _response("headers-too-large", 431, "The headers are too large; send fewer or shorter ones.")
MALFORMED = _response("not-http", 400, "What was sent is no request as RFC 9112 has them; mind its framing.", NOT_HTTP)
TOO_MANY = _response("too-many", 503, TOO_MANY_DETAIL)
STOPPING = _response("drained", 503, "The service is going down; send the request again on a new connection.")
