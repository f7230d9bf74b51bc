"""Robyn: Rust answers HTTP, a Python process a core computes on its event loop.

Documented: a process a core (`--processes`), one worker each; `--fast` takes more of both than two cores carry. It has
no batches.
"""

import json
import os
from functools import cache
from typing import Any

from robyn import Request, Robyn

from benchmarks.serving.engine import from_environment

app = Robyn(__file__)
engine = cache(from_environment)  # in each process: a session doesn't survive the fork


@app.post("/classify")
async def classify(request: Request) -> dict[str, Any]:
    """Label one text or several."""
    inputs = json.loads(request.body)["inputs"]
    return engine().answer([inputs] if isinstance(inputs, str) else inputs)


if __name__ == "__main__":
    app.start(host="127.0.0.1", port=int(os.environ["BENCH_PORT"]), _check_port=False)
