"""How many connections and requests one worker takes, and whether it is stopping.

Shared by the worker's connections, its server and `/readyz`.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from prometheus_client import Counter, Gauge
from starlette.types import Scope

from service.server.sockets import max_connections
from service.settings import Settings

MAX_EXCESS_CONNECTIONS = 1024
"""Connections beyond the limit that are accepted all the same, to answer `/livez`, `/readyz` and `/metrics` on them."""

REQUESTS_PER_ITERATION = 16
"""About two milliseconds of reading and refusing: half of what a batch of short texts takes."""

ARRIVAL_TIME = "seqserve.arrival_time"
"""In the scope of a request that the throttle held back: when it arrived, by `time.perf_counter`."""

DROP_REASONS = (
    "header-timeout",
    "body-timeout",
    "send-timeout",
    "too-many",
    "not-http",
    "headers-too-large",
    "drained",
)
"""Why the service closes a connection before a request is complete or its answer is read."""


class RequestThrottle:
    """Starts at most `REQUESTS_PER_ITERATION` requests in one iteration of the event loop.

    One iteration reads everything that has arrived on all connections. If all of it started at once, a thousand clients
    that retry as soon as they are refused would fill each iteration with refusals. The engine, which gets one batch an
    iteration, would starve.
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


class ExcessConnection(Protocol):
    """A connection beyond the limit."""

    def refuse_and_close(self) -> None:
        """Answer 503 and close it."""


@dataclass
class ConnectionLimits:
    """The connections of one worker.

    Args:
        settings: limits and timeouts.
        throttle: starts the requests.
        num_open: shows how many connections are open.
        dropped: counts connections that the service closed, by reason.
    """

    settings: Settings
    throttle: RequestThrottle
    num_open: Gauge
    dropped: Counter
    stopping: bool = False
    """Set when the worker is told to stop: each answer from then on is the last of its connection."""
    max_connections: int = field(init=False)
    _excess: dict[ExcessConnection, None] = field(default_factory=dict)
    """Oldest first."""

    def __post_init__(self) -> None:
        self.max_connections = max_connections(self.settings.max_connections)
        for reason in DROP_REASONS:  # zeros, so that the first is an increase
            self.dropped.labels(reason)

    def add_excess(self, connection: ExcessConnection) -> None:
        """Register a connection beyond the limit; the oldest is closed when there are too many of them."""
        if len(self._excess) >= MAX_EXCESS_CONNECTIONS:
            next(iter(self._excess)).refuse_and_close()
        self._excess[connection] = None

    def remove_excess(self, connection: ExcessConnection) -> None:
        """The connection is closed."""
        self._excess.pop(connection, None)

    def count_drop(self, reason: str) -> None:
        """The service closes a connection."""
        self.dropped.labels(reason).inc()
