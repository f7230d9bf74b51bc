"""Talking to a server byte by byte."""

import json
import re
import socket
import time
from contextlib import suppress
from dataclasses import dataclass

BODY = json.dumps({"model": "spam", "inputs": "hello"}).encode()
STATUS = re.compile(rb"HTTP/1\.1 (\d+)")
LIVEZ = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


def request(*headers: bytes, body: bytes = BODY, length: bool = True, path: bytes = b"/classify") -> bytes:
    """A request to label a text, with further headers, or without its length."""
    lines = [b"POST %s HTTP/1.1" % path, b"Host: x", b"Content-Type: application/json", *headers]
    if length:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, b"", body])


def chunked(body: bytes = BODY, extension: bytes = b"") -> bytes:
    """A body in one chunk."""
    return b"%x%s\r\n%s\r\n0\r\n\r\n" % (len(body), extension, body)


@dataclass(frozen=True)
class Heard:
    """All that came back."""

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
        """Of the problems told."""
        return re.findall(r"urn:seqserve:problem:([\w-]+)", self.content.decode())


def connect(port: int) -> socket.socket:
    """A connection to this machine."""
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def hear(connection: socket.socket, seconds: float, num_answers: int = 1000) -> Heard:
    """Listen until the server closes, or so many answers have come, or for so long. Raises `ConnectionResetError`."""
    content, until = b"", time.monotonic() + seconds
    with suppress(TimeoutError):
        while (left := until - time.monotonic()) > 0:
            connection.settimeout(left)
            if not (more := connection.recv(65536)):
                return Heard(content, True)
            content += more
            if len(Heard(content, False).statuses) >= num_answers and content.endswith(b"}"):
                break
    return Heard(content, False)


def say(port: int, content: bytes, num_answers: int = 1000, seconds: float = 5) -> Heard:
    """Send something on a connection of its own, and listen."""
    with connect(port) as connection:
        connection.sendall(content)
        return hear(connection, seconds, num_answers)
