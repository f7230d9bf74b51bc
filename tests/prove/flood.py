"""Requests at a rate, whatever becomes of those before (an open loop), or one after the other from some clients.

`overload.py` starts it, in a process of its own, and reads what it prints:

    python -m tests.prove.flood PORT PID SECONDS FILL_SECONDS SEED --rate RATE | --clients CLIENTS
"""

import argparse
import asyncio
import itertools
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator

import psutil
import uvloop

from benchmarks.serving import usage
from benchmarks.serving.contenders import CONTENDERS, SERVICE
from benchmarks.serving.workload import SHORT, Workload
from tests.prove.client import Connection, post

PATIENCE_SECONDS = 30
ASKED = Workload("texts", 64, SHORT)
"""Enough work a request that this machine can send four times what the service does, and still leave it its CPUs."""


class Flood:
    """Asks, and counts what becomes of it.

    Args:
        port: of a service on this host.
        pid: of its process.
        seconds: in which requests are sent; then their answers are waited for.
        fill_seconds: at the start, in which answers don't count.
        seed: of texts, and of when they come.
    """

    def __init__(self, port: int, pid: int, seconds: float, fill_seconds: float, seed: int) -> None:
        self._port = port
        self._process = psutil.Process(pid)
        self._drawn = random.Random(seed)
        dialect = CONTENDERS[SERVICE].dialect(ASKED.rows()[0])
        assert dialect is not None
        made = ASKED.requests(dialect, seed)
        self._requests: Iterator[bytes] = itertools.cycle(post(request.path, request.body) for request in made)
        self._idle: list[Connection] = []
        self._counted_from = time.monotonic() + fill_seconds
        self._until = time.monotonic() + seconds
        self._num_asked = 0
        self._num_in_time = 0
        self._cpu_seconds = 0.0
        self._statuses: Counter[int] = Counter()
        self._failures: Counter[str] = Counter()
        self._seconds: list[float] = []
        """Of each answer with 200."""

    async def count_cpu_seconds(self) -> None:
        """Those of the service while answers count."""
        await asyncio.sleep(self._counted_from - time.monotonic())
        before = usage.cpu_seconds(self._process)
        await asyncio.sleep(self._until - time.monotonic())
        self._cpu_seconds = usage.cpu_seconds(self._process) - before

    async def open_loop(self, rate: float) -> None:
        """So many requests a second on average; arrivals are Poisson."""
        due = time.monotonic()
        asking: set[asyncio.Task[None]] = set()
        while (due := due + self._drawn.expovariate(rate)) < self._until:
            if (early := due - time.monotonic()) > 0:
                await asyncio.sleep(early)
            task = asyncio.create_task(self._ask(due))
            asking.add(task)
            task.add_done_callback(asking.discard)
        await asyncio.gather(*asking)

    async def closed_loop(self, clients: int) -> None:
        """Each client asks again when it has its answer."""

        async def call() -> None:
            while (now := time.monotonic()) < self._until:
                await self._ask(now)

        await asyncio.gather(*(call() for _ in range(clients)))

    async def _ask(self, due: float) -> None:
        try:
            connection = await self._connection()
            self._num_asked += time.monotonic() < self._until  # what is sent late, as by a machine too slow, is no load
            answer = await connection.ask(next(self._requests), PATIENCE_SECONDS)
        except Exception as error:  # whatever it is, there is no answer
            self._failures[repr(error)] += 1
            return
        if not answer.closes:
            self._idle.append(connection)
        done = time.monotonic()
        self._statuses[answer.status] += 1
        if answer.status == 200:
            self._seconds.append(done - due)
            self._num_in_time += self._counted_from <= done <= self._until

    async def _connection(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.ended_by_server():
                return connection
        return await Connection.open(self._port)

    def summary(self) -> dict[str, object]:
        """For `overload.FloodResult`."""
        ascending = sorted(self._seconds)
        return {
            "asked": self._num_asked,
            "statuses": self._statuses,
            "failures": self._failures,
            "in_time": self._num_in_time,
            "cpu_seconds": self._cpu_seconds,
            "p99_seconds": ascending[int(0.99 * (len(ascending) - 1))] if ascending else 0.0,
        }


def main() -> None:
    """Flood, and print what was seen as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("pid", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("fill_seconds", type=float)
    parser.add_argument("seed", type=int)
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--rate", type=float)
    how.add_argument("--clients", type=int)
    asked = parser.parse_args()

    async def run() -> Flood:
        flood = Flood(asked.port, asked.pid, asked.seconds, asked.fill_seconds, asked.seed)
        asking = flood.open_loop(asked.rate) if asked.rate else flood.closed_loop(asked.clients)
        await asyncio.gather(asking, flood.count_cpu_seconds())
        return flood

    json.dump(uvloop.run(run()).summary(), sys.stdout)


if __name__ == "__main__":
    main()
