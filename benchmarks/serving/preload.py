"""What the image loads into the service before anything else, where this machine has it too."""

import os
import sys
from ctypes.util import find_library

TCMALLOC = find_library("tcmalloc_minimal") if sys.platform == "linux" else None
"""Its name for the loader, None where it isn't installed. Looked up once: that starts a process, which nobody's time to
the first answer should hold."""


def preloaded() -> dict[str, str]:
    """The environment that does it: tcmalloc, unless something else, or nothing, is preloaded already."""
    return {"LD_PRELOAD": TCMALLOC} if TCMALLOC and "LD_PRELOAD" not in os.environ else {}
