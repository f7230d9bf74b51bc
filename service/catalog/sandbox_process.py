"""The inside of the sandbox: the self-test of one version, within limits.

`python -m service.catalog.sandbox_process FOLDER MEMORY_BYTES CPU_SECONDS SECONDS` says on standard output, as JSON,
`{"digest": …}` of what has passed or `{"reason": …, "why": …}`. What can't say anything any more, because it
crashed or was killed for its time, says it by its exit status. `sandbox` is the outside.
"""

import json
import math
import os
import resource
import signal
import sys
from pathlib import Path
from typing import NoReturn

from bundle.store import read_bundle
from service.catalog.rejected import Rejected
from service.catalog.self_test import rejection, self_test
from service.engine.memory import reserved_bytes

_MEBIBYTE = 1024 * 1024


def main(arguments: list[str]) -> NoReturn:
    """Say what became of the version, and end with status 0."""
    folder, memory_bytes = Path(arguments[0]), int(arguments[1])
    _confine(memory_bytes, cpu_seconds=float(arguments[2]), seconds=float(arguments[3]))
    try:
        bundle = read_bundle(folder)
        self_test(bundle)
        outcome = {"digest": bundle.digest}
    except Exception as error:  # the whole point is that anything may happen
        outcome = vars(_short_of_memory(error, memory_bytes) or rejection(error))
    print(json.dumps(outcome), flush=True)
    os._exit(0)  # tidying up takes a tenth of the whole time


def _confine(memory_bytes: int, *, cpu_seconds: float, seconds: float) -> None:
    """Bounds that end the process, whatever it is doing then; what is imported by now isn't counted."""
    whole_seconds = math.ceil(cpu_seconds)
    signal.setitimer(signal.ITIMER_REAL, seconds)  # SIGALRM kills: nobody handles it
    resource.setrlimit(resource.RLIMIT_CPU, (whole_seconds, whole_seconds + 1))  # SIGXCPU, then SIGKILL
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # it has nothing to write
    reserved = reserved_bytes() or 4096 * _MEBIBYTE  # not Linux
    resource.setrlimit(resource.RLIMIT_AS, (reserved + memory_bytes,) * 2)


def _short_of_memory(error: Exception, memory_bytes: int) -> Rejected | None:
    """What to say if an error, wherever it was noticed, comes from the bound on memory."""
    message = str(error)
    if (
        isinstance(error, MemoryError)
        or "bad_alloc" in message
        or "allocate memory" in message
        or "bad allocation" in message
    ):
        bound = f"{memory_bytes / _MEBIBYTE:g} MiB of memory"
        return Rejected(
            f"it needs more than {bound} for its self-test; SEQSERVE_TRIAL_MEMORY_BYTES is the bound", "memory"
        )
    return None


if __name__ == "__main__":
    main(sys.argv[1:])
