"""The folder where several workers leave their figures, so that whichever is asked for `/metrics` answers for all."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

WORKERS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the folder. prometheus_client looks for it when it is imported: set it before."""


def missing_folder() -> str | None:
    """What to do about a folder that is named but isn't there; None if nothing."""
    inside = os.environ.get(WORKERS_FOLDER)
    if inside is None or Path(inside).is_dir():
        return None
    return f"{WORKERS_FOLDER} names a folder that isn't there; make it, or unset it"


@contextlib.contextmanager
def workers_folder(num_workers: int) -> Iterator[None]:
    """Make the folder, empty, inside the one the variable names, or else in memory where there is such, and remove it.

    One worker keeps its figures in memory and needs none.
    """
    inside = os.environ.pop(WORKERS_FOLDER, None)
    if num_workers == 1:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="seqserve-metrics-", dir=inside or in_memory()) as folder:
        os.environ[WORKERS_FOLDER] = folder
        yield


def in_memory() -> str | None:
    """A folder that takes no disk; None: the system's temporary one will do.

    prometheus_client maps its files, and a write to a mapped file for which the disk has no more room ends the process.
    """
    folder = "/dev/shm"  # noqa: S108 - a folder of our own is made in it
    return folder if os.access(folder, os.W_OK) else None
