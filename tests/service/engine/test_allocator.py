"""What is allocated is told, and what is freed goes back to the system: by the C library, and by tcmalloc."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.serving.preload import TCMALLOC
from service.engine.allocator import GNU, THREADS_BYTES, allocator
from service.engine.memory import resident_bytes

MEGABYTE = 1024 * 1024

tells = pytest.mark.skipif(allocator.allocated_bytes() == 0, reason="only the GNU C library and tcmalloc tell")


@tells
def test_what_is_allocated_is_told() -> None:
    before = allocator.allocated_bytes()
    large = np.ones(16 * MEGABYTE, dtype=np.uint8)
    small = [np.ones(1024, dtype=np.uint8) for _ in range(4096)]
    assert 20 * MEGABYTE <= allocator.allocated_bytes() - before < 22 * MEGABYTE
    del large, small
    assert allocator.allocated_bytes() - before < 2 * MEGABYTE


@tells
def test_what_is_freed_between_what_stays_is_given_back() -> None:
    blocks = [np.ones(16 * 1024, dtype=np.uint8) for _ in range(4096)]
    whole = resident_bytes()
    kept = blocks[::16]
    del blocks
    allocator.give_back()
    assert whole - resident_bytes() > 32 * MEGABYTE
    assert len(kept) == 256


def test_tcmalloc_is_known_where_it_is_preloaded() -> None:
    """The tests above in a process of its own."""
    if TCMALLOC is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("libtcmalloc-minimal4 is missing; the image has it")
    shows_name = "from service.engine.allocator import allocator; print(allocator.name)"
    shows_kept = (
        "import ctypes; from service.engine.allocator import allocator; allocator.keep_freed();"
        "size = ctypes.c_size_t();"
        "name = b'tcmalloc.max_total_thread_cache_bytes';"
        "ctypes.CDLL(None).MallocExtension_GetNumericProperty(name, ctypes.byref(size)); print(size.value)"
    )
    environment = os.environ | {"LD_PRELOAD": TCMALLOC}
    assert _printed([sys.executable, "-c", shows_name], environment) == "tcmalloc\n"
    assert _printed([sys.executable, "-c", shows_kept], environment) == f"{THREADS_BYTES}\n"
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, "-k", "not preloaded"]
    assert "\n2 passed" in _printed(tests, environment)


def test_without_it_it_is_the_c_library() -> None:
    if os.environ.get("LD_PRELOAD"):
        pytest.skip("something is preloaded")
    assert isinstance(allocator, GNU)


def _printed(command: list[str], environment: dict[str, str]) -> str:
    root = Path(__file__).resolve().parents[3]
    ended = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout
