"""Hot swaps under load: each version answers within seconds in every worker, nothing fails, memory comes back."""

import contextlib
import shutil
import statistics
import time
from pathlib import Path

from bundle.store import set_alias, version_folder
from tests.prove import faults
from tests.prove.checked_requests import AnswerChecker, random_requests
from tests.prove.load import Load
from tests.prove.promise import Measure, Outcome, none_of
from tests.prove.run import Run
from tests.prove.served import SHIPPED, Service, copy_store, publish_copy

SABOTAGE = "one connection is reset"
NAME, FIRST = "spam-cnn", 4
SOURCES = ("spam-wavenet", "spam-cnn")
"""What is published under `NAME`, by turns: an answer of the version before is a wrong one."""
EVERY_WORKER = 12
"""So many connections that answer with a version, one after the other: then all workers do."""
APPEARS_SECONDS = 2
GROWTH = 1.10
MEMORY_SECONDS = 150
"""Superseded versions leave a minute after their last request."""


def prove(run: Run) -> Outcome:
    """A hundred versions of one model, the older ones removed as they go; every tenth by promoting an alias."""
    count = run.count(100, 3)
    store = copy_store(run.folder, *SOURCES)
    sources = [Path(shutil.copytree(SHIPPED / name / "4", run.folder / "sources" / name)) for name in SOURCES]
    checker = AnswerChecker()
    for name, source in zip(SOURCES, sources, strict=True):
        checker.published(name, FIRST, source)
    delays: list[float] = []
    with contextlib.ExitStack() as stack:
        service = stack.enter_context(Service(run.folder, store, workers=2))
        port = service.port
        if run.sabotaged:
            port = stack.enter_context(faults.Proxy(port, faults.once(faults.reset))).port
        with Load(
            service.port, random_requests(SOURCES, 200, run.seed, largest=4), clients=8, fault=checker.fault
        ) as warming:
            warming.wait_for(run.count(1000, 100))  # each has been in use before: afterwards both are
        asked = random_requests(["spam"], 100, run.seed, largest=4)
        load = stack.enter_context(Load(port, asked, clients=8, pause_seconds=0.005, fault=checker.fault))
        load.wait_for(run.count(500, 100))
        version = FIRST
        before = _memory(service, run.count(10, 1))
        for number in range(count):
            began = time.monotonic()
            if number % 10 == 9:
                wanted = (SOURCES[0], FIRST)
                set_alias(store, "spam", *wanted)
            else:
                version += 1
                wanted = (NAME, version)
                source = sources[version % len(sources)]
                checker.published(*wanted, source)
                publish_copy(store, source, *wanted)
                if number % 10 == 0:
                    set_alias(store, "spam", NAME)
                shutil.rmtree(version_folder(store, NAME, version - 3), ignore_errors=True)
            delays.append(_until_everywhere(service, wanted) - began)
        after = _memory(service, run.count(MEMORY_SECONDS, 2), goal=before * 1.02)
    bound = run.least(APPEARS_SECONDS, 3 * APPEARS_SECONDS)
    late = sum(delay > bound for delay in delays)
    return Outcome(
        [
            Measure("hot swaps", len(delays), at_least=count),
            Measure("requests meanwhile", load.num_answered, at_least=100 * count),
            none_of(
                "of them failed",
                len(load.failures) + load.num_refused_connections + load.num_answered - load.statuses[200],
            ),
            none_of("of them with an answer of no version, or a wrong one", len(load.faults)),
            none_of(f"swaps that took more than {bound:g} seconds to reach every worker", late),
            Measure("memory afterwards beside before", after / before, at_most=2 if run.quick else GROWTH),
        ],
        [f"a swap took {statistics.median(delays):.1f} s in the median, {max(delays):.1f} s at most", *load.faults[:3]],
    )


def _until_everywhere(service: Service, wanted: tuple[str, int]) -> float:
    """When every worker answered with a version for the first time, seen or not: `EVERY_WORKER` in a row did."""
    until = time.monotonic() + 60
    in_a_row, since = 0, time.monotonic()
    while in_a_row < EVERY_WORKER:
        if time.monotonic() > until:
            raise TimeoutError(f"{wanted} does not answer everywhere within a minute")
        if service.answers_with("spam") == wanted:
            since = since if in_a_row else time.monotonic()
            in_a_row += 1
        else:
            in_a_row = 0
        time.sleep(0.005)
    return since


def _memory(service: Service, seconds: float, goal: float = 0) -> float:
    """The least of some looks, in MB: what is being loaded just now isn't kept. Ends early at the goal."""
    until = time.monotonic() + seconds
    least = service.rss_mb()
    while time.monotonic() < until and least > goal:
        time.sleep(0.5)
        least = min(least, service.rss_mb())
    return least
