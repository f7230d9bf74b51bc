"""MLServer, Open Inference Protocol: one process answers HTTP and makes batches, a process a core computes.

Documented: `parallel_workers`, and adaptive batches of `max_batch_size` requests within `max_batch_time` seconds;
debug log, metrics and gzip are off.
"""

import json
import os
import sys
from pathlib import Path

settings = {
    "debug": False,
    "host": "127.0.0.1",
    "http_port": int(os.environ["BENCH_PORT"]),
    "grpc_port": int(os.environ["BENCH_SPARE_PORTS"].split()[0]),
    "metrics_endpoint": None,
    "gzip_enabled": False,
    "parallel_workers": int(os.environ["BENCH_WORKERS"]),
}
model = {
    "name": os.environ["BENCH_MODEL"],
    "implementation": "benchmarks.peers.mlserver.runtime.Classifier",
    "max_batch_size": 32,
    "max_batch_time": 0.001,
}
folder = Path(sys.prefix) / "serving"
folder.mkdir(exist_ok=True)
(folder / "settings.json").write_text(json.dumps(settings), "utf-8")
(folder / "model-settings.json").write_text(json.dumps(model), "utf-8")
os.chdir(folder)
program = Path(sys.executable).with_name("mlserver")
os.execv(program, ["mlserver", "start", "."])
