"""Python's collector of reference cycles, told what a server knows and it doesn't."""

import gc

ALLOCATIONS_BETWEEN = 50_000
"""Containers made and not dropped again before young ones are looked through; Python's own 700 are ten requests'."""


def settle() -> None:
    """For a process that has imported all it needs: what is there stays, and isn't looked through again.

    Looking through it takes 20 ms of every caller's time; and what requests make hardly ever holds a cycle.
    """
    gc.freeze()
    gc.set_threshold(ALLOCATIONS_BETWEEN, 20, 20)
