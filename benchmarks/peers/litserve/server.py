"""LitServe: an HTTP process and a worker process a core, with a queue of ZeroMQ between them, and batches.

Documented: on a CPU one worker a core, `fast_queue` from a hundred requests a second on, one API server a worker, and
batches of what has come.
"""

import os
from typing import Any

import litserve

from benchmarks.peers.work import answer_each
from benchmarks.serving.engine import from_environment


class Classify(litserve.LitAPI):
    """`POST /classify`, in batches."""

    def setup(self, device: str) -> None:  # noqa: ARG002
        """In each worker."""
        self._engine = from_environment()

    def decode_request(self, request: dict[str, Any]) -> dict[str, Any]:
        """As it came."""
        return request

    def batch(self, inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Bodies stay apart until the model's own arrays are made."""
        return inputs

    def predict(self, bodies: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """One answer a body."""
        return answer_each(self._engine, bodies)

    def unbatch(self, output: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """They are apart."""
        return output

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        """As it is."""
        return output


if __name__ == "__main__":
    workers = int(os.environ["BENCH_WORKERS"])
    api = Classify(api_path="/classify", max_batch_size=32, batch_timeout=0.0)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=workers, fast_queue=True)
    server.run(
        host="127.0.0.1",
        port=int(os.environ["BENCH_PORT"]),
        num_api_servers=workers,
        log_level="warning",
        generate_client_file=False,
        access_log=False,
    )
