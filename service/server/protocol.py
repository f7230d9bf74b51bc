"""uvicorn's HTTP protocol with limits: on time, on the size of headers, on the number of connections.

The server calls `check_timeouts` on every connection once a second: a timer for each request would cost as much as
reading it. A connection is never closed with unread input, since the system would reset it and discard answers in
flight: its write side is closed, and input is read and dropped until the client closes too.
"""

import asyncio
import functools
import time
from collections import deque
from collections.abc import Callable
from typing import Any, cast

import httptools
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service.errors import NotReady
from service.http import problem
from service.http.headers import NO_SNIFFING
from service.http.observer import ABORT_STATUS, ARRIVAL_TIME
from service.http.route import cancel
from service.server import early_responses as early
from service.server.early_responses import EarlyResponse
from service.server.limits import ConnectionLimits
from service.server.sockets import accept_packets

LINGER_SECONDS = 5.0
"""How long input is read and dropped after the last answer."""

MIN_BYTES_PER_SECOND = 1000
"""A body that is slower than this on average times out, however steadily it arrives."""

MAX_PIPELINED = 64
"""Requests of one connection that wait for the answers to earlier ones."""

HEALTH = frozenset({"/livez", "/readyz", "/metrics"})
"""Paths that are answered on connections beyond the limit, too."""

IDLE, HEADERS, BODY = range(3)
"""Which part of a request is being received."""


REQUESTS_PER_ITERATION = 16
"""About two milliseconds of reading and refusing: half of what a batch of short texts takes."""


class RequestThrottle:
    """Starts at most `REQUESTS_PER_ITERATION` requests in one iteration of the event loop.

    Otherwise a thousand clients that retry as soon as they are refused would fill each iteration, which has one batch.
    """

    __slots__ = ("_loop", "_num_left", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._num_left = REQUESTS_PER_ITERATION
        self._waiting: deque[tuple[Scope, Callable[[], None]]] = deque()

    def start(self, scope: Scope, begin: Callable[[], None]) -> None:
        """Call `begin` now, or in one of the next iterations."""
        if not self._num_left:
            scope[ARRIVAL_TIME] = time.perf_counter()
            self._waiting.append((scope, begin))
            return
        if self._num_left == REQUESTS_PER_ITERATION:
            self._loop.call_soon(self._next_iteration)
        self._num_left -= 1
        begin()

    def _next_iteration(self) -> None:
        self._num_left = REQUESTS_PER_ITERATION
        for _ in range(min(len(self._waiting), REQUESTS_PER_ITERATION)):
            self.start(*self._waiting.popleft())


class RequestRefused(Exception):
    """Raised within a callback of the parser, to end the connection."""

    def __init__(self, response: EarlyResponse) -> None:
        super().__init__(response.reason)
        self.response = response


class LimitedProtocol(HttpToolsProtocol):
    """For uvicorn's setting `http`; the application's state must hold the `Context`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._limits: ConnectionLimits = self.app_state["connection_limits"]
        self._throttle: RequestThrottle = self.app_state["throttle"]
        self._receiving = IDLE
        self._num_requests = self._num_hosts = 0
        self._num_bytes = self._chunk_bytes = self._headers_start = self._body_progress = 0
        self._is_excess = self._ignores_input = False
        self._last_response: EarlyResponse | None = None
        self._started_cycle: RequestResponseCycle | None = None
        self.write_closed = False
        # As `check_timeouts` found it the last time:
        self._state: tuple[object, ...] = ()
        self._state_since = self._progress_at = 0.0
        self._bytes_before = self._bytes_at_state = self._unsent = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Register the connection; beyond the limit only health is answered."""
        super().connection_made(ResponseTransport(transport, self))  # type: ignore[arg-type]
        if self._limits.stopping:
            accept_packets(transport.get_extra_info("socket"))
        if len(self.connections) > self._limits.max_connections:
            self._is_excess = True
            self.app = HealthOnly(cast(ASGIApp, self.app), self._limits)
            self._limits.add_excess(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed; the request under way is cancelled."""
        self._ignores_input = True
        super().connection_lost(exc)
        self.pipeline.clear()
        if self._started_cycle is not None:
            self._cancel(self._started_cycle)
        if self._is_excess:
            self._limits.remove_excess(self)

    def data_received(self, data: bytes) -> None:
        """Parse input; refuse what is malformed or too large."""
        if self._ignores_input:
            return
        self._chunk_bytes = len(data)
        self._num_bytes += self._chunk_bytes
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            rest = data[upgrade.args[0] :]
            if self._should_upgrade():
                self._upgrade_to_websocket(rest)
            else:
                self._answer_without_upgrade(rest)
            return
        except httptools.HttpParserError as error:
            cause = error.__context__
            self.refuse(cause.response if isinstance(cause, RequestRefused) else early.MALFORMED)
            return
        if self._receiving == IDLE:
            return
        limit = self._limits.settings.max_header_bytes
        if self._receiving == HEADERS and self._num_bytes - self._headers_start > limit:
            self.refuse(early.HEADERS_TOO_LARGE)
        elif self._receiving == BODY and self._num_bytes - self._body_progress > limit + len(data):
            if self.cycle.response_complete:
                self.close_write_side()  # the rest of a body that was refused
            else:
                self.refuse(early.MALFORMED)  # chunk extensions, or trailers, without end

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._receiving = HEADERS
        self._num_requests += 1
        self._num_hosts = 0
        self._headers_start = self._num_bytes
        if len(self.pipeline) >= MAX_PIPELINED:
            raise RequestRefused(early.TOO_MANY)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        if self._receiving != HEADERS:  # a trailer, which must not pass for a header
            return
        if len(name) == 4 and name.lower() == b"host":
            self._num_hosts += 1
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to answer, unless another server could read these headers differently."""
        if self.parser.get_method() == b"CONNECT":
            raise RequestRefused(early.MALFORMED)
        version = self.parser.get_http_version()
        if (self._num_hosts != 1 and (self._num_hosts or version == "1.1")) or version not in {"1.1", "1.0"}:
            raise RequestRefused(early.MALFORMED)
        limit = self._limits.settings.max_header_bytes
        if self._num_bytes - self._headers_start + self._chunk_bytes > limit:
            num_bytes = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if num_bytes > limit:
                raise RequestRefused(early.HEADERS_TOO_LARGE)
        if self.parser.should_upgrade():
            self.scope["method"] = self.parser.get_method().decode()
            return  # `data_received` goes on
        before = self.cycle
        super().on_headers_complete()
        self._receiving = BODY
        self._body_progress = self._num_bytes
        if self._limits.stopping or self._is_excess:
            if before is not None and not before.response_started:
                before.keep_alive = True  # this request comes after it
            self.cycle.keep_alive = False

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Start a request, by way of the throttle."""
        self._started_cycle = cycle
        if cycle.scope["path"] in HEALTH:
            super()._start_asgi_task(cycle, app)
        else:
            begin = functools.partial(super()._start_asgi_task, cycle, app)
            self._throttle.start(cast(Scope, cycle.scope), begin)

    def on_body(self, body: bytes) -> None:
        """Part of a body."""
        if not self.cycle.response_complete:
            self._body_progress = self._num_bytes
            super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is complete."""
        if self.parser.should_upgrade():
            return
        self._receiving = IDLE
        super().on_message_complete()
        if not self.pipeline:
            self.flow.resume_reading()  # paused, perhaps, for a large body; a disconnect is seen only while reading

    def on_response_complete(self) -> None:
        """Go on with the next request of this connection, without the timer that uvicorn would set."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._last_response is not None:
            self._send_and_close(self._last_response)
        elif self._receiving == BODY:
            if self.expect_100_continue:
                self.close_write_side()  # what follows may be the body or the next request
            self._body_progress = self._num_bytes

    def refuse(self, response: EarlyResponse) -> None:
        """End the connection with this response, after the answers to earlier requests."""
        if self.write_closed or self._ignores_input:
            return
        self._limits.count_drop(response.reason)
        self._ignores_input = True
        cycle = self.cycle
        if self._receiving == BODY:
            if self.pipeline and self.pipeline[0][0] is cycle:
                self.pipeline.popleft()
                self._last_response = response
                return
            if cycle.response_started:
                self.close_write_side()
                return
            self._abort(cycle, response)
        elif self._has_open_cycle:
            self._last_response = response
            return
        self._send_and_close(response)

    def refuse_and_close(self) -> None:
        """Refuse an excess connection at once, without waiting for the client to close."""
        self.refuse(early.TOO_MANY)
        cast(ResponseTransport, self.transport).close_both_sides()

    def end_keep_alive(self) -> None:
        """Make the last request received so far the last one of the connection."""
        if self._has_open_cycle:
            self.cycle.keep_alive = False

    @property
    def is_busy(self) -> bool:
        """Whether a request is being received or answered."""
        return self._receiving != IDLE or self._has_open_cycle

    @property
    def _has_open_cycle(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def refuse_for_stop(self) -> None:
        """Refuse the request under way, or the next one that may be on its way, since the worker stops."""
        if self.write_closed or not self._has_open_cycle:
            self.refuse(early.STOPPING)
            return
        self._limits.count_drop(early.STOPPING.reason)
        self.pipeline.clear()
        if self.cycle.response_started:
            self.close_write_side()
            return
        self._abort(self.cycle, early.STOPPING)
        self._send_and_close(early.STOPPING)

    def close_write_side(self) -> None:
        """Send nothing more, and drop input until the client closes too."""
        if self.write_closed:
            return
        self.write_closed = self._ignores_input = True
        self.pipeline.clear()
        cast(ResponseTransport, self.transport).close_write_side()

    def check_timeouts(self, now: float) -> None:
        """Compare the connection with the last check, a second ago, and end it where a timeout has passed."""
        settings, transport = self._limits.settings, self.transport
        has_open_cycle = self._has_open_cycle
        unsent = transport.get_write_buffer_size()
        state = (self._num_requests, self._receiving, has_open_cycle, self.write_closed)
        if state != self._state:
            self._state = state
            self._state_since = self._progress_at = now
            self._bytes_before = self._bytes_at_state = self._num_bytes
            self._unsent = unsent
            return
        if self._num_bytes != self._bytes_before or unsent != self._unsent:
            self._bytes_before, self._unsent, self._progress_at = self._num_bytes, unsent, now
        in_state, without_progress = now - self._state_since, now - self._progress_at
        if self.write_closed:
            if in_state > LINGER_SECONDS:
                transport.abort()
        elif unsent:
            if without_progress > settings.send_timeout_seconds:
                self._limits.count_drop("send-timeout")
                transport.abort()
        elif self._receiving == BODY:
            timeout = settings.body_timeout_seconds
            if self.flow.read_paused:  # the service doesn't read
                self._progress_at = self._state_since = now
            elif without_progress > timeout or in_state > timeout + (
                (self._num_bytes - self._bytes_at_state) / MIN_BYTES_PER_SECOND
            ):
                self.refuse(early.BODY_TIMEOUT) if has_open_cycle else self.close_write_side()
        elif has_open_cycle:
            pass  # its deadline ends it
        elif self._receiving == HEADERS or not self._num_requests:
            if in_state > settings.header_timeout_seconds:
                self.refuse(early.HEADER_TIMEOUT)
        elif in_state > settings.keep_alive_seconds:
            self.close_write_side()

    def _should_upgrade(self) -> bool:
        """Whether the request is the handshake of a websocket, and a library for those is installed."""
        has_body = any(name in {b"content-length", b"transfer-encoding"} for name, _ in self.headers)
        return super()._should_upgrade() and self.parser.get_method() == b"GET" and not has_body

    def _upgrade_to_websocket(self, rest: bytes) -> None:
        """Hand the connection over to uvicorn's websocket protocol; `rest` follows the handshake."""
        if self._is_excess:
            self.refuse(early.TOO_MANY)
        elif self._limits.stopping:
            self.refuse(early.STOPPING)
        elif rest or self._has_open_cycle:
            self.refuse(early.MALFORMED)  # a client must wait for the answer to its handshake, and sends it alone
        else:
            self.transport = cast(ResponseTransport, self.transport).detach()
            self.handle_websocket_upgrade()

    def _answer_without_upgrade(self, rest: bytes) -> None:
        """Parse the request again as plain HTTP/1.1: Java's client asks for HTTP/2 with each request.

        The parser takes all that follows an upgrade, the request's body included, for another protocol.
        """
        lines = [b"%s %s HTTP/1.1" % (self.parser.get_method(), self.url)]
        lines += [b"%s: %s" % header for header in self.headers if header[0] not in {b"upgrade", b"connection"}]
        if not self.parser.should_keep_alive():
            lines.append(b"connection: close")
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.data_received(b"\r\n".join([*lines, b"", rest]))

    def _send_and_close(self, response: EarlyResponse) -> None:
        self.transport.write(response.content)
        self.transport.close()

    def _abort(self, cycle: RequestResponseCycle, response: EarlyResponse) -> None:
        cast(Scope, cycle.scope)[ABORT_STATUS] = response.status
        self._cancel(cycle)

    def _cancel(self, cycle: RequestResponseCycle) -> None:
        """Let the application see a disconnect, and cancel its work."""
        if cycle.response_complete:
            return
        cycle.disconnected = True
        cycle.message_event.set()
        cancel(cast(Scope, cycle.scope))


class ResponseTransport:
    """A transport that sends what is written in one loop iteration at once, and whose `close` lets the client finish.

    uvicorn writes head and body one after the other. Sent apart, the client wakes up for the head only to find the body
    missing: a fifth of a short text's whole time (docs/performance.md).
    """

    def __init__(self, transport: asyncio.Transport, protocol: LimitedProtocol) -> None:
        self._transport = transport
        self._protocol = protocol
        self._unsent: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send at the end of the iteration; nothing is sent once the write side is closed."""
        if self._protocol.write_closed:
            return
        if not self._unsent:
            self._protocol.loop.call_soon(self._flush)
        self._unsent.append(data)

    def is_closing(self) -> bool:
        """Whether nothing more can be sent."""
        return self._protocol.write_closed or self._transport.is_closing()

    def close(self) -> None:
        """Send nothing more."""
        self._protocol.close_write_side()

    def close_write_side(self) -> None:
        """Send what was written, then close this direction only."""
        self._flush()
        if self._transport.is_closing():
            return
        if not self._transport.can_write_eof():  # TLS can't close one direction
            self._transport.close()
            return
        self._protocol.flow.resume_reading()
        self._transport.write_eof()

    def close_both_sides(self) -> None:
        """Send what was written, then close."""
        self._flush()
        self._transport.close()

    def detach(self) -> asyncio.Transport:
        """Send what was written; the transport without this wrapper."""
        self._flush()
        return self._transport

    def _flush(self) -> None:
        unsent, self._unsent = self._unsent, []
        if unsent and not self._transport.is_closing():
            self._transport.write(b"".join(unsent))


class HealthOnly:
    """The application on connections beyond the limit: health is answered, everything else gets 503."""

    def __init__(self, app: ASGIApp, limits: ConnectionLimits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["path"] in HEALTH:
            await self._app(scope, receive, send)
            return
        self._limits.count_drop(early.TOO_MANY.reason)
        response = problem.answer(NotReady(early.TOO_MANY_DETAIL, retry_after_seconds=1))
        response.headers.update(NO_SNIFFING)
        await response(scope, receive, send)
