"""What processes use, from the outside: CPU time and memory of a server and all its children."""

import time
from dataclasses import dataclass

import psutil

LOOK_SECONDS, IDLE = 0.1, 0.02
"""A process is idle that spends no more CPU seconds between two looks; the kernel counts hundredths."""


@dataclass(frozen=True)
class Memory:
    """Of one process, in MB of 10⁶ bytes."""

    pid: int
    rss: float
    """All pages it has in memory, those shared with other processes included."""
    pss: float
    """The same, where a page that n processes share counts 1/n."""
    uss: float
    """Pages that nobody else has: what would be free if it ended."""


def tree(process: psutil.Process) -> list[psutil.Process]:
    """A process and all below it."""
    return [process, *process.children(recursive=True)]


def cpu_seconds(process: psutil.Process) -> float:
    """User and system time of a process and all below it, so far; children that ended included."""
    total = 0.0
    for one in tree(process):
        times = one.cpu_times()
        total += times.user + times.system + times.children_user + times.children_system
    return total


def settle(process: psutil.Process, patience_seconds: float = 10) -> None:
    """Wait until it does no more: what was asked and not waited for is still computed, and would slow down the next."""
    until = time.perf_counter() + patience_seconds
    spent, before = cpu_seconds(process), -1.0
    while spent - before > IDLE and time.perf_counter() < until:
        time.sleep(LOOK_SECONDS)
        spent, before = cpu_seconds(process), spent


def memory(process: psutil.Process) -> list[Memory]:
    """Of a process and each below it; what helps Python's `multiprocessing` keep its books is left out."""
    found = []
    for one in tree(process):
        if "multiprocessing.resource_tracker" in " ".join(one.cmdline()):
            continue
        info = one.memory_full_info()
        found.append(Memory(one.pid, info.rss / 1e6, info.pss / 1e6, info.uss / 1e6))
    return found
