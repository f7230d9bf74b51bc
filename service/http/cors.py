"""Pages of other origins that may ask: none, unless `SEQSERVE_CORS_ORIGINS` names them."""

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from service.errors import OriginRefused
from service.http import problem

ASKED = ("Authorization", "Content-Type", "X-API-Key", "X-Request-ID", "traceparent")
SHOWN = ("RateLimit", "RateLimit-Policy", "Retry-After", "WWW-Authenticate", "X-Request-ID")


class CORS(CORSMiddleware):
    """Starlette's, with problem+json. It stands before the gate: a browser asks first without a key."""

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        super().__init__(
            app, allow_origins=origins, allow_methods=("GET", "POST"), allow_headers=ASKED, expose_headers=SHOWN
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """Whether the page may ask what it is about to ask."""
        response = super().preflight_response(request_headers)
        if response.status_code == 200:
            return response
        return problem.answer(
            OriginRefused("Pages of this origin may not ask this; the operators name those that may, and GET and POST.")
        )
