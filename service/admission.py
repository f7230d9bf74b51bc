"""A caller's place at a model and its deadline, from before its rows are prepared until it has its results."""

import asyncio
import time
from collections.abc import Awaitable, Sequence
from typing import TypeVar

from service import request_record
from service.batcher import Batcher, Rows
from service.errors import DeadlineExceeded

Result = TypeVar("Result")


class Admission:
    """A place among the callers of a batcher: `async with Admission(…)`.

    Entering raises `QueueFull` when too many callers have one.

    Args:
        batcher: of the model that is asked.
        deadline_seconds: time the caller has, from now on.
    """

    __slots__ = ("_batcher", "_deadline", "_deadline_seconds")

    def __init__(self, batcher: Batcher, deadline_seconds: float) -> None:
        self._batcher = batcher
        self._deadline_seconds = deadline_seconds
        self._deadline = time.monotonic() + deadline_seconds  # the event loop's clock, without the way to it

    async def __aenter__(self) -> "Admission":
        self._batcher.occupy()
        return self

    async def __aexit__(self, *_raised: object) -> None:
        self._batcher.vacate()

    async def submit(self, rows: Rows, lengths: Sequence[int] = ()) -> Rows:
        """`Batcher.submit`. Raises `DeadlineExceeded` when it takes too long, and what `Access.charge` raises."""
        access = request_record.current().access
        if access is not None:
            access.charge(len(next(iter(rows.values()))))
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
        return DeadlineExceeded(
            f"The answer was not ready within {self._deadline_seconds:g} seconds; send fewer rows, or try again later."
        )
