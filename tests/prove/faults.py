"""Faults put between client and service on purpose, to see that a promise can turn red: `SABOTAGE=promise`."""

import asyncio
import re
import threading
import time
from collections.abc import Callable

Fault = Callable[[bytes], bytes | None]
"""What an answer's bytes become on their way back; None: the connection is reset instead."""

AFTER_ANSWERS = 50
"""The fault is put in once, after so many answers went by untouched."""


def once(fault: Fault) -> Fault:
    """The fault, one time; everything else passes."""
    passed = 0

    def maybe(data: bytes) -> bytes | None:
        nonlocal passed
        if passed < 0 or not data.startswith(b"HTTP/1.1 "):
            return data
        passed += 1
        if passed < AFTER_ANSWERS:
            return data
        changed = fault(data)
        if changed != data:
            passed = -1
        return changed

    return maybe


def status_500(data: bytes) -> bytes:
    """An answer becomes a defect."""
    return re.sub(rb"^HTTP/1.1 \d+ [^\r]*", b"HTTP/1.1 500 Internal Server Error", data)


def reset(_data: bytes) -> None:
    """The connection breaks where an answer should come."""
    return


def another_score(data: bytes) -> bytes:
    """A probability is a different one, and of the same length."""
    return re.sub(rb'("(?:ham|positive)": ?0\.)(\d)', lambda found: found[1] + b"%d" % ((int(found[2]) + 5) % 10), data)


def slow(data: bytes) -> bytes:
    """Every answer comes late."""
    time.sleep(0.4)
    return data


class Proxy:
    """Passes bytes between clients and a port of this host, through a fault, for a `with` block."""

    def __init__(self, target: int, fault: Fault) -> None:
        self._target = target
        self._fault = fault
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._ends: set[asyncio.WriteTransport] = set()
        self._passing: set[asyncio.Task[None]] = set()
        self.port = 0

    def __enter__(self) -> "Proxy":
        self._thread.start()
        listening = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._pass, "127.0.0.1"), self._loop)
        self._server = listening.result(10)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_error: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        for end in list(self._ends):
            end.abort()
        await asyncio.gather(*self._passing, return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            behind_reader, behind = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        ends = {behind.transport, writer.transport}
        task = asyncio.current_task()
        assert task is not None
        self._ends |= ends
        self._passing.add(task)
        task.add_done_callback(self._passing.discard)
        await asyncio.gather(self._ask(reader, behind), self._answer(behind_reader, writer), return_exceptions=True)
        for end in ends:
            end.close()
        self._ends -= ends

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.write_eof()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            changed = self._fault(data)
            if changed is None:
                writer.transport.abort()
                return
            writer.write(changed)
        writer.close()
