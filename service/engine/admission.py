"""A caller's place at a model and its deadline, from before its rows are prepared until it has its results."""

import asyncio
import time
from collections.abc import Awaitable
from typing import Any, TypeVar

from service.engine.batcher import Batcher
from service.errors import DeadlineExceeded
from service.settings import Settings
from service.telemetry import request_record

Result = TypeVar("Result")


class Admission:
    """A place among the callers of a batcher: `with Admission(…)`.

    Entering raises `QueueFull` when too many callers have one, or what they wait for takes too long; a `TimeoutError`
    within leaves as `DeadlineExceeded`.

    Args:
        batcher: of the model that is asked.
        deadline: see `deadline_of`.
        num_rows: that the caller has come with.
    """

    __slots__ = ("_batcher", "_num_rows", "_seconds", "deadline")

    def __init__(self, batcher: Batcher[Any, Any], deadline: float, num_rows: int = 1) -> None:
        self._batcher = batcher
        self.deadline = deadline
        self._seconds = deadline - time.monotonic()
        self._num_rows = num_rows

    def __enter__(self) -> "Admission":
        self._batcher.refuse_if_full(self._seconds)
        self._batcher.occupy(self._num_rows)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_raised: object) -> None:
        self._batcher.vacate(self._num_rows)
        if kind is not None and issubclass(kind, TimeoutError):
            limit = f"{self._seconds:.3g} seconds"
            message = f"The answer was not ready within {limit}; send fewer rows, or try again later."
            raise DeadlineExceeded(message) from None

    async def wait_for(self, work: Awaitable[Result]) -> Result:
        """What is done elsewhere before rows are there. Raises `TimeoutError` when it takes too long."""
        async with asyncio.timeout_at(self.deadline):
            return await work


def deadline_of(settings: Settings) -> float:
    """When the request at hand, which has just been read, must be answered, by the event loop's clock."""
    return time.monotonic() + settings.deadline_seconds - request_record.current().waited
