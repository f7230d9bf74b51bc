"""When the service started: bundles in the store by then are trusted. The environment hands it to all workers."""

import os
import time

_VARIABLE = "_SEQSERVE_STARTED_NS"


def set_start_time() -> None:
    """Set it to now, for this process and its children."""
    os.environ[_VARIABLE] = str(time.time_ns())


def start_time_ns() -> int:
    """Nanoseconds since the epoch; now, where it isn't set."""
    return int(os.environ.get(_VARIABLE, time.time_ns()))
