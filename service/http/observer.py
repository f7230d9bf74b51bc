"""The outermost middleware: gives each request an id and a record; counts it, logs it and traces it once it is over."""

import asyncio
import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http import problem
from service.http.problem import BY_STATUS, CLIENT_GONE
from service.telemetry.logs import RequestLog
from service.telemetry.metrics import Metrics
from service.telemetry.request_record import SCOPE_KEY, RequestRecord
from service.telemetry.tracing import Tracer

REQUEST_ID = "X-Request-ID"
_GOOD_ID = re.compile(rb"[\w.:/+=@-]{1,128}")

ARRIVAL_TIME = "seqserve.arrival_time"
"""In the scope of a request that the server held back: when it came, by `time.perf_counter`."""
ABORT_STATUS = "seqserve.abort_status"
"""In the scope of a request that the server ended by itself: the status it sent."""


@dataclass
class Observer:
    """ASGI middleware."""

    app: ASGIApp
    metrics: Metrics
    log: RequestLog
    tracer: Tracer | None
    headers: Sequence[tuple[bytes, bytes]]
    """Of every response."""
    _ended: list[tuple[Scope, int, RequestRecord]] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request and record it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        record = scope[SCOPE_KEY] = RequestRecord(_request_id(scope["headers"]), scope.get(ARRIVAL_TIME))
        status = CLIENT_GONE

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = (b"x-request-id", record.id.encode())
                message["headers"] = [*message.get("headers", ()), own, *self.headers]
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        except Exception as error:
            if status == CLIENT_GONE:  # a defect outside of any route: nothing was sent
                await problem.answer(error)(scope, receive, send_with_headers)
            status = 500
            raise  # for the server's log
        finally:
            record.lap("respond")
            if not self._ended:
                asyncio.get_running_loop().call_soon(self._record_all)
            self._ended.append((scope, scope.get(ABORT_STATUS, status), record))

    def _record_all(self) -> None:
        """Record the requests that ended in this iteration of the event loop: one by one takes twice as long."""
        ended, self._ended = self._ended, []
        lines = []
        for scope, status, record in ended:
            record.run_deferred()
            route = getattr(scope.get("route"), "path", "unknown")  # the template, never the path asked for
            kind = record.problem or (BY_STATUS[status].name if status in BY_STATUS else None)
            self.metrics.request(route, status, record, kind)
            trace_id = None
            if self.tracer is not None:
                trace_id = self.tracer.trace(scope["method"], route, status, record, Headers(scope=scope))
            if self.log.is_shown:
                lines.append(_line(scope["method"], route, status, record, trace_id))
        self.log.write(lines)


def _line(method: str, route: str, status: int, record: RequestRecord, trace_id: str | None) -> dict[str, Any]:
    """A line of the log."""
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
    """The client's, where it is fit for a log; else a new one."""
    for name, value in headers:
        if name == b"x-request-id" and _GOOD_ID.fullmatch(value):
            return value.decode()
    return f"{random.getrandbits(128):032x}"
