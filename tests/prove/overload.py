"""Four times what the service can do, in an open loop: what it can do stays, refusals are refusals, health answers."""

import contextlib
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.serving import usage, wrk
from benchmarks.serving.contender import Request
from benchmarks.serving.contenders import CONTENDERS, SERVICE
from benchmarks.serving.workload import SHORT, Workload
from tests.prove import faults
from tests.prove.promise import Measure, Outcome, none_of
from tests.prove.run import Run
from tests.prove.served import Service, copy_store

SABOTAGE = "every answer of /livez takes 80 ms longer"
SCRIPT = Path(__file__).with_name("overload.lua")
FACTOR = 4
CALLERS = 32
"""Of the closed loop that capacity is measured by."""
REST_SECONDS = 0.2
"""Mean rest of a caller in the open loop."""
DEADLINE_SECONDS, WAITING = 5, 64
REFUSALS = {"429", "503", "504"}
ASKED = Workload("texts", 64, SHORT)
"""Enough work a request that this machine can send four times what the service does, and still leave it its CPUs."""


@dataclass(frozen=True)
class Seen:
    """What wrk counted."""

    seconds: float
    statuses: dict[str, int]
    failed: int
    p99_seconds: float
    """Of what was answered with 200, or more."""

    @property
    def goodput(self) -> float:
        """Requests a second that were answered with 200."""
        return self.statuses.get("200", 0) / self.seconds


def prove(run: Run) -> Outcome:
    """Capacity before and after a minute of four times as much."""
    store = copy_store(run.folder, "spam-cnn")
    dialect = CONTENDERS[SERVICE].dialect(ASKED.rows()[0])
    assert dialect is not None
    requests = ASKED.requests(dialect, run.seed)
    seconds = run.count(60, 4)
    with contextlib.ExitStack() as stack:
        service = stack.enter_context(
            Service(run.folder, store, deadline_seconds=DEADLINE_SECONDS, max_waiting_requests=WAITING)
        )
        measured = [_load(service.port, requests, CALLERS, run.count(10, 1)) for _ in range(2)]
        capacity = measured[-1].goodput  # the first is to warm up
        health_port = service.port
        if run.sabotaged:
            health_port = stack.enter_context(faults.Proxy(service.port, faults.slow)).port
        watch = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("health_watch.py")), str(health_port)], stdout=subprocess.PIPE
        )
        try:
            rate = FACTOR * capacity
            callers = round(rate * REST_SECONDS) + WAITING  # so many wait in the queue, others for their refusal
            seen = _load(service.port, requests, callers, seconds, think_ms=1000 * REST_SECONDS, seed=run.seed)
        finally:
            watch.terminate()
            printed = watch.communicate()[0]
        usage.settle(psutil.Process(service.process.pid))
        after = _load(service.port, requests, CALLERS, run.count(10, 1)).goodput
    health = sorted(json.loads(printed))
    offered = sum(seen.statuses.values()) / seen.seconds
    strange = sum(count for status, count in seen.statuses.items() if status not in {"200", *REFUSALS})
    return Outcome(
        [
            Measure("seconds of overload", seen.seconds, at_least=seconds - 1),
            Measure(
                "requests offered, in capacities", offered / capacity, at_least=run.least(FACTOR * 0.95, FACTOR * 0.5)
            ),
            Measure(
                "goodput beside capacity",
                seen.goodput / statistics.mean([capacity, after]),
                at_least=run.least(0.9, 0.5),
            ),
            Measure("seconds for an answer of the admitted, p99", seen.p99_seconds, at_most=DEADLINE_SECONDS),
            none_of("refusals that are no 429, 503 or 504", strange),
            none_of("requests without an answer", seen.failed),
            Measure("milliseconds for /livez, p99", 1000 * _p99(health), at_most=run.least(50, 75)),
            Measure("times /livez was asked", len(health), at_least=5 * seconds),
        ],
        [f"capacity {capacity:.0f} requests a second before, {after:.0f} after; answered with {seen.statuses}"],
    )


def _p99(ascending: Sequence[float]) -> float:
    return ascending[int(0.99 * (len(ascending) - 1))]


def _load(
    port: int, requests: Sequence[Request], callers: int, seconds: float, think_ms: float = 0, seed: int = 0
) -> Seen:
    summary = wrk.summary_of(wrk.run(SCRIPT, port, requests, callers, seconds, think_ms, seed, timeout_seconds=30))
    return Seen(summary["microseconds"] / 1e6, summary["statuses"], summary["failed"], summary["p99"] / 1e6)
