"""Who hands out the memory of this process: the GNU C library, or tcmalloc where it was loaded before it.

Models, tokenizers and arrays are allocated there, so the difference before and after loading a model is what the model
takes. The pages of the process would tell less: a new model first fills what an earlier one left.

tcmalloc (https://gperftools.github.io/gperftools/tcmalloc.html) takes less time for blocks of all sizes that a batch
needs, and is loaded by `LD_PRELOAD`; the container's image does.
"""

import ctypes
from typing import Protocol

KEPT_BYTES = 32 * 1024 * 1024
"""Enough for the largest array of a batch; more only makes the process larger."""

THREADS_BYTES = 2 * 1024 * 1024
"""Enough for the small blocks of a batch."""

_C = ctypes.CDLL(None)


class Allocator(Protocol):
    """What is asked of either."""

    name: str

    def keep_freed(self) -> None:
        """Keep freed memory for the next batch, where all threads can use it."""

    def allocated_bytes(self) -> int:
        """Bytes that are allocated now; always 0 where nobody tells."""

    def give_back(self) -> None:
        """Return freed memory to the system; takes milliseconds."""


class TCMalloc:
    """gperftools' tcmalloc. It keeps freed memory for all threads by itself."""

    name = "tcmalloc"

    def keep_freed(self) -> None:
        """Keep no more than `THREADS_BYTES` for single threads, which nobody else can use, nor give back."""
        _C.MallocExtension_SetNumericProperty(b"tcmalloc.max_total_thread_cache_bytes", ctypes.c_size_t(THREADS_BYTES))

    def allocated_bytes(self) -> int:
        """Bytes that are allocated now."""
        allocated = ctypes.c_size_t()
        _C.MallocExtension_GetNumericProperty(b"generic.current_allocated_bytes", ctypes.byref(allocated))
        return allocated.value

    def give_back(self) -> None:
        """Return freed memory to the system; takes milliseconds. Left alone, it returns it slowly."""
        _C.MallocExtension_ReleaseFreeMemory()


class GNU:
    """The GNU C library's own. Others have none of its functions: nothing is known of them, and nothing asked."""

    name = "the C library"

    _TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8

    def keep_freed(self) -> None:
        """Keep up to `KEPT_BYTES` of freed memory for the next batch, in one place for all threads.

        Left alone, it returns what a batch of long rows has used as soon as it is freed, and the next batch gets it
        anew, page by page: a tenth of its time. And it would keep some for each thread: what a version leaves that was
        loaded by one of them fits none that another loads.
        """
        if hasattr(_C, "mallopt"):
            _C.mallopt(self._ARENA_MAX, 1)
            _C.mallopt(self._MMAP_THRESHOLD, KEPT_BYTES)
            _C.mallopt(self._TRIM_THRESHOLD, KEPT_BYTES)

    def allocated_bytes(self) -> int:
        """Bytes that are allocated now; always 0 where the C library doesn't tell."""
        if not hasattr(_C, "mallinfo2"):
            return 0
        info = _C.mallinfo2()
        return int(info.uordblks + info.hblkhd)

    def give_back(self) -> None:
        """Return freed memory to the system; takes milliseconds. Left alone, it keeps most of it."""
        if hasattr(_C, "malloc_trim"):
            _C.malloc_trim(0)


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


if hasattr(_C, "mallinfo2"):
    _C.mallinfo2.restype = _MallInfo2


def _in_use() -> Allocator:
    """tcmalloc if blocks come from it: it can be loaded behind another, and has handed out none then."""
    is_loaded = hasattr(_C, "MallocExtension_ReleaseFreeMemory")
    return TCMalloc() if is_loaded and TCMalloc().allocated_bytes() > 0 else GNU()


allocator: Allocator = _in_use()
"""That of this process."""
