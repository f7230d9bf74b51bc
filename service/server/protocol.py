"""The HTTP protocol with bounds: on how long a caller may take, and how much it may send before it says what it wants.

A connection is looked at once a second (`sweep`), by the server, all in one go: a timer for each request takes as long
as reading it. Patience therefore ends up to a second late.

Whoever is refused here has sent no whole request, so there is nobody else to answer; what has been asked before on the
same connection is answered first. No connection is closed with something unread on it, for the system would reset it
and take back answers that are still on their way: it is closed for writing, and read and dropped until the caller
closes too.
"""

import asyncio
import functools
from typing import Any, cast

import httptools
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service.errors import NotReady
from service.http import problem
from service.http.headers import NO_SNIFFING
from service.http.observer import STATUS_SENT
from service.http.route import cancel
from service.server.early_responses import (
    GOING_DOWN,
    LARGE_HEADERS,
    LATE_BODY,
    LATE_HEADERS,
    MALFORMED,
    TOO_MANY,
    TOO_MANY_DETAIL,
    EarlyAnswer,
)
from service.server.limits import ConnectionLimits
from service.server.sockets import hear
from service.server.write_coalescing import Gathering

LINGER_SECONDS = 5.0
"""How long is read and dropped what a caller still sends after its last answer."""

MIN_BYTES_PER_SECOND = 1000
"""A body that is slower on the whole is late, however steadily it drips."""

MAX_PIPELINED = 64
"""Requests of one connection that wait for their turn."""

HEALTH = frozenset({"/livez", "/readyz", "/metrics"})
"""What is answered even where there is no more room for connections."""

NOTHING, HEAD, BODY = range(3)
"""What of a request is arriving."""


class Refused(Exception):
    """Raised within the parser, to end the connection."""

    def __init__(self, answer: EarlyAnswer) -> None:
        super().__init__(answer.reason)
        self.answer = answer


class LimitedProtocol(HttpToolsProtocol):
    """For uvicorn's setting `http`; the application's state must hold the `Context`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._doors: ConnectionLimits = self.app_state["connection_limits"]
        self._arriving = NOTHING
        self._num_requests = 0
        self._num_hosts = 0
        self._num_bytes = self._chunk_bytes = 0
        self._head_began = 0
        self._body_marked = 0
        self._outside = False
        self._deaf = False
        self._farewell: EarlyAnswer | None = None
        self._answering: RequestResponseCycle | None = None
        self.has_left = False
        # As the last sweep found it:
        self._state: tuple[object, ...] = ()
        self._since = self._moved = 0.0
        self._bytes_then = self._bytes_since = self._unsent = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Let in, or look at whether it asks for health."""
        super().connection_made(Lingering(transport, self.loop, self))  # type: ignore[arg-type]
        if self._doors.closing:
            hear(transport.get_extra_info("socket"))
        if len(self.connections) > self._doors.max_inside:
            self._outside = True
            self.app = OnlyHealth(cast(ASGIApp, self.app), self._doors)
            self._doors.look_at(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed; nobody waits for what is under way."""
        self._deaf = True
        super().connection_lost(exc)
        self._doors.on_leave()
        self.pipeline.clear()
        if self._answering is not None:
            self._give_up(self._answering)
        if self._outside:
            self._doors.forget(self)

    def data_received(self, data: bytes) -> None:
        """Parse what has come; refuse what can't be a request."""
        if self._deaf:
            return
        self._chunk_bytes = len(data)
        self._num_bytes += self._chunk_bytes
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            head = self._head_without_upgrade()
            self.parser = httptools.HttpRequestParser(self)  # the other expects no more HTTP
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            self.data_received(head + data[upgrade.args[0] :])
            return
        except httptools.HttpParserError as error:
            cause = error.__context__
            self.refuse(cause.answer if isinstance(cause, Refused) else MALFORMED)
            return
        if self._arriving == NOTHING:
            return
        limit = self._doors.settings.max_header_bytes
        if self._arriving == HEAD and self._num_bytes - self._head_began > limit:
            self.refuse(LARGE_HEADERS)
        elif self._arriving == BODY and self._num_bytes - self._body_marked > limit + len(data):
            if self.cycle.response_complete:
                self.leave()  # it goes on sending what nobody waits for
            else:
                self.refuse(MALFORMED)  # a chunk's extensions, or trailers, without end

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._arriving = HEAD
        self._num_requests += 1
        self._num_hosts = 0
        self._head_began = self._num_bytes
        if len(self.pipeline) >= MAX_PIPELINED:
            raise Refused(TOO_MANY)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        if self._arriving != HEAD:  # a trailer, which must not pass for a header
            return
        if len(name) == 4 and name.lower() == b"host":
            self._num_hosts += 1
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to answer, unless the head is one that others could read differently."""
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise Refused(MALFORMED)
            return  # the parser takes the rest for another protocol; see `data_received`
        version = self.parser.get_http_version()
        if (self._num_hosts != 1 and (self._num_hosts or version == "1.1")) or version not in {"1.1", "1.0"}:
            raise Refused(MALFORMED)
        limit = self._doors.settings.max_header_bytes
        if self._num_bytes - self._head_began + self._chunk_bytes > limit:
            num_bytes = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if num_bytes > limit:
                raise Refused(LARGE_HEADERS)
        before = self.cycle
        super().on_headers_complete()
        self._arriving = BODY
        self._body_marked = self._num_bytes
        if self._doors.closing or self._outside:
            if before is not None and not before.response_started:
                before.keep_alive = True  # this one comes after it
            self.cycle.keep_alive = False

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Begin to answer a request, when it is its turn."""
        self._answering = cycle
        if cycle.scope["path"] in HEALTH:
            super()._start_asgi_task(cycle, app)
        else:
            begin = functools.partial(super()._start_asgi_task, cycle, app)
            self._doors.turnstile.pass_through(cast(Scope, cycle.scope), begin)

    def on_body(self, body: bytes) -> None:
        """Some of the body."""
        if not self.cycle.response_complete:  # else nobody waits for it
            self._body_marked = self._num_bytes
            super().on_body(body)

    def on_message_complete(self) -> None:
        """A request has arrived whole."""
        if self.parser.should_upgrade():
            return
        self._arriving = NOTHING
        super().on_message_complete()
        if not self.pipeline:
            self.flow.resume_reading()  # it may have paused for a large body; only who reads hears of a caller who goes

    def on_response_complete(self) -> None:
        """Go on with the next request of this connection; uvicorn would set a timer."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._farewell is not None:
            self._say(self._farewell)
        elif self._arriving == BODY:
            if self.expect_100_continue:
                self.leave()  # nobody can tell whether the body comes, or the next request
            self._body_marked = self._num_bytes

    def refuse(self, answer: EarlyAnswer) -> None:
        """End the connection with this, behind what is yet to be answered on it."""
        if self.has_left or self._deaf:
            return
        self._doors.count(answer.reason)
        self._deaf = True
        cycle = self.cycle
        if self._arriving == BODY:
            if self.pipeline and self.pipeline[0][0] is cycle:
                self.pipeline.popleft()
                self._farewell = answer
                return
            if cycle.response_started:
                self.leave()
                return
            self._hang_up(cycle, answer)
        elif cycle is not None and not cycle.response_complete:
            self._farewell = answer
            return
        self._say(answer)

    def turn_away(self) -> None:
        """Refuse at once, without waiting for the caller to close."""
        self.refuse(TOO_MANY)
        cast(Lingering, self.transport).hang_up()

    def close_when_answered(self) -> None:
        """The request under way, or the last of those that wait, is the last one."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False

    @property
    def is_answering(self) -> bool:
        """Whether a request that has arrived, or is arriving, is without its answer."""
        return self._arriving != NOTHING or (self.cycle is not None and not self.cycle.response_complete)

    def send_away(self) -> None:
        """Refuse what is under way, or is just about to come."""
        cycle = self.cycle
        if not self.has_left and cycle is not None and not cycle.response_complete:
            self._doors.count(GOING_DOWN.reason)
            self.pipeline.clear()
            if cycle.response_started:
                self.leave()
                return
            self._hang_up(cycle, GOING_DOWN)
            self._say(GOING_DOWN)
            return
        self.refuse(GOING_DOWN)

    def leave(self) -> None:
        """Say no more, and drop what still comes until the caller closes too."""
        if self.has_left:
            return
        self.has_left = self._deaf = True
        self.pipeline.clear()
        cast(Lingering, self.transport).finish()

    def sweep(self, now: float) -> None:
        """See what has become of the connection since the last time, and end it where patience ends."""
        settings, transport = self._doors.settings, self.transport
        cycle = self.cycle
        is_answering = cycle is not None and not cycle.response_complete
        unsent = transport.get_write_buffer_size()
        state = (self._num_requests, self._arriving, is_answering, self.has_left)
        if state != self._state:
            self._state = state
            self._since = self._moved = now
            self._bytes_then = self._bytes_since = self._num_bytes
            self._unsent = unsent
            return
        if self._num_bytes != self._bytes_then or unsent != self._unsent:
            self._bytes_then, self._unsent, self._moved = self._num_bytes, unsent, now
        waited, still = now - self._since, now - self._moved
        if self.has_left:
            if waited > LINGER_SECONDS:
                transport.abort()
        elif unsent:
            if still > settings.send_timeout_seconds:
                self._doors.count("send-timeout")
                transport.abort()
        elif self._arriving == BODY:
            if self.flow.read_paused:  # it is we who don't go on
                self._moved = now
                self._since = now
            elif still > (patience := settings.body_timeout_seconds) or waited > patience + (
                (self._num_bytes - self._bytes_since) / MIN_BYTES_PER_SECOND
            ):
                self.refuse(LATE_BODY) if is_answering else self.leave()
        elif is_answering:
            pass  # the deadline sees to it
        elif self._arriving == HEAD or not self._num_requests:
            if waited > settings.header_timeout_seconds:
                self.refuse(LATE_HEADERS)
        elif waited > settings.keep_alive_seconds:
            self.leave()

    def _head_without_upgrade(self) -> bytes:
        """The head that was just parsed, as if it had not asked for another protocol: Java's client always does."""
        lines = [b"%s %s HTTP/1.1" % (self.parser.get_method(), self.url)]
        lines += [b"%s: %s" % header for header in self.headers if header[0] not in {b"upgrade", b"connection"}]
        if not self.parser.should_keep_alive():
            lines.append(b"connection: close")
        return b"\r\n".join([*lines, b"", b""])

    def _say(self, answer: EarlyAnswer) -> None:
        self.transport.write(answer.content)
        self.transport.close()

    def _hang_up(self, cycle: RequestResponseCycle, answer: EarlyAnswer) -> None:
        """Let whoever works on the request find that nobody is there any more."""
        cast(Scope, cycle.scope)[STATUS_SENT] = answer.status
        self._give_up(cycle)

    def _give_up(self, cycle: RequestResponseCycle) -> None:
        """Tell who works on a request that nobody waits for it any more."""
        if cycle.response_complete:
            return
        cycle.disconnected = True
        cycle.message_event.set()
        cancel(cast(Scope, cycle.scope))


class Lingering(Gathering):
    """A transport whose `close` leaves the other direction open for a while."""

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, protocol: LimitedProtocol
    ) -> None:
        super().__init__(transport, loop)
        self._protocol = protocol

    def write(self, data: bytes) -> None:
        """Take what is to be sent, unless all has been said."""
        if not self._protocol.has_left:
            super().write(data)

    def is_closing(self) -> bool:
        """Whether nothing more can be said."""
        return self._protocol.has_left or self._transport.is_closing()

    def close(self) -> None:
        """Say no more."""
        self._protocol.leave()

    def finish(self) -> None:
        """Close this direction once what waits is sent."""
        self._flush()
        if self._transport.is_closing():
            return
        if not self._transport.can_write_eof():  # TLS has no half
            self._transport.close()
            return
        self._protocol.flow.resume_reading()
        self._transport.write_eof()

    def hang_up(self) -> None:
        """Close both directions once what waits is sent."""
        self._flush()
        self._transport.close()


class OnlyHealth:
    """The application where there is no more room: its health is told, everybody else is told to come again."""

    def __init__(self, app: ASGIApp, doors: ConnectionLimits) -> None:
        self._app = app
        self._doors = doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["path"] in HEALTH:
            await self._app(scope, receive, send)
            return
        self._doors.count(TOO_MANY.reason)
        response = problem.answer(NotReady(TOO_MANY_DETAIL, retry_after_seconds=1))
        response.headers.update(NO_SNIFFING)
        await response(scope, receive, send)
