"""A caller's place at a model and its deadline, from before its rows are prepared until it has its results."""

import asyncio
import time
from collections.abc import Awaitable, Sequence
from typing import TypeVar

from service.batcher import Batcher, Rows
from service.errors import DeadlineExceeded, QueueFull
from service.settings import Settings

Result = TypeVar("Result")


class Admission:
    """A place among the callers of a batcher: `async with Admission(…)`.

    Entering raises `QueueFull` when too many callers have one, or what they wait for takes too long.

    Args:
        batcher: of the model that is asked.
        deadline_seconds: time the caller has, from now on.
        num_rows: that the caller has come with.
    """

    __slots__ = ("_batcher", "_deadline", "_deadline_seconds", "_num_rows")

    def __init__(self, batcher: Batcher, deadline_seconds: float, num_rows: int = 1) -> None:
        self._batcher = batcher
        self._deadline_seconds = deadline_seconds
        self._deadline = time.monotonic() + deadline_seconds  # the event loop's clock, without the way to it
        self._num_rows = num_rows

    async def __aenter__(self) -> "Admission":
        self._batcher.occupy()
        try:
            self._batcher.backlog.enter(self._num_rows, self._deadline - time.monotonic())
        except QueueFull:
            self._batcher.vacate()
            raise
        return self

    async def __aexit__(self, *_raised: object) -> None:
        self._batcher.vacate()
        self._batcher.backlog.leave(self._num_rows)

    async def submit(self, rows: Rows, lengths: Sequence[int] = ()) -> Rows:
        """`Batcher.submit`. Raises `DeadlineExceeded` when it takes too long."""
        try:
            return await self._batcher.submit(rows, self._deadline, lengths)
        except TimeoutError:
            raise self._too_late() from None

    async def wait_for(self, work: Awaitable[Result]) -> Result:
        """What is done elsewhere before rows are there. Raises `DeadlineExceeded` when it takes too long."""
        try:
            async with asyncio.timeout_at(self._deadline):
                return await work
        except TimeoutError:
            raise self._too_late() from None

    def _too_late(self) -> DeadlineExceeded:
        limit = f"{self._deadline_seconds:.3g} seconds"
        return DeadlineExceeded(f"The answer was not ready within {limit}; send fewer rows, or try again later.")


def deadline_of(settings: Settings) -> float:
    """When a request that has just been read must be answered, by the event loop's clock."""
    return time.monotonic() + settings.deadline_seconds
