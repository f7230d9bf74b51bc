"""A closed loop of clients on kept-alive connections, in a thread of its own, while the trial acts on the service."""

import asyncio
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType

from tests.prove.checked_requests import CheckedRequest
from tests.prove.client import Answer, Connection, Unanswered

PATIENCE_SECONDS = 40
"""More than the service's deadline: it answers sooner, or not at all."""


@dataclass(frozen=True)
class Failure:
    """A request that went out on an open connection and was not answered."""

    local_port: int
    sent: float
    failed: float
    """Both as `time.monotonic` has it."""
    how: str


class Load:
    """Callers, for a `with` block.

    Args:
        port: where they call.
        requests: what they ask, in turn.
        clients: connections, each with one request at a time.
        pause_seconds: rest of a client after each answer.
        fault: says what is wrong with an answer; None if nothing is.
    """

    def __init__(
        self,
        port: int,
        requests: Sequence[CheckedRequest],
        clients: int,
        pause_seconds: float = 0,
        fault: Callable[[CheckedRequest, Answer], str | None] | None = None,
    ) -> None:
        self._port = port
        self._requests = itertools.cycle(requests)
        self._num_clients = clients
        self._pause_seconds = pause_seconds
        self._fault = fault
        self._stopping = False
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self.statuses: Counter[int] = Counter()
        self.versions: Counter[bytes] = Counter()
        self.failures: list[Failure] = []
        self.faults: list[str] = []
        self.num_refused_connections = 0
        self.error: BaseException | None = None

    @property
    def num_answered(self) -> int:
        """Answers, whatever their status."""
        return self.statuses.total()

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        if error is None and self.error is not None:
            raise self.error

    def stop(self) -> None:
        """Ask nothing more, and wait for what is under way. Raises `TimeoutError` where that doesn't end."""
        self._stopping = True
        self._thread.join(PATIENCE_SECONDS + 10)
        if self._thread.is_alive():
            raise TimeoutError("clients still wait for answers")

    def wait_for(self, answers: int, patience_seconds: float = 60) -> None:
        """Until so many answers have come. Raises `TimeoutError`."""
        until = time.monotonic() + patience_seconds
        while self.num_answered < answers:
            if time.monotonic() > until or not self._thread.is_alive():
                raise TimeoutError(f"only {self.num_answered} answers in {patience_seconds} seconds")
            time.sleep(0.01)

    async def _run(self) -> None:
        try:
            await asyncio.gather(*(self._client() for _ in range(self._num_clients)))
        except BaseException as error:
            self.error = error

    async def _client(self) -> None:
        connection: Connection | None = None
        while not self._stopping:
            if connection is None or connection.ended_by_server():
                if connection is not None:
                    connection.close()
                try:
                    connection = await Connection.open(self._port)
                except OSError:
                    connection = None
                    self.num_refused_connections += 1
                    await asyncio.sleep(0.02)
                    continue
            request, sent = next(self._requests), time.monotonic()
            if connection.ended_by_server():
                continue
            try:
                answer = await connection.ask(request.wire, PATIENCE_SECONDS)
            except Unanswered as error:
                self.failures.append(Failure(connection.local_port, sent, time.monotonic(), str(error)))
                connection.close()
                continue
            self.statuses[answer.status] += 1
            if self._fault is not None and (wrong := self._fault(request, answer)):
                self.faults.append(wrong)
            if self._pause_seconds:
                await asyncio.sleep(self._pause_seconds)
        if connection is not None:
            connection.close()
