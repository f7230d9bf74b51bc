"""Memory that is allocated is counted, and freed memory returns to the system: with glibc's malloc, and tcmalloc's."""

import os
import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest

from benchmarks.serving.preload import TCMALLOC
from service.engine import memory

MEGABYTE = 1024 * 1024

needs_counts = pytest.mark.skipif(memory.allocated_bytes() == 0, reason="only glibc and tcmalloc count allocations")


@needs_counts
def test_allocated_memory_is_counted() -> None:
    before = memory.allocated_bytes()
    large = np.ones(16 * MEGABYTE, dtype=np.uint8)
    small = [np.ones(1024, dtype=np.uint8) for _ in range(4096)]
    assert 20 * MEGABYTE <= memory.allocated_bytes() - before < 22 * MEGABYTE
    del large, small
    assert memory.allocated_bytes() - before < 2 * MEGABYTE


@needs_counts
def test_memory_freed_between_blocks_in_use_returns_to_the_system() -> None:
    blocks = [np.ones(16 * 1024, dtype=np.uint8) for _ in range(4096)]
    full = memory.resident_bytes()
    kept = blocks[::16]
    del blocks
    memory.release_freed()
    assert full - memory.resident_bytes() > 32 * MEGABYTE
    assert len(kept) == 256


def test_reference_cycles_are_collected() -> None:
    class Node:
        itself: "Node"

    node = Node()
    node.itself = node
    reference = weakref.ref(node)
    del node
    memory.release_unloaded()
    assert reference() is None


def test_with_tcmalloc_preloaded() -> None:
    """The tests above and the size of its cache, in processes of their own."""
    if TCMALLOC is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("libtcmalloc-minimal4 is missing; the image has it")
    print_cache = (
        "import ctypes; from service.engine import memory; memory.tune_process(); size = ctypes.c_size_t();"
        "name = b'tcmalloc.max_total_thread_cache_bytes';"
        "ctypes.CDLL(None).MallocExtension_GetNumericProperty(name, ctypes.byref(size)); print(size.value)"
    )
    assert _output("-c", print_cache) == f"{memory.THREAD_CACHE_BYTES}\n"
    assert "\n3 passed" in _output("-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, "-k", "not preloaded")


def _output(*arguments: str) -> str:
    root, environment = Path(__file__).resolve().parents[3], os.environ | {"LD_PRELOAD": TCMALLOC or ""}
    ended = subprocess.run([sys.executable, *arguments], cwd=root, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout
