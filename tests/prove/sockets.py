"""Abuse of sockets: malformed HTTP, smuggling, bombs, halves, slow clients, ten thousand connections."""

import asyncio
import contextlib
import resource
import socket
import struct
import sys
import time

import httptools

from tests.prove import faults
from tests.prove.client import Connection, get, post
from tests.prove.probes import BODY, HALVES, PROBES
from tests.prove.promise import Measure, Outcome, none_of
from tests.prove.run import Run
from tests.prove.served import Service, copy_store

SABOTAGE = "one answer becomes a 500"
PATIENCE_SECONDS = 6
SLOW_CLIENTS = 40
SLOW_SECONDS = 90
"""By then a client that sends a byte a second, or nothing more, has lost the connection."""


def prove(run: Run) -> Outcome:
    """Every probe, and after it a client that means well."""
    wrong: list[str] = []
    with contextlib.ExitStack() as stack:
        service = stack.enter_context(Service(run.folder, copy_store(run.folder, "spam-cnn")))
        port = service.port
        if run.sabotaged:
            port = stack.enter_context(faults.Proxy(port, faults.once(faults.status_500))).port
        for name, probe in PROBES.items():
            found = _ask(port, probe.sent)
            if found not in probe.answers:
                wrong.append(f"{name}: answered {found or 'not at all, and left open'}, not one of {probe.answers}")
            if not _answers(service):
                wrong.append(f"{name}: clients after it are not answered")
        for name, half in HALVES.items():
            for _ in range(20):
                _hang_up(port, half)
            if not _answers(service):
                wrong.append(f"{name}, hung up: clients after it are not answered")
        kept_open = [] if run.quick else asyncio.run(_slowly(port))
        wrong += [f"{name}: still open after {SLOW_SECONDS} seconds" for name in kept_open]
        wanted = run.count(10_000, 1_000)
        opened, slowest = asyncio.run(_crowd(service, wanted))
    return Outcome(
        [
            Measure("kinds of abuse", len(PROBES) + len(HALVES) * (1 if run.quick else 3), at_least=55),
            none_of("answered otherwise than they should be", len(wrong)),
            Measure("idle connections opened", opened, at_least=wanted),
            Measure("seconds for an answer meanwhile, the slowest", slowest, at_most=1),
            none_of("unforeseen exceptions in the log", service.num_tracebacks()),
        ],
        wrong,
    )


class _Statuses:
    """Collects the statuses of answers."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.found: list[int] = []

    def on_message_complete(self) -> None:
        self.found.append(self.parser.get_status_code())


def _ask(port: int, sent: bytes) -> tuple[int, ...] | None:
    """Statuses of all that comes back until the connection ends; None if it is left open and nothing came."""
    statuses = _Statuses()
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as client:
        with contextlib.suppress(ConnectionError):  # refused while it is still being sent: the answer is what counts
            client.sendall(sent)
        try:
            while data := client.recv(1 << 16):
                statuses.parser.feed_data(data)
        except TimeoutError:
            return tuple(statuses.found) or None
        except ConnectionError:
            pass
        except httptools.HttpParserUpgrade:
            return (101,)
    return tuple(statuses.found)


def _answers(service: Service) -> bool:
    with contextlib.suppress(OSError):
        return service.get("/livez", PATIENCE_SECONDS)[0] == 200
    return False


def _hang_up(port: int, half: bytes) -> None:
    """Send and reset."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(half)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def _slowly(port: int) -> list[str]:
    """Halves followed by nothing, and by a byte a second; names of those whose connections outlive all patience."""

    async def client(name: str, half: bytes, drip: bytes) -> str | None:
        connection = await Connection.open(port)
        connection.write(half)
        until = time.monotonic() + SLOW_SECONDS
        while time.monotonic() < until and not connection.ended_by_server():
            if drip:
                connection.write(drip)
            await asyncio.sleep(1)
        ended = connection.ended_by_server()
        connection.close()
        return None if ended else f"{name}, then {'a byte a second' if drip else 'nothing'}"

    tasks = [
        client(name, half, drip)
        for name, half in HALVES.items()
        for drip in (b"", b"a")
        for _ in range(SLOW_CLIENTS // 8)
    ]
    return sorted({name for name in await asyncio.gather(*tasks) if name})


async def _crowd(service: Service, count: int) -> tuple[int, float]:
    """Connections held open, and the slowest of some answers meanwhile."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    try:
        held = []
        for _ in range(count):
            with contextlib.suppress(OSError):
                held.append(await Connection.open(service.port))
        slowest = 0.0
        for _ in range(20):
            for request, sound in ((get("/livez"), {200}), (post("/classify", BODY), {200, 429, 503})):
                began = time.monotonic()
                client = await Connection.open(service.port)
                answer = await client.ask(request, PATIENCE_SECONDS)
                slowest = max(slowest, time.monotonic() - began) if answer.status in sound else sys.maxsize
                client.close()
        for connection in held:
            connection.close()
        return len(held), slowest
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
