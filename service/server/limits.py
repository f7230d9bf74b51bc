"""How many connections one worker takes, and whether it is stopping.

Shared by the worker's connections, its server and `/readyz`.
"""

from dataclasses import dataclass, field
from typing import Protocol

from prometheus_client import Counter, Gauge

from service.server.sockets import max_connections
from service.settings import Settings

MAX_EXCESS_CONNECTIONS = 1024
"""Connections beyond the limit that are accepted all the same, to answer `/livez`, `/readyz` and `/metrics` on them."""

_TIMEOUTS = ("header-timeout", "body-timeout", "send-timeout")
DROP_REASONS = (*_TIMEOUTS, "too-many", "not-http", "headers-too-large", "drained")
"""Why the service closes a connection before a request is complete or its answer is read."""


class ExcessConnection(Protocol):
    """A connection beyond the limit."""

    def refuse_and_close(self) -> None:
        """Answer 503 and close it."""


@dataclass
class ConnectionLimits:
    """The connections of one worker: how many are open, and those that it closed, by reason."""

    settings: Settings
    num_open: Gauge
    dropped: Counter
    stopping: bool = False
    """Set when the worker is to stop: each answer from then on is the last of its connection."""
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
