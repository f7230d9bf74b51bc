"""When the service started: bundles that were in the store by then are trusted, later ones are tested in a sandbox.

The environment hands it to all workers: one that replaces another must not trust what arrived since, which may be what
the other died of.
"""

import os
import time

_VARIABLE = "_SEQSERVE_STARTED_NS"


def set_start_time() -> None:
    """Set it to now, for this process and its children."""
    os.environ[_VARIABLE] = str(time.time_ns())


def start_time_ns() -> int:
    """Nanoseconds since the epoch; now, where it isn't set."""
    return int(os.environ.get(_VARIABLE, time.time_ns()))
