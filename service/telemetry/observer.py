"""Sees every request from outside: gives it an id, and when it is over, counts it, logs one line, writes its spans."""

import asyncio
import random
import re
from collections.abc import Iterable, Sequence
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.problem import CALLER_GONE, MEANINGS
from service.server.early_responses import ABORT_STATUS
from service.server.limits import ARRIVAL_TIME
from service.telemetry import request_record
from service.telemetry.logs import RequestLog
from service.telemetry.metrics import Metrics
from service.telemetry.tracing import Tracer

REQUEST_ID = "X-Request-ID"
_GOOD_ID = re.compile(rb"[\w.:/+=@-]{1,128}")


class Observer:
    """ASGI middleware around the whole application.

    Args:
        app: what answers.
        metrics: where it is counted.
        log: gets its line.
        tracer: writes its spans, where tracing is configured.
        headers: of every answer.
    """

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        log: RequestLog,
        tracer: Tracer | None,
        headers: Sequence[tuple[bytes, bytes]],
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._log = log
        self._tracer = tracer
        self._over: list[tuple[Scope, int, request_record.RequestRecord]] = []
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request and note it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record = request_record.begin(_request_id(scope["headers"]), scope.get(ARRIVAL_TIME))
        status = CALLER_GONE

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", record.id.encode()),
                    *self._headers,
                ]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            status = 500
            raise
        finally:
            record.lap("respond")
            if not self._over:
                asyncio.get_running_loop().call_soon(self._note_all)
            self._over.append((scope, scope.get(ABORT_STATUS, status), record))

    def _note_all(self) -> None:
        """Note the requests that are over since the last turn of the event loop: one by one takes twice as long."""
        over, self._over = self._over, []
        lines = []
        for scope, status, record in over:
            route = _template(scope)
            refusal = record.refusal or (MEANINGS[status].kind if status in MEANINGS else None)
            self._metrics.request(route, status, record, refusal)
            trace_id = None
            if self._tracer is not None:
                trace_id = self._tracer.trace(scope["method"], route, status, record, Headers(scope=scope))
            if self._log.is_shown:
                lines.append(_line(scope["method"], route, status, record, trace_id))
        self._log.write(lines)


def _line(
    method: str, route: str, status: int, record: request_record.RequestRecord, trace_id: str | None
) -> dict[str, Any]:
    """What the log says of one request."""
    fields: dict[str, Any] = {
        "time": record.ended,
        "level": "INFO",
        "logger": "seqserve.request",
        "message": "request",
        "id": record.id,
        "method": method,
        "route": route,
        "model": record.model or None,
        "version": record.version,
        "rows": record.num_rows,
        "status": status,
        "milliseconds": record.milliseconds(),
    }
    if record.charge is not None:
        fields |= {"key": record.key_name, "client": record.client}
    if trace_id is not None:
        fields["trace_id"] = trace_id
    return fields


def _request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The caller's, where it is fit for a log; else a new one."""
    for name, value in headers:
        if name == b"x-request-id" and _GOOD_ID.fullmatch(value):
            return value.decode()
    return f"{random.getrandbits(128):032x}"


def _template(scope: Scope) -> str:
    """The route's path with its parameters' names, never the path asked for."""
    return getattr(scope.get("route"), "path", "unknown")
