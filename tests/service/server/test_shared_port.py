"""Workers that listen on one port share the connections."""

import asyncio
import errno
import socket
import time

import pytest

from service.server import shared_port
from service.server.shared_port import SharedPort


class Worker:
    """One of several in this process: sends its name on each connection, which stays open until `close`."""

    def __init__(self, name: str, listening: socket.socket) -> None:
        self.name = name
        self.transports: list[asyncio.Transport] = []
        self.port = SharedPort(listening, lambda: SendName(self), None)

    def close(self) -> None:
        self.port.close()
        for transport in self.transports:
            transport.close()


class SendName(asyncio.Protocol):
    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._worker.transports.append(transport)
        transport.write(self._worker.name.encode())


def listen() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0), backlog=100)


def connect(port: socket.socket, times: int) -> list[socket.socket]:
    return [socket.create_connection(port.getsockname()) for _ in range(times)]


async def names_received(clients: list[socket.socket]) -> str:
    names = ""
    for client in clients:
        client.setblocking(False)
        names += (await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 1), 30)).decode()
        client.close()
    return names


@pytest.mark.parametrize("num_clients", [2, 4, 60])
def test_workers_share_clients_that_come_together(monkeypatch: pytest.MonkeyPatch, num_clients: int) -> None:
    monkeypatch.setattr(shared_port, "SECONDS_PER_CONNECTION", 1000.0)  # no iteration is long, however busy the machine

    async def arrive() -> str:
        listening = listen()
        clients = connect(listening, num_clients)
        workers = [Worker("b", listening.dup()), Worker("a", listening)]
        names = await names_received(clients)
        for worker in workers:
            worker.close()
        return names

    names = asyncio.run(arrive())
    assert names.count("a") == names.count("b") == num_clients / 2


def test_several_connections_are_accepted_in_a_long_iteration() -> None:
    async def num_accepted() -> int:
        listening = listen()
        clients = connect(listening, 60)
        worker = Worker("a", listening)
        for _ in range(10):
            time.sleep(0.01)  # noqa: ASYNC251 - a batch
            await asyncio.sleep(0)
        for client in clients:
            client.close()
        worker.close()
        return len(worker.transports)

    assert asyncio.run(num_accepted()) > 30


def test_a_closed_port_leaves_connections_to_the_other() -> None:
    async def close_one() -> str:
        listening = listen()
        closed, other = Worker("a", listening), Worker("b", listening.dup())
        closed.close()
        names = await names_received(connect(other.port.sockets[0], 3))
        other.close()
        return names

    assert asyncio.run(close_one()) == "bbb"


@pytest.mark.parametrize("is_closed_in_the_pause", [False, True])
def test_too_many_open_files_is_logged_and_tried_again(
    caplog: pytest.LogCaptureFixture, is_closed_in_the_pause: bool
) -> None:
    faults: list[object] = []

    class FailsOnce(socket.socket):
        failed = asyncio.Event()

        def accept(self) -> tuple[socket.socket, object]:
            if not self.failed.is_set():
                self.failed.set()
                raise OSError(errno.EMFILE, "Too many open files")
            return super().accept()

    async def fail_once() -> str:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: faults.append(context))
        plain = listen()
        address, listening = plain.getsockname(), FailsOnce(fileno=plain.detach())
        worker = Worker("a", listening)
        client = socket.create_connection(address)
        await listening.failed.wait()
        if is_closed_in_the_pause:
            worker.close()
            await asyncio.sleep(2 * shared_port.PAUSE_SECONDS)
            client.close()
            return ""
        name = await names_received([client])
        worker.close()
        return name

    assert asyncio.run(fail_once()) == ("" if is_closed_in_the_pause else "a")
    assert ["Too many open files" in message for message in caplog.messages] == [True]
    assert not faults
