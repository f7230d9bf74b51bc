"""What this process holds, and when what was freed of it goes back to the system."""

import asyncio
import gc
import mmap

from service.engine.allocator import allocator

LOOK_SECONDS = 1.0
GROWN_BYTES = 4 * 1024 * 1024
"""By so much the process must have grown since memory was last given back for that to be worth its milliseconds."""


async def keep_giving_back() -> None:
    """Return what is kept now and then, until cancelled: what a rush has taken doesn't stay for good."""
    settled = 0
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        if resident_bytes() > settled + GROWN_BYTES:
            await asyncio.to_thread(allocator.give_back)
            settled = resident_bytes()


def resident_bytes() -> int:
    """Memory of this process that is in use; 0 where the system doesn't tell."""
    return _told(1)


def reserved_bytes() -> int:
    """Addresses that this process has reserved, used or not; 0 where the system doesn't tell."""
    return _told(0)


def _told(field: int) -> int:
    try:
        with open("/proc/self/statm", "rb") as told:
            return int(told.read().split()[field]) * mmap.PAGESIZE
    except OSError:
        return 0


def give_back_versions() -> None:
    """What was freed, after one has left: Python alone would keep what refers to itself, as some of it does, for long.

    Nobody else gets the interpreter meanwhile: a millisecond, some more while hundreds of requests wait.
    """
    gc.collect()
    allocator.give_back()
