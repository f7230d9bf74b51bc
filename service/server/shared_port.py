"""A listening socket that several workers may take connections from, in turns.

Were all taken that wait as soon as a worker looks, of callers who come together nearly all would fall to the one that
looks first, for as long as they stay. A worker that takes one a turn of its event loop leaves the rest to whoever has
time. Where turns are long it takes several: else whoever comes behind a crowd, and be it to ask for health, would wait
a turn for each of them. And where all have time, one is a little quicker than the others, with each connection anew: so
a worker that has more connections than another stands back for a moment before it takes the next.
"""

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import Callable, Collection
from contextlib import suppress

from service.server.connection_counts import ABSENT, ConnectionCounts
from service.server.sockets import hear

PAUSE_SECONDS = 0.1
"""Without taking any, when the process may not open another file."""

SECONDS_EACH = 0.0005
"""Of a turn, for one connection more: several times what a turn takes in which little is done."""

MOST_A_TURN = 16

STAND_BACK_SECONDS = 0.001
"""Time enough for another worker that has nothing else to do."""

FREE_LEAD = 4
"""Of so many connections one may be more than another worker has: of four callers each of two workers gets two, and a
crowd needn't stand in line for each of its connections to be weighed."""

logger = logging.getLogger(__name__)


class SharedPort:
    """In place of asyncio's own server, for what uvicorn asks of one.

    Args:
        listening: bound and listening.
        make_protocol: for each connection.
        context: where TLS is spoken.
        connections: that this worker has, each as its protocol.
        counts: of all workers that take connections from it; None where there is but this one.
    """

    def __init__(
        self,
        listening: socket.socket,
        make_protocol: Callable[[], asyncio.Protocol],
        context: ssl.SSLContext | None,
        connections: Collection[object],
        counts: ConnectionCounts | None = None,
    ) -> None:
        self.sockets = (listening,)
        self._listening = listening
        self._make_protocol = make_protocol
        self._context = context
        self._connections = connections
        self._counts = counts
        self._loop = asyncio.get_running_loop()
        self._greeted: dict[asyncio.Task[None], asyncio.Protocol] = {}
        self._pause: asyncio.TimerHandle | None = None
        self._took: float | None = None
        listening.setblocking(False)
        self.tell()
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
        self.tell()

    def _take(self) -> None:
        """Somebody waits."""
        if self._leads():
            self._took = time.perf_counter()  # the pause is a turn, and where it gets long, a long one
            self._pause_for(STAND_BACK_SECONDS)
        else:
            self._take_some()

    def _take_some(self) -> None:
        """Take one, or several, that another worker hasn't taken yet."""
        now = time.perf_counter()
        turn = 0.0 if self._took is None else now - self._took
        self._took = now
        self._loop.call_soon(self._loop.call_soon, self._forget_turn, now)  # when the next one is over
        for _ in range(max(1, min(int(turn / SECONDS_EACH), MOST_A_TURN))):
            if not self._take_one():
                break
        self.tell()

    def _num_taken(self) -> int:
        return len(self._connections) + sum(own not in self._connections for own in self._greeted.values())

    def tell(self) -> None:
        """Let the other workers see how many connections there are. Call it, too, when one is gone.

        Of a crowd that follows another they would else take too many, since this worker seems to have some.
        """
        if self._counts is not None:
            self._counts.tell(ABSENT if self._listening.fileno() < 0 else self._num_taken())

    def _leads(self) -> bool:
        """Whether another should have the next."""
        if self._counts is None:
            return False
        own = self._num_taken()
        return own - own // FREE_LEAD > self._counts.fewest_elsewhere()

    def _pause_for(self, seconds: float) -> None:
        self._loop.remove_reader(self._listening.fileno())
        self._pause = self._loop.call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        """What nobody else has taken in the pause is taken without another."""
        self._pause = None
        self._loop.add_reader(self._listening.fileno(), self._take)
        self._take_some()

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
        protocol = self._make_protocol()
        task = self._loop.create_task(self._greet(connection, protocol))
        self._greeted[task] = protocol  # the loop alone wouldn't keep the task
        task.add_done_callback(self._is_in)
        return True

    def _is_in(self, task: asyncio.Task[None]) -> None:
        del self._greeted[task]
        self.tell()

    async def _greet(self, connection: socket.socket, protocol: asyncio.Protocol) -> None:
        connection.setblocking(False)
        with suppress(OSError):  # it has gone, or speaks no TLS
            await self._loop.connect_accepted_socket(lambda: protocol, connection, ssl=self._context)
