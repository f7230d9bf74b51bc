"""A port that closes without losing whoever has come."""

import contextlib
import socket
from collections.abc import Iterator

import pytest

from service.server import sockets as listener


@pytest.fixture(params=["filter", "without a filter"])
def host(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that lets this process attach a filter, and one that doesn't."""
    if request.param == "without a filter":
        monkeypatch.setattr(listener, "_SO_ATTACH_FILTER", 2**30)


@contextlib.contextmanager
def listening(family: socket.AddressFamily) -> Iterator[socket.socket]:
    address = "::1" if family == socket.AF_INET6 else "127.0.0.1"
    with socket.socket(family) as own:
        try:
            own.bind((address, 0))
        except OSError:
            pytest.skip("this machine has no ::1 to listen at, as a container without IPv6")
        own.listen()
        yield own


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
@pytest.mark.usefixtures("host")
def test_no_handshake_begins_and_who_has_come_is_heard(family: socket.AddressFamily) -> None:
    with listening(family) as own, socket.create_connection(own.getsockname()[:2]) as early:
        listener.refuse_handshakes(own.fileno())
        with pytest.raises(TimeoutError):
            socket.create_connection(own.getsockname()[:2], timeout=0.3)
        taken, _ = own.accept()
        with taken:
            listener.hear(taken)
            taken.settimeout(5)
            early.sendall(b"hello")
            assert taken.recv(10) == b"hello"


def test_a_connection_that_took_over_the_refusal_is_heard_again() -> None:
    with listening(socket.AF_INET) as own, socket.create_connection(own.getsockname()) as early:
        taken, _ = own.accept()
        with taken:
            listener._accept_from(taken, 255)  # as one whose handshake ends after the port has begun to refuse
            early.sendall(b"hello")
            taken.settimeout(0.1)
            with pytest.raises(TimeoutError):
                taken.recv(10)
            listener.hear(taken)
            taken.settimeout(5)
            assert taken.recv(10) == b"hello"
