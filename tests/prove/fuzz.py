"""Fuzzed requests on kept-alive connections: no 500, no crash, no answer over ten seconds; half pass the parser."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.prove import faults
from tests.prove.client import Connection, Unanswered
from tests.prove.mutations import requests
from tests.prove.promise import Measure, Outcome, none_of
from tests.prove.run import Run
from tests.prove.served import Service, copy_store

SABOTAGE = "one answer becomes a 500"
SLOW_SECONDS = 10
BEHIND_THE_PARSER = {200, 404, 422, 429, 503, 504}
"""Statuses of a `POST` whose body was read as JSON; a 404 among them names an unknown model."""


@dataclass
class Tally:
    """What came back."""

    statuses: Counter[int] = field(default_factory=Counter)
    num_past_json: int = 0
    num_slow: int = 0
    broken: list[str] = field(default_factory=list)
    """Requests without an answer."""


def prove(run: Run) -> Outcome:
    """Two hundred thousand requests, eight at a time."""
    count = run.count(200_000, 4_000)
    tally = Tally()
    with contextlib.ExitStack() as stack:
        service = stack.enter_context(Service(run.folder, copy_store(run.folder), workers=2))
        before = {worker.pid for worker in service.workers()}
        port = service.port
        if run.sabotaged:
            port = stack.enter_context(faults.Proxy(port, faults.once(faults.status_500))).port
        asyncio.run(_ask_all(port, iter(requests(run.seed)), count, tally))
        lost_workers = before - {worker.pid for worker in service.workers()}
        ready = service.get("/readyz")[0] == 200
    answered = tally.statuses.total()
    return Outcome(
        [
            Measure("requests answered", answered, at_least=count),
            none_of("requests without an answer", len(tally.broken)),
            none_of(
                "answers with status 500, or another 5xx but 503 and 504",
                sum(tally.statuses[status] for status in range(500, 600) if status not in {503, 504}),
            ),
            none_of(f"answers after more than {SLOW_SECONDS} seconds", tally.num_slow),
            none_of("workers that ended, services not ready after it", len(lost_workers) + (not ready)),
            none_of("unforeseen exceptions in the log", service.num_tracebacks()),
            Measure("share that gets past JSON parsing", tally.num_past_json / max(answered, 1), at_least=0.5),
        ],
        tally.broken[:5],
    )


async def _ask_all(port: int, stream: Iterator[bytes], count: int, tally: Tally) -> None:
    async def call() -> None:
        connection: Connection | None = None
        while tally.statuses.total() + len(tally.broken) < count:
            if connection is None or connection.ended_by_server():
                if connection is not None:
                    connection.close()
                connection = await Connection.open(port)
            request, sent = next(stream), time.monotonic()
            try:
                answer = await connection.ask(request, 60)
            except Unanswered as error:
                tally.broken.append(f"{error}: {request[:300]!r}")
                continue
            tally.num_slow += time.monotonic() - sent > SLOW_SECONDS
            tally.statuses[answer.status] += 1
            tally.num_past_json += request.startswith(b"POST") and answer.status in BEHIND_THE_PARSER
        if connection is not None:
            connection.close()

    await asyncio.gather(*(call() for _ in range(8)))
