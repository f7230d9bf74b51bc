"""Where figures come from: what a reader must know to compare them."""

import datetime as dt
import os
import platform
from importlib.metadata import version
from typing import Any

from benchmarks.serving.preload import preloaded


def machine() -> dict[str, Any]:
    """Moment, processors and the versions that count."""
    packages = ("fastapi", "numpy", "onnxruntime", "pydantic", "tokenizers", "uvicorn", "uvloop")
    return {
        "when": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "cpus": len(os.sched_getaffinity(0)),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "preloaded_by_the_service": (os.environ | preloaded()).get("LD_PRELOAD", ""),
        "packages": {name: version(name) for name in packages},
    }
