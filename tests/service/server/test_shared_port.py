"""Workers that listen at one port share a rush."""

import asyncio
import errno
import os
import socket
import time
from collections.abc import Iterator

import pytest

from service.server import shared_port
from service.server.connection_counts import ABSENT, ConnectionCounts, make_counts
from service.server.shared_port import SharedPort


class Worker:
    """One of several in this process: greets by name, and counts its connections, which stay until it closes."""

    def __init__(self, name: str, own: socket.socket, counts: ConnectionCounts | None) -> None:
        self.name = name
        self.open: dict[asyncio.Protocol, asyncio.Transport] = {}
        self.port = SharedPort(own, lambda: Greeting(self), None, self.open, counts)

    def close(self) -> None:
        self.port.close()
        for transport in self.open.values():
            transport.close()


class Greeting(asyncio.Protocol):
    """Says its worker's name."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._worker.open[self] = transport
        transport.write(self._worker.name.encode())


@pytest.fixture
def counts() -> Iterator[tuple[ConnectionCounts, ConnectionCounts]]:
    """Of two workers."""
    file = make_counts(2)
    yield ConnectionCounts(file, 0), ConnectionCounts(file, 1)
    os.close(file)


def listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0), backlog=100)


def call(port: socket.socket, times: int) -> list[socket.socket]:
    return [socket.create_connection(port.getsockname()) for _ in range(times)]


async def heard(callers: list[socket.socket]) -> str:
    loop = asyncio.get_running_loop()
    names = ""
    for caller in callers:
        caller.setblocking(False)
        names += (await asyncio.wait_for(loop.sock_recv(caller, 1), 5)).decode()
        caller.close()
    return names


@pytest.fixture
def short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """No turn is long, however busy the machine."""
    monkeypatch.setattr(shared_port, "SECONDS_EACH", 10.0)


Two = tuple[ConnectionCounts, ConnectionCounts]


@pytest.mark.usefixtures("short_turns")
@pytest.mark.parametrize("num_callers", [2, 4, 8, 60])
@pytest.mark.parametrize("together", [True, False])
def test_callers_are_shared(counts: Two, num_callers: int, together: bool) -> None:
    """Of those who come one after the other, too, where the same worker is always a little quicker."""

    async def arrive() -> str:
        first = listening()
        workers = [Worker(name, own, its) for name, own, its in zip("ab", (first, first.dup()), counts, strict=True)]
        names = ""
        if together:
            names = await heard(call(first, num_callers))
        else:
            for _ in range(num_callers):
                names += await heard(call(first, 1))
        for worker in workers:
            worker.close()
        return names

    names = asyncio.run(arrive())
    assert len(names) == num_callers
    assert abs(names.count("a") - names.count("b")) <= num_callers // shared_port.FREE_LEAD


@pytest.mark.usefixtures("short_turns")
def test_who_has_more_takes_what_nobody_else_does(counts: Two) -> None:
    counts[1].tell(0)  # and stands still

    async def arrive() -> str:
        own = listening()
        worker = Worker("a", own, counts[0])
        names = await heard(call(own, 30))
        worker.close()
        return names

    assert asyncio.run(arrive()) == "a" * 30


@pytest.mark.usefixtures("short_turns")
@pytest.mark.parametrize(("others", "pauses"), [(0, True), (6, False), (ABSENT, False)])
def test_it_stands_back_only_for_another_with_fewer(counts: Two, others: int, pauses: bool) -> None:
    counts[1].tell(others)

    async def arrive() -> bool:
        own = listening()
        callers = call(own, 6)
        worker = Worker("a", own, counts[0])
        has_paused = False
        while len(worker.open) < 6:
            await asyncio.sleep(0)
            has_paused |= worker.port.pausing
        for caller in callers:
            caller.close()
        worker.close()
        return has_paused

    assert asyncio.run(arrive()) == pauses


def test_what_another_took_meanwhile_leaves_nothing_behind(counts: Two) -> None:
    """A worker that stood back for one that another took stands back for the next as well."""
    counts[1].tell(0)

    async def arrive() -> list[tuple[bool, int]]:
        own = listening()
        worker = Worker("a", own, counts[0])
        seen, callers = [], []
        await heard(call(own, 1))
        for num_callers in (1, 12):
            callers += call(own, num_callers)
            for _ in range(5):
                await asyncio.sleep(0)
            seen.append((worker.port.pausing, len(worker.open)))
            callers += [own.accept()[0] for _ in range(num_callers)]  # as another worker would
            await asyncio.sleep(20 * shared_port.STAND_BACK_SECONDS)
        for caller in callers:
            caller.close()
        worker.close()
        return seen

    assert asyncio.run(arrive()) == [(True, 1), (True, 1)]


def test_others_see_what_it_has(counts: Two) -> None:
    async def arrive() -> list[int]:
        own = listening()
        seen = [counts[1].fewest_elsewhere()]
        worker = Worker("a", own, counts[0])
        seen.append(counts[1].fewest_elsewhere())
        await heard(call(own, 3))
        seen.append(counts[1].fewest_elsewhere())
        worker.open.popitem()[1].close()
        worker.port.tell()
        seen.append(counts[1].fewest_elsewhere())
        worker.close()
        return [*seen, counts[1].fewest_elsewhere()]

    assert asyncio.run(arrive()) == [ABSENT, 0, 3, 2, ABSENT]


@pytest.mark.usefixtures("short_turns")
def test_no_connection_is_counted_twice(counts: Two) -> None:
    async def arrive() -> set[int]:
        own = listening()
        callers = call(own, 6)
        worker = Worker("a", own, counts[0])
        seen = set()
        for _ in range(100):
            await asyncio.sleep(0)
            seen.add(counts[1].fewest_elsewhere())
        for caller in callers:
            caller.close()
        worker.close()
        return seen

    assert asyncio.run(arrive()) == set(range(7))


@pytest.mark.usefixtures("short_turns")
def test_closed_in_a_pause_it_stays_closed(counts: Two) -> None:
    counts[1].tell(0)
    faults: list[object] = []

    async def close() -> int:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
        own = listening()
        callers = call(own, 6)
        worker = Worker("a", own, counts[0])
        for _ in range(5):
            await asyncio.sleep(0)
        assert worker.port.pausing
        worker.port.close()
        await asyncio.sleep(10 * shared_port.STAND_BACK_SECONDS)
        for caller in callers:
            caller.close()
        num_taken = len(worker.open)
        worker.close()
        return num_taken

    assert (asyncio.run(close()), faults) == (1, [])


@pytest.mark.parametrize("is_shared", [True, False])
def test_crowd_need_not_wait_for_a_long_turn_each(counts: Two, is_shared: bool) -> None:
    async def rush() -> int:
        own = listening()
        callers = call(own, 60)
        worker = Worker("a", own, counts[0] if is_shared else None)
        for _ in range(10):
            time.sleep(0.01)  # noqa: ASYNC251 - a batch
            await asyncio.sleep(0)
        for caller in callers:
            caller.close()
        num_taken = len(worker.open)
        worker.close()
        return num_taken

    assert asyncio.run(rush()) > 30


def test_after_close_the_other_goes_on() -> None:
    async def close_one() -> str:
        first = listening()
        second = first.dup()
        closed, other = Worker("a", first, None), Worker("b", second, None)
        closed.close()
        names = await heard(call(second, 3))
        other.close()
        return names

    assert asyncio.run(close_one()) == "bbb"


def test_too_many_open_files_is_said_and_passes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    full = True

    class Full(socket.socket):
        def accept(self) -> tuple[socket.socket, object]:
            if full:
                raise OSError(errno.EMFILE, "Too many open files")
            return super().accept()

    async def wait() -> str:
        nonlocal full
        plain = listening()
        address, own = plain.getsockname(), Full(fileno=plain.detach())
        worker = Worker("a", own, None)
        caller = socket.create_connection(address)
        await asyncio.sleep(0.05)
        full = False
        names = await heard([caller])
        worker.close()
        return names

    assert asyncio.run(wait()) == "a"
    assert ["Too many open files" in message for message in caplog.messages] == [True]
