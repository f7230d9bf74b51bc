"""Four times what the service can do, in an open loop: what it can do stays, refusals are refusals, health answers."""

import contextlib
import itertools
import json
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
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
STRETCHES = 3
"""Of the minute; between two of them is measured what the machine can do just then."""
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
    """A minute of four times the capacity, in stretches, and the capacity before and after each: machines are noisy."""
    store = copy_store(run.folder, "spam-cnn")
    dialect = CONTENDERS[SERVICE].dialect(ASKED.rows()[0])
    assert dialect is not None
    requests = ASKED.requests(dialect, run.seed)
    stretches, seconds, capacity_seconds = run.count(STRETCHES, 1), run.count(20, 4), run.count(6, 1)
    capacities, overloads = [], []
    health: list[float] = []
    with contextlib.ExitStack() as stack:
        service = stack.enter_context(
            Service(run.folder, store, deadline_seconds=DEADLINE_SECONDS, max_waiting_requests=WAITING)
        )

        def measured() -> float:
            usage.settle(psutil.Process(service.process.pid))
            return _load(service.port, requests, CALLERS, capacity_seconds).goodput

        measured()  # to warm up
        capacities.append(measured())
        health_port = service.port
        if run.sabotaged:
            health_port = stack.enter_context(faults.Proxy(service.port, faults.slow)).port
        for number in range(stretches):
            rate = FACTOR * capacities[-1]
            callers = round(1.05 * rate * REST_SECONDS) + WAITING  # so many wait in the queue, some for a refusal
            with _watching(health_port) as answered:
                overloads.append(
                    _load(service.port, requests, callers, seconds, 1000 * REST_SECONDS, run.seed + number)
                )
            health += answered
            capacities.append(measured())
    beside = [statistics.mean(pair) for pair in itertools.pairwise(capacities)]
    goodputs = [seen.goodput / capacity for seen, capacity in zip(overloads, beside, strict=True)]
    statuses = sum((Counter(seen.statuses) for seen in overloads), Counter[str]())
    total_seconds = sum(seen.seconds for seen in overloads)
    offered = sum(statuses.values()) / total_seconds
    strange = sum(count for status, count in statuses.items() if status not in {"200", *REFUSALS})
    return Outcome(
        [
            Measure("seconds of overload", total_seconds, at_least=stretches * seconds - 1),
            Measure(
                "requests offered, in capacities",
                offered / statistics.mean(beside),
                at_least=run.least(FACTOR * 0.95, FACTOR * 0.5),
            ),
            Measure(
                "goodput beside capacity, median of the stretches",
                statistics.median(goodputs),
                at_least=run.least(0.9, 0.5),
            ),
            Measure(
                "seconds for an answer of the admitted, p99",
                max(seen.p99_seconds for seen in overloads),
                at_most=DEADLINE_SECONDS,
            ),
            none_of("refusals that are no 429, 503 or 504", strange),
            none_of("requests without an answer", sum(seen.failed for seen in overloads)),
            Measure("milliseconds for /livez, p99", 1000 * _p99(sorted(health)), at_most=run.least(50, 75)),
            Measure("times /livez was asked", len(health), at_least=5 * stretches * seconds),
        ],
        [
            f"capacities: {', '.join(f'{one:.0f}' for one in capacities)} requests a second",
            f"goodput beside capacity: {', '.join(f'{one:.3f}' for one in goodputs)}; answered with {dict(statuses)}",
        ],
    )


@contextlib.contextmanager
def _watching(port: int) -> Iterator[list[float]]:
    """Ask for health meanwhile; the list holds the seconds of each answer afterwards."""
    script = Path(__file__).with_name("health_watch.py")
    watch = subprocess.Popen([sys.executable, str(script), str(port)], stdout=subprocess.PIPE)
    seconds: list[float] = []
    try:
        yield seconds
    finally:
        watch.terminate()
        printed = watch.communicate()[0]
    seconds += json.loads(printed)


def _p99(ascending: Sequence[float]) -> float:
    return ascending[int(0.99 * (len(ascending) - 1))]


def _load(
    port: int, requests: Sequence[Request], callers: int, seconds: float, think_ms: float = 0, seed: int = 0
) -> Seen:
    summary = wrk.summary_of(wrk.run(SCRIPT, port, requests, callers, seconds, think_ms, seed, timeout_seconds=30))
    return Seen(summary["microseconds"] / 1e6, summary["statuses"], summary["failed"], summary["p99"] / 1e6)
