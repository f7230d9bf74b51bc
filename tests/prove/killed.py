"""SIGKILL of a worker under load: it is replaced, and only what it had in hand fails."""

import time

import psutil

from tests.prove.checked_requests import AnswerChecker, random_requests
from tests.prove.load import Failure, Load
from tests.prove.promise import Measure, Outcome, none_of
from tests.prove.run import Run
from tests.prove.served import SHIPPED, Service, copy_store

SABOTAGE = "the other workers are killed half a second later, unannounced"
WORKERS = 2
REPLACED_SECONDS = 30
CLIENTS = 16


def prove(run: Run) -> Outcome:
    """Twenty kills, each when all workers are there again."""
    count = run.count(20, 1)
    checker = AnswerChecker()
    checker.published("spam-cnn", 4, SHIPPED / "spam-cnn" / "4")
    store = copy_store(run.folder, "spam-cnn")
    in_hand = strays = not_replaced = 0
    waits: list[float] = []
    how: list[str] = []
    with (
        Service(run.folder, store, workers=WORKERS) as service,
        Load(service.port, random_requests(["spam"], 100, run.seed), CLIENTS, fault=checker.fault) as load,
    ):
        for number in range(count):
            load.wait_for(load.num_answered + 200)
            busiest = max(_workers(service), key=lambda worker: len(service.clients_of(worker)))
            clients = service.clients_of(busiest)
            known = len(load.failures)
            began = time.monotonic()
            busiest.kill()
            replaced = _until_replaced(service, busiest)
            not_replaced += replaced is None
            waits.append(replaced or REPLACED_SECONDS)
            time.sleep(0.5)
            if run.sabotaged:
                for worker in service.workers():
                    worker.kill()
                time.sleep(0.5)
            new = load.failures[known:]
            stray = [one for one in new if not _was_in_hand(one, clients, began)]
            in_hand += len(new) - len(stray)
            strays += len(stray)
            how += [f"kill {number}: {one.how}, {one.failed - began:+.3f} s from it" for one in stray]
    return Outcome(
        [
            Measure("workers killed under load", count, at_least=count),
            none_of(f"not replaced within {REPLACED_SECONDS} seconds", not_replaced),
            Measure("requests answered", load.num_answered, at_least=200 * count),
            Measure("requests that failed in the hands of a killed worker", in_hand, at_most=count * CLIENTS),
            none_of("others that failed", strays + load.num_answered - load.statuses[200]),
            none_of("wrong answers", len(load.faults)),
        ],
        [f"replaced after {max(waits):.1f} s at most", *how[:5], *load.faults[:3]],
    )


def _was_in_hand(failure: Failure, clients: set[int], killed: float) -> bool:
    """Whether it was sent to the killed worker before the kill, but for the time in which nobody could know."""
    return failure.local_port in clients and failure.sent < killed + 0.1


def _workers(service: Service) -> list[psutil.Process]:
    """All of them. Raises `TimeoutError` when some stay away."""
    until = time.monotonic() + REPLACED_SECONDS
    while time.monotonic() < until:
        workers = service.workers()
        if len(workers) == WORKERS:
            return workers
        time.sleep(0.1)
    raise TimeoutError("there are not as many workers as there should be")


def _until_replaced(service: Service, killed: psutil.Process) -> float | None:
    """Seconds until there are as many workers as before and each holds the port; None where patience ends."""
    began = time.monotonic()
    while time.monotonic() < began + REPLACED_SECONDS:
        workers = [worker for worker in service.workers() if worker.pid != killed.pid]
        if len(workers) == WORKERS:
            return time.monotonic() - began
        time.sleep(0.05)
    return None
