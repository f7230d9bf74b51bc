"""A port that closes without resetting connections."""

import contextlib
import socket
from collections.abc import Iterator

import pytest

from service.server import sockets


@pytest.fixture(params=["filter", "without a filter"])
def host(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that lets this process attach a filter, and one that doesn't."""
    if request.param == "without a filter":
        monkeypatch.setattr(sockets, "_SO_ATTACH_FILTER", 2**30)


@contextlib.contextmanager
def listening_socket(family: socket.AddressFamily) -> Iterator[socket.socket]:
    address = "::1" if family == socket.AF_INET6 else "127.0.0.1"
    with socket.socket(family) as listening:
        try:
            listening.bind((address, 0))
        except OSError:
            pytest.skip("this machine has no ::1, as a container without IPv6")
        listening.listen()
        yield listening


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
@pytest.mark.usefixtures("host")
def test_new_handshakes_are_dropped_and_established_connections_work(family: socket.AddressFamily) -> None:
    with listening_socket(family) as listening, socket.create_connection(listening.getsockname()[:2]) as established:
        sockets.refuse_handshakes(listening.fileno())
        with pytest.raises(TimeoutError):
            socket.create_connection(listening.getsockname()[:2], timeout=0.3)
        accepted, _ = listening.accept()
        with accepted:
            sockets.accept_packets(accepted)
            accepted.settimeout(30)
            established.sendall(b"hello")
            assert accepted.recv(10) == b"hello"


def test_packets_are_accepted_again_on_a_connection_that_inherited_the_minimum_ttl() -> None:
    with (
        listening_socket(socket.AF_INET) as listening,
        socket.create_connection(listening.getsockname()) as established,
    ):
        accepted, _ = listening.accept()
        with accepted:
            sockets._set_min_ttl(accepted, 255)  # as if its handshake had ended after `refuse_handshakes`
            established.sendall(b"hello")
            accepted.settimeout(0.1)
            with pytest.raises(TimeoutError):
                accepted.recv(10)
            sockets.accept_packets(accepted)
            accepted.settimeout(30)
            assert accepted.recv(10) == b"hello"
