"""The folder where several workers leave their figures, so that whichever is asked for `/metrics` answers for all."""

import contextlib
import os
import tempfile
from collections.abc import Iterator

WORKERS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the folder. prometheus_client looks for it when it is imported: set it before."""


@contextlib.contextmanager
def workers_folder(num_workers: int) -> Iterator[None]:
    """Make the folder, empty, inside the one the variable names or else the system's temporary one, and remove it.

    One worker keeps its figures in memory and needs none.
    """
    inside = os.environ.pop(WORKERS_FOLDER, None)
    if num_workers == 1:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="seqserve-metrics-", dir=inside) as folder:
        os.environ[WORKERS_FOLDER] = folder
        yield
