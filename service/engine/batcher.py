"""Rows in, answers out, computed in batches. Knows an engine and how many rows there are, nothing of HTTP.

Rows that find the engine free are computed at once; what arrives meanwhile forms the next batch, within a budget of
rows and padded elements. Only rows of like size share a batch, so a short row doesn't pay for a long one. The size
whose first rows have waited longest goes first; what is left of a request with more rows than a batch holds queues
again behind the others.

Short batches are computed on the event loop, longer ones in a thread, in batches as large as the budget lets. A client
that is alone is answered at once, without a task, and its many batches are computed in one go in the thread.
"""

import asyncio
import itertools
import time
from collections import deque
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
short text does. The loop is never blocked for more than this, or `FULL_BATCHES` times as much."""

INLINE_BATCHES = 2
"""More rows than so many such batches hold go to a thread, where batches may be larger: unless they are short, so that
`INLINE_ROWS` make one. Then every batch would mean GIL contention between thread and event loop."""

INLINE_ROWS = 16

FULL_BATCHES = 3
"""While requests are refused, so many such batches are computed per iteration of the event loop: refusing several in a
row takes less time than one by one, and the admitted requests need that time."""

REFUSING_ITERATIONS = 4
"""Then so many iterations follow without a batch, most of them short: a new request, a health check for instance, needs
several until it is answered, and shouldn't wait for batches between them."""

THREAD_SECONDS = 0.05
"""A single request's batches are computed in one thread, one after another, for so long at most: the way there and back
takes 200 µs where a CPU has to be woken, and other models may have to wait for the thread. Requests to the same model
wait for no more than one batch."""

RowIndices = slice | NDArray[np.intp]
"""Which of a request's rows they are."""


QUIET_ITERATIONS = 2
"""A batch begins after so many iterations of the event loop without a new request: one takes microseconds where nothing
else is to be done, and where requests are to be read, reading them first makes fewer and larger batches."""


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

    def split(self, num_rows: int, order: int) -> "tuple[_Block[Rows, Answers], _Block[Rows, Answers]]":
        """The first `num_rows`, and the rest with a new place in the order."""
        indices = self.indices
        first: RowIndices
        rest: RowIndices
        if isinstance(indices, slice):
            middle = indices.start + num_rows
            first, rest = slice(indices.start, middle), slice(middle, indices.stop)
        else:
            first, rest = indices[:num_rows], indices[num_rows:]
        return (
            _Block(self.submission, first, self.rows[:num_rows], num_rows, self.order),
            _Block(self.submission, rest, self.rows[num_rows:], self.num_rows - num_rows, order),
        )


@dataclass(slots=True)
class _Batch(Generic[Rows, Answers]):
    """Blocks that are computed together."""

    size: int
    inline: bool
    blocks: list[_Block[Rows, Answers]] = field(default_factory=list)
    num_rows: int = 0
    num_parts: int = 1
    """Of a single request's only block, where it holds more than a batch may: they are computed one after another."""


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
    """Batches for one model.

    Args:
        engine: runs one batch; one at a time, on the event loop or in `executor`.
        executor: where long batches are computed.
        limits: budget of a batch, bound of the queue.
        stats: gets what is measured.
    """

    engine: Engine[Rows, Answers]
    executor: Executor
    limits: Limits
    stats: BatchStats = field(default_factory=BatchStats)
    backlog: Backlog = field(default_factory=Backlog)
    _queues: dict[int, deque[_Block[Rows, Answers]]] = field(default_factory=dict)
    """By size."""
    _orders: Iterator[int] = field(default_factory=itertools.count)
    _num_requests: int = 0
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

    @property
    def num_requests(self) -> int:
        """Requests admitted and not over."""
        return self._num_requests

    def refuse_if_full(self, seconds: float) -> None:
        """Raises `QueueFull` where there is no place, or a request with so much time would wait in vain."""
        try:
            if self._num_requests >= self.limits.max_waiting_requests:
                raise QueueFull("Too many requests wait for this model; try again later.", retry_after_seconds=1)
            self.backlog.refuse_if_long(seconds)
        except QueueFull:
            self._is_refusing = True
            raise

    def enter(self, num_rows: int) -> None:
        """Admit a request with so many rows."""
        self._num_requests += 1
        self.backlog.enter(num_rows)

    def leave(self, num_rows: int) -> None:
        """It is over."""
        self._num_requests -= 1
        self.backlog.leave(num_rows)

    def cancel_alarm(self) -> None:
        """Of an unloaded model: else the event loop holds it until the last deadline."""
        if self._alarm is not None and not self._num_requests:
            self._alarm.cancel()
            self._alarm = None

    async def submit(self, rows: Rows, deadline: float, timed: Timed) -> Answers:
        """Compute rows, at least one; the answers come in the same order. `deadline` is by the loop's clock.

        Raises whatever the engine raises, and `TimeoutError` at the deadline. Rows of a cancelled request that still
        wait are dropped.
        """
        submission = self._open(len(rows), deadline)
        self._queue(submission, rows)
        return await self._answer(submission, timed)

    def _open(self, num_rows: int, deadline: float) -> Submission[Rows, Answers]:
        return Submission(asyncio.get_running_loop().create_future(), num_rows, deadline, num_rows)

    def _queue(self, submission: Submission[Rows, Answers], rows: Rows) -> None:
        for size, indices, own in self.engine.parts(rows):
            block = _Block(submission, indices, own, len(own), next(self._orders))
            queue = self._queues.get(size)
            if queue is None:
                queue = self._queues[size] = deque()
            queue.append(block)

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
            computed = [self._compute([block.rows for block in batch.blocks], batch.num_rows, is_timed=False)]
        except Exception as error:
            batch.blocks[0].submission.fail(error)
        else:
            self._take_back(batch, computed)
            self.backlog.learn(batch.num_rows, computed[0].seconds, more_wait=False)
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
        """Let requests in that are being read; returns when none has come for a moment, or enough have."""
        until = time.perf_counter() + INLINE_SECONDS
        quiet, seen = 0, len(self._live)
        while quiet < QUIET_ITERATIONS and seen < self.limits.max_batch_rows and time.perf_counter() < until:
            await asyncio.sleep(0)
            quiet = quiet + 1 if len(self._live) == seen else 0
            seen = len(self._live)

    def _more_wait(self) -> bool:
        """Whether another batch could begin now."""
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
                        computed = [self._compute([block.rows for block in batch.blocks], batch.num_rows)]
                    else:
                        computed = await loop.run_in_executor(self.executor, self._compute_in_thread, batch)
                except Exception as error:
                    for block in batch.blocks:
                        block.submission.fail(error)
                else:
                    num_rows += self._take_back(batch, computed)
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

    def _learn(self, size: int, row_seconds: float) -> None:
        known = self._row_seconds.get(size, row_seconds)
        self._row_seconds[size] = known + 0.1 * (row_seconds - known)

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
                if inline or len(self._live) > 1:
                    block, rest = block.split(-(-block.num_rows // num_parts), next(self._orders))
                    queue.append(rest)
                else:
                    batch.num_parts = num_parts
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

    def _compute_in_thread(self, batch: _Batch[Rows, Answers]) -> list[_Computed[Answers]]:
        """One batch; of a single request's rows as many as there is time for, until another request comes."""
        if batch.num_parts == 1:
            return [self._compute([block.rows for block in batch.blocks], batch.num_rows)]
        rows = batch.blocks[0].rows
        computed: list[_Computed[Answers]] = []
        begin, until = 0, time.perf_counter() + THREAD_SECONDS
        for num_parts in range(batch.num_parts, 0, -1):
            if computed and (len(self._live) != 1 or time.perf_counter() > until):
                break
            end = begin - (begin - batch.num_rows) // num_parts
            computed.append(self._compute([rows[begin:end]], end - begin))
            begin = end
        return computed

    def _compute(self, parts: Sequence[Rows], num_rows: int, *, is_timed: bool = True) -> _Computed[Answers]:
        """One batch. Its CPU time is learnt, for it must not grow with what else the machine does, unless not timed."""
        cpu_began = time.thread_time() if is_timed else 0.0
        began = time.perf_counter()
        answers, padding_ratio = self.engine.compute(parts)
        seconds = time.perf_counter() - began
        cpu_seconds = time.thread_time() - cpu_began if is_timed else None
        if len(answers) != num_rows:
            raise RuntimeError(f"{num_rows} rows went in, {len(answers)} came out")
        return _Computed(answers, padding_ratio, seconds, cpu_seconds)

    def _take_back(self, batch: _Batch[Rows, Answers], computed: Sequence[_Computed[Answers]]) -> int:
        """Deliver what is computed, queue what isn't; how many rows were."""
        blocks, num_rows = batch.blocks, 0
        for one in computed:
            own, num_own = blocks, len(one.answers)
            num_rows += num_own
            if num_rows < batch.num_rows:
                block, rest = blocks[0].split(num_own, next(self._orders))
                own, blocks = [block], [rest]
            stats = self.stats
            stats.num_rows.append(num_own)
            stats.padding_ratios.append(one.padding_ratio)
            stats.inference_seconds.append(one.seconds)
            if one.cpu_seconds is not None:
                self._learn(batch.size, one.cpu_seconds / num_own)
            self._deliver(own, one)
        if num_rows < batch.num_rows:
            self._queues.setdefault(batch.size, deque()).append(blocks[0])
        return num_rows

    def _deliver(self, blocks: Sequence[_Block[Rows, Answers]], computed: _Computed[Answers]) -> None:
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
