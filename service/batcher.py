"""Rows in, rows out, computed in batches. Knows arrays and a callable, nothing of requests or models.

A row that finds the engine free is computed at once; what arrives meanwhile forms the next batch, within a budget of
rows and padded elements. Only rows of like length, of one bucket, share a batch, and are padded to its longest, so a
short row doesn't pay for a long one. The bucket whose first row has waited longest goes first. A batch that is expected
to take a moment is computed on the event loop, a longer one in a thread.
"""

import asyncio
import itertools
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from service.errors import DeadlineExceeded, QueueFull

Row = Mapping[str, NDArray[np.generic]]
"""Arrays of one row by tensor name, without the batch axis."""

Result = TypeVar("Result")

Compute = Callable[[Row], Row]
"""Arrays with the batch as first axis -> the same of the outputs."""

INLINE_SECONDS = 0.002
"""A batch expected to take no longer is computed on the event loop: the way to a thread and back takes as long as a
short text does. A longer one goes to a thread, so that the loop never stands still for more than this."""

BUCKETS = (16, 32, 64, 128, 256, 512)


def bucket(length: int) -> int:
    """The bucket of a row: one of `BUCKETS`, the longest it holds, beyond them the next multiple of the last."""
    for size in BUCKETS:
        if length <= size:
            return size
    return -(-length // BUCKETS[-1]) * BUCKETS[-1]


@dataclass(frozen=True)
class Limits:
    """Budget of one batch and bound of the queue."""

    max_batch_rows: int
    max_batch_elements: int
    max_waiting_requests: int


class Watcher(Protocol):
    """Is told what the batcher does; called on the event loop."""

    def computed(self, num_rows: int, padding_ratio: float, seconds: float) -> None:
        """One batch is computed; `padding_ratio` is the share of its elements that only fill rows up."""

    def answered(self, queue_seconds: float, inference_seconds: float) -> None:
        """One caller's rows are back; called in that caller's own context."""


@dataclass(eq=False)
class _Submission:
    """The rows of one caller, on their way."""

    answer: asyncio.Future[list[Row]]
    results: list[Row | None]
    missing: int
    deadline: float
    inference_seconds: float = 0.0


class _Computed(NamedTuple):
    """One batch after the engine."""

    results: list[Row]
    padding_ratio: float
    seconds: float


@dataclass(eq=False)
class _Waiting:
    submission: _Submission
    index: int
    row: Row
    elements: int
    ticket: int


@dataclass
class Batcher:
    """Batches for one model.

    Args:
        compute: runs one batch; called in `executor`, one batch at a time.
        executor: where `compute` runs.
        limits: budget of a batch, bound of the queue.
        watcher: is told of batches and waiting times.
        padded: inputs whose first axis varies from row to row; filled up with zeros to the longest of the batch.
    """

    compute: Compute
    executor: Executor
    limits: Limits
    watcher: Watcher
    padded: frozenset[str] = frozenset()
    _queues: dict[int, deque[_Waiting]] = field(default_factory=dict)
    _tickets: Iterator[int] = field(default_factory=itertools.count)
    _num_callers: int = 0
    _pump: asyncio.Task[None] | None = None
    _live: set[_Submission] = field(default_factory=set)
    _alarm: asyncio.TimerHandle | None = None
    _element_seconds: dict[int, float] = field(default_factory=dict)
    """Lately, by bucket."""

    def admitted(self, deadline_seconds: float) -> "Admission":
        """A caller's place, from before it prepares its rows until it has its results: `async with` it.

        Entering raises `QueueFull` when too many callers have one.
        """
        return Admission(self, deadline_seconds)

    @property
    def num_callers(self) -> int:
        """Callers that have a place now."""
        return self._num_callers

    def occupy(self) -> None:
        """Take a place. Raises `QueueFull`."""
        if self._num_callers >= self.limits.max_waiting_requests:
            raise QueueFull("Too many requests wait for this model; try again later.", retry_after_seconds=1)
        self._num_callers += 1

    def vacate(self) -> None:
        """Give a place back."""
        self._num_callers -= 1

    def cancel_alarm(self) -> None:
        """For a batcher nobody asks any more: else the event loop holds it, and the model, until the last deadline."""
        if self._alarm is not None and not self._num_callers:
            self._alarm.cancel()
            self._alarm = None

    async def submit(self, rows: Sequence[Row], deadline: float) -> list[Row]:
        """Compute rows; the results come in the same order.

        Raises whatever `compute` raises, and `TimeoutError` when the loop's clock passes `deadline`. A caller that
        gives up takes its waiting rows along.
        """
        if not rows:
            return []
        submitted = time.perf_counter()
        submission = _Submission(asyncio.get_running_loop().create_future(), [None] * len(rows), len(rows), deadline)
        for index, row in enumerate(rows):
            length = max((len(row[name]) for name in self.padded), default=0)
            key = bucket(length) if self.padded else 0
            elements = key if self.padded else max(sum(array.size for array in row.values()), 1)
            waiting = _Waiting(submission, index, row, elements, next(self._tickets))
            self._queues.setdefault(key, deque()).append(waiting)
        if self._pump is None:
            self._pump = asyncio.create_task(self._run_until_empty())
        self._live.add(submission)
        if self._alarm is None or deadline < self._alarm.when():
            self._set_alarm(deadline)
        try:
            results = await submission.answer
            waited = time.perf_counter() - submitted - submission.inference_seconds
            self.watcher.answered(max(waited, 0.0), submission.inference_seconds)
            return results
        finally:
            self._live.discard(submission)
            submission.answer.cancel()  # marks rows that still wait as abandoned

    def _set_alarm(self, when: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_at(when, self._ring)

    def _ring(self) -> None:
        """End what is due. One timer for all callers: a timer each takes as long as reading a request."""
        self._alarm = None
        now = asyncio.get_running_loop().time()
        for submission in self._live:
            if submission.deadline <= now and not submission.answer.done():
                submission.answer.set_exception(TimeoutError())
        if later := [submission.deadline for submission in self._live if submission.deadline > now]:
            self._set_alarm(min(later))

    async def _run_until_empty(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while batch := self._next_batch():
                key, num_elements = batch[0].elements, batch[0].elements * len(batch)
                try:
                    if self._expected_seconds(key, len(batch)) <= INLINE_SECONDS:
                        computed = self._compute_batch(batch)
                    else:
                        computed = await loop.run_in_executor(self.executor, self._compute_batch, batch)
                except Exception as error:
                    for waiting in batch:
                        if not waiting.submission.answer.done():
                            waiting.submission.answer.set_exception(error)
                else:
                    self.watcher.computed(len(batch), computed.padding_ratio, computed.seconds)
                    self._learn(key, computed.seconds / num_elements)
                    self._deliver(batch, computed)
                await asyncio.sleep(0)  # others get their turn between batches, and add to the next
        finally:
            self._pump = None

    def _expected_seconds(self, key: int, num_rows: int) -> float:
        return self._element_seconds.get(key, math.inf) * key * num_rows

    def _max_rows(self, key: int) -> int:
        """As many as the loop may stand still for; where that isn't one, as many as the limits let."""
        for_loop = INLINE_SECONDS / self._expected_seconds(key, 1) if key in self._element_seconds else 0
        return min(self.limits.max_batch_rows, int(for_loop) or self.limits.max_batch_rows)

    def _learn(self, key: int, element_seconds: float) -> None:
        known = self._element_seconds.get(key, element_seconds)
        self._element_seconds[key] = known + 0.1 * (element_seconds - known)

    def _next_batch(self) -> list[_Waiting]:
        for key in list(self._queues):
            queue = self._queues[key]
            while queue and queue[0].submission.answer.done():  # abandoned or failed
                queue.popleft()
            if not queue:
                del self._queues[key]
        if not self._queues:
            return []
        queue = min(self._queues.values(), key=lambda waiting: waiting[0].ticket)
        batch = [queue.popleft()]
        elements = batch[0].elements
        max_rows = self._max_rows(batch[0].elements)
        while queue and len(batch) < max_rows:
            if queue[0].submission.answer.done():
                queue.popleft()
                continue
            elements += queue[0].elements
            if elements > self.limits.max_batch_elements:
                break
            batch.append(queue.popleft())
        return batch

    def _compute_batch(self, batch: list[_Waiting]) -> _Computed:
        began = time.perf_counter()
        stacked = self._stack([waiting.row for waiting in batch])
        outputs = self.compute(stacked)
        seconds = time.perf_counter() - began
        for name, output in outputs.items():
            if len(output) != len(batch):
                raise RuntimeError(f"{len(batch)} rows went in, {len(output)} came out as {name!r}")
        results: list[Row] = [{name: output[index] for name, output in outputs.items()} for index in range(len(batch))]
        num_elements = sum(stacked[name].size for name in self.padded)
        num_filled = num_elements - sum(waiting.row[name].size for waiting in batch for name in self.padded)
        return _Computed(results, num_filled / num_elements if num_elements else 0.0, seconds)

    def _stack(self, rows: list[Row]) -> Row:
        stacked: dict[str, NDArray[np.generic]] = {}
        for name, first in rows[0].items():
            if name not in self.padded:
                stacked[name] = np.stack([row[name] for row in rows])
                continue
            length = max(len(row[name]) for row in rows)
            filled = np.zeros((len(rows), length, *first.shape[1:]), dtype=first.dtype)
            for index, row in enumerate(rows):
                filled[index, : len(row[name])] = row[name]
            stacked[name] = filled
        return stacked

    @staticmethod
    def _deliver(batch: list[_Waiting], computed: _Computed) -> None:
        for submission in {waiting.submission for waiting in batch}:
            submission.inference_seconds += computed.seconds
        for waiting, result in zip(batch, computed.results, strict=True):
            submission = waiting.submission
            submission.results[waiting.index] = result
            submission.missing -= 1
            if submission.missing == 0 and not submission.answer.done():
                submission.answer.set_result([row for row in submission.results if row is not None])


class Admission:
    """A caller's place and its deadline; see `Batcher.admitted`."""

    __slots__ = ("_batcher", "_deadline", "_deadline_seconds")

    def __init__(self, batcher: Batcher, deadline_seconds: float) -> None:
        self._batcher = batcher
        self._deadline_seconds = deadline_seconds
        self._deadline = asyncio.get_running_loop().time() + deadline_seconds

    async def __aenter__(self) -> "Admission":
        self._batcher.occupy()
        return self

    async def __aexit__(self, *_raised: object) -> None:
        self._batcher.vacate()

    async def submit(self, rows: Sequence[Row]) -> list[Row]:
        """`Batcher.submit`. Raises `DeadlineExceeded` when it takes too long."""
        try:
            return await self._batcher.submit(rows, self._deadline)
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
