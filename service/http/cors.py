"""CORS for the origins that `SEQSERVE_CORS_ORIGINS` names; by default none."""

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from service.errors import OriginRefused
from service.http import problem

ALLOWED_HEADERS = ("Authorization", "Content-Type", "X-API-Key", "X-Request-ID", "traceparent")
EXPOSED_HEADERS = ("RateLimit", "RateLimit-Policy", "Retry-After", "WWW-Authenticate", "X-Request-ID")


class CORS(CORSMiddleware):
    """Starlette's, with our form of refusals. It comes before the gate: a preflight request has no key."""

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        super().__init__(app, origins, ("GET", "POST"), ALLOWED_HEADERS, expose_headers=EXPOSED_HEADERS)

    def preflight_response(self, request_headers: Headers) -> Response:
        """The response to a preflight request."""
        response = super().preflight_response(request_headers)
        if response.status_code == 200:
            return response
        detail = "Pages of this origin may not ask this; the operators name those that may, and GET and POST."
        return problem.answer(OriginRefused(detail))
