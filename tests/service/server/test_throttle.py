"""So many requests begin a turn, the others in theirs; what they waited counts."""

import asyncio
import functools
import time
from typing import Any

import pytest

from service.engine.admission import deadline_of
from service.server.throttle import ARRIVED, REQUESTS_PER_ITERATION, RequestThrottle
from service.settings import Settings
from service.telemetry import request_record


def test_so_many_begin_a_turn_in_the_order_in_which_they_came() -> None:
    begun: list[int] = []
    scopes: list[dict[str, Any]] = [{} for _ in range(2 * REQUESTS_PER_ITERATION + 1)]

    async def come() -> list[int]:
        turnstile = RequestThrottle(asyncio.get_running_loop())
        for number, scope in enumerate(scopes):
            turnstile.pass_through(scope, functools.partial(begun.append, number))
        counts = []
        for _ in range(4):
            counts.append(len(begun))
            await asyncio.sleep(0)
        return counts

    counts = asyncio.run(come())
    assert counts == [
        REQUESTS_PER_ITERATION,
        2 * REQUESTS_PER_ITERATION,
        2 * REQUESTS_PER_ITERATION + 1,
        2 * REQUESTS_PER_ITERATION + 1,
    ]
    assert begun == sorted(begun)
    assert [ARRIVED in scope for scope in scopes] == [number >= REQUESTS_PER_ITERATION for number in range(len(scopes))]


def test_what_a_request_waited_before_it_began_is_taken_from_its_time() -> None:
    settings = Settings(deadline_seconds=10)
    record = request_record.begin("patient", arrived=time.perf_counter() - 3)
    record.lap("read")
    assert deadline_of(settings) - time.monotonic() == pytest.approx(7, abs=0.5)
    assert record.phases[0].end_seconds == pytest.approx(3, abs=0.5)
    assert time.time_ns() - record.started_ns == pytest.approx(3e9, abs=5e8)
    request_record.begin("prompt")
    assert deadline_of(settings) - time.monotonic() == pytest.approx(10, abs=0.5)
