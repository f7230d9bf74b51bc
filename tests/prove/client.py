"""A client that sees everything: bytes out, each answer or the way it failed to come, on kept-alive connections."""

import asyncio
import collections
import select
from dataclasses import dataclass
from typing import Any

import httptools


class Unanswered(ConnectionError):
    """A request went out, and the connection ended, or patience did, before its answer was whole."""


@dataclass(frozen=True)
class Answer:
    """One answer, whole."""

    status: int
    headers: dict[bytes, bytes]
    """Names in lower case."""
    body: bytes
    closes: bool
    """Whether the connection ends with it."""


class Connection(asyncio.Protocol):
    """One connection; requests may be pipelined."""

    def __init__(self) -> None:
        self._waiting: collections.deque[asyncio.Future[Answer]] = collections.deque()
        self._parser = httptools.HttpResponseParser(self)
        self._status = 0
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self.is_open = False
        self.num_surplus = 0
        """Answers that nobody asked for."""

    @classmethod
    async def open(cls, port: int) -> "Connection":
        """Connect to this host. Raises `OSError`."""
        _, connection = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return connection

    async def ask(self, request: bytes, patience_seconds: float = 30) -> Answer:
        """Send a request and wait. Raises `Unanswered`."""
        answer = self.send(request)
        try:
            return await asyncio.wait_for(answer, patience_seconds)
        except TimeoutError:
            self.close()
            raise Unanswered(f"no answer within {patience_seconds:g} seconds") from None

    def send(self, request: bytes) -> asyncio.Future[Answer]:
        """Send without waiting."""
        answer = asyncio.get_running_loop().create_future()
        if not self.is_open:
            answer.set_exception(Unanswered("the connection had ended"))
            return answer
        self._waiting.append(answer)
        self._transport.write(request)
        return answer

    def write(self, data: bytes) -> None:
        """Send bytes that are no whole request."""
        self._transport.write(data)

    def ended_by_server(self) -> bool:
        """Whether nothing can be asked on it any more, though the event loop may not have heard of it."""
        if not self.is_open:
            return True
        ended = select.poll()
        ended.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN | select.POLLRDHUP)
        return not self._waiting and bool(ended.poll(0))

    @property
    def local_port(self) -> int:
        """By which the server's end can be told."""
        return self._local_port

    def close(self) -> None:
        """End it."""
        self._transport.abort()

    # What asyncio and httptools call.

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._local_port: int = transport.get_extra_info("sockname")[1]
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._end(f"the answer isn't HTTP: {error}")
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end("the connection was reset" if exc else "the connection ended")

    def on_message_begin(self) -> None:
        self._headers, self._body = {}, []

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        status, closes = self._parser.get_status_code(), not self._parser.should_keep_alive()
        if closes:
            self.is_open = False
        if not self._waiting:
            self.num_surplus += 1
            return
        waiting = self._waiting.popleft()
        if not waiting.done():
            waiting.set_result(Answer(status, self._headers, b"".join(self._body), closes))

    def _end(self, how: str) -> None:
        self.is_open = False
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_exception(Unanswered(how))


def post(path: str, body: bytes, headers: str = "") -> bytes:
    """A request with a JSON body, as bytes; `headers` are further lines, each ended by CR LF."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: seqserve\r\nContent-Type: application/json\r\n"
        f"{headers}Content-Length: {len(body)}\r\n\r\n"
    ).encode("latin-1") + body


def get(path: str) -> bytes:
    """A request without a body, as bytes."""
    return f"GET {path} HTTP/1.1\r\nHost: seqserve\r\n\r\n".encode()
