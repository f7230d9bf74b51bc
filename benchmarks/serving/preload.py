"""What the image loads into the service before anything else, where this machine has it too."""

import os
from ctypes.util import find_library


def preloaded() -> dict[str, str]:
    """The environment that does it: tcmalloc, unless something else, or nothing, is preloaded already."""
    library = find_library("tcmalloc_minimal")
    return {"LD_PRELOAD": library} if library and "LD_PRELOAD" not in os.environ else {}
