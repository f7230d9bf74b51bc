"""TorchServe: Java answers HTTP and makes batches, a Python process a core computes.

Documented: `minWorkers`, `batchSize` with `maxBatchDelay` in milliseconds, system metrics off, a log of warnings only.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

own, programs = Path(__file__).resolve().parent, Path(sys.executable).parent
name, workers = os.environ["BENCH_MODEL"], int(os.environ["BENCH_WORKERS"])
management, metrics, inference_grpc, management_grpc = os.environ["BENCH_SPARE_PORTS"].split()
folder = Path(sys.prefix) / "serving"
shutil.rmtree(folder, ignore_errors=True)
store = folder / "store"
store.mkdir(parents=True)
archive = ["--model-name", name, "--version", "1", "--handler", str(own / "handler.py")]
place = ["--export-path", str(store), "--archive-format", "no-archive"]
subprocess.run([programs / "torch-model-archiver", *archive, *place], check=True)
model = {
    "defaultVersion": True,
    "marName": name,
    "minWorkers": workers,
    "maxWorkers": workers,
    "batchSize": 32,
    "maxBatchDelay": 1,
    "responseTimeout": 60,
}
settings = {
    "inference_address": f"http://127.0.0.1:{os.environ['BENCH_PORT']}",
    "management_address": f"http://127.0.0.1:{management}",
    "metrics_address": f"http://127.0.0.1:{metrics}",
    "grpc_inference_port": inference_grpc,
    "grpc_management_port": management_grpc,
    "disable_token_authorization": "true",
    "disable_system_metrics": "true",
    "model_store": store,
    "load_models": name,
    "models": json.dumps({name: {"1": model}}),
    "job_queue_size": 2000,
}
configuration = folder / "config.properties"
configuration.write_text("".join(f"{key}={value}\n" for key, value in settings.items()), "utf-8")
variables = {
    "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
    "TEMP": str(folder),
    "LOG_LOCATION": str(folder),
    "METRICS_LOCATION": str(folder),
}
arguments = ["--start", "--foreground", "--no-config-snapshots", "--log-config", str(own / "log4j2.xml")]
os.chdir(folder)
os.execve(
    programs / "torchserve",
    ["torchserve", *arguments, "--ts-config", str(configuration)],
    os.environ | variables,
)
