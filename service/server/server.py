"""uvicorn's server with a sweep over its connections, and a way to stop that loses nobody.

Stopping goes in steps. From the signal on `/readyz` says no and each answer is the last of its connection. After
`drain_delay_seconds` the port closes: first no new handshakes, then what has come is taken. Kept-alive connections
stay for at least a second, in which their callers mostly ask again and are told to go; whoever then is still silent is
told 503 without having asked, which answers a request that is on its way right now. Requests that take longer than
`drain_seconds` get the same.
"""

import asyncio
import logging
import select
import socket
from collections.abc import Callable
from typing import cast

import uvicorn

from service.server.configuration import configuration
from service.server.connection_counts import ConnectionCounts
from service.server.heartbeat import Heartbeat
from service.server.limits import ConnectionLimits
from service.server.protocol import LimitedProtocol
from service.server.shared_port import SharedPort
from service.server.sockets import refuse_handshakes
from service.settings import Settings

TAKING_SECONDS = 0.2
"""After no new handshakes begin, until the last has ended."""

SILENT_SECONDS = 1.0
"""How long kept-alive connections stay after the signal at least."""

LEAVING_SECONDS = 1.0
"""How long callers have to read their last answer."""

TICK_SECONDS = 0.02

TENTHS = 2
"""Of a second, after which is looked whether to stop; uvicorn looks at each, which is a fifth of what idling takes."""

logger = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """One worker's server.

    Args:
        settings: how long what may take.
        lifeline: to the process that keeps this one; None where there is none.
        counts: of the connections of all workers; None where there is but this one.
    """

    def __init__(
        self, settings: Settings, lifeline: Heartbeat | None = None, counts: ConnectionCounts | None = None
    ) -> None:
        super().__init__(configuration(settings))
        self._settings = settings
        self._lifeline = lifeline
        self._counts = counts
        self._is_orphan = False

    @property
    def _doors(self) -> ConnectionLimits:
        doors: ConnectionLimits = self.lifespan.state["connection_limits"]
        return doors

    @property
    def _connections(self) -> list[LimitedProtocol]:
        return [connection for connection in self.server_state.connections if isinstance(connection, LimitedProtocol)]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve."""
        await super().startup(None if sockets is None else [])
        if self.started:
            if sockets is None:
                sockets = [own.dup() for server in self.servers for own in server.sockets]
                for server in self.servers:
                    server.close()
            connections = self.server_state.connections
            ports = [SharedPort(own, self._protocol, self.config.ssl, connections, self._counts) for own in sockets]
            self.servers = cast(list[asyncio.Server], ports)

            def tell_counts() -> None:
                for port in ports:
                    port.tell()

            self._doors.on_leave = tell_counts
        if self._lifeline is not None and self.started:
            self._lifeline.beat()
            asyncio.get_running_loop().add_reader(self._lifeline.fileno(), self._look_at_lifeline)

    def _protocol(self) -> asyncio.Protocol:
        options = {"config": self.config, "server_state": self.server_state, "app_state": self.lifespan.state}
        return self.config.http_protocol_class(**options)

    async def main_loop(self) -> None:
        """Serve until told to stop."""
        counter = 0
        while not await self.on_tick(counter):
            counter += TENTHS
            await asyncio.sleep(TENTHS / 10)

    async def on_tick(self, counter: int) -> bool:
        """Now and then, `counter` in tenths of a second; whether to stop."""
        if counter % 10 == 0:
            self._sweep()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop, as the top of this file says."""
        settings, doors = self._settings, self._doors
        began = asyncio.get_running_loop().time()
        logger.info("told to stop; %d connections are open", len(self._connections))
        doors.closing = True
        self.lifespan.state["context"].lifecycle.stopping = True
        for connection in self._connections:
            connection.close_when_answered()
        await self._turn(began + settings.drain_delay_seconds)
        await self._close_port(sockets or [])
        last = began + settings.drain_delay_seconds + settings.drain_seconds
        await self._turn(min(began + SILENT_SECONDS, last), lambda: not self._connections)
        for connection in self._connections:
            if not connection.is_answering:
                connection.send_away()
        await self._turn(last, lambda: all(connection.has_left for connection in self._connections))
        if late := [connection for connection in self._connections if not connection.has_left]:
            logger.error("%d requests have taken longer than SEQSERVE_DRAIN_SECONDS and are refused", len(late))
            for connection in late:
                connection.send_away()
        await self._turn(asyncio.get_running_loop().time() + LEAVING_SECONDS, lambda: not self._connections)
        for task in list(self.server_state.tasks):
            task.cancel()
        await asyncio.sleep(0)
        await self.lifespan.shutdown()

    async def _close_port(self, sockets: list[socket.socket]) -> None:
        """Close the port; where other workers serve on, it stays open for them."""
        if self._lifeline is None or self._is_orphan:
            for server in self.servers:
                for listening in server.sockets:
                    refuse_handshakes(listening.fileno())
        now = asyncio.get_running_loop().time()
        await self._turn(now + TAKING_SECONDS)
        await self._turn(now + self._settings.drain_seconds, lambda: not self._someone_waits())
        for server in self.servers:
            server.close()
        for own in sockets:
            own.close()
        await self._turn(asyncio.get_running_loop().time() + TICK_SECONDS)  # those taken last begin

    def _someone_waits(self) -> bool:
        """Whether a connection waits at the port."""
        waiting = select.poll()
        for server in self.servers:
            for listening in server.sockets:
                waiting.register(listening.fileno(), select.POLLIN)
        return bool(waiting.poll(0))

    async def _turn(self, until: float, is_done: Callable[[], bool] = lambda: False) -> None:
        """Go on serving until a moment, or until something is done, or the force of a second Ctrl+C."""
        loop = asyncio.get_running_loop()
        swept = loop.time()
        while not self.force_exit and not is_done() and loop.time() < until:
            await asyncio.sleep(min(TICK_SECONDS, max(until - loop.time(), 0)))
            if loop.time() - swept >= 1:
                swept = loop.time()
                self._sweep()

    def _sweep(self) -> None:
        now = asyncio.get_running_loop().time()
        connections = self._connections
        for connection in connections:
            connection.sweep(now)
        self._doors.open_now.set(len(connections))
        if self._lifeline is not None:
            self._lifeline.beat()

    def _look_at_lifeline(self) -> None:
        assert self._lifeline is not None
        if self._lifeline.is_cut():
            asyncio.get_running_loop().remove_reader(self._lifeline.fileno())
            logger.error("the process that keeps this worker has ended; stopping")
            self._is_orphan = True
            self.should_exit = True
