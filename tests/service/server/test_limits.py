"""The request throttle: so many requests start in one loop iteration; their wait counts towards their deadline."""

import asyncio
import functools
import time
from typing import Any

from service.http.observer import ARRIVAL_TIME
from service.server.protocol import REQUESTS_PER_ITERATION, RequestThrottle
from service.telemetry.request_record import RequestRecord


def test_so_many_requests_start_in_an_iteration_in_order() -> None:
    started: list[int] = []
    scopes: list[dict[str, Any]] = [{} for _ in range(2 * REQUESTS_PER_ITERATION + 1)]

    async def arrive() -> list[int]:
        throttle = RequestThrottle(asyncio.get_running_loop())
        for number, scope in enumerate(scopes):
            throttle.start(scope, functools.partial(started.append, number))
        counts = []
        for _ in range(4):
            counts.append(len(started))
            await asyncio.sleep(0)
        return counts

    one, two = REQUESTS_PER_ITERATION, 2 * REQUESTS_PER_ITERATION
    assert asyncio.run(arrive()) == [one, two, two + 1, two + 1]
    assert started == sorted(started)
    assert [ARRIVAL_TIME in scope for scope in scopes] == [number >= one for number in range(len(scopes))]


def test_the_wait_before_a_request_starts_is_recorded() -> None:
    record = RequestRecord("held back", arrived=time.perf_counter() - 300)
    record.lap("read")
    assert 300 <= record.waited < 400
    assert next(record.phases())[2] >= 300
    assert time.time_ns() - record.started_ns >= 300e9
    assert RequestRecord("at once").waited == 0
