"""Rows in, rows out, computed in batches. Knows arrays and a callable, nothing of requests or models.

Rows that find the engine free are computed at once; what arrives meanwhile forms the next batch, within a budget of
rows and padded elements. Only rows of like length, of one bucket, share a batch, and are padded to its longest, so a
short row doesn't pay for a long one. The bucket whose first rows have waited longest goes first; what is left of a
caller with more rows than a batch holds queues again behind the others.

What takes a moment is computed on the event loop, in batches short enough for it; what takes longer in a thread, in
batches as large as the budget lets.
"""

import asyncio
import itertools
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.backlog import Backlog
from service.errors import QueueFull

Rows = Mapping[str, NDArray[np.generic]]
"""Arrays by tensor name, the rows along the first axis."""

Compute = Callable[[Rows], Rows]
"""Inputs -> outputs, whose other axes don't depend on how long the rows are."""

INLINE_SECONDS = 0.004
"""A batch expected to take no longer is computed on the event loop: the way to a thread and back takes as long as a
short text does. The loop never stands still for more than this."""

INLINE_TURNS = 2
"""More rows than so many such batches hold go to a thread, where batches may be larger."""

BUCKETS = (16, 32, 64, 128, 256, 512)


def bucket(length: int) -> int:
    """The bucket of a row: one of `BUCKETS`, the longest it holds, beyond them the next multiple of the last."""
    if length > BUCKETS[-1]:
        return -(-length // BUCKETS[-1]) * BUCKETS[-1]
    return BUCKETS[bisect_left(BUCKETS, length)]


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


@dataclass(eq=False, slots=True)
class _Submission:
    """The rows of one caller, on their way."""

    answer: asyncio.Future[Rows]
    num_rows: int
    missing: int
    deadline: float
    inference_seconds: float = 0.0
    outputs: dict[str, NDArray[np.generic]] = field(default_factory=dict)

    def deliver(self, places: slice | NDArray[np.intp], outputs: Rows, num_rows: int) -> None:
        """Take what was computed of the rows at `places`; the last ones complete the answer."""
        if num_rows == self.num_rows:
            self._complete(outputs)
            return
        for name, output in outputs.items():
            if name not in self.outputs:
                self.outputs[name] = np.empty((self.num_rows, *output.shape[1:]), output.dtype)
            self.outputs[name][places] = output
        self.missing -= num_rows
        if not self.missing:
            self._complete(self.outputs)

    def _complete(self, outputs: Rows) -> None:
        if not self.answer.done():
            self.answer.set_result(outputs)

    def fail(self, error: Exception) -> None:
        """End it with an error, unless it has ended."""
        if not self.answer.done():
            self.answer.set_exception(error)


@dataclass(eq=False, slots=True)
class _Block:
    """Rows of one submission that wait together: of one bucket, padded to the longest of them."""

    submission: _Submission
    places: slice | NDArray[np.intp]
    """Where they stand in the submission."""
    rows: Rows
    num_rows: int
    lengths: Sequence[int]
    """Of each row without its padding; none where rows have no length of their own."""
    ticket: int

    def split(self, num_rows: int, ticket: int) -> tuple["_Block", "_Block"]:
        """The first `num_rows`, and the rest with a new ticket."""
        places = self.places
        if isinstance(places, slice):
            middle = places.start + num_rows
            ends: tuple[slice | NDArray[np.intp], ...] = slice(places.start, middle), slice(middle, places.stop)
        else:
            ends = places[:num_rows], places[num_rows:]
        first = {name: array[:num_rows] for name, array in self.rows.items()}
        rest = {name: array[num_rows:] for name, array in self.rows.items()}
        own, other = self.lengths[:num_rows], self.lengths[num_rows:]
        return (
            _Block(self.submission, ends[0], first, num_rows, own, self.ticket),
            _Block(self.submission, ends[1], rest, self.num_rows - num_rows, other, ticket),
        )


@dataclass(slots=True)
class _Batch:
    """Blocks that are computed together."""

    size: int
    """Bucket of its rows; where they have no length of their own, elements of their largest input."""
    inline: bool
    blocks: list[_Block] = field(default_factory=list)
    num_rows: int = 0
    outputs: Rows = field(default_factory=dict)
    padding_ratio: float = 0.0
    seconds: float = 0.0
    cpu_seconds: float = 0.0


@dataclass
class Batcher:
    """Batches for one model.

    Args:
        compute: runs one batch; one at a time, on the event loop or in `executor`.
        executor: where long batches are computed.
        limits: budget of a batch, bound of the queue.
        watcher: is told of batches and waiting times.
        padded: inputs whose second axis is as long as the longest of the rows, filled up with zeros.
    """

    compute: Compute
    executor: Executor
    limits: Limits
    watcher: Watcher
    padded: frozenset[str] = frozenset()
    backlog: Backlog = field(default_factory=Backlog)
    _queues: dict[int, deque[_Block]] = field(default_factory=dict)
    """By size; see `_Batch`."""
    _tickets: Iterator[int] = field(default_factory=itertools.count)
    _num_callers: int = 0
    _pump: asyncio.Task[None] | None = None
    _live: set[_Submission] = field(default_factory=set)
    _alarm: asyncio.TimerHandle | None = None
    _row_seconds: dict[int, float] = field(default_factory=dict)
    """CPU time of a row lately, by size."""

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

    async def submit(self, rows: Rows, deadline: float, lengths: Sequence[int] = ()) -> Rows:
        """Compute rows; the results come in the same order.

        Args:
            rows: at least one; those of `padded` filled up to the longest.
            deadline: by the loop's clock.
            lengths: of each row without its padding, where there are `padded` inputs.

        Raises whatever `compute` raises, and `TimeoutError` when the deadline passes. A caller that gives up takes its
        waiting rows along.
        """
        submitted = time.perf_counter()
        num_rows = len(next(iter(rows.values())))
        submission = _Submission(asyncio.get_running_loop().create_future(), num_rows, num_rows, deadline)
        for size, block in self._blocks(submission, rows, lengths):
            self._queues.setdefault(size, deque()).append(block)
        if self._pump is None:
            self._pump = asyncio.create_task(self._run_until_empty())
        self._live.add(submission)
        if self._alarm is None or deadline < self._alarm.when():
            self._set_alarm(deadline)
        try:
            outputs = await submission.answer
            waited = time.perf_counter() - submitted - submission.inference_seconds
            self.watcher.answered(max(waited, 0.0), submission.inference_seconds)
            return outputs
        finally:
            self._live.discard(submission)
            submission.answer.cancel()  # marks rows that still wait as abandoned

    def _blocks(self, submission: _Submission, rows: Rows, lengths: Sequence[int]) -> Iterator[tuple[int, _Block]]:
        """The rows by size."""
        num_rows = submission.num_rows
        if not self.padded:
            size = max(array.size for array in rows.values()) // num_rows
            yield size, _Block(submission, slice(0, num_rows), rows, num_rows, (), next(self._tickets))
            return
        sizes = [bucket(length) for length in lengths]
        if min(sizes) == max(sizes):
            yield sizes[0], _Block(submission, slice(0, num_rows), rows, num_rows, lengths, next(self._tickets))
            return
        for size in sorted(set(sizes)):
            places = np.flatnonzero(np.array(sizes) == size)
            own = [lengths[place] for place in places.tolist()]
            cut = {
                name: array[places, : max(own)] if name in self.padded else array[places]
                for name, array in rows.items()
            }
            yield size, _Block(submission, places, cut, len(places), own, next(self._tickets))

    def _set_alarm(self, when: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        loop = asyncio.get_running_loop()
        self._alarm = loop.call_at(max(when, loop.time() + 0.001), self._ring)  # uvloop has no `when` of what is due

    def _ring(self) -> None:
        """End what is due. One timer for all callers: a timer each takes as long as reading a request."""
        self._alarm = None
        now = asyncio.get_running_loop().time()
        for submission in self._live:
            if submission.deadline <= now:
                submission.fail(TimeoutError())
        if later := [submission.deadline for submission in self._live if submission.deadline > now]:
            self._set_alarm(min(later))

    async def _run_until_empty(self) -> None:
        loop = asyncio.get_running_loop()
        done = time.perf_counter()
        try:
            while batch := self._next_batch():
                try:
                    if batch.inline:
                        self._compute_batch(batch)
                    else:
                        await loop.run_in_executor(self.executor, self._compute_batch, batch)
                except Exception as error:
                    for block in batch.blocks:
                        block.submission.fail(error)
                else:
                    self.watcher.computed(batch.num_rows, batch.padding_ratio, batch.seconds)
                    self._learn(batch.size, batch.cpu_seconds / batch.num_rows)
                    before, done = done, time.perf_counter()
                    more_wait = any(self._queues.values())
                    seconds = done - before if more_wait else batch.seconds
                    self.backlog.learn(batch.num_rows, seconds, more_wait=more_wait)
                    self._deliver(batch)
                await asyncio.sleep(0)  # others get their turn between batches, and add to the next
        finally:
            self._pump = None

    def _learn(self, size: int, row_seconds: float) -> None:
        known = self._row_seconds.get(size, row_seconds)
        self._row_seconds[size] = known + 0.1 * (row_seconds - known)

    def _next_batch(self) -> _Batch | None:
        for size in list(self._queues):
            queue = self._queues[size]
            while queue and queue[0].submission.answer.done():  # abandoned or failed
                queue.popleft()
            if not queue:
                del self._queues[size]
        if not self._queues:
            return None
        size, queue = min(self._queues.items(), key=lambda item: item[1][0].ticket)
        max_rows, inline = self._room(size, queue)
        batch = _Batch(size, inline)
        while queue and batch.num_rows < max_rows:
            block = queue[0]
            if block.submission.answer.done():
                queue.popleft()
                continue
            if batch.blocks and batch.num_rows + block.num_rows > max_rows:
                break
            queue.popleft()
            if block.num_rows > max_rows:
                block, rest = block.split(max_rows, next(self._tickets))
                queue.append(rest)
            batch.blocks.append(block)
            batch.num_rows += block.num_rows
        return batch

    def _room(self, size: int, queue: deque[_Block]) -> tuple[int, bool]:
        """Rows of the next batch, at most, and whether it is computed on the event loop."""
        budget = max(1, min(self.limits.max_batch_rows, self.limits.max_batch_elements // size))
        row_seconds = self._row_seconds.get(size)
        if row_seconds is None:
            return budget, False
        turn = int(INLINE_SECONDS / row_seconds)
        num_waiting = sum(block.num_rows for block in queue)
        if turn and num_waiting <= INLINE_TURNS * turn:
            return min(budget, turn), True
        return budget, False

    def _compute_batch(self, batch: _Batch) -> None:
        began, cpu_began = time.perf_counter(), time.thread_time()
        rows = self._stack(batch)
        batch.outputs = self.compute(rows)
        # What is learnt of a row must not grow with what else the machine does, or with waiting for the interpreter.
        batch.seconds, batch.cpu_seconds = time.perf_counter() - began, time.thread_time() - cpu_began
        for name, output in batch.outputs.items():
            if len(output) != batch.num_rows:
                raise RuntimeError(f"{batch.num_rows} rows went in, {len(output)} came out as {name!r}")

    def _stack(self, batch: _Batch) -> Rows:
        blocks = batch.blocks
        if not self.padded:
            if len(blocks) == 1:
                return blocks[0].rows
            return {name: np.concatenate([block.rows[name] for block in blocks]) for name in blocks[0].rows}
        longest = max(max(block.lengths) for block in blocks)
        batch.padding_ratio = 1 - sum(sum(block.lengths) for block in blocks) / (batch.num_rows * longest)
        if len(blocks) == 1:
            return {
                name: array[:, :longest] if name in self.padded else array for name, array in blocks[0].rows.items()
            }
        stacked: dict[str, NDArray[np.generic]] = {}
        for name, first in blocks[0].rows.items():
            if name not in self.padded:
                stacked[name] = np.concatenate([block.rows[name] for block in blocks])
                continue
            stacked[name] = filled = np.zeros((batch.num_rows, longest, *first.shape[2:]), first.dtype)
            begin = 0
            for block in blocks:
                array = block.rows[name]
                width = min(longest, array.shape[1])
                filled[begin : begin + block.num_rows, :width] = array[:, :width]
                begin += block.num_rows
        return stacked

    @staticmethod
    def _deliver(batch: _Batch) -> None:
        for submission in {block.submission for block in batch.blocks}:
            submission.inference_seconds += batch.seconds
        begin = 0
        for block in batch.blocks:
            end = begin + block.num_rows
            own = {name: output[begin:end] for name, output in batch.outputs.items()}
            block.submission.deliver(block.places, own, block.num_rows)
            begin = end
