"""HTTP over a plain socket, byte by byte."""

import json
import re
import socket
import time
from contextlib import suppress
from dataclasses import dataclass

BODY = json.dumps({"model": "spam", "inputs": "hello"}).encode()
STATUS = re.compile(rb"HTTP/1\.1 (\d+)")
LIVEZ = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
READYZ = LIVEZ.replace(b"livez", b"readyz")


def request(*headers: bytes, body: bytes = BODY, length: bool = True, path: bytes = b"/classify") -> bytes:
    """A classify request with further headers, or without Content-Length."""
    lines = [b"POST %s HTTP/1.1" % path, b"Host: x", b"Content-Type: application/json", *headers]
    if length:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, b"", body])


def chunked(body: bytes = BODY, extension: bytes = b"") -> bytes:
    """A body in one chunk."""
    return b"%x%s\r\n%s\r\n0\r\n\r\n" % (len(body), extension, body)


@dataclass(frozen=True)
class Received:
    """Everything that the server sent."""

    content: bytes
    is_closed: bool
    """Whether the server closed the connection, and didn't reset it."""

    @property
    def statuses(self) -> list[int]:
        """Of each answer, in order."""
        return [int(status) for status in STATUS.findall(self.content)]

    @property
    def says_close(self) -> bool:
        """Whether the last answer says that it is the last."""
        *_, last = STATUS.finditer(self.content)
        head, _, _ = self.content[last.start() :].partition(b"\r\n\r\n")
        return b"connection: close" in head.lower()

    @property
    def kinds(self) -> list[str]:
        """Of the problems received."""
        return re.findall(r"urn:seqserve:problem:([\w-]+)", self.content.decode())


def connect(port: int) -> socket.socket:
    """A connection to this machine."""
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def read_answers(connection: socket.socket, num_answers: int = 1000, seconds: float = 60) -> Received:
    """Read until the server closes, so many answers have come, or the time is up. Raises `ConnectionResetError`."""
    content, until = b"", time.monotonic() + seconds
    with suppress(TimeoutError):
        while (left := until - time.monotonic()) > 0:
            connection.settimeout(left)
            if not (more := connection.recv(65536)):
                return Received(content, True)
            content += more
            if len(Received(content, False).statuses) >= num_answers and content.endswith(b"}"):
                break
    return Received(content, False)


def exchange(port: int, content: bytes, num_answers: int = 1000, seconds: float = 60) -> Received:
    """Send bytes on a new connection, and read the answers."""
    with connect(port) as connection:
        connection.sendall(content)
        return read_answers(connection, num_answers, seconds)
