"""A listening socket that several workers accept connections from.

A worker accepts one connection a loop iteration, so that workers share them; where iterations are long, several, so
that a client behind a thousand others doesn't wait a batch for each of them.
"""

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress

from service.server.sockets import accept_packets

PAUSE_SECONDS = 0.1
"""Without accepting, when the process may not open another file."""

SECONDS_PER_CONNECTION = 0.0005
"""One more connection for each of these that an iteration took: several times an iteration in which little happens."""

MAX_PER_ITERATION = 16

logger = logging.getLogger(__name__)


class SharedPort:
    """In place of asyncio's own server, for what uvicorn asks of one."""

    def __init__(
        self, listening: socket.socket, make_protocol: Callable[[], asyncio.Protocol], context: ssl.SSLContext | None
    ) -> None:
        self.sockets = (listening,)
        self._listening = listening
        self._make_protocol = make_protocol
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._handshakes: set[asyncio.Task[None]] = set()
        self._last_accept: float | None = None
        listening.setblocking(False)
        self._listen()

    def close(self) -> None:
        """Accept no more; connections stay."""
        if self._listening.fileno() >= 0:
            self._loop.remove_reader(self._listening.fileno())
        self._listening.close()

    def _listen(self) -> None:
        if self._listening.fileno() >= 0:
            self._loop.add_reader(self._listening.fileno(), self._accept_some)

    def _accept_some(self) -> None:
        now = time.perf_counter()
        iteration_seconds = 0.0 if self._last_accept is None else now - self._last_accept
        self._last_accept = now
        self._loop.call_soon(self._loop.call_soon, self._forget, now)  # at the end of the next iteration
        for _ in range(max(1, min(int(iteration_seconds / SECONDS_PER_CONNECTION), MAX_PER_ITERATION))):
            if not self._accept_one():
                break

    def _forget(self, accepted: float) -> None:
        """If nothing was accepted since, the time until the next connection isn't an iteration."""
        if self._last_accept == accepted:
            self._last_accept = None

    def _accept_one(self) -> bool:
        try:
            connection, _ = self._listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):  # another worker took it, or it was closed
            return False
        except OSError as error:
            logger.error("no connection can be accepted: %s", error)
            self._loop.remove_reader(self._listening.fileno())
            self._loop.call_later(PAUSE_SECONDS, self._listen)
            return False
        accept_packets(connection)  # its handshake may have ended while this port refused others
        task = self._loop.create_task(self._connect(connection))
        self._handshakes.add(task)  # the loop alone wouldn't keep the task
        task.add_done_callback(self._handshakes.discard)
        return True

    async def _connect(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        with suppress(OSError):  # it was closed, or speaks no TLS
            await self._loop.connect_accepted_socket(self._make_protocol, connection, ssl=self._context)
