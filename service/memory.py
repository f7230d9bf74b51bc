"""What the process has allocated, and giving back to the system what was freed. The GNU C library tells; others don't.

Models, tokenizers and arrays are allocated by the C library, so the difference before and after loading a model is what
the model takes. The pages of the process would tell less: a new model first fills what an earlier one left.
"""

import ctypes


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


def give_back() -> None:
    """Return freed memory to the system; takes milliseconds. Left alone, the C library keeps most of it."""
    if hasattr(_C, "malloc_trim"):
        _C.malloc_trim(0)
