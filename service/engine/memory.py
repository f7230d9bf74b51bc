"""The memory of this process: what is allocated, what is resident, and how freed memory returns to the system.

A model takes what malloc hands out while it is loaded; resident memory tells less. malloc is the GNU C library's, or
tcmalloc's where it is preloaded, as in the image (docs/decisions/0018).
"""

import asyncio
import ctypes
import gc
import mmap
import sys

KEPT_BYTES = 32 * 1024 * 1024
"""Freed memory that glibc keeps, enough for the largest array of a batch: otherwise each batch of long rows gets its
memory anew, page by page, a tenth of its time."""

THREAD_CACHE_BYTES = 2 * 1024 * 1024
"""That tcmalloc may keep for single threads, of 32 MB by default: 8 MB less resident memory, and as fast."""

COLLECTION_THRESHOLD = 50_000
"""Containers between two collections of young objects; Python's default of 700 is reached by ten requests."""

SWITCH_SECONDS = 0.0005
"""How long a thread that loads a model may hold the GIL while the event loop wants it; Python's default is 5 ms."""

POLL_SECONDS = 1.0
GROWTH_BYTES = 4 * 1024 * 1024
"""By so much the process must have grown since memory was last released for that to be worth its milliseconds."""

_LIBC = ctypes.CDLL(None)
IS_TCMALLOC = hasattr(_LIBC, "MallocExtension_ReleaseFreeMemory")
_IS_GLIBC = hasattr(_LIBC, "mallinfo2")


class _MallInfo2(ctypes.Structure):
    """glibc's struct: `hblkhd` are bytes of large blocks, `uordblks` those of all others."""

    _fields_ = [
        ("before", ctypes.c_size_t * 4),
        ("hblkhd", ctypes.c_size_t),
        ("between", ctypes.c_size_t * 2),
        ("uordblks", ctypes.c_size_t),
        ("after", ctypes.c_size_t * 2),
    ]


if _IS_GLIBC:
    _LIBC.mallinfo2.restype = _MallInfo2


def tune_process() -> None:
    """Set malloc, the garbage collector and the GIL for serving. Imported objects are never collected again."""
    if IS_TCMALLOC:
        name = b"tcmalloc.max_total_thread_cache_bytes"
        _LIBC.MallocExtension_SetNumericProperty(name, ctypes.c_size_t(THREAD_CACHE_BYTES))
    elif _IS_GLIBC:
        arena_max, mmap_threshold, trim_threshold = -8, -3, -1
        _LIBC.mallopt(arena_max, 1)  # one for all threads: what a version leaves fits the next, whoever loads it
        _LIBC.mallopt(mmap_threshold, KEPT_BYTES)
        _LIBC.mallopt(trim_threshold, KEPT_BYTES)
    gc.freeze()
    gc.set_threshold(COLLECTION_THRESHOLD, 20, 20)
    sys.setswitchinterval(SWITCH_SECONDS)


def allocated_bytes() -> int:
    """Bytes that malloc has handed out; always 0 for another malloc than these two."""
    if IS_TCMALLOC:
        allocated = ctypes.c_size_t()
        _LIBC.MallocExtension_GetNumericProperty(b"generic.current_allocated_bytes", ctypes.byref(allocated))
        return allocated.value
    if _IS_GLIBC:
        info = _LIBC.mallinfo2()
        return int(info.uordblks + info.hblkhd)
    return 0


def release_freed() -> None:
    """Return freed memory to the system; takes milliseconds."""
    if IS_TCMALLOC:
        _LIBC.MallocExtension_ReleaseFreeMemory()
    elif _IS_GLIBC:
        _LIBC.malloc_trim(0)


def release_unloaded() -> None:
    """Collect reference cycles after a version is unloaded, and return its memory; holds the GIL for milliseconds."""
    gc.collect()
    release_freed()


async def keep_releasing() -> None:
    """Return freed memory whenever the process has grown, until cancelled: a peak of load doesn't stay for good."""
    released_at = 0
    while True:
        await asyncio.sleep(POLL_SECONDS)
        if resident_bytes() > released_at + GROWTH_BYTES:
            await asyncio.to_thread(release_freed)
            released_at = resident_bytes()


def resident_bytes() -> int:
    """Resident memory of this process; 0 where the system has no /proc."""
    return _statm(1)


def reserved_bytes() -> int:
    """Address space of this process; 0 where the system has no /proc."""
    return _statm(0)


def _statm(field: int) -> int:
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[field]) * mmap.PAGESIZE
    except OSError:
        return 0
