"""What is allocated is told, and what is freed goes back to the system."""

import weakref
from pathlib import Path

import numpy as np
import pytest

from service.memory import allocated_bytes, give_back, give_back_versions

pytestmark = pytest.mark.skipif(allocated_bytes() == 0, reason="only the GNU C library tells")

MEGABYTE = 1024 * 1024


def test_what_is_allocated_is_told() -> None:
    before = allocated_bytes()
    large = np.ones(16 * MEGABYTE, dtype=np.uint8)
    small = [np.ones(1024, dtype=np.uint8) for _ in range(4096)]
    assert 20 * MEGABYTE <= allocated_bytes() - before < 22 * MEGABYTE
    del large, small
    assert allocated_bytes() - before < 2 * MEGABYTE


def resident_bytes() -> int:
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * 4096


def test_what_is_freed_between_what_stays_is_given_back() -> None:
    blocks = [np.ones(16 * 1024, dtype=np.uint8) for _ in range(4096)]
    whole = resident_bytes()
    kept = blocks[::16]
    del blocks
    give_back()
    assert whole - resident_bytes() > 32 * MEGABYTE
    assert len(kept) == 256


def test_what_only_refers_to_itself_is_given_back() -> None:
    class Node:
        itself: "Node"

    node = Node()
    node.itself = node
    left = weakref.ref(node)
    del node
    give_back_versions()
    assert left() is None
