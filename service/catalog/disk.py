"""Calls that a disk may never answer, each in a thread of its own: a stalled store holds up nobody but who needs it."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

STALL_SECONDS = 3.0
"""After so long without an answer the disk stalls; mostly it answers within milliseconds."""


def ask(function: Callable[..., T], *arguments: Any) -> "asyncio.Future[T]":
    """Call a function that reads or writes files in a thread; the future is its result."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():  # whoever asked has gone
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def call() -> None:
        result, error = None, None
        try:
            result = function(*arguments)
        except BaseException as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop may be closed by now
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=call, name="disk", daemon=True).start()
    return future
