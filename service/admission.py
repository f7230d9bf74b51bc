"""A caller's place at a model and its deadline, from before its rows are prepared until it has its results."""

import asyncio
import time
from collections.abc import Awaitable
from typing import Any, TypeVar

from service.batcher import Batcher
from service.errors import DeadlineExceeded

Result = TypeVar("Result")


class Admission:
    """A place among the callers of a batcher: `with Admission(…)`.

    Entering raises `QueueFull` when too many callers have one; a `TimeoutError` within leaves as `DeadlineExceeded`.

    Args:
        batcher: of the model that is asked.
        deadline_seconds: time the caller has, from now on.

    Attributes:
        deadline: when that is over, by the event loop's clock.
    """

    __slots__ = ("_batcher", "_deadline_seconds", "deadline")

    def __init__(self, batcher: Batcher[Any, Any], deadline_seconds: float) -> None:
        self._batcher = batcher
        self._deadline_seconds = deadline_seconds
        self.deadline = time.monotonic() + deadline_seconds  # the event loop's clock, without the way to it

    def __enter__(self) -> "Admission":
        self._batcher.occupy()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_raised: object) -> None:
        self._batcher.vacate()
        if kind is not None and issubclass(kind, TimeoutError):
            raise DeadlineExceeded(
                f"The answer was not ready within {self._deadline_seconds:g} seconds; "
                "send fewer rows, or try again later."
            ) from None

    async def wait_for(self, work: Awaitable[Result]) -> Result:
        """What is done elsewhere before rows are there. Raises `TimeoutError` when it takes too long."""
        async with asyncio.timeout_at(self.deadline):
            return await work
