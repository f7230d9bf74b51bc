"""A transport that sends what is written in one turn of the event loop in one go.

uvicorn writes head and body of an answer one after the other, and each goes to the system at once: the caller is woken
for the head, to find that the body isn't there yet. That takes a fifth of a short text's whole time
(docs/performance.md).
"""

import asyncio
from typing import Any


class Gathering:
    """A transport that passes on what is written when the turn of the loop ends; in all else the one that is given."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._waiting: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Take what is to be sent."""
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting.append(data)

    def close(self) -> None:
        """Send what waits, then close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        if waiting and not self._transport.is_closing():
            self._transport.write(b"".join(waiting))
