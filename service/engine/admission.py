"""Admission control: a request's place in a model's queue and its deadline, until it has its results."""

import asyncio
import math
import time
from collections.abc import Awaitable
from typing import Protocol, TypeVar

from service.errors import DeadlineExceeded, QueueFull

Result = TypeVar("Result")

MAX_WAITING_SHARE = 0.7
"""Share of a request's time that the rows ahead of its own may take; with more, it is refused at once, not at its
deadline. The rest is a margin."""

LATEST_BATCH_WEIGHT = 0.2
"""In the moving average of seconds per row."""

MAX_FACTOR = 4
"""One batch counts for no more than so many times the average: a process that was stopped for seconds isn't slow."""


class Backlog:
    """The rows at one model that are yet to be answered, and how long a row takes.

    In wall time, so whatever else the process does between two batches counts.
    """

    __slots__ = ("_num_rows", "_row_seconds")

    def __init__(self) -> None:
        self._num_rows = 0
        self._row_seconds: float | None = None

    @property
    def seconds(self) -> float:
        """Until all of them are answered; 0 while nothing is known."""
        return self._num_rows * (self._row_seconds or 0.0)

    def refuse_if_long(self, seconds: float) -> None:
        """Raises `QueueFull` when the rows here take too much of a request's `seconds`."""
        if self.seconds > MAX_WAITING_SHARE * max(seconds, 0.0):
            raise QueueFull(
                "What waits for this model takes longer than this request has time; try again later.",
                retry_after_seconds=math.ceil(self.seconds * (1 - MAX_WAITING_SHARE)),
            )

    def enter(self, num_rows: int) -> None:
        """Rows are admitted."""
        self._num_rows += num_rows

    def leave(self, num_rows: int) -> None:
        """Rows are answered or dropped."""
        self._num_rows -= num_rows

    def learn(self, num_rows: int, seconds: float, *, more_wait: bool) -> None:
        """Rows took so many seconds, the time since the rows before included.

        A batch that no rows wait behind is small: it takes longer for a row, and doesn't raise the average.
        """
        row_seconds, known = seconds / num_rows, self._row_seconds
        if known is None:
            self._row_seconds = row_seconds
        elif more_wait or row_seconds < known:
            self._row_seconds = known + LATEST_BATCH_WEIGHT * (min(row_seconds, MAX_FACTOR * known) - known)


class Queue(Protocol):
    """What `Admission` needs of a batcher."""

    def refuse_if_full(self, seconds: float) -> None:
        """Raises `QueueFull` where there is no place, or a request with so much time would wait in vain."""

    def enter(self, num_rows: int) -> None:
        """Admit a request with so many rows."""

    def leave(self, num_rows: int) -> None:
        """It is over."""


class Admission:
    """A request in a queue: `with Admission(…)`. `deadline` is by the event loop's clock.

    Entering raises `QueueFull`; a `TimeoutError` within leaves as `DeadlineExceeded`.
    """

    __slots__ = ("_num_rows", "_queue", "_seconds", "deadline")

    def __init__(self, queue: Queue, deadline: float, num_rows: int = 1) -> None:
        self._queue = queue
        self.deadline = deadline
        self._seconds = deadline - time.monotonic()
        self._num_rows = num_rows

    def __enter__(self) -> "Admission":
        self._queue.refuse_if_full(self._seconds)
        self._queue.enter(self._num_rows)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_raised: object) -> None:
        self._queue.leave(self._num_rows)
        if kind is not None and issubclass(kind, TimeoutError):
            limit = f"{round(self._seconds, 1) or self._seconds:.3g} seconds"
            message = f"The answer was not ready within {limit}; send fewer rows, or try again later."
            raise DeadlineExceeded(message) from None

    async def wait_for(self, work: Awaitable[Result]) -> Result:
        """Await what comes before rows are queued. Raises `TimeoutError` at the deadline."""
        async with asyncio.timeout_at(self.deadline):
            return await work
