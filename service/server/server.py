"""uvicorn's server with timeouts on its connections, and a stop that loses no request.

The stop goes in steps. From the signal on `/readyz` answers 503 and each answer is the last of its connection. After
`drain_delay_seconds` the port closes: first new handshakes are refused, then connections that wait are accepted.
Kept-alive connections stay for at least a second, in which most clients send another request and read
`Connection: close`. Those that are still idle then get an unasked 503, which answers a request that is on its way just
now; open websockets are closed (1012). Requests that take longer than `drain_seconds` get 503.
"""

import asyncio
import contextlib
import logging
import select
import socket
from collections.abc import Callable
from typing import Any, cast

import uvicorn

from service.server.configuration import configuration
from service.server.limits import ConnectionLimits
from service.server.protocol import LimitedProtocol
from service.server.shared_port import SharedPort
from service.server.sockets import refuse_handshakes
from service.settings import Settings

HANDSHAKE_SECONDS = 0.2
"""After new handshakes are refused, until the last one has ended."""

IDLE_SECONDS = 1.0
"""How long idle kept-alive connections stay after the signal, at least."""

READ_SECONDS = 1.0
"""How long clients have to read their last answer."""

POLL_SECONDS = 0.02
"""Between two checks, while stopping, whether a step is done."""

TENTHS_PER_TICK = 2
"""uvicorn checks each tenth of a second whether to stop: a fifth of the CPU that an idle service takes."""

logger = logging.getLogger(__name__)


class Heartbeat:
    """A worker's end of the connection to its supervisor: a byte a second from the event loop shows that it runs."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._connection = connection

    def watch(self, on_close: Callable[[], None]) -> None:
        """Call `on_close` once the supervisor has ended."""

        def read() -> None:
            with contextlib.suppress(BlockingIOError):
                try:
                    is_closed = not self._connection.recv(1)
                except ConnectionError:
                    is_closed = True
                if is_closed:
                    loop.remove_reader(self._connection.fileno())
                    on_close()

        loop = asyncio.get_running_loop()
        loop.add_reader(self._connection.fileno(), read)

    def beat(self) -> None:
        """Send the byte."""
        with contextlib.suppress(OSError):  # the supervisor is stopped and the buffer full, or it has ended
            self._connection.send(b".")


class Server(uvicorn.Server):
    """The server of one worker; without a supervisor it has no heartbeat."""

    def __init__(self, settings: Settings, heartbeat: Heartbeat | None = None) -> None:
        super().__init__(configuration(settings))
        self._settings = settings
        self._heartbeat = heartbeat
        self._shares_port = heartbeat is not None

    @property
    def _limits(self) -> ConnectionLimits:
        limits: ConnectionLimits = self.lifespan.state["connection_limits"]
        return limits

    @property
    def _connections(self) -> list[LimitedProtocol]:
        return [connection for connection in self.server_state.connections if isinstance(connection, LimitedProtocol)]

    @property
    def _websockets(self) -> list[Any]:
        """Connections that uvicorn's protocol for websockets has taken over, from the handshake on."""
        return list(self.server_state.connections.difference(self._connections))

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application and listen, through `SharedPort` in place of asyncio's servers."""
        await super().startup(None if sockets is None else [])
        if not self.started:
            return
        if sockets is None:
            sockets = [own.dup() for server in self.servers for own in server.sockets]
            for server in self.servers:
                server.close()
        self.servers = cast(
            list[asyncio.Server], [SharedPort(own, self._make_protocol, self.config.ssl) for own in sockets]
        )
        if self._heartbeat is not None:
            self._heartbeat.beat()
            self._heartbeat.watch(self._stop_without_supervisor)

    def _make_protocol(self) -> asyncio.Protocol:
        options = {"config": self.config, "server_state": self.server_state, "app_state": self.lifespan.state}
        return self.config.http_protocol_class(**options)

    def _stop_without_supervisor(self) -> None:
        logger.error("the supervisor of this worker has ended; stopping")
        self._shares_port = False
        self.should_exit = True

    async def main_loop(self) -> None:
        """Serve until asked to stop."""
        tenths = 0
        while not await self.on_tick(tenths):
            if tenths % 10 == 0:
                self._check_connections()
            tenths += TENTHS_PER_TICK
            await asyncio.sleep(TENTHS_PER_TICK / 10)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop in the steps that the top of this file lists."""
        settings, loop = self._settings, asyncio.get_running_loop()
        began = loop.time()
        logger.info("stopping; %d connections are open", len(self.server_state.connections))
        self._limits.stopping = True
        for connection in self._connections:
            connection.end_keep_alive()
        await self._serve_until(began + settings.drain_delay_seconds)
        await self._close_port(sockets or [])
        last = began + settings.drain_delay_seconds + settings.drain_seconds
        await self._serve_until(min(began + IDLE_SECONDS, last), lambda: not self.server_state.connections)
        for connection in self._connections:
            if not connection.is_busy:
                connection.refuse_for_stop()
        await self._serve_until(last, self._is_drained)
        if late := self._unanswered():
            logger.error("%d requests have taken longer than SEQSERVE_DRAIN_SECONDS and are refused", len(late))
            for connection in late:
                connection.refuse_for_stop()
        for websocket in self._websockets:
            websocket.shutdown()
        await self._serve_until(loop.time() + READ_SECONDS, lambda: not self.server_state.connections)
        for task in list(self.server_state.tasks):
            task.cancel()
        await asyncio.sleep(0)
        await self.lifespan.shutdown()

    def _unanswered(self) -> list[LimitedProtocol]:
        return [connection for connection in self._connections if not connection.write_closed]

    def _is_drained(self) -> bool:
        """Whether every request has its answer, and all websockets are closed; closes those whose handshake is over."""
        for websocket in self._websockets:
            if websocket.handshake_complete and not websocket.transport.is_closing():
                websocket.shutdown()
        return not self._unanswered() and not self._websockets

    async def _close_port(self, sockets: list[socket.socket]) -> None:
        """Close the port. Where other workers share it, it stays open for them."""
        if not self._shares_port:
            for server in self.servers:
                for listening in server.sockets:
                    refuse_handshakes(listening.fileno())
        now = asyncio.get_running_loop().time()
        await self._serve_until(now + HANDSHAKE_SECONDS)
        await self._serve_until(now + self._settings.drain_seconds, lambda: not self._connections_wait())
        for server in self.servers:
            server.close()
        for own in sockets:
            own.close()
        await self._serve_until(asyncio.get_running_loop().time() + POLL_SECONDS)  # the last ones accepted begin

    def _connections_wait(self) -> bool:
        """Whether a connection waits to be accepted."""
        waiting = select.poll()
        for server in self.servers:
            for listening in server.sockets:
                waiting.register(listening.fileno(), select.POLLIN)
        return bool(waiting.poll(0))

    async def _serve_until(self, until: float, is_done: Callable[[], bool] = lambda: False) -> None:
        """Go on serving until a moment by the loop's clock, or until something is done, or a second Ctrl+C."""
        loop = asyncio.get_running_loop()
        checked = loop.time()
        while not self.force_exit and not is_done() and loop.time() < until:
            await asyncio.sleep(min(POLL_SECONDS, max(until - loop.time(), 0)))
            if loop.time() - checked >= 1:
                checked = loop.time()
                self._check_connections()

    def _check_connections(self) -> None:
        now = asyncio.get_running_loop().time()
        for connection in self._connections:
            connection.check_timeouts(now)
        self._limits.num_open.set(len(self.server_state.connections))
        if self._heartbeat is not None:
            self._heartbeat.beat()
