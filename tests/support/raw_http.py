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


CHUNKED = b"Transfer-Encoding: chunked"
MALFORMED = {
    "no Host": request().replace(b"Host: x\r\n", b""),
    "two Hosts": request(b"Host: y"),
    "length and chunks": request(CHUNKED, body=chunked()),
    "length and chunks, a request behind": request(CHUNKED, body=b"0\r\n\r\n" + LIVEZ),
    "two lengths": request(b"Content-Length: 3"),
    "the same length twice": request(b"Content-Length: %d" % len(BODY)),
    "a list of lengths": request(b"Content-Length: 5, 5", length=False),
    "a length with a sign": request(b"Content-Length: +%d" % len(BODY), length=False),
    "a negative length": request(b"Content-Length: -1", length=False),
    "an enormous length": request(b"Content-Length: " + b"9" * 30, length=False),
    "a space before the colon": request(b"Content-Length : %d" % len(BODY), length=False),
    "a folded line": request(b"X-A: b\r\n c"),
    "a folded encoding": request(b"Transfer-Encoding:\r\n chunked", length=False, body=chunked()),
    "an unknown encoding": request(b"Transfer-Encoding: xchunked", length=False, body=chunked()),
    "chunked, but not last": request(b"Transfer-Encoding: chunked, identity", length=False, body=chunked()),
    "two encodings": request(CHUNKED, b"Transfer-Encoding: identity", length=False, body=chunked()),
    "a vertical tab": request(b"Transfer-Encoding: \x0bchunked", length=False, body=chunked()),
    "a chunk's size that is no number": request(CHUNKED, length=False, body=b"zz\r\n" + BODY),
    "a chunk's size below zero": request(CHUNKED, length=False, body=b"-5\r\n" + BODY),
    "a chunk's size beyond 64 bits": request(CHUNKED, length=False, body=b"f" * 17 + b"\r\n" + BODY),
    "a chunk longer than its size": request(CHUNKED, length=False, body=b"3\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "chunks without carriage returns": request(CHUNKED, length=False, body=b"%x\n%s\n0\n\n" % (len(BODY), BODY)),
    "a chunk's extension without end": request(CHUNKED, length=False, body=b"5;" + b"a" * 2_000_000),
    "a trailer without end": request(CHUNKED, length=False, body=b"0\r\nX: " + b"a" * 2_000_000),
    "lines without carriage returns": request().replace(b"\r\n", b"\n"),
    "a lone carriage return": request(b"X: a\rb"),
    "a NUL": request(b"X: a\0b"),
    "a header without colon": request(b"garbage"),
    "a header without name": request(b": x"),
    "a space before the first header": b"GET /livez HTTP/1.1\r\n Host: x\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a version there isn't": LIVEZ.replace(b"1.1", b"3.7"),
    "CONNECT": b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "an unknown method": b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a path without slash": b"GET livez HTTP/1.1\r\nHost: x\r\n\r\n",
    "a path that is not ASCII": b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 300,
}
"""Requests that are refused with 400, whatever follows them."""
