"""The folder where several workers write their metrics, so that any of them answers `/metrics` for all."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

WORKERS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the folder. prometheus_client looks for it when it is imported: set it before."""
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - a folder of our own is made in it


def missing_folder() -> str | None:
    """A message if the folder that the variable names is missing; else None."""
    if Path(os.environ.get(WORKERS_FOLDER, ".")).is_dir():
        return None
    return f"{WORKERS_FOLDER} names a folder that isn't there; make it, or unset it"


@contextlib.contextmanager
def workers_folder(num_workers: int) -> Iterator[None]:
    """With several workers: a temporary folder inside the one that the variable names, or in shared memory."""
    inside = os.environ.pop(WORKERS_FOLDER, None)
    if num_workers == 1:
        yield
        return
    if not inside and os.access(SHARED_MEMORY, os.W_OK):
        inside = SHARED_MEMORY
    with tempfile.TemporaryDirectory(prefix="seqserve-metrics-", dir=inside) as folder:
        os.environ[WORKERS_FOLDER] = folder
        yield


def in_memory() -> str | None:
    """A folder in shared memory, if there is one: a write to a mapped file on a full disk kills the process."""
    folder = "/dev/shm"  # noqa: S108 - a folder of our own is made in it
    return folder if os.access(folder, os.W_OK) else None
