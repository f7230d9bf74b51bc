"""Sees every request from outside: gives it an id, and when it is over, counts it, logs one line, writes its spans."""

import logging
import re
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import request_record
from service.metrics import Metrics
from service.problem import CALLER_GONE, MEANINGS
from service.tracing import Tracer

REQUEST_ID = "X-Request-ID"
_GOOD_ID = re.compile(r"[\w.:/+=@-]{1,128}", re.ASCII)

logger = logging.getLogger("seqserve.request")


class Observer:
    """ASGI middleware around the whole application.

    Args:
        app: what answers.
        metrics: where it is counted.
        tracer: writes its spans, where tracing is configured.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, tracer: Tracer | None) -> None:
        self._app = app
        self._metrics = metrics
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request and note it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        asked = headers.get(REQUEST_ID, "")
        record = request_record.begin(asked if _GOOD_ID.fullmatch(asked) else uuid.uuid4().hex)
        status = CALLER_GONE

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID] = record.id
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            status = 500
            raise
        finally:
            record.lap("respond")
            self._note(scope, headers, status, record)

    def _note(self, scope: Scope, headers: Headers, status: int, record: request_record.RequestRecord) -> None:
        method, route = scope["method"], _template(scope)
        refusal = MEANINGS[status].kind if status in MEANINGS else None
        self._metrics.request(route, status, record, refusal)
        line = {
            "id": record.id,
            "method": method,
            "route": route,
            "model": record.model or None,
            "version": record.version,
            "rows": record.num_rows,
            "status": status,
            "milliseconds": {**record.milliseconds(), "total": round(record.total_seconds * 1000, 3)},
        }
        if self._tracer is not None:
            line["trace_id"] = self._tracer.trace(method, route, status, record, headers)
        logger.info("request", extra=line)


def _template(scope: Scope) -> str:
    """The route's path with its parameters' names, never the path asked for."""
    return getattr(scope.get("route"), "path", "unknown")
