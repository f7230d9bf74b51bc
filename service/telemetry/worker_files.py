"""The folder where several workers write their metrics, so that any of them answers `/metrics` for all."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

WORKERS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the folder. prometheus_client looks for it when it is imported: set it before."""


def missing_folder() -> str | None:
    """Why the folder that the variable names can't be used; None if it can, or none is named."""
    inside = os.environ.get(WORKERS_FOLDER)
    if inside is None or Path(inside).is_dir():
        return None
    return f"{WORKERS_FOLDER} names a folder that isn't there; make it, or unset it"


@contextlib.contextmanager
def workers_folder(num_workers: int) -> Iterator[None]:
    """With several workers: a temporary folder inside the one that the variable names, or in shared memory."""
    inside = os.environ.pop(WORKERS_FOLDER, None)
    if num_workers == 1:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="seqserve-metrics-", dir=inside or in_memory()) as folder:
        os.environ[WORKERS_FOLDER] = folder
        yield


def in_memory() -> str | None:
    """A folder in shared memory, if there is one: a write to a mapped file on a full disk kills the process."""
    folder = "/dev/shm"  # noqa: S108 - a folder of our own is made in it
    return folder if os.access(folder, os.W_OK) else None
