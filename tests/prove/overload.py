"""Four times the capacity, in an open loop: goodput stays, the rest is refused properly, health answers."""

import contextlib
import dataclasses
import itertools
import json
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.serving import usage
from tests.prove import faults
from tests.prove.promise import Measure, Outcome, none_of
from tests.prove.run import Run
from tests.prove.served import ROOT, Service, copy_store

SABOTAGE = "every answer of /livez takes 0.4 s longer"
FACTOR = 4
CLIENTS = 32
"""Of the closed loop that measures the capacity."""
DEADLINE_SECONDS = 5
DELIVERY_SECONDS = 0.5
"""Between the service's deadline and the client's clock; allowed in the quick form, which runs on busy machines."""
REFUSALS = {"429", "503", "504"}


@dataclass(frozen=True)
class Setup:
    """What bounds the queue of the overloaded service."""

    name: str
    settings: Mapping[str, Any]
    seconds: float
    """Of overload in each round."""


SETUPS = (
    Setup("queue of 64 requests", {"deadline_seconds": DEADLINE_SECONDS, "max_waiting_requests": 64}, seconds=20),
    Setup("queue bounded by the deadline", {"deadline_seconds": DEADLINE_SECONDS}, seconds=15),
)
"""A request is refused because the queue is full; because it would wait too long."""

ROUNDS = 3
"""Rounds of overload. A shared machine changes its speed, so the capacity is measured before and after each round. A
round is compared with the mean of the two, and the median round counts. The narrow bound is on goodput per CPU second:
other work on the machine doesn't change it. The wide bound on goodput finds a service that idles."""

FILL_SECONDS = DEADLINE_SECONDS
"""At the start of a round, while the queue fills: answers count afterwards. Requests are read and validated, a third of
their work, when they are queued, so a round that also fills the queue has less goodput than one in a steady state."""


@dataclass(frozen=True)
class FloodResult:
    """What `flood` prints."""

    seconds: float
    """In which requests were sent."""
    fill_seconds: float
    """At their start, in which answers don't count."""
    asked: int
    statuses: dict[str, int]
    failures: dict[str, int]
    """Requests without an answer, by how it failed to come."""
    in_time: int
    """Answers with 200 after `fill_seconds`, before `seconds`."""
    cpu_seconds: float
    """Of the service meanwhile."""
    p99_seconds: float
    """Of all answers with 200."""

    @property
    def goodput(self) -> float:
        """Requests a second that were answered with 200."""
        return self.in_time / (self.seconds - self.fill_seconds)

    @property
    def goodput_per_cpu_second(self) -> float:
        """The same for each second of CPU that the service had: other work on the machine doesn't change it."""
        return self.in_time / self.cpu_seconds


def prove(run: Run) -> Outcome:
    """A minute with a short queue, then 45 s with a queue that only the deadline bounds."""
    store = copy_store(run.folder, "spam-cnn")
    outcomes = [_overloaded(run, store, setup) for setup in SETUPS]
    measures = itertools.chain.from_iterable(outcome.measures for outcome in outcomes)
    notes = itertools.chain.from_iterable(outcome.notes for outcome in outcomes)
    return Outcome(list(measures), list(notes))


def _overloaded(run: Run, store: Path, setup: Setup) -> Outcome:
    rounds, seconds = run.count(ROUNDS, 1), run.count(setup.seconds, 5)
    fill_seconds, capacity_seconds = run.count(FILL_SECONDS, 1), run.count(6, 1)
    capacities, overloads = [], []
    health: list[float] = []
    with contextlib.ExitStack() as stack:
        service = stack.enter_context(Service(run.folder, store, **setup.settings))

        def measured() -> FloodResult:
            usage.settle(psutil.Process(service.process.pid))
            return _flood(service, capacity_seconds, 0, run.seed, f"--clients={CLIENTS}")

        measured()  # to warm up
        capacities.append(measured())
        health_port = service.port
        if run.sabotaged:
            health_port = stack.enter_context(faults.Proxy(service.port, faults.slow)).port
        for number in range(rounds):
            with _health_watched(health_port) as answered:
                rate = f"--rate={FACTOR * capacities[-1].goodput}"
                overloads.append(_flood(service, seconds, fill_seconds, run.seed + number, rate))
            health += answered
            capacities.append(measured())
    shares, shares_per_cpu_second = [], []
    for result, pair in zip(overloads, itertools.pairwise(capacities), strict=True):
        shares.append(result.goodput / statistics.mean(one.goodput for one in pair))
        beside = statistics.mean(one.goodput_per_cpu_second for one in pair)
        shares_per_cpu_second.append(result.goodput_per_cpu_second / beside)
    statuses = sum((Counter(result.statuses) for result in overloads), Counter[str]())
    total_seconds = sum(result.seconds for result in overloads)
    offered = sum(result.asked for result in overloads) / total_seconds
    failures = sum((Counter(result.failures) for result in overloads), Counter[str]())
    unexpected = sum(count for status, count in statuses.items() if status not in {"200", *REFUSALS})
    measures = [
        Measure("seconds of overload", total_seconds, at_least=rounds * seconds - 1),
        Measure(
            "requests offered, in capacities",
            offered / statistics.mean(one.goodput for one in capacities),
            at_least=run.least(FACTOR * 0.95, FACTOR * 0.5),
        ),
        Measure(
            "goodput per CPU second, as a share of that at capacity, median round",
            statistics.median(shares_per_cpu_second),
            at_least=run.least(0.85, 0.7),
        ),
        Measure("goodput as a share of capacity, median round", statistics.median(shares), at_least=0.5),
        Measure(
            "seconds until an accepted request is answered, p99",
            max(result.p99_seconds for result in overloads),
            at_most=run.least(DEADLINE_SECONDS, DEADLINE_SECONDS + DELIVERY_SECONDS),
        ),
        none_of("refusals that are no 429, 503 or 504", unexpected),
        none_of("requests without an answer", failures.total()),
        Measure("milliseconds for /livez, p99", 1000 * _p99(sorted(health)), at_most=run.least(50, 250)),
        Measure("seconds for /livez, the slowest", max(health), at_most=1),
        Measure("requests of /livez", len(health), at_least=5 * rounds * seconds),
    ]
    return Outcome(
        [dataclasses.replace(measure, what=f"{measure.what} ({setup.name})") for measure in measures],
        [
            f"{setup.name}: capacities {_listed([one.goodput for one in capacities])} requests a second; goodput "
            f"{_listed(shares)} of those beside it, per CPU second {_listed(shares_per_cpu_second)}; answers "
            f"{dict(statuses)}"
        ],
    )


@contextlib.contextmanager
def _health_watched(port: int) -> Iterator[list[float]]:
    """Request /livez meanwhile; afterwards the list holds the seconds of each answer."""
    script = Path(__file__).with_name("health_watch.py")
    watch = subprocess.Popen([sys.executable, str(script), str(port)], stdout=subprocess.PIPE)
    seconds: list[float] = []
    try:
        yield seconds
    finally:
        watch.terminate()
        printed = watch.communicate()[0]
    seconds += json.loads(printed)


def _listed(numbers: Sequence[float]) -> str:
    return ", ".join(f"{number:.3g}" for number in numbers)


def _p99(ascending: Sequence[float]) -> float:
    return ascending[int(0.99 * (len(ascending) - 1))]


def _flood(service: Service, seconds: float, fill_seconds: float, seed: int, option: str) -> FloodResult:
    numbers = service.port, service.process.pid, seconds, fill_seconds, seed
    command = [sys.executable, "-m", "tests.prove.flood", *map(str, numbers), option]
    printed = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    return FloodResult(seconds, fill_seconds, **json.loads(printed))
