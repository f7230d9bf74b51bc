"""A listening socket that several workers may take connections from, in turns.

Were all taken that wait as soon as a worker looks, of callers who come together nearly all would fall to the one that
looks first, for as long as they stay. A worker that takes one a turn of its event loop leaves the rest to whoever has
time. Where turns are long it takes several: else whoever comes behind a crowd, and be it to ask for health, would wait
a turn for each of them. And where nothing is to be done turns are so short that the first to look takes a handful
before another has woken: so after such a turn a worker stands back for a moment, the first few times.
"""

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress

from service.listener import hear

PAUSE_SECONDS = 0.1
"""Without taking any, when the process may not open another file."""

SECONDS_EACH = 0.0005
"""Of a turn, for one connection more: several times what a turn takes in which little is done."""

MOST_A_TURN = 16

STAND_BACK_SECONDS = 0.001
"""Time enough for another worker to wake."""
MOST_STOOD_BACK, AGAIN_AFTER_SECONDS = 4, 0.1
"""So many times at most it stands back in such a time: of a crowd each gets some anyway, and callers who connect for
every request should not wait."""

logger = logging.getLogger(__name__)


class SharedPort:
    """In place of asyncio's own server, for what uvicorn asks of one.

    Args:
        listening: bound and listening.
        make_protocol: for each connection.
        context: where TLS is spoken.
        is_shared: whether other processes take connections from it, too.
    """

    def __init__(
        self,
        listening: socket.socket,
        make_protocol: Callable[[], asyncio.Protocol],
        context: ssl.SSLContext | None,
        *,
        is_shared: bool = False,
    ) -> None:
        self.sockets = (listening,)
        self._listening = listening
        self._make_protocol = make_protocol
        self._context = context
        self._is_shared = is_shared
        self._loop = asyncio.get_running_loop()
        self._greeted: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._took: float | None = None
        self._began_standing_back = 0.0
        self._num_stood_back = 0
        listening.setblocking(False)
        self._loop.add_reader(listening.fileno(), self._take)

    @property
    def pausing(self) -> bool:
        """Whether it takes none for a moment."""
        return self._pause is not None

    def close(self) -> None:
        """Take no more; connections stay."""
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        if self._listening.fileno() >= 0:
            self._loop.remove_reader(self._listening.fileno())
        self._listening.close()

    def _take(self) -> None:
        now = time.perf_counter()
        turn = None if self._took is None else now - self._took
        if self._is_shared and turn is not None and turn < SECONDS_EACH and self._may_stand_back(now):
            self._pause_for(STAND_BACK_SECONDS)
            return
        self._took = now
        self._loop.call_soon(self._loop.call_soon, self._forget_turn, now)  # when the next one is over
        for _ in range(max(1, min(int((turn or 0.0) / SECONDS_EACH), MOST_A_TURN))):
            if not self._take_one():
                return

    def _may_stand_back(self, now: float) -> bool:
        """Whether to leave the next connection to others for a moment: unless that has been done often lately."""
        if now - self._began_standing_back > AGAIN_AFTER_SECONDS:
            self._began_standing_back, self._num_stood_back = now, 0
        self._num_stood_back += 1
        return self._num_stood_back <= MOST_STOOD_BACK

    def _pause_for(self, seconds: float) -> None:
        self._loop.remove_reader(self._listening.fileno())
        self._pause = self._loop.call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listening.fileno(), self._take)

    def _forget_turn(self, took: float) -> None:
        """What passes from now on until somebody comes is no turn."""
        if self._took == took:
            self._took = None

    def _take_one(self) -> bool:
        try:
            connection, _ = self._listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):  # another worker was quicker, or it left
            return False
        except OSError as error:
            logger.error("no connection can be taken: %s", error)
            self._pause_for(PAUSE_SECONDS)
            return False
        hear(connection)  # it may have ended its handshake while this port refused others
        task = self._loop.create_task(self._greet(connection))
        self._greeted.add(task)  # the loop alone wouldn't keep it
        task.add_done_callback(self._greeted.discard)
        return True

    async def _greet(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        with suppress(OSError):  # it has gone, or speaks no TLS
            await self._loop.connect_accepted_socket(self._make_protocol, connection, ssl=self._context)
