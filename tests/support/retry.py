"""Waiting for what another thread or process does."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def retry_until(attempt: Callable[[], T], seconds: float = 60) -> T:
    """Call until something truthy comes back, and return that. Raises `TimeoutError` after so many seconds.

    The time is what a machine shared by others may take; it says nothing about how quick the code is.
    """
    deadline = time.monotonic() + seconds
    while not (result := attempt()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing but {result!r} in {seconds:g} seconds")
        time.sleep(0.02)
    return result
