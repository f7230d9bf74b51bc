"""When the service started: what lay in the store by then is trusted with it, what arrives later is tried first.

A worker that replaces one that died is told by the environment, so that it doesn't take for trusted what arrived since,
and may be what the other died of.
"""

import os
import time

_STARTED = "_SEQSERVE_STARTED_NS"


def note_start() -> None:
    """Let this process and those that it starts know."""
    os.environ[_STARTED] = str(time.time_ns())


def started_ns() -> int:
    """When the service started, in nanoseconds since the epoch; now, where nobody noted it."""
    return int(os.environ.get(_STARTED, time.time_ns()))
