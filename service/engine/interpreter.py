"""Python's own settings, for a process that serves: when it looks for garbage, and when a thread gives way."""

import gc
import sys

ALLOCATIONS_BETWEEN = 50_000
"""Containers made and not dropped again before young ones are looked through; Python's own 700 are ten requests'."""

TURN_SECONDS = 0.0005
"""How long a thread that loads a model or looks at the store may keep the event loop waiting; Python's own are 5 ms."""


def settle() -> None:
    """Once all is imported that is needed: it stays, and isn't looked through again.

    Looking through it takes 20 ms of every caller's time; and what requests make hardly ever holds a cycle.
    """
    gc.freeze()
    gc.set_threshold(ALLOCATIONS_BETWEEN, 20, 20)
    sys.setswitchinterval(TURN_SECONDS)
