"""BentoML: Starlette, a process a core, each with adaptive batches.

Documented: `workers`, `batchable=True` with a size and a latency that the batch may wait for; access log and metrics
are off. The latency is generous because a request that would wait longer is refused with a 503.
"""

import os
import sys
from pathlib import Path

bentoml = Path(sys.executable).with_name("bentoml")
service = "benchmarks.peers.bentoml.service:Classify"
arguments = ["serve", service, "--host", "127.0.0.1", "--port", os.environ["BENCH_PORT"]]
# It starts its workers with the first Python of PATH.
own = {"PATH": f"{bentoml.parent}{os.pathsep}{os.environ['PATH']}", "BENTOML_DO_NOT_TRACK": "True"}
os.execve(bentoml, ["bentoml", *arguments], os.environ | own)
