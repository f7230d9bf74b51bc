"""Lets only so many requests begin in one turn of the event loop.

A turn reads whatever has come on all connections. Were all of it begun at once, a thousand callers who ask again as
soon as they are refused would fill each turn with refusals, and the engine, which gets one batch a turn, would stand
still. So the engine has its turn after each few, and whoever asks too often waits longer to be refused.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable

from starlette.types import Scope

from service.http.observer import ARRIVED

REQUESTS_PER_ITERATION = 16
"""Some two milliseconds of reading and refusing: half of what a batch of short texts takes."""


class RequestThrottle:
    """Of one worker."""

    __slots__ = ("_left", "_loop", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._left = REQUESTS_PER_ITERATION
        self._waiting: deque[tuple[Scope, Callable[[], None]]] = deque()

    def pass_through(self, scope: Scope, begin: Callable[[], None]) -> None:
        """Begin to answer a request now, or in one of the next turns."""
        if not self._left:
            scope[ARRIVED] = time.perf_counter()
            self._waiting.append((scope, begin))
            return
        if self._left == REQUESTS_PER_ITERATION:
            self._loop.call_soon(self._next_turn)
        self._left -= 1
        begin()

    def _next_turn(self) -> None:
        self._left = REQUESTS_PER_ITERATION
        for _ in range(min(len(self._waiting), REQUESTS_PER_ITERATION)):
            self.pass_through(*self._waiting.popleft())
