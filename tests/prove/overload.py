"""Four times what the service can do, in an open loop: what it can do stays, refusals are refusals, health answers."""

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
CALLERS = 32
"""Of the closed loop that capacity is measured by."""
DEADLINE_SECONDS = 5
ON_ITS_WAY_SECONDS = 0.5
"""An answer may be that is given at the last moment, as some are where other work takes half of the machine meanwhile;
allowed in the quick form, which is run on any machine."""
REFUSALS = {"429", "503", "504"}


@dataclass(frozen=True)
class Setup:
    """A way to be overloaded."""

    name: str
    settings: Mapping[str, Any]
    stretches: int
    """Between two of them is measured what the machine can do just then: machines are noisy."""
    seconds: float
    """Of one of them."""


SETUPS = (
    Setup(
        "64 places",
        {"deadline_seconds": DEADLINE_SECONDS, "max_waiting_requests": 64},
        stretches=3,
        seconds=20,
    ),
    Setup(
        "as many places as come",
        {"deadline_seconds": DEADLINE_SECONDS},
        stretches=1,
        seconds=30,
    ),
)
"""Who is refused finds the queue full; would wait too long."""


@dataclass(frozen=True)
class Seen:
    """What `flood` saw."""

    seconds: float
    """In which was asked."""
    asked: int
    statuses: dict[str, int]
    failures: dict[str, int]
    """Requests without an answer, by how it failed to come."""
    in_time: int
    """Answers with 200 in those seconds."""
    p99_seconds: float
    """Of all answers with 200."""

    @property
    def goodput(self) -> float:
        """Requests a second that were answered with 200."""
        return self.in_time / self.seconds


def prove(run: Run) -> Outcome:
    """A minute with a short queue, then half of one with a queue that only the deadline bounds."""
    store = copy_store(run.folder, "spam-cnn")
    outcomes = [_overloaded(run, store, setup) for setup in SETUPS]
    measures = itertools.chain.from_iterable(outcome.measures for outcome in outcomes)
    notes = itertools.chain.from_iterable(outcome.notes for outcome in outcomes)
    return Outcome(list(measures), list(notes))


def _overloaded(run: Run, store: Path, setup: Setup) -> Outcome:
    stretches, seconds = run.count(setup.stretches, 1), run.count(setup.seconds, setup.seconds / 5)
    capacity_seconds = run.count(6, 1)
    capacities, overloads = [], []
    health: list[float] = []
    with contextlib.ExitStack() as stack:
        service = stack.enter_context(Service(run.folder, store, **setup.settings))

        def measured() -> float:
            usage.settle(psutil.Process(service.process.pid))
            return _flood(service.port, capacity_seconds, run.seed, f"--callers={CALLERS}").goodput

        measured()  # to warm up
        capacities.append(measured())
        health_port = service.port
        if run.sabotaged:
            health_port = stack.enter_context(faults.Proxy(service.port, faults.slow)).port
        for number in range(stretches):
            with _watching(health_port) as answered:
                rate = f"--rate={FACTOR * capacities[-1]}"
                overloads.append(_flood(service.port, seconds, run.seed + number, rate))
            health += answered
            capacities.append(measured())
    beside = [statistics.mean(pair) for pair in itertools.pairwise(capacities)]
    goodputs = [seen.goodput / capacity for seen, capacity in zip(overloads, beside, strict=True)]
    statuses = sum((Counter(seen.statuses) for seen in overloads), Counter[str]())
    total_seconds = sum(seen.seconds for seen in overloads)
    offered = sum(seen.asked for seen in overloads) / total_seconds
    failures = sum((Counter(seen.failures) for seen in overloads), Counter[str]())
    strange = sum(count for status, count in statuses.items() if status not in {"200", *REFUSALS})
    measures = [
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
            at_most=run.least(DEADLINE_SECONDS, DEADLINE_SECONDS + ON_ITS_WAY_SECONDS),
        ),
        none_of("refusals that are no 429, 503 or 504", strange),
        none_of("requests without an answer", failures.total()),
        Measure("milliseconds for /livez, p99", 1000 * _p99(sorted(health)), at_most=run.least(50, 250)),
        Measure("seconds for /livez, the slowest", max(health), at_most=1),
        Measure("times /livez was asked", len(health), at_least=5 * stretches * seconds),
    ]
    total = sum(seen.goodput for seen in overloads) / sum(beside)
    return Outcome(
        [dataclasses.replace(measure, what=f"{measure.what} ({setup.name})") for measure in measures],
        [
            f"{setup.name}: capacities {', '.join(f'{one:.0f}' for one in capacities)} requests a second; goodput "
            f"{', '.join(f'{one:.3f}' for one in goodputs)} of them, {total:.3f} in all; answers {dict(statuses)}",
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


def _flood(port: int, seconds: float, seed: int, how: str) -> Seen:
    command = [sys.executable, "-m", "tests.prove.flood", str(port), str(seconds), str(seed), how]
    printed = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    return Seen(seconds, **json.loads(printed))
