"""The batcher: rows in, rows out, whoever shares the batch."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from bundle.golden import Arrays
from bundle.tasks.classify.text import EncodedText, TextEncoder
from service.engine import batcher as batcher_module
from service.engine.admission import Admission
from service.engine.batcher import FULL_BATCHES, Batcher, Limits
from service.engine.columns import ColumnEngine, Columns
from service.errors import DeadlineExceeded, QueueFull
from service.tasks.classify.engine import TextAnswer, TextEngine
from service.telemetry.request_record import RequestRecord
from tests.support.tiny_bundles import TINY_BUNDLES


class Engine:
    """Doubles each row's number, remembers the shapes, and waits while its gate is closed."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.fail = False

    def __call__(self, arrays: Arrays) -> Arrays:
        self.shapes.append(arrays["ids"].shape)
        assert self.gate.wait(5)
        if self.fail:
            raise RuntimeError("broken")
        return {"probabilities": arrays["ids"][:, :1] * 2}


Texts = Batcher[list[EncodedText], list[TextAnswer]]
ENCODER = TextEncoder((TINY_BUNDLES / "spam-cnn" / "1" / "tokenizer.json").read_text(), 512)


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def make(engine: Engine) -> Iterator[Callable[..., Texts]]:
    with ThreadPoolExecutor(1) as executor:

        def build(rows: int = 8, elements: int = 10_000, waiting: int = 100) -> Texts:
            return Batcher(TextEngine(ENCODER, engine), executor, Limits(rows, elements, waiting))

        yield build
        engine.gate.set()


def row(length: int, value: int = 1) -> list[int]:
    return [value] * length


async def ask(batcher: Texts, rows: list[list[int]], deadline_seconds: float) -> list[float]:
    with Admission(batcher, time.monotonic() + deadline_seconds) as admission:
        encoded = [EncodedText(row, truncated=False) for row in rows]
        answers = await batcher.submit(encoded, admission.deadline, RequestRecord())
    return [answer.probabilities[0] for answer in answers]


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(6000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("never came true")


def test_rows_come_back_in_order(make: Callable[..., Texts]) -> None:
    lengths = [3, 100, 7, 600, 1, 16, 17]
    results = asyncio.run(ask(make(), [row(n, n) for n in lengths], 5))
    assert results == [2 * n for n in lengths]


def test_rows_of_like_length_share_a_batch_padded_to_the_longest(make: Callable[..., Texts], engine: Engine) -> None:
    asyncio.run(ask(make(), [row(n) for n in (1, 14, 17, 33, 500, 513, 1025)], 5))
    assert sorted(engine.shapes) == [(1, 17), (1, 33), (1, 500), (1, 513), (1, 1025), (2, 14)]


def test_rows_of_one_length_are_stacked() -> None:
    shapes = []

    def run(arrays: Arrays) -> Arrays:
        shapes.append(arrays["history"].shape)
        return {"quantiles": arrays["history"][:, :1, None]}

    async def both() -> list[list[float]]:
        with ThreadPoolExecutor(1) as executor:
            batcher = Batcher(ColumnEngine(run), executor, Limits(3, 1000, 8))
            rows = [Columns({"history": np.full((number, 112), number, np.float32)}) for number in (1, 7, 2)]
            deadline, record = time.monotonic() + 5, RequestRecord()
            answers = await asyncio.gather(*(batcher.submit(own, deadline, record) for own in rows))
        return [answer.arrays["quantiles"][:, 0, 0].tolist() for answer in answers]

    assert asyncio.run(both()) == [[1], [7] * 7, [2] * 2]
    assert shapes == [(1, 112), (3, 112), (2, 112), (2, 112), (2, 112)]  # what is split is split evenly


def test_free_engine_starts_at_once_and_the_rest_forms_the_next_batch(
    make: Callable[..., Texts], engine: Engine
) -> None:
    async def run() -> None:
        batcher = make()
        engine.gate.clear()
        first = asyncio.create_task(ask(batcher, [row(4)], 5))
        await until(lambda: len(engine.shapes) == 1)
        others = [asyncio.create_task(ask(batcher, [row(4)], 5)) for _ in range(5)]
        await asyncio.sleep(0.01)
        engine.gate.set()
        await asyncio.gather(first, *others)

    asyncio.run(run())
    assert engine.shapes == [(1, 4), (5, 4)]


def test_batches_keep_to_their_budget(make: Callable[..., Texts], engine: Engine) -> None:
    asyncio.run(ask(make(rows=4), [row(4)] * 10, 5))
    assert [shape[0] for shape in engine.shapes] == [4, 3, 3]
    engine.shapes.clear()
    asyncio.run(ask(make(elements=40), [row(4)] * 5 + [row(100)], 5))
    assert sorted(engine.shapes) == [(1, 4), (1, 100), (2, 4), (2, 4)]


def test_what_is_left_of_many_rows_queues_behind_others(make: Callable[..., Texts], engine: Engine) -> None:
    async def run() -> list[str]:
        done: list[str] = []

        async def caller(name: str, rows: int) -> None:
            assert await ask(batcher, [row(4, n) for n in range(1, rows + 1)], 5) == [2 * n for n in range(1, rows + 1)]
            done.append(name)

        batcher = make(rows=4)
        await asyncio.gather(caller("many", 15), caller("few", 2))
        return done

    assert asyncio.run(run()) == ["few", "many"]
    assert [shape[0] for shape in engine.shapes] == [4, 2, 4, 4, 3]


def test_batches_of_a_lone_client_are_of_like_size(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batcher_module, "INLINE_SECONDS", 0)  # however fast rows turn out to be
    with ThreadPoolExecutor(1) as executor:
        batcher = Batcher(TextEngine(ENCODER, engine), executor, Limits(4, 1000, 8))
        assert asyncio.run(ask(batcher, [row(4, n) for n in range(10)], 5)) == [2 * n for n in range(10)]
    assert [shape[0] for shape in engine.shapes] == [4, 3, 3]
    assert batcher.stats.num_rows == [4, 3, 3]


def test_a_lone_caller_is_no_longer_alone_when_another_comes(make: Callable[..., Texts], engine: Engine) -> None:
    async def run() -> None:
        batcher = make(rows=4)
        engine.gate.clear()
        many = asyncio.create_task(ask(batcher, [row(4)] * 15, 5))
        await until(lambda: len(engine.shapes) == 1)
        few = asyncio.create_task(ask(batcher, [row(100)] * 2, 5))
        await asyncio.sleep(0.01)
        engine.gate.set()
        assert len(await few) == 2
        assert not many.done()
        assert len(await many) == 15

    asyncio.run(run())
    assert engine.shapes == [(4, 4), (2, 100), (4, 4), (4, 4), (3, 4)]


def test_what_is_left_of_a_lone_caller_who_leaves_is_not_computed(make: Callable[..., Texts], engine: Engine) -> None:
    async def run() -> None:
        batcher = make(rows=4)
        engine.gate.clear()
        with pytest.raises(DeadlineExceeded):
            await ask(batcher, [row(4)] * 15, 0.05)
        engine.gate.set()
        await until(lambda: batcher._pump is None)

    asyncio.run(run())
    assert engine.shapes == [(4, 4)]


def test_oldest_row_goes_first_whatever_its_length(make: Callable[..., Texts], engine: Engine) -> None:
    async def run() -> None:
        batcher = make(rows=2)
        engine.gate.clear()
        tasks = [asyncio.create_task(ask(batcher, [row(4)], 5))]
        await until(lambda: len(engine.shapes) == 1)
        tasks += [asyncio.create_task(ask(batcher, [row(n)], 5)) for n in (200, 4, 100, 4, 4)]
        await asyncio.sleep(0.01)
        engine.gate.set()
        await asyncio.gather(*tasks)

    asyncio.run(run())
    assert engine.shapes == [(1, 4), (1, 200), (2, 4), (1, 100), (1, 4)]


def test_full_queue_refuses(make: Callable[..., Texts], engine: Engine) -> None:
    async def run() -> None:
        batcher = make(waiting=2)
        engine.gate.clear()
        accepted = [asyncio.create_task(ask(batcher, [row(1)], 5)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(QueueFull) as refused:
            await ask(batcher, [row(1)], 5)
        assert refused.value.retry_after_seconds == 1
        engine.gate.set()
        assert len(await asyncio.gather(*accepted)) == 2
        await ask(batcher, [row(1)], 5)  # room again

    asyncio.run(run())


def test_deadline_passes_and_the_row_is_dropped(make: Callable[..., Texts], engine: Engine) -> None:
    async def run() -> None:
        batcher = make()
        engine.gate.clear()
        first = asyncio.create_task(ask(batcher, [row(1)], 5))
        await until(lambda: len(engine.shapes) == 1)
        with pytest.raises(DeadlineExceeded):
            await ask(batcher, [row(1)], 0.05)
        engine.gate.set()
        await first
        await asyncio.sleep(0.05)

    asyncio.run(run())
    assert engine.shapes == [(1, 1)], "the row whose caller was refused must not be computed"


def test_caller_who_leaves_takes_the_rows_along(make: Callable[..., Texts], engine: Engine) -> None:
    async def run() -> None:
        batcher = make()
        engine.gate.clear()
        first = asyncio.create_task(ask(batcher, [row(1)], 5))
        await until(lambda: len(engine.shapes) == 1)
        left = asyncio.create_task(ask(batcher, [row(1)] * 3, 5))
        stays = asyncio.create_task(ask(batcher, [row(1)], 5))
        await asyncio.sleep(0.01)
        left.cancel()
        await asyncio.sleep(0.01)
        engine.gate.set()
        await asyncio.gather(first, stays)

    asyncio.run(run())
    assert engine.shapes == [(1, 1), (1, 1)]


def test_failing_batch_fails_its_callers_only(make: Callable[..., Texts], engine: Engine) -> None:
    async def run() -> None:
        batcher = make()
        engine.fail = True
        with pytest.raises(RuntimeError, match="broken"):
            await ask(batcher, [row(1)] * 3, 5)
        engine.fail = False
        assert len(await ask(batcher, [row(1)], 5)) == 1

    asyncio.run(run())


def test_lost_row_is_noticed() -> None:
    async def run() -> None:
        with ThreadPoolExecutor(1) as executor:
            engine = TextEngine(ENCODER, lambda arrays: {"probabilities": arrays["ids"][:-1]})
            with pytest.raises(RuntimeError, match="3 rows went in, 2 came out"):
                await ask(Batcher(engine, executor, Limits(8, 1000, 8)), [row(1)] * 3, 5)

    asyncio.run(run())


def test_many_callers_at_once_all_get_their_own(make: Callable[..., Texts]) -> None:
    rng = np.random.default_rng(0)

    async def caller(batcher: Texts, value: int) -> bool:
        lengths = rng.integers(1, 80, size=rng.integers(1, 6))
        results = await ask(batcher, [row(int(n), value) for n in lengths], 10)
        return results == [2 * value] * len(lengths)

    async def run() -> list[bool]:
        batcher = make(rows=7, elements=300, waiting=1000)
        return await asyncio.gather(*(caller(batcher, value) for value in range(300)))

    assert all(asyncio.run(run()))


def test_short_batches_run_on_the_event_loop_and_long_ones_in_a_thread() -> None:
    threads: list[str] = []

    def compute(arrays: Arrays) -> Arrays:
        threads.append(threading.current_thread().name)
        end = time.thread_time() + arrays["ids"].shape[1] * 1e-4  # a row of 10 takes 1 ms, one of 512 takes 51 ms
        while time.thread_time() < end:
            pass
        return {"probabilities": arrays["ids"][:, :1]}

    async def run() -> None:
        with ThreadPoolExecutor(1, thread_name_prefix="engine") as executor:
            batcher = Batcher(TextEngine(ENCODER, compute), executor, Limits(8, 10_000, 8))
            for length in (10, 10, 512, 512):
                await ask(batcher, [row(length)], 5)

    asyncio.run(run())
    kinds = ["thread" if name.startswith("engine") else "loop" for name in threads]
    assert kinds == ["thread", "loop", "thread", "thread"]  # of a new length nothing is known: the first takes a thread


def test_one_deadline_of_many_callers_ends_only_its_own(make: Callable[..., Texts], engine: Engine) -> None:
    async def run() -> None:
        batcher = make()
        engine.gate.clear()
        blocked = asyncio.create_task(ask(batcher, [row(1)], 5))
        await until(lambda: len(engine.shapes) == 1)
        patient = asyncio.create_task(ask(batcher, [row(1)], 5))
        hasty = [asyncio.create_task(ask(batcher, [row(1)], seconds)) for seconds in (0.1, 0.02)]
        outcomes = await asyncio.gather(*hasty, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [DeadlineExceeded, DeadlineExceeded]
        assert not patient.done()
        engine.gate.set()
        assert len(await patient) == len(await blocked) == 1

    asyncio.run(run())


async def ask_first(batcher: Texts) -> list[float]:
    """Ask, and wait until nothing runs any more: how long a row takes is known then."""
    answers = await ask(batcher, [row(4, 3)], 5)
    await until(lambda: batcher._pump is None)
    return answers


def at_once(request: Coroutine[Any, Any, list[float]]) -> list[float]:
    """The answers of a request that never waits: neither for a task nor for an iteration of the event loop."""
    with pytest.raises(StopIteration) as done:
        request.send(None)
    answers: list[float] = done.value.value
    return answers


def test_request_that_is_alone_is_computed_at_once(make: Callable[..., Texts], engine: Engine) -> None:
    async def run() -> None:
        batcher = make()
        assert await ask_first(batcher) == at_once(ask(batcher, [row(4, 3)], 5)) == [6]
        await asyncio.sleep(0)
        assert at_once(ask(batcher, [row(4, 5), row(3, 7)], 5)) == [10, 14]
        assert batcher.num_requests == 0
        stats = batcher.stats.take()
        assert stats.num_rows == [1, 1, 2]
        assert len(stats.queue_seconds) == len(stats.inference_seconds) == 3

    asyncio.run(run())
    assert engine.shapes == [(1, 4), (1, 4), (2, 4)]


def test_requests_of_one_iteration_share_the_next_batch_once_one_was_computed_at_once(
    make: Callable[..., Texts], engine: Engine
) -> None:
    async def run() -> None:
        batcher = make()
        await ask_first(batcher)
        assert await asyncio.gather(*(ask(batcher, [row(4, n)], 5) for n in (1, 2, 3))) == [[2], [4], [6]]
        await until(lambda: batcher._pump is None)
        assert not batcher._is_alone
        await ask_first(batcher)
        assert at_once(ask(batcher, [row(4, 4)], 5)) == [8]  # alone again

    asyncio.run(run())
    assert engine.shapes == [(1, 4), (1, 4), (2, 4), (1, 4), (1, 4)]


def test_request_that_is_alone_and_fails_is_the_only_one(make: Callable[..., Texts], engine: Engine) -> None:
    async def run() -> None:
        batcher = make()
        await ask_first(batcher)
        engine.fail = True
        with pytest.raises(RuntimeError, match="broken"):
            await ask_first(batcher)
        engine.fail = False
        await asyncio.sleep(0)
        assert at_once(ask(batcher, [row(4, 3)], 5)) == [6]

    asyncio.run(run())


@pytest.mark.parametrize("rows", [[row(4)] * 9, [row(4), row(100)]], ids=["more than a batch", "of two sizes"])
def test_request_that_is_alone_and_needs_several_batches_waits_for_them(
    make: Callable[..., Texts], engine: Engine, rows: list[list[int]]
) -> None:
    async def run() -> None:
        batcher = make()
        await ask_first(batcher)
        assert await ask(batcher, rows, 5) == [2] * len(rows)

    asyncio.run(run())
    assert len(engine.shapes) == 3


def test_request_that_is_alone_and_takes_long_is_computed_in_a_thread(
    make: Callable[..., Texts], engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        batcher = make()
        await ask_first(batcher)
        monkeypatch.setattr(batcher_module, "INLINE_SECONDS", 0)
        engine.gate.clear()
        asked = asyncio.create_task(ask(batcher, [row(4, 3)], 5))
        await until(lambda: len(engine.shapes) == 2)  # the event loop goes on meanwhile
        engine.gate.set()
        assert await asked == [6]

    asyncio.run(run())


@pytest.mark.parametrize(("waiting", "most"), [(6, FULL_BATCHES), (7, 1)])
def test_the_loop_has_its_turn_after_each_batch_or_after_some_while_callers_are_refused(
    waiting: int, most: int
) -> None:
    turn = 0
    turns: list[int] = []

    def note(arrays: Arrays) -> Arrays:
        turns.append(turn)
        return {"probabilities": arrays["ids"][:, :1] * 2}

    async def tick() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    async def run() -> None:
        with ThreadPoolExecutor(1) as executor:
            batcher = Batcher(TextEngine(ENCODER, note), executor, Limits(4, 1000, waiting))
            await ask(batcher, [row(4)] * 4, 5)  # how long they take is known from now on
            turns.clear()
            ticking = asyncio.create_task(tick())
            callers = [asyncio.create_task(ask(batcher, [row(4)] * 8, 5)) for _ in range(6)]
            while not all(caller.done() for caller in callers):
                with contextlib.suppress(QueueFull):
                    batcher.refuse_if_full(5)
                await asyncio.sleep(0)
            await asyncio.gather(*callers)
            ticking.cancel()

    asyncio.run(run())
    assert len(turns) == 12
    assert max(turns.count(one) for one in turns) == most
