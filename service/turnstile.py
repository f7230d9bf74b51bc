"""Lets only so many requests begin in one turn of the event loop.

A turn reads whatever has come on all connections. Were all of it begun at once, a thousand callers who ask again as
soon as they are refused would fill each turn with refusals, and the engine, which gets one batch a turn, would stand
still. So the engine has its turn after each few, and whoever asks too often waits longer to be refused.
"""

import asyncio
from collections import deque
from collections.abc import Callable

REQUESTS_A_TURN = 16
"""Some two milliseconds of reading and refusing: half of what a batch of short texts takes."""


class Turnstile:
    """Of one worker."""

    __slots__ = ("_left", "_loop", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._left = REQUESTS_A_TURN
        self._waiting: deque[Callable[[], None]] = deque()

    def pass_through(self, begin: Callable[[], None]) -> None:
        """Call it now, or in one of the next turns."""
        if not self._left:
            self._waiting.append(begin)
            return
        if self._left == REQUESTS_A_TURN:
            self._loop.call_soon(self._next_turn)
        self._left -= 1
        begin()

    def _next_turn(self) -> None:
        self._left = REQUESTS_A_TURN
        for _ in range(min(len(self._waiting), REQUESTS_A_TURN)):
            self.pass_through(self._waiting.popleft())
