"""What a connection is told that has sent no whole request: complete messages of HTTP/1.1, each the last one."""

from typing import NamedTuple

from service.http.headers import NO_SNIFFING
from service.http.problem import NOT_HTTP, Meaning, problem_response


class EarlyAnswer(NamedTuple):
    """One such message."""

    reason: str
    """As `doors.REASONS` has it."""
    status: int
    content: bytes


def _early(reason: str, status: int, detail: str, meaning: Meaning | None = None) -> EarlyAnswer:
    headers = {"Connection": "close", **NO_SNIFFING} | ({"Retry-After": "1"} if status == 503 else {})
    response = problem_response(status, detail, (), headers, meaning)
    phrases = {400: b"Bad Request", 408: b"Request Timeout", 431: b"Request Header Fields Too Large"}
    lines = [
        b"HTTP/1.1 %d %s" % (status, phrases.get(status, b"Service Unavailable")),
        *(b": ".join(header) for header in response.raw_headers),
    ]
    return EarlyAnswer(reason, status, b"\r\n".join([*lines, b"", bytes(response.body)]))


LATE_HEADERS = _early("header-timeout", 408, "The headers didn't arrive in time; send a request in one go.")
LATE_BODY = _early("body-timeout", 408, "The body came too slowly, or not at all; send a request in one go.")
LARGE_HEADERS = _early("headers-too-large", 431, "The headers are too large; send fewer or shorter ones.")
MALFORMED = _early("not-http", 400, "What was sent is no request as RFC 9112 has them; mind its framing.", NOT_HTTP)
TOO_MANY_DETAIL = "Too many connections are open; try again later, and keep using those you have."
TOO_MANY = _early("too-many", 503, TOO_MANY_DETAIL)
GOING_DOWN = _early("drained", 503, "The service is going down; send the request again on a new connection.")
