"""What the process has allocated, and giving back to the system what was freed. The GNU C library tells; others don't.

Models, tokenizers and arrays are allocated by the C library, so the difference before and after loading a model is what
the model takes. The pages of the process would tell less: a new model first fills what an earlier one left.
"""

import asyncio
import ctypes
import gc
import mmap

KEPT_BYTES = 32 * 1024 * 1024
"""Enough for the largest array of a batch; more only makes the process larger."""
LOOK_SECONDS = 1.0
GROWN_BYTES = 4 * 1024 * 1024
"""By so much the process must have grown since memory was last given back for that to be worth its milliseconds."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8


class _MallInfo2(ctypes.Structure):
    _fields_ = [
        ("arena", ctypes.c_size_t),
        ("ordblks", ctypes.c_size_t),
        ("smblks", ctypes.c_size_t),
        ("hblks", ctypes.c_size_t),
        ("hblkhd", ctypes.c_size_t),  # in pages of their own: large blocks
        ("usmblks", ctypes.c_size_t),
        ("fsmblks", ctypes.c_size_t),
        ("uordblks", ctypes.c_size_t),  # all others
        ("fordblks", ctypes.c_size_t),
        ("keepcost", ctypes.c_size_t),
    ]


_C = ctypes.CDLL(None)
if hasattr(_C, "mallinfo2"):
    _C.mallinfo2.restype = _MallInfo2


def allocated_bytes() -> int:
    """Bytes that are allocated now; always 0 where the C library doesn't tell."""
    if not hasattr(_C, "mallinfo2"):
        return 0
    info = _C.mallinfo2()
    return int(info.uordblks + info.hblkhd)


def keep_freed() -> None:
    """Keep up to `KEPT_BYTES` of freed memory for the next batch, in one place for all threads.

    Left alone, the C library returns what a batch of long rows has used as soon as it is freed, and the next batch gets
    it anew, page by page: a tenth of its time. And it would keep some for each thread: what a version leaves that was
    loaded by one of them fits none that another loads.
    """
    if hasattr(_C, "mallopt"):
        _C.mallopt(_M_ARENA_MAX, 1)
        _C.mallopt(_M_MMAP_THRESHOLD, KEPT_BYTES)
        _C.mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)


async def keep_giving_back() -> None:
    """Return what is kept now and then, until cancelled: what a rush has taken doesn't stay for good."""
    settled = 0
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        if resident_bytes() > settled + GROWN_BYTES:
            await asyncio.to_thread(give_back)
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


def give_back() -> None:
    """Return freed memory to the system; takes milliseconds. Left alone, the C library keeps most of it."""
    if hasattr(_C, "malloc_trim"):
        _C.malloc_trim(0)


def give_back_versions() -> None:
    """`give_back`, after one has left: Python alone would keep what refers to itself, as some of it does, for long.

    Nobody else gets the interpreter meanwhile: a millisecond, some more while hundreds of requests wait.
    """
    gc.collect()
    give_back()
