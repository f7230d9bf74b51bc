"""`python -m benchmarks.serving`: answers a second of each server under wrk, in interleaved rounds, and their ratios.

The load generator runs on the same machine, so on two CPUs the servers share them with it. An answer that isn't a 200
fails the run. `--workers 1 2`, `--connections 64`, `--texts 1 32`, `--rounds 5`, `--seconds 4`
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from bundle.store import list_versions

ROOT = Path(__file__).resolve().parents[2]
TEXT = "can you pick up some milk on the way home, and call me"
MODEL = "spam-cnn"
UVICORN = [sys.executable, "-m", "uvicorn", "--log-level", "error", "--no-access-log"]
SERVERS = {
    "seqserve": [sys.executable, "-m", "service"],
    "raw ASGI by hand, model inline": [*UVICORN, "benchmarks.serving.raw_asgi:app"],
    "FastAPI, model inline": [*UVICORN, "--factory", "benchmarks.serving.fastapi_inline:inline"],
    "FastAPI, no model": [*UVICORN, "--factory", "benchmarks.serving.fastapi_inline:without_model"],
    "uvicorn, constant answer": [*UVICORN, "benchmarks.serving.constant:app"],
}
ALONE = "tokeniser and onnxruntime alone"


def main() -> None:
    """Print a table for each number of workers and of texts a request."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--texts", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4, help="of one server in one round")
    chosen = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is needed: apt-get install wrk")
    store = ROOT / "models_store"
    bundle = store / MODEL / str(list_versions(store)[MODEL][-1])
    for workers in chosen.workers:
        with contextlib.ExitStack() as running:
            ports = {name: running.enter_context(_serving(name, workers, store, bundle)) for name in SERVERS}
            for texts in chosen.texts:
                measured: dict[str, list[float]] = {name: [] for name in (*SERVERS, ALONE)}
                for _ in range(chosen.rounds):
                    for name, port in ports.items():
                        measured[name].append(_load(port, chosen.connections, texts, chosen.seconds))
                    measured[ALONE].append(_alone(bundle, workers, texts, chosen.seconds))
                print(f"\n{workers} workers, {chosen.connections} connections, {texts} texts a request:\n")
                _print(measured)


def _print(measured: dict[str, list[float]]) -> None:
    ours = measured["seqserve"]
    print("| | requests/s | seqserve is | spread |\n|---|---|---|---|")
    for name, rates in measured.items():
        ratios = sorted(own / rate for own, rate in zip(ours, rates, strict=True))
        spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
        print(f"| {name} | {statistics.median(rates):,.0f} | {statistics.median(ratios):.2f} × | {spread} |")


@contextlib.contextmanager
def _serving(name: str, workers: int, store: Path, bundle: Path) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "SEQSERVE_PORT": str(port),
        "SEQSERVE_WORKERS": str(workers),
        "SEQSERVE_STORE": str(store),
        "BENCH_BUNDLE": str(bundle),
        "ORT_DISABLE_TELEMETRY": "1",
    }
    own = [] if name == "seqserve" else ["--port", str(port), "--workers", str(workers)]
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(
            [*SERVERS[name], *own], cwd=ROOT, env=os.environ | settings, stdout=log, start_new_session=True
        )
        try:
            for _ in range(300):
                with contextlib.suppress(OSError):
                    _ask(port)
                    break
                time.sleep(0.1)
            yield port
        finally:
            server.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(10)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)


def _body(texts: int) -> str:
    return json.dumps({"model": MODEL, "inputs": TEXT if texts == 1 else [TEXT] * texts})


def _ask(port: int) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/classify", _body(1).encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request).read()


def _load(port: int, connections: int, texts: int, seconds: int) -> float:
    """Answers a second. Raises `RuntimeError` if any isn't a 200."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write('wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n')
        script.write(f"wrk.body = [==[{_body(texts)}]==]\n")
        script.flush()
        url = f"http://127.0.0.1:{port}/classify"
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script.name, url]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(said)
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert found is not None
    return float(found[1])


def _count(bundle: Path, texts: int, seconds: int, counted: "multiprocessing.Queue[float]") -> None:
    from benchmarks.serving.engine import Engine

    engine, inputs = Engine(bundle), [TEXT] * texts
    engine.compute(inputs)
    count, began = 0, time.perf_counter()
    while (spent := time.perf_counter() - began) < seconds:
        engine.compute(inputs)
        count += 1
    counted.put(count / spent)


def _alone(bundle: Path, processes: int, texts: int, seconds: int) -> float:
    """Requests' worth of rows a second, in as many processes as workers."""
    context = multiprocessing.get_context("spawn")
    counted: multiprocessing.Queue[float] = context.Queue()
    running = [context.Process(target=_count, args=(bundle, texts, seconds, counted)) for _ in range(processes)]
    for process in running:
        process.start()
    total = sum(counted.get() for _ in running)
    for process in running:
        process.join()
    return total


if __name__ == "__main__":
    main()
