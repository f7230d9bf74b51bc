"""Rows in, answers out, computed in batches of rows of like size.

Rows that find the engine free are computed at once; what arrives meanwhile forms the next batch. The size whose first
rows have waited longest goes first; what is left of a request queues again behind the others. Short batches are
computed on the event loop, longer ones in a thread. A client that is alone is answered at once, without a task.
"""

import asyncio
import itertools
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from service.engine.admission import Backlog
from service.errors import QueueFull

INLINE_SECONDS = 0.004
"""A batch expected to take no longer is computed on the event loop: the way to a thread and back takes as long as a
short text does."""

INLINE_BATCHES = 2
"""More rows than so many such batches hold go to a thread, in larger batches: unless `INLINE_ROWS` of them make one,
since then each batch would mean GIL contention between thread and event loop."""

INLINE_ROWS = 16

FULL_BATCHES = 3
"""While requests are refused, so many such batches are computed per iteration of the event loop: refusing several in a
row takes less time than one by one, and the admitted requests need that time."""

REFUSING_ITERATIONS = 4
"""Then so many iterations follow without a batch: a health check needs several until it is answered."""

QUIET_ITERATIONS = 2
"""A batch begins after so many iterations of the event loop without a new request: requests that are being read make it
larger."""

RowIndices = slice | NDArray[np.intp]
"""Which of a request's rows they are."""


class Sliceable(Protocol):
    """Rows or answers, in order."""

    def __len__(self) -> int:
        """How many."""

    def __getitem__(self: "Some", rows: slice, /) -> "Some":
        """Some of them."""


Some = TypeVar("Some", bound=Sliceable)
Rows = TypeVar("Rows", bound=Sliceable)
Answers = TypeVar("Answers", bound=Sliceable)


class Part(NamedTuple, Generic[Rows]):
    """Rows of one request that may share a batch."""

    size: int
    """Elements of one of them in a batch, at most."""
    indices: RowIndices
    rows: Rows


class Engine(Protocol[Rows, Answers]):
    """What computes rows. `compute` is called on the event loop or in a thread, all else on the event loop."""

    def parts(self, rows: Rows) -> Iterable[Part[Rows]]:
        """The rows of one request by size."""

    def compute(self, parts: Sequence[Rows]) -> tuple[Answers, float]:
        """Rows of one size, of one request or several: one answer a row, and the share of padding in the batch."""

    def gather(self, pieces: Sequence[tuple[RowIndices, Answers]], num_rows: int) -> Answers:
        """The answers to a request's parts, in the order of the rows."""


@dataclass(frozen=True)
class Limits:
    """Budget of one batch and bound of the queue."""

    max_batch_rows: int
    max_batch_elements: int
    max_waiting_requests: int


@dataclass(slots=True)
class BatchStats:
    """What was measured of batches, and not counted yet."""

    num_rows: list[int] = field(default_factory=list)
    padding_ratios: list[float] = field(default_factory=list)
    """Shares of the elements of a batch that only fill rows up."""
    inference_seconds: list[float] = field(default_factory=list)
    queue_seconds: list[float] = field(default_factory=list)
    """That a request's rows waited for the engine, one entry a request."""

    def take(self) -> "BatchStats":
        """All of it; what remains is empty."""
        taken = BatchStats(self.num_rows, self.padding_ratios, self.inference_seconds, self.queue_seconds)
        self.num_rows, self.padding_ratios, self.inference_seconds, self.queue_seconds = [], [], [], []
        return taken


class Timed(Protocol):
    """Who submits rows, and records how long they took."""

    def computed(self, encoding_seconds: float, inference_seconds: float) -> None:
        """The rows are answered."""


@dataclass(eq=False, slots=True)
class Submission(Generic[Rows, Answers]):
    """The rows of one request; `missing` counts those without an answer."""

    answer: asyncio.Future[Answers]
    num_rows: int
    deadline: float
    missing: int
    submitted: float = field(default_factory=time.perf_counter)
    encoding_seconds: float = 0.0
    inference_seconds: float = 0.0
    pieces: list[tuple[RowIndices, Answers]] = field(default_factory=list)

    def fail(self, error: Exception) -> None:
        """End it with an error, unless it has ended."""
        if not self.answer.done():
            self.answer.set_exception(error)


@dataclass(eq=False, slots=True)
class _Block(Generic[Rows, Answers]):
    """Rows of one submission that wait together."""

    submission: Submission[Rows, Answers]
    indices: RowIndices
    rows: Rows
    num_rows: int
    order: int

    def split_off(self, num_rows: int) -> "_Block[Rows, Answers]":
        """The first `num_rows`, which this block then lacks."""
        indices, first = self.indices, self.rows[:num_rows]
        own: RowIndices
        if isinstance(indices, slice):
            middle = indices.start + num_rows
            own, self.indices = slice(indices.start, middle), slice(middle, indices.stop)
        else:
            own, self.indices = indices[:num_rows], indices[num_rows:]
        self.rows, self.num_rows = self.rows[num_rows:], self.num_rows - num_rows
        return _Block(self.submission, own, first, num_rows, self.order)


@dataclass(slots=True)
class _Batch(Generic[Rows, Answers]):
    """Blocks that are computed together."""

    size: int
    inline: bool
    blocks: list[_Block[Rows, Answers]] = field(default_factory=list)
    num_rows: int = 0
    rest: _Block[Rows, Answers] | None = None
    """Of the request whose rows are too many: queues again once the batch is computed."""


@dataclass(frozen=True, slots=True)
class _Computed(Generic[Answers]):
    """What became of a batch."""

    answers: Answers
    padding_ratio: float
    seconds: float
    cpu_seconds: float | None
    """None where it wasn't timed: it takes two system calls."""


@dataclass
class Batcher(Generic[Rows, Answers]):
    """Batches for one model."""

    engine: Engine[Rows, Answers]
    """Runs one batch at a time."""
    executor: Executor
    """Where long batches are computed."""
    limits: Limits
    stats: BatchStats = field(default_factory=BatchStats)
    backlog: Backlog = field(default_factory=Backlog)
    _queues: dict[int, deque[_Block[Rows, Answers]]] = field(default_factory=lambda: defaultdict(deque))
    """By size."""
    _orders: Iterator[int] = field(default_factory=itertools.count)
    num_requests: int = 0
    """Admitted and not over."""
    _is_refusing: bool = False
    """Whether any request was refused since the last iteration of the event loop."""
    _is_alone: bool = False
    """Whether lately there was never more than one request at a time."""
    _has_computed: bool = False
    """Whether a request that was alone was computed in this iteration of the event loop."""
    _pump: asyncio.Task[None] | None = None
    _live: set[Submission[Rows, Answers]] = field(default_factory=set)
    _alarm: asyncio.TimerHandle | None = None
    _row_seconds: dict[int, float] = field(default_factory=dict)
    """CPU time of a row lately, by size."""

    def refuse_if_full(self, seconds: float) -> None:
        """Raises `QueueFull` where no more may wait, or a request with so much time would wait in vain."""
        try:
            if self.num_requests >= self.limits.max_waiting_requests:
                raise QueueFull("Too many requests wait for this model; try again later.", retry_after_seconds=1)
            self.backlog.refuse_if_long(seconds)
        except QueueFull:
            self._is_refusing = True
            raise

    def enter(self, num_rows: int) -> None:
        """Admit a request with so many rows."""
        self.num_requests += 1
        self.backlog.enter(num_rows)

    def leave(self, num_rows: int) -> None:
        """It is over."""
        self.num_requests -= 1
        self.backlog.leave(num_rows)

    def cancel_alarm(self) -> None:
        """Of an unloaded model: else the event loop holds it until the last deadline."""
        if self._alarm is not None and not self.num_requests:
            self._alarm.cancel()
            self._alarm = None

    async def submit(self, rows: Rows, deadline: float, timed: Timed) -> Answers:
        """Compute rows, at least one; the answers come in the same order. `deadline` is by the loop's clock.

        Raises what the engine raises, and `TimeoutError`. Rows of a cancelled request that still wait are dropped.
        """
        submission = self._open(len(rows), deadline)
        self._queue(submission, rows)
        return await self._answer(submission, timed)

    def _open(self, num_rows: int, deadline: float) -> Submission[Rows, Answers]:
        return Submission(asyncio.get_running_loop().create_future(), num_rows, deadline, num_rows)

    def _queue(self, submission: Submission[Rows, Answers], rows: Rows) -> None:
        for size, indices, own in self.engine.parts(rows):
            block = _Block(submission, indices, own, len(own), next(self._orders))
            self._queues[size].append(block)

    async def _answer(self, submission: Submission[Rows, Answers], timed: Timed) -> Answers:
        is_late = submission.deadline <= asyncio.get_running_loop().time()
        if self._pump is None and (is_late or not (self._is_alone and self._compute_at_once())):
            self._pump = asyncio.create_task(self._run_until_empty())
        self._live.add(submission)
        try:
            if not submission.answer.done() and (self._alarm is None or submission.deadline < self._alarm.when()):
                self._set_alarm(submission.deadline)
            answers = await submission.answer
            encoded, computed = submission.encoding_seconds, submission.inference_seconds
            waited = time.perf_counter() - submission.submitted - encoded - computed
            self.stats.queue_seconds.append(max(waited, 0.0))
            timed.computed(encoded, computed)
            return answers
        finally:
            self._live.discard(submission)
            submission.answer.cancel()  # marks rows that still wait as abandoned

    def _compute_at_once(self) -> bool:
        """Compute the only request there is, on the event loop; False where it isn't the only one, or takes longer."""
        if self._has_computed:  # another one in the same iteration: from now on they share batches
            self._is_alone = False
            return False
        self._before_batch()
        [(size, queue), *others] = self._queues.items() or [(0, deque[_Block[Rows, Answers]]())]
        if others or len(queue) != 1:
            return False
        max_rows, inline = self._room(size, queue)
        if not inline or queue[0].num_rows > max_rows:
            return False
        self._has_computed = True
        asyncio.get_running_loop().call_soon(self._next_iteration)
        batch = self._next_batch()
        assert batch is not None
        try:
            computed = self._compute(batch, is_timed=False)
        except Exception as error:
            batch.blocks[0].submission.fail(error)
        else:
            self._deliver(batch, computed)
            self.backlog.learn(batch.num_rows, computed.seconds, more_wait=False)
        return True

    def _next_iteration(self) -> None:
        self._has_computed = False

    def _set_alarm(self, when: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        loop = asyncio.get_running_loop()
        self._alarm = loop.call_at(max(when, loop.time() + 0.001), self._ring)  # uvloop has no `when` of what is due

    def _ring(self) -> None:
        """Fail what is due. One timer for all requests: a timer each takes as long as reading a request."""
        self._alarm = None
        now = asyncio.get_running_loop().time()
        for submission in self._live:
            if submission.deadline <= now:
                submission.fail(TimeoutError())
        if later := [submission.deadline for submission in self._live if submission.deadline > now]:
            self._set_alarm(min(later))

    async def _gather_requests(self) -> None:
        """Let requests in that are being read, until none has come for a moment, or enough have."""
        until = time.perf_counter() + INLINE_SECONDS
        quiet, seen = 0, len(self._live)
        while quiet < QUIET_ITERATIONS and seen < self.limits.max_batch_rows and time.perf_counter() < until:
            await asyncio.sleep(0)
            quiet = quiet + 1 if len(self._live) == seen else 0
            seen = len(self._live)

    def _more_wait(self) -> bool:
        return any(self._queues.values())

    def _before_batch(self) -> None:
        """A batch is about to begin: a subclass may queue more rows."""

    async def _run_until_empty(self) -> None:
        loop = asyncio.get_running_loop()
        done = time.perf_counter()
        num_batches = num_rows = 0
        most = 1
        try:
            while True:
                if not num_batches:
                    await self._gather_requests()
                most = max(most, len(self._live))
                self._before_batch()
                batch = self._next_batch()
                if batch is None:
                    self._is_alone = most == 1
                    return
                try:
                    if batch.inline:
                        computed = self._compute(batch)
                    else:
                        computed = await loop.run_in_executor(self.executor, self._compute, batch)
                except Exception as error:
                    for block in batch.blocks:
                        block.submission.fail(error)
                else:
                    self._deliver(batch, computed)
                    num_rows += batch.num_rows
                num_batches += 1
                more_wait = self._more_wait()
                if num_batches < FULL_BATCHES and batch.inline and self._is_refusing and more_wait:
                    continue
                before, done = done, time.perf_counter()
                if num_rows:
                    self.backlog.learn(num_rows, done - before, more_wait=more_wait)
                iterations = REFUSING_ITERATIONS if self._is_refusing else 1
                num_batches, num_rows, self._is_refusing = 0, 0, False
                for _ in range(iterations):
                    await asyncio.sleep(0)  # others run between batches
        finally:
            self._pump = None

    def _next_batch(self) -> _Batch[Rows, Answers] | None:
        for size in list(self._queues):
            queue = self._queues[size]
            while queue and queue[0].submission.answer.done():  # abandoned or failed
                queue.popleft()
            if not queue:
                del self._queues[size]
        if not self._queues:
            return None
        size, queue = min(self._queues.items(), key=lambda item: item[1][0].order)
        max_rows, inline = self._room(size, queue)
        batch: _Batch[Rows, Answers] = _Batch(size, inline)
        while queue and batch.num_rows < max_rows:
            block = queue[0]
            if block.submission.answer.done():
                queue.popleft()
                continue
            if batch.blocks and batch.num_rows + block.num_rows > max_rows:
                break
            queue.popleft()
            if block.num_rows > max_rows:
                num_parts = -(-block.num_rows // max_rows)  # of like size: a small one at the end takes longer a row
                batch.rest, block = block, block.split_off(-(-block.num_rows // num_parts))
            batch.blocks.append(block)
            batch.num_rows += block.num_rows
        return batch

    def _room(self, size: int, queue: deque[_Block[Rows, Answers]]) -> tuple[int, bool]:
        """Rows of the next batch, at most, and whether it is computed on the event loop."""
        budget = max(1, min(self.limits.max_batch_rows, self.limits.max_batch_elements // size))
        row_seconds = self._row_seconds.get(size)
        if row_seconds is None:
            return budget, False
        num_inline = int(INLINE_SECONDS / row_seconds)
        num_waiting = sum(block.num_rows for block in queue)
        if num_inline >= INLINE_ROWS or (num_inline and num_waiting <= INLINE_BATCHES * num_inline):
            return min(budget, num_inline), True
        return budget, False

    def _compute(self, batch: _Batch[Rows, Answers], *, is_timed: bool = True) -> _Computed[Answers]:
        """CPU time doesn't grow with what else the machine does, or with waiting for the GIL."""
        cpu_began = time.thread_time() if is_timed else 0.0
        began = time.perf_counter()
        answers, padding_ratio = self.engine.compute([block.rows for block in batch.blocks])
        seconds = time.perf_counter() - began
        cpu_seconds = time.thread_time() - cpu_began if is_timed else None
        if len(answers) != batch.num_rows:
            raise RuntimeError(f"{batch.num_rows} rows went in, {len(answers)} came out")
        return _Computed(answers, padding_ratio, seconds, cpu_seconds)

    def _deliver(self, batch: _Batch[Rows, Answers], computed: _Computed[Answers]) -> None:
        stats, blocks = self.stats, batch.blocks
        if batch.rest is not None:
            batch.rest.order = next(self._orders)
            self._queues[batch.size].append(batch.rest)
        stats.num_rows.append(batch.num_rows)
        stats.padding_ratios.append(computed.padding_ratio)
        stats.inference_seconds.append(computed.seconds)
        if computed.cpu_seconds is not None:
            row_seconds = computed.cpu_seconds / batch.num_rows
            known = self._row_seconds.get(batch.size, row_seconds)
            self._row_seconds[batch.size] = known + 0.1 * (row_seconds - known)
        for submission in {block.submission for block in blocks}:
            submission.inference_seconds += computed.seconds
        begin = 0
        for block in blocks:
            end = begin + block.num_rows
            submission, answers = block.submission, computed.answers[begin:end]
            begin = end
            submission.missing -= block.num_rows
            if block.num_rows < submission.num_rows:
                submission.pieces.append((block.indices, answers))
                if submission.missing:
                    continue
                answers = self.engine.gather(submission.pieces, submission.num_rows)
            if not submission.answer.done():
                submission.answer.set_result(answers)
