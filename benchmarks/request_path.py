"""What the service adds: requests over HTTP beside tokeniser and onnxruntime alone, in interleaved rounds.

One connection, one client thread, the service in a process of its own. `python -m benchmarks.request_path [--rounds 5]`
"""

import argparse
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bundle.manifest import MODEL_FILE, TOKENIZER_FILE, ClassifySpec, ForecastSpec
from bundle.store import list_versions, read_bundle, version_folder
from bundle.text import TextEncoder, pad
from service.batcher import bucket
from service.forecast import encode
from service.forecast_schema import SeriesInput
from service.runtime import Runtime

ROOT = Path(__file__).resolve().parents[1]
SHORT = "can you pick up some milk on the way home, and call me when you are there"
SERIES = [float(500_000 + 1_000 * (day % 7)) for day in range(112)]


def main() -> None:
    """Print microseconds per answer and their ratio, median of the rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=300, help="per round and case")
    chosen = parser.parse_args()
    store = ROOT / "models_store"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "SEQSERVE_PORT": str(port),
        "SEQSERVE_LOG_LEVEL": "warning",
        "SEQSERVE_STORE": str(store),
    }
    started = time.perf_counter()
    with subprocess.Popen([sys.executable, "-m", "service"], cwd=ROOT, env=environment) as server:
        try:
            _wait(port)
            print(f"ready after {time.perf_counter() - started:.2f} s")
            cases = {
                "one short text": ("/classify", {"model": "spam", "inputs": SHORT}, _texts_alone(store, [SHORT])),
                "32 short texts": (
                    "/classify",
                    {"model": "spam", "inputs": [SHORT] * 32},
                    _texts_alone(store, [SHORT] * 32),
                ),
                "one series of 112": ("/forecast", {"model": "ridership", "values": SERIES}, _series_alone(store)),
            }
            connection = http.client.HTTPConnection("127.0.0.1", port)
            print(f"{'':20} {'service µs':>12} {'alone µs':>12} {'ratio':>7}  spread of the ratio")
            for name, (path, body, alone) in cases.items():
                ask = _asker(connection, path, body)
                pairs = [(_time(ask, chosen.requests), _time(alone, chosen.requests)) for _ in range(chosen.rounds)]
                ratios = sorted(served / bare for served, bare in pairs)
                served, bare = (statistics.median(column) for column in zip(*pairs, strict=True))
                spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
                print(f"{name:20} {served:12.0f} {bare:12.0f} {statistics.median(ratios):7.2f}  {spread}")
        finally:
            server.terminate()


def _time(call: Callable[[], object], count: int) -> float:
    call()
    started = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - started) / count * 1e6


def _asker(connection: http.client.HTTPConnection, path: str, body: object) -> Callable[[], None]:
    content = json.dumps(body).encode()

    def ask() -> None:
        connection.request("POST", path, content, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
        assert response.status == 200, answer

    return ask


def _texts_alone(store: Path, texts: list[str]) -> Callable[[], object]:
    bundle = read_bundle(version_folder(store, "spam-cnn", list_versions(store)["spam-cnn"][-1]))
    assert isinstance(bundle.manifest.spec, ClassifySpec)
    runtime = Runtime(bundle.files[MODEL_FILE], bundle.manifest.inputs, bundle.manifest.outputs)
    encoder = TextEncoder(bundle.files[TOKENIZER_FILE].decode(), bundle.manifest.spec.max_tokens)

    def alone() -> object:
        rows = [encoder.encode(text).ids for text in texts]
        return runtime.run({"ids": pad(rows, bucket(max(map(len, rows))))})

    return alone


def _series_alone(store: Path) -> Callable[[], object]:
    name = "ridership-wavenet"
    bundle = read_bundle(version_folder(store, name, list_versions(store)[name][-1]))
    spec = bundle.manifest.spec
    assert isinstance(spec, ForecastSpec)
    runtime = Runtime(bundle.files[MODEL_FILE], bundle.manifest.inputs, bundle.manifest.outputs)
    row = encode(SeriesInput(values=list(SERIES)), spec, 1).row
    arrays = {key: np.expand_dims(value, 0) for key, value in row.items()}
    return lambda: runtime.run(arrays)


def _wait(port: int) -> None:
    for _ in range(1000):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.01)
    raise SystemExit("the service did not become ready")


if __name__ == "__main__":
    main()
