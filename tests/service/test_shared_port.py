"""Workers that listen at one port share a rush."""

import asyncio
import errno
import socket
import time
from collections.abc import Callable

import pytest

from service import shared_port
from service.shared_port import SharedPort


class Greeting(asyncio.Protocol):
    """Says its name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._name.encode())
        transport.close()


def greeting(name: str) -> Callable[[], Greeting]:
    return lambda: Greeting(name)


class Counting:
    """Makes greetings, and counts them."""

    def __init__(self) -> None:
        self.taken = 0

    def __call__(self) -> Greeting:
        self.taken += 1
        return Greeting("a")


def listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0), backlog=100)


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
    """No turn is long, and no pause long ago, however busy the machine."""
    monkeypatch.setattr(shared_port, "SECONDS_EACH", 10.0)
    monkeypatch.setattr(shared_port, "AGAIN_AFTER_SECONDS", 60.0)


@pytest.mark.usefixtures("short_turns")
@pytest.mark.parametrize("is_shared", [True, False])
def test_callers_who_come_together_are_shared(is_shared: bool) -> None:
    async def rush() -> str:
        first = listening()
        second = first.dup()
        callers = [socket.create_connection(first.getsockname()) for _ in range(20)]
        ports = [
            SharedPort(own, greeting(name), None, is_shared=is_shared) for own, name in ((first, "a"), (second, "b"))
        ]
        names = await heard(callers)
        for port in ports:
            port.close()
        return names

    names = asyncio.run(rush())
    assert (names.count("a"), names.count("b")) == (10, 10)


@pytest.mark.usefixtures("short_turns")
@pytest.mark.parametrize(("is_shared", "taken_at_once"), [(True, 1), (False, 6)])
def test_worker_with_nothing_else_to_do_leaves_some_callers_to_others(is_shared: bool, taken_at_once: int) -> None:
    async def arrive() -> tuple[int, int]:
        own = listening()
        callers = [socket.create_connection(own.getsockname()) for _ in range(6)]
        greet = Counting()
        port = SharedPort(own, greet, None, is_shared=is_shared)
        for _ in range(20):
            await asyncio.sleep(0)
        at_once = greet.taken
        await heard(callers)
        port.close()
        return at_once, greet.taken

    assert asyncio.run(arrive()) == (taken_at_once, 6)


@pytest.mark.usefixtures("short_turns")
def test_pauses_are_few() -> None:
    async def arrive() -> int:
        own = listening()
        callers = [socket.create_connection(own.getsockname()) for _ in range(60)]
        greet = Counting()
        port = SharedPort(own, greet, None, is_shared=True)
        num_pauses, was_pausing = 0, False
        while greet.taken < 60:
            num_pauses += port.pausing and not was_pausing
            was_pausing = port.pausing
            await asyncio.sleep(0)
        for caller in callers:
            caller.close()
        port.close()
        return num_pauses

    assert asyncio.run(arrive()) == shared_port.MOST_STOOD_BACK


@pytest.mark.usefixtures("short_turns")
def test_closed_in_a_pause_it_stays_closed() -> None:
    faults: list[object] = []

    async def close() -> int:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
        own = listening()
        callers = [socket.create_connection(own.getsockname()) for _ in range(6)]
        greet = Counting()
        port = SharedPort(own, greet, None, is_shared=True)
        for _ in range(5):
            await asyncio.sleep(0)
        assert port.pausing
        port.close()
        await asyncio.sleep(10 * shared_port.STAND_BACK_SECONDS)
        for caller in callers:
            caller.close()
        return greet.taken

    assert (asyncio.run(close()), faults) == (1, [])


@pytest.mark.parametrize("is_shared", [True, False])
def test_crowd_need_not_wait_for_a_long_turn_each(is_shared: bool) -> None:
    async def rush() -> int:
        own = listening()
        callers = [socket.create_connection(own.getsockname()) for _ in range(60)]
        greet = Counting()
        port = SharedPort(own, greet, None, is_shared=is_shared)
        for _ in range(10):
            time.sleep(0.01)  # noqa: ASYNC251 - a batch
            await asyncio.sleep(0)
        for caller in callers:
            caller.close()
        port.close()
        return greet.taken

    assert asyncio.run(rush()) > 30


def test_after_close_the_other_goes_on() -> None:
    async def close_one() -> str:
        first = listening()
        address, second = first.getsockname(), first.dup()
        closed, port = SharedPort(first, greeting("a"), None), SharedPort(second, greeting("b"), None)
        closed.close()
        names = await heard([socket.create_connection(address) for _ in range(3)])
        port.close()
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
        port = SharedPort(own, greeting("a"), None)
        caller = socket.create_connection(address)
        await asyncio.sleep(0.05)
        full = False
        names = await heard([caller])
        port.close()
        return names

    assert asyncio.run(wait()) == "a"
    assert ["Too many open files" in message for message in caplog.messages] == [True]
