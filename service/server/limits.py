"""What one worker lets in, and whether it is closing: shared by its connections, its server and `/readyz`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from prometheus_client import Counter, Gauge

from service.server.sockets import max_connections
from service.server.throttle import RequestThrottle
from service.settings import Settings

MAX_OUTSIDE = 1024
"""Connections beyond the limit that are looked at: only whoever asks for the worker's health is let through."""


REASONS = ("header-timeout", "body-timeout", "send-timeout", "too-many", "not-http", "headers-too-large", "drained")
"""Why a connection is closed on its caller."""


class Outsider(Protocol):
    """A connection beyond the limit."""

    def turn_away(self) -> None:
        """Tell it to come again later, and close it."""


@dataclass
class ConnectionLimits:
    """The doors of one worker.

    Args:
        settings: bounds and patience.
        open_now: tells how many connections there are.
        turnstile: each request passes through it.
        dropped: counts connections that were closed on their callers, by reason.
    """

    settings: Settings
    turnstile: RequestThrottle
    open_now: Gauge
    dropped: Counter
    closing: bool = False
    """Set once the worker has been told to stop: each answer from then on is the last of its connection."""
    on_leave: Callable[[], None] = lambda: None
    """Called when a connection is gone."""
    max_inside: int = field(init=False)
    _outside: dict[Outsider, None] = field(default_factory=dict)
    """In the order in which they came."""

    def __post_init__(self) -> None:
        self.max_inside = max_connections(self.settings.max_connections)
        for reason in REASONS:  # zeros, so that the first is an increase
            self.dropped.labels(reason)

    def look_at(self, outsider: Outsider) -> None:
        """Take note of a connection beyond the limit; where there are too many of them, the first has to go."""
        if len(self._outside) >= MAX_OUTSIDE:
            next(iter(self._outside)).turn_away()
        self._outside[outsider] = None

    def forget(self, outsider: Outsider) -> None:
        """It is gone."""
        self._outside.pop(outsider, None)

    def count(self, reason: str) -> None:
        """One connection is closed on its caller."""
        self.dropped.labels(reason).inc()
